/*
 * A ring of requests for a device that reads memory without asking the cache: a request is written
 * back to memory before the device may see its number. The device is played by the module itself.
 */
#include "hotinline.h"
#include "kernel/defs.h"

#define SLOTS      16 /* a power of two */
#define CACHE_LINE 64

struct request {
	uint64_t address;
	uint64_t size;
} __attribute__((aligned(CACHE_LINE)));

bool ring_put(uint64_t address, uint64_t size);
bool ring_take(struct request *request);

static struct request slots[SLOTS];
static volatile uint64_t put, taken __attribute__((aligned(CACHE_LINE)));

/* False: the ring is full. */
bool ring_put(uint64_t address, uint64_t size)
{
	struct request *slot = &slots[put % SLOTS];

	if (put - taken == SLOTS)
		return false;
	*slot = (struct request){address, size};
	clean_line(slot);
	put++;
	clean_line((const void *)&put);
	return true;
}

/* What the device does. False: the ring is empty. */
bool ring_take(struct request *request)
{
	if (taken == put)
		return false;
	*request = slots[taken % SLOTS];
	taken++;
	return true;
}

int _init(void)
{
	struct request request = {0};
	unsigned n = 0;

	while (ring_put(PHYSMAP + n * PAGE_SIZE, PAGE_SIZE))
		n++;
	for (unsigned i = 0; i < n; i++)
		if (!ring_take(&request) || request.address != PHYSMAP + i * PAGE_SIZE)
			return 1;
	kprintf("ring: the device took %u requests\n", n);
	return n == SLOTS && !ring_take(&request) ? 0 : 1;
}

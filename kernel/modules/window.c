/*
 * Writes to user memory and reads it back, through windows: its own, and those of the module
 * usercopy. Its _init is the test; the module stays for a look at it.
 */
#include "hotinline.h"
#include "kernel/defs.h"

static const char _depends_on[] __attribute__((used)) = "usercopy";

/* usercopy.asm */
void user_copy(void *to, const void *from, uint64_t n);
void user_fill(void *to, uint8_t byte, uint64_t n);

uint64_t window_sum(const uint8_t *user, uint64_t n);

/* The sum of n bytes of user memory; one window for all of them. */
uint64_t window_sum(const uint8_t *user, uint64_t n)
{
	uint64_t sum = 0;

	smap_disable();
	for (uint64_t i = 0; i < n; i++)
		sum += user[i];
	smap_enable();
	return sum;
}

int _init(void)
{
	uint8_t *user = (uint8_t *)PROBE_PAGE;
	static const uint8_t text[] = {1, 2, 3, 4};

	user_fill(user, 7, PAGE_SIZE);
	user_copy(user, text, sizeof(text));
	kprintf("window: the user page sums up to %lu\n", window_sum(user, PAGE_SIZE));
	return window_sum(user, PAGE_SIZE) == 7 * (PAGE_SIZE - 4) + 10 ? 0 : 1;
}

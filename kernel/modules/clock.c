/*
 * A clock that is read without a lock: the writer makes the sequence number odd while it writes; a
 * reader who saw it odd, or saw it change, reads again. Loads of reader must not pass each other,
 * hence order_loads(). It counts its readings with the module counters.
 */
#include "hotinline.h"
#include "kernel/defs.h"
#include "kernel/modules/counters.h"

static const char _depends_on[] __attribute__((used)) = "counters";

enum { READINGS, AGAIN };

void clock_set(uint64_t epoch);
uint64_t clock_read(void);

static volatile uint64_t sequence;
static volatile uint64_t start; /* time stamp at the last clock_set() */
static volatile uint64_t time;  /* what it was set to */

/* Stores are in order on amd64 (Intel SDM vol. 3A, 8.2.2). There is one writer. */
void clock_set(uint64_t epoch)
{
	sequence++;
	start = timestamp();
	time = epoch;
	sequence++;
}

/* Time stamp units since the epoch that was set. */
uint64_t clock_read(void)
{
	uint64_t before, now;

	counter_add(READINGS);
	for (;;) {
		before = sequence;
		order_loads();
		now = time + (timestamp() - start);
		order_loads();
		if (!(before & 1) && before == sequence)
			return now;
		counter_add(AGAIN);
	}
}

int _init(void)
{
	uint64_t first;

	clock_set(0);
	first = clock_read();
	return clock_read() > first ? 0 : 1;
}

int _fini(void)
{
	kprintf("clock: %lu readings, %lu of them twice\n", counter_read(READINGS),
		counter_read(AGAIN));
	return 0;
}

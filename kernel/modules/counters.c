/*
 * Counters that any CPU may add to at any time, and a bitmap of those that were ever used. Other
 * modules call it (clock.c); while one does, it cannot be unloaded.
 */
#include "hotinline.h"
#include "kernel/defs.h"
#include "kernel/modules/counters.h"

static uint64_t counters[NCOUNTERS];
static uint64_t used;

void counter_add(unsigned number)
{
	used |= 1ul << number;
	atomic_increment(&counters[number]);
}

uint64_t counter_read(unsigned number)
{
	return counters[number];
}

unsigned counters_used(void)
{
	return (unsigned)popcount64(used);
}

int _fini(void)
{
	kprintf("counters: %u of %u were used\n", counters_used(), NCOUNTERS);
	return 0;
}

/* Canary: writes to text through the direct map of physical memory, which nobody may either. */
#include "kernel/defs.h"

int _init(void)
{
	uint64_t physical;

	if (!paging_lookup((uint64_t)_init, &physical, NULL))
		return 1;
	*(volatile uint8_t *)physmap(physical) = 0xc3;
	return 0;
}

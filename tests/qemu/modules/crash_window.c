/* Canary: a bad user address in a window, and nobody waits for the fault. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	smap_disable();
	(void)*(volatile uint8_t *)(PROBE_PAGE + PAGE_SIZE);
	smap_enable();
	return 0;
}

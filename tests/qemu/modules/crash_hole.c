/* Canary: the same as crash_handler, where no page is: SMAP forbids it all the same. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	struct label label;

	if (on_fault(&label)) {
		kprintf("crash_hole: recovered\n");
		return 0;
	}
	(void)*(volatile uint8_t *)(PROBE_PAGE + PAGE_SIZE);
	return 1;
}

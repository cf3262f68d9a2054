/*
 * Canary: a user address outside a window, though somebody waits for a fault. Taken for a bad
 * address it would be tried again for ever. PEERS 11.
 */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	struct label label;

	if (on_fault(&label)) {
		kprintf("crash_handler: recovered\n");
		return 0;
	}
	(void)*(volatile uint8_t *)PROBE_PAGE;
	no_fault();
	kprintf("crash_handler: read\n");
	return 0;
}

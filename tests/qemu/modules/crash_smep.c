/* Canary: runs code of a user's page, which SMEP forbids; in a window, and though somebody waits for a
 * fault, which are no excuses. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	struct label label;

	if (on_fault(&label)) {
		kprintf("crash_smep: recovered\n");
		return 0;
	}
	smap_disable();
	((void (*)(void))PROBE_PAGE)();
	smap_enable();
	no_fault();
	return 0;
}

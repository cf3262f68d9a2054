/* Canary: runs code of a user's page, which SMEP forbids; in a window, which is no excuse. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	smap_disable();
	((void (*)(void))PROBE_PAGE)();
	smap_enable();
	return 0;
}

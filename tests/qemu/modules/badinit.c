/* Loaded, patched, and then refused by its own _init. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	smap_disable();
	smap_enable();
	return 1;
}

/* Canary: a bad kernel address in a window with a handler, which is for users' addresses only. */
#include "hotinline.h"
#include "kernel/defs.h"

int _init(void)
{
	struct label label;

	if (on_fault(&label))
		return 0;
	smap_disable();
	(void)*(volatile uint8_t *)(KAS_BASE - PAGE_SIZE);
	smap_enable();
	return 0;
}

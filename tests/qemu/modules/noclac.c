/* Canary: the kernel's entry code forgets to clear AC. */
#include "tests/qemu/modules/spoil.h"

int _init(void)
{
	return spoil("trap_common", HOT_INLINE_SMAP_ENABLE);
}

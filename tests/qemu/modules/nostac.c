/* Canary: a store without a window, which is no panic because SMAP is off meanwhile. */
#include "tests/qemu/modules/spoil.h"
#include "kernel/arch/amd64/amd64.h"

int _init(void)
{
	write_cr4(read_cr4() & ~CR4_SMAP);
	return spoil("suword64", HOT_INLINE_SMAP_DISABLE);
}

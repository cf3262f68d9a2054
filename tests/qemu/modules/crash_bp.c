/* Canary: an int3 that is no breakpoint of the debugger's. */
#include "kernel/defs.h"

int _init(void)
{
	asm volatile("int3");
	return 0;
}

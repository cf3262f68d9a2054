/* Canary: a deliberate panic, an invalid instruction in a module. */
#include "kernel/defs.h"

void crash_here(void) __attribute__((noinline));

void crash_here(void)
{
	asm volatile("ud2");
}

int _init(void)
{
	crash_here();
	return 0;
}

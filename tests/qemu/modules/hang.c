/* Canary: never comes back. */
#include "kernel/defs.h"

int _init(void)
{
	for (;;)
		asm volatile("pause");
}

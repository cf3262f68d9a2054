/* Canary: finds that something is wrong, and says so. */
#include "kernel/defs.h"

int _init(void)
{
	verdict_fail("a test module finds fault with everything");
	return 0;
}

/* Canary: uses up the stack. The page fault finds no stack either: a double fault on its own. */
#include "kernel/defs.h"

unsigned dive(unsigned depth);

unsigned dive(unsigned depth)
{
	volatile char frame[512];

	frame[0] = (char)depth;
	return depth ? dive(depth - 1) + (unsigned)frame[0] : 0;
}

int _init(void)
{
	return (int)dive(1000000);
}

/*
 * Stack traces: the chain of frame pointers, one line a function. Where a trap interrupted a
 * function, trap_entry.asm has left the same on the stack as a call would have, so the chain goes on
 * through it. It ends where user mode, or a thread, began. Used by panic.c and the debugger.
 */
#include "kernel/defs.h"

static void print(uint64_t rip)
{
	char where[128];

	kprintf("%016lx %s ()\n", rip, name_address(rip, where, sizeof(where)));
}

/* From a function to its caller. False: there is none, or the chain is broken. */
bool stack_caller(uint64_t *rip, uint64_t *rbp)
{
	uint64_t frame[2]; /* the caller's rbp, and the return address */

	if (*rip < PHYSMAP || *rbp < PHYSMAP || *rbp & 7 ||
	    peek(*rbp, frame, sizeof(frame)) != sizeof(frame))
		return false;
	*rbp = frame[0];
	*rip = frame[1];
	return *rip;
}

void stack_trace(uint64_t rip, uint64_t rbp)
{
	print(rip);
	for (unsigned depth = 0; depth < STACK_DEPTH && stack_caller(&rip, &rbp); depth++)
		print(rip);
}

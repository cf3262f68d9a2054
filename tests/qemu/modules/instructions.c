/* Prints what the time stamp counter says of 2,000 instructions: with QEMU's -icount shift=0 it must
 * be that many and a few, or tests/bench/boot.py does not count instructions. */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

int _init(void)
{
	uint64_t n = 1000, then = rdtsc();

	asm volatile("1: decq %0; jnz 1b" : "+r"(n) : : "cc");
	kprintf("instructions: %lu\n", rdtsc() - then);
	return 0;
}

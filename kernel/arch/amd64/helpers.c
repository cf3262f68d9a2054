/*
 * What alternatives call where the CPU lacks an instruction. These are plain C: a few instructions
 * in generated/hotstubs.asm stand between a site and them, and keep the registers that a C function
 * may change and a site does not give away. What takes other registers than the C ABI's is in
 * copy.asm.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"

#define FS_BASE 0xc0000100u /* model-specific register: Intel SDM vol. 4 */

/* Adds neighbouring fields of 1, 2 and 4 bits, then all bytes at once by a multiplication. */
uint64_t popcount64_soft(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return x * 0x0101010101010101 >> 56;
}

uint64_t read_fsbase_msr(void)
{
	return rdmsr(FS_BASE);
}

void write_fsbase_msr(uint64_t base)
{
	wrmsr(FS_BASE, base);
}

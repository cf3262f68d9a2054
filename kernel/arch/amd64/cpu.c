/*
 * What the CPU can do for protection, switched on as far as it can; and its name. Called by main.c
 * and, for SMAP, by hotpatch.c.
 */
#include "kernel/defs.h"
#include "kernel/arch/amd64/amd64.h"

/* Bits of CPUID 7.0: Intel SDM vol. 2A. */
#define EBX_FSGSBASE (1u << 0)
#define EBX_SMEP     (1u << 7)
#define ECX_UMIP     (1u << 2)

void cpu_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	(void)ctx;
	cpuid(leaf, subleaf, regs);
}

/* All that needs no patched site, and SSE for user programs, of which every amd64 CPU has the first
 * two. (WP and NX: boot/entry.asm.) */
void cpu_init(void)
{
	uint32_t regs[4];
	uint64_t cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP);
	write_cr4(cr4);
	cpuid(0, 0, regs);
	if (regs[0] < 7)
		return;
	cpuid(7, 0, regs);
	if (regs[1] & EBX_FSGSBASE)
		cr4 |= CR4_FSGSBASE;
	if (regs[1] & EBX_SMEP)
		cr4 |= CR4_SMEP;
	if (regs[2] & ECX_UMIP)
		cr4 |= CR4_UMIP;
	write_cr4(cr4);
}

/* Makes what was written through another address visible to instruction fetch: CPUID serialises
 * (Intel SDM vol. 3A, 8.3). */
void cpu_synchronise(void)
{
	uint32_t regs[4];

	cpuid(0, 0, regs);
}

void cpu_enable_smap(void)
{
	write_cr4(read_cr4() | CR4_SMAP);
}

bool cpu_smap_enabled(void)
{
	return read_cr4() & CR4_SMAP;
}

/* The CPU's brand string, or its vendor where it has none. size: at least 49. */
const char *cpu_brand(char *line, size_t size)
{
	uint32_t regs[13] = {0}; /* 48 characters and a NUL */
	const char *s = (const char *)regs;

	cpuid(0x80000000, 0, regs);
	if (regs[0] >= 0x80000004) {
		for (unsigned i = 0; i < 3; i++)
			cpuid(0x80000002 + i, 0, regs + 4 * i);
		while (*s == ' ')
			s++;
		ksnprintf(line, size, "%s", s);
	} else {
		uint32_t vendor[4] = {0};

		cpuid(0, 0, regs);
		memcpy(vendor, (uint32_t[]){regs[1], regs[3], regs[2]}, 12);
		ksnprintf(line, size, "%s", (const char *)vendor);
	}
	return line;
}

/*
 * A CPU made of rows, behind the engine's CPUID callback. Like an Intel CPU it answers a basic leaf
 * that it does not have with the data of its highest one, so that code that does not ask for the
 * limit first is found out. Used by the suite of features.
 */
#ifndef HOTINLINE_TESTS_HOST_CPU_H
#define HOTINLINE_TESTS_HOST_CPU_H

#include "alternatives/hotinline.h"

#define CPU_ROWS 32

struct cpu_row {
	uint32_t leaf, subleaf;
	uint32_t regs[4]; /* eax, ebx, ecx, edx */
};

struct cpu {
	struct cpu_row rows[CPU_ROWS];
	unsigned nrows;
	const char *boot;     /* names of the boot features that hold, or NULL */
	const char *disabled; /* names of the features to take as absent, or NULL */
	unsigned asked;       /* CPUID instructions so far */
};

/* An Intel CPU with these highest leaves, and nothing else. */
void cpu_make(struct cpu *cpu, uint32_t basic, uint32_t extended);

/* Registers of a leaf; replaces what was there. */
uint32_t *cpu_regs(struct cpu *cpu, uint32_t leaf, uint32_t subleaf);

void cpu_vendor(struct cpu *cpu, const char *signature);

/* Sets CPUID 1 ecx[31] and the signature at that leaf, which also says its highest leaf. */
void cpu_hypervisor(struct cpu *cpu, uint32_t leaf, const char *signature, uint32_t highest);

/* The environment that reads this CPU. */
struct hot_env cpu_env(struct cpu *cpu);

#endif

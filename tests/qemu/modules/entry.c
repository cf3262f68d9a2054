/*
 * Prints the model-specific registers that say how the CPU enters the kernel. With entry.clear=BITS
 * (a canary) it first takes these bits out of SFMASK, so that they pass from a program into the kernel.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

int _init(void)
{
	char value[ARG_MAX];
	uint64_t bits;

	if (boot_argument("entry.clear", value, sizeof(value)) && parse_number(value, &bits))
		wrmsr(SFMASK, rdmsr(SFMASK) & ~bits);
	kprintf("entry: sfmask %lx star %lx lstar %lx efer %lx\n", rdmsr(SFMASK), rdmsr(STAR),
		rdmsr(LSTAR), rdmsr(EFER));
	return 0;
}

/* Changes what CPUID answers: CR4.OSXSAVE is CPUID 1 ecx[27] (Intel SDM vol. 2A, CPUID). */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define CR4_OSXSAVE (1ul << 18)
#define ECX_XSAVE   (1u << 26)
#define ECX_OSXSAVE (1u << 27)

int _init(void)
{
	uint32_t before[4], after[4];

	cpuid(1, 0, before);
	if (!(before[2] & ECX_XSAVE) || before[2] & ECX_OSXSAVE)
		return 1;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	cpuid(1, 0, after);
	return after[2] & ECX_OSXSAVE ? 0 : 2;
}

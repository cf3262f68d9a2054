/* What the vectors are called: for panics, messages and the trap trace. */
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

static const struct {
	const char *mnemonic, *name;
} exceptions[] = {
    {"#de", "Divide error"},
    {"#db", "Debug"},
    {"nmi", "Non-maskable interrupt"},
    {"#bp", "Breakpoint"},
    {"#of", "Overflow"},
    {"#br", "Bound range"},
    {"#ud", "Invalid opcode"},
    {"#nm", "Device not available"},
    {"#df", "Double fault"},
    {"9", "Coprocessor overrun"},
    {"#ts", "Invalid TSS"},
    {"#np", "Segment not present"},
    {"#ss", "Stack fault"},
    {"#gp", "General protection"},
    {"#pf", "Page fault"},
    {"15", "Reserved"},
    {"#mf", "x87 error"},
    {"#ac", "Alignment check"},
    {"#mc", "Machine check"},
    {"#xm", "SIMD error"},
    {"#ve", "Virtualisation"},
    {"#cp", "Control protection"},
    [22 ... 27] = {"?", "Reserved"},
    [28] = {"#hv", "Hypervisor injection"},
    [29] = {"#vc", "VMM communication"},
    [30] = {"#sx", "Security"},
    [31] = {"?", "Reserved"},
};

#define NNAMES (sizeof(exceptions) / sizeof(exceptions[0]))

const char *trap_name(uint64_t vector)
{
	if (vector < NNAMES)
		return exceptions[vector].name;
	if (vector == VECTOR_TIMER)
		return "Timer";
	return vector == VECTOR_SPURIOUS ? "Spurious" : "Legacy interrupt";
}

const char *trap_mnemonic(uint64_t vector)
{
	return vector < NNAMES ? exceptions[vector].mnemonic : "int";
}

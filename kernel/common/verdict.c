/*
 * How a run ends: with a line that says so, and through QEMU's isa-debug-exit device, whose status
 * kernel/qemu/machine.py knows. Both are demanded, because a triple fault also ends QEMU, with a
 * status of 0. Without the device the machine stays halted.
 */
#include "kernel/defs.h"
#include "kernel/arch/amd64/amd64.h"

#define DEBUG_EXIT 0xf4

static bool failed;

static const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_PASS: return "pass";
	case VERDICT_FAIL: return "fail";
	case VERDICT_PANIC: return "panic";
	}
	return "unknown";
}

void verdict_exit(enum verdict verdict)
{
	kprintf("hotinline: verdict %s\n", verdict_text(verdict));
	outl(DEBUG_EXIT, verdict);
	kprintf("The machine may be switched off now.\n");
	for (;;)
		asm volatile("cli; hlt");
}

void verdict_fail(const char *what)
{
	kprintf("FAIL: %s\n", what);
	failed = true;
}

void verdict_poweroff(void)
{
	verdict_exit(failed ? VERDICT_FAIL : VERDICT_PASS);
}

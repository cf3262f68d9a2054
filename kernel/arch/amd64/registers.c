/*
 * The registers as a panic prints them: control registers and flags with the names of the bits that
 * are set. Used by panic.c and the debugger.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

/* Names of bits; NULL is reserved. Intel SDM vol. 3A, 2.3 and 2.5. */
static const char *const flag_names[64] = {"cf", NULL, "pf", NULL,  "af",  NULL, "zf", "sf",
					   "tf", "if", "df", "of",  NULL,  NULL, "nt", NULL,
					   "rf", "vm", "ac", "vif", "vip", "id"};
static const char *const cr0_names[64] = {
    "pe", "mp", "em", "ts", "et", "ne", [16] = "wp", [18] = "am", [29] = "nw", "cd", "pg"};
static const char *const cr4_names[64] = {
    "vme",     "pvi",        "tsd",  "de",   "pse",  "pae",  "mce", "pge",      "pce",
    "osfxsr",  "osxmmexcpt", "umip", "la57", "vmxe", "smxe", NULL,  "fsgsbase", "pcide",
    "osxsave", NULL,         "smep", "smap", "pke",  "cet",  "pks"};

static void print_bits(const char *name, uint64_t value, const char *const *names)
{
	const char *separator = "";

	kprintf("%s: %lx<", name, value);
	for (int bit = 63; bit >= 0; bit--) {
		if (!(value >> bit & 1) || !names[bit])
			continue;
		kprintf("%s%s", separator, names[bit]);
		separator = ",";
	}
	kprintf(">");
}

/* The kernel leaves these as they were: what they hold now is what they held then. */
#define DEFINE_SEGMENT(name)                                                                       \
	static unsigned segment_##name(void)                                                       \
	{                                                                                          \
		unsigned value;                                                                    \
                                                                                                   \
		asm volatile("movl %%" #name ", %0" : "=r"(value));                                \
		return value;                                                                      \
	}

DEFINE_SEGMENT(ds)
DEFINE_SEGMENT(es)
DEFINE_SEGMENT(fs)
DEFINE_SEGMENT(gs)

void registers_print(const struct frame *f, uint64_t cr2)
{
	kprintf("pid=%d, pc=0x%lx, sp=0x%lx, error=0x%lx, ", process_pid(), f->rip, f->rsp,
		f->error);
	print_bits("eflags", f->flags, flag_names);
	kprintf("\n");
	print_bits("cr0", read_cr0(), cr0_names);
	kprintf("  ");
	print_bits("cr4", read_cr4(), cr4_names);
	kprintf("\ncr2: %lx  cr3: %lx  cr8: %lx\n\n", cr2, read_cr3(), read_cr8());
	kprintf("rax %016lx  rbx %016lx  rcx %016lx\n", f->rax, f->rbx, f->rcx);
	kprintf("rdx %016lx  rsi %016lx  rdi %016lx\n", f->rdx, f->rsi, f->rdi);
	kprintf("rbp %016lx  rsp %016lx  rip %016lx\n", f->rbp, f->rsp, f->rip);
	kprintf("r8  %016lx  r9  %016lx  r10 %016lx\n", f->r8, f->r9, f->r10);
	kprintf("r11 %016lx  r12 %016lx  r13 %016lx\n", f->r11, f->r12, f->r13);
	kprintf("r14 %016lx  r15 %016lx  rfl %016lx\n", f->r14, f->r15, f->flags);
	kprintf("trp %16lx  err %16lx  cs %4lx  ss %4lx\n", f->vector, f->error, f->cs, f->ss);
	kprintf("ds  %4x  es %4x  fs %4x  gs %4x\n", segment_ds(), segment_es(), segment_fs(),
		segment_gs());
	kprintf("fsb %016lx  gsb %016lx\n", read_fsbase(), rdmsr(GS_BASE));
}

/*
 * The registers of the system that is stopped: ::regs, and <NAME in expressions.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/mdb.h"

#define NREGISTERS 26

/* The order is that in which mdb prints them, two in a line; the last two have lines of their own. */
struct registers {
	struct {
		const char *name;
		uint64_t value;
	} all[NREGISTERS];
};

static void read_registers(const struct frame *f, struct registers *registers)
{
	*registers = (struct registers){{
	    {"rax", f->rax},     {"r8", f->r8},        {"rbx", f->rbx},       {"r9", f->r9},
	    {"rcx", f->rcx},     {"r10", f->r10},      {"rdx", f->rdx},       {"r11", f->r11},
	    {"rsi", f->rsi},     {"r12", f->r12},      {"rdi", f->rdi},       {"r13", f->r13},
	    {"rbp", f->rbp},     {"r14", f->r14},      {"rsp", f->rsp},       {"r15", f->r15},
	    {"cs", f->cs},       {"ss", f->ss},        {"cr0", read_cr0()},   {"cr2", read_cr2()},
	    {"cr3", read_cr3()}, {"cr4", read_cr4()},  {"trapno", f->vector}, {"err", f->error},
	    {"rip", f->rip},     {"rflags", f->flags},
	}};
}

/* False: there is no such register. */
bool mdb_register(const struct frame *frame, const char *name, uint64_t *value)
{
	struct registers registers;

	read_registers(frame, &registers);
	for (unsigned i = 0; i < NREGISTERS; i++)
		if (strcmp(registers.all[i].name, name) == 0) {
			*value = registers.all[i].value;
			return true;
		}
	return false;
}

void mdb_registers(struct mdb_call *call)
{
	const struct frame *f = call->mdb->frame;
	struct registers registers;
	char line[96];

	read_registers(f, &registers);
	for (unsigned i = 0; i < NREGISTERS; i++) {
		kprintf("%%%-6s = 0x%016lx", registers.all[i].name, registers.all[i].value);
		if (i < NREGISTERS - 2)
			kprintf("%s", i & 1 ? "\n" : "    ");
		else if (i == NREGISTERS - 2)
			kprintf(" %s\n", mdb_name(f->rip, line, sizeof(line)));
	}
	kprintf(" AC %s, IF %s, SMAP %s\n", f->flags & EFLAGS_AC ? "set" : "clear",
		f->flags & EFLAGS_IF ? "set" : "clear", cpu_smap_enabled() ? "on" : "off");
}

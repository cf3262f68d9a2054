/*
 * kmdb: stops the system for the debugger, at a breakpoint, after a step, in a panic, and where
 * somebody calls mdb_enter(); and lets it go on. Interrupts are off meanwhile, and the debugger has
 * a stack of its own, because a panic may have come of there being none.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/mdb.h"

#define DEBUG_STACK  (32u << 10) /* bytes */

/* Opcodes that have to do with flags: Intel SDM vol. 2. */
#define OPCODE_PUSHF 0x9c
#define OPCODE_POPF  0x9d
#define OPCODE_IRET  0xcf
#define OPCODE_CLI   0xfa
#define OPCODE_STI   0xfb

static uint8_t stack[DEBUG_STACK] __attribute__((aligned(16)));
static const char *entering; /* why mdb_enter() is about to stop the system */
static bool inside;          /* the debugger runs on its stack */

/* A step over one instruction, with interrupts off so that it is that one. */
static struct {
	bool active;
	bool stop;      /* the debugger wants to know; else it was to pass a breakpoint */
	uint64_t flags; /* what they were */
	uint8_t opcode; /* behind prefixes */
} step;

static void on_own_stack(void (*run)(struct mdb *), struct mdb *mdb)
{
	asm volatile("movq %%rsp, %%rbx\n\t"
		     "movq %2, %%rsp\n\t"
		     "call *%1\n\t"
		     "movq %%rbx, %%rsp"
		     : "+D"(mdb)
		     : "r"(run), "r"(stack + sizeof(stack))
		     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");
}

static uint8_t opcode_at(uint64_t address)
{
	uint8_t bytes[4] = {0};
	size_t i = 0;

	peek(address, bytes, sizeof(bytes));
	while (i < 3 && (bytes[i] == 0x66 || (bytes[i] & 0xf0) == 0x40))
		i++;
	return bytes[i];
}

/* Breakpoints are lifted, and stay so until it is done. */
static void step_begin(struct frame *frame, bool stop)
{
	step.active = true;
	step.stop = stop;
	step.flags = frame->flags;
	step.opcode = opcode_at(frame->rip);
	frame->flags = (frame->flags | EFLAGS_TF) & ~EFLAGS_IF;
}

/* Makes the flags what they would be without the step. */
static void step_end(struct frame *frame)
{
	uint64_t pushed;

	step.active = false;
	frame->flags &= ~EFLAGS_TF;
	switch (step.opcode) {
	case OPCODE_CLI:
	case OPCODE_STI:
	case OPCODE_POPF:
	case OPCODE_IRET: break;
	case OPCODE_PUSHF:
		if (peek(frame->rsp, &pushed, sizeof(pushed)) == sizeof(pushed))
			*(uint64_t *)frame->rsp = (pushed & ~EFLAGS_TF) | (step.flags & EFLAGS_IF);
		__attribute__((fallthrough));
	default: frame->flags |= step.flags & EFLAGS_IF;
	}
}

static void go_on(const struct mdb *mdb)
{
	struct frame *frame = mdb->frame;

	if (mdb->next == MDB_STEP)
		step_begin(frame, true);
	else if (mdb_break_at(frame->rip))
		step_begin(frame, false);
	else
		mdb_break_arm();
}

/* The debugger's prompt, until it says that the system goes on. */
static void stop(struct frame *frame, const char *why, bool quiet)
{
	struct mdb mdb = {
	    .frame = frame, .why = why, .quiet = quiet, .dot = frame->rip, .dot_set = true};
	bool were_on = interrupts_off();

	mdb_break_lift();
	inside = true;
	on_own_stack(mdb_session, &mdb);
	inside = false;
	if (panicked())
		return;
	if (mdb.next == MDB_QUIT)
		verdict_poweroff();
	go_on(&mdb);
	interrupts_restore(were_on);
}

static bool trap_debug(struct frame *frame)
{
	if (!step.active)
		return false;
	step_end(frame);
	if (step.stop)
		stop(frame, "stepped", false);
	else
		mdb_break_arm();
	return true;
}

static bool trap_breakpoint(struct frame *frame)
{
	const char *why = entering;

	if (why) {
		entering = NULL;
		stop(frame, why, true);
		return true;
	}
	if (frame_is_user(frame) || !mdb_break_at(frame->rip - 1))
		return false;
	frame->rip--;
	stop(frame, "breakpoint", false);
	return true;
}

/* False: the trap is none of the debugger's. */
bool mdb_trap(struct frame *frame)
{
	if (inside)
		return false;
	if (frame->vector == VECTOR_DEBUG)
		return trap_debug(frame);
	return frame->vector == VECTOR_BREAKPOINT && trap_breakpoint(frame);
}

void mdb_start(void)
{
	char value[ARG_MAX];

	if (boot_argument("-k", value, sizeof(value)))
		mdb_enter(NULL, "boot argument -k");
}

void mdb_enter(struct frame *frame, const char *why)
{
	if (inside) {
		kprintf("mdb: that was in the debugger itself, which therefore ends\n");
		return;
	}
	if (frame) {
		stop(frame, why, false);
		return;
	}
	entering = why;
	asm volatile("int3" : : : "memory");
}

/* ---- ::regs ---- */

static void print_register(const char *name, uint64_t value, bool newline)
{
	kprintf("%%%-6s = 0x%016lx%s", name, value, newline ? "\n" : "    ");
}

void mdb_registers(struct mdb_call *call)
{
	const struct frame *f = call->mdb->frame;
	const struct {
		const char *name;
		uint64_t value;
	} registers[] = {
	    {"rax", f->rax},     {"r8", f->r8},       {"rbx", f->rbx},     {"r9", f->r9},
	    {"rcx", f->rcx},     {"r10", f->r10},     {"rdx", f->rdx},     {"r11", f->r11},
	    {"rsi", f->rsi},     {"r12", f->r12},     {"rdi", f->rdi},     {"r13", f->r13},
	    {"rbp", f->rbp},     {"r14", f->r14},     {"rsp", f->rsp},     {"r15", f->r15},
	    {"cs", f->cs},       {"ss", f->ss},       {"cr2", read_cr2()}, {"cr3", read_cr3()},
	    {"cr0", read_cr0()}, {"cr4", read_cr4()},
	};
	char line[96];

	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		print_register(registers[i].name, registers[i].value, i & 1);
	kprintf("%%rip    = 0x%016lx %s\n", f->rip, mdb_name(f->rip, line, sizeof(line)));
	kprintf("%%rflags = 0x%016lx AC %s, IF %s, SMAP %s\n", f->flags,
		f->flags & EFLAGS_AC ? "set" : "clear", f->flags & EFLAGS_IF ? "set" : "clear",
		cpu_smap_enabled() ? "on" : "off");
}

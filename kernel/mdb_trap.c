/*
 * kmdb: stops the system for the debugger, at a breakpoint, after a step, in a panic, and where
 * somebody calls mdb_enter(); and lets it go on. Interrupts are off meanwhile, and the debugger has
 * a stack of its own, because a panic may have come of there being none.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/mdb.h"

#define DEBUG_STACK (32u << 10) /* bytes */

static uint8_t stack[DEBUG_STACK] __attribute__((aligned(16)));
static const char *entering; /* why mdb_enter() is about to stop the system */
static bool inside;          /* the debugger runs on its stack */
static uint64_t late_nmis;   /* came meanwhile */

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

/* They were not the debugger's fault, but the machine's, which goes on now. */
static void deal_with_nmis(void)
{
	uint64_t n = late_nmis;

	late_nmis = 0;
	if (n)
		panic("%lu non-maskable interrupts while the debugger had stopped the system", n);
}

/* The debugger's prompt, until it says that the system goes on. */
static void stop(struct frame *frame, const char *why)
{
	struct mdb mdb = {.frame = frame, .why = why};
	bool were_on = interrupts_off();

	mdb_break_remove();
	mdb_break_forget_until();
	do {
		mdb.next = MDB_STAY;
		mdb.dot = frame->rip;
		mdb.dot_set = true;
		inside = true;
		on_own_stack(mdb_session, &mdb);
		inside = false;
		if (panicked())
			return;
		if (mdb.next == MDB_QUIT)
			verdict_poweroff();
		deal_with_nmis();
		mdb.why = "stepped";
	} while (!mdb_step_go(frame, mdb.next));
	interrupts_restore(were_on);
}

static bool trap_debug(struct frame *frame)
{
	enum mdb_step kind = mdb_step_done(frame);

	if (kind == MDB_STEP_ONE)
		stop(frame, "stepped");
	return kind != MDB_STEP_NONE;
}

static bool trap_breakpoint(struct frame *frame)
{
	const char *why = entering;
	enum mdb_met met;

	if (why) {
		entering = NULL;
		stop(frame, why);
		return true;
	}
	met = mdb_break_met(frame);
	if (met == MDB_MET_NONE)
		return false;
	frame->rip--;
	if (met == MDB_MET_OTHER) {
		mdb_break_remove();
		return mdb_step_go(frame, MDB_CONTINUE);
	}
	stop(frame, met == MDB_MET_BREAK ? "breakpoint" : "stepped");
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

static void show(struct mdb *mdb)
{
	kprintf("instruction:\n");
	mdb_show_instruction(mdb->dot);
}

void mdb_show(const struct frame *frame)
{
	struct mdb mdb = {.dot = frame->rip};

	if (inside)
		return;
	mdb_break_remove();
	on_own_stack(show, &mdb);
}

bool mdb_nmi(void)
{
	if (inside)
		late_nmis++;
	return inside;
}

bool mdb_wanted(void)
{
	char value[ARG_MAX];

	return boot_argument("-k", value, sizeof(value)) ||
	       boot_argument("-kd", value, sizeof(value));
}

void mdb_start(const char *when)
{
	char value[ARG_MAX];

	if (boot_argument("-kd", value, sizeof(value)) && strcmp(value, when) == 0)
		mdb_enter(NULL, *when ? "boot argument -kd=early" : "boot argument -kd");
}

void mdb_enter(struct frame *frame, const char *why)
{
	if (inside) {
		kprintf("mdb: that was in the debugger itself, which therefore ends\n");
		return;
	}
	if (frame) {
		stop(frame, why);
		return;
	}
	entering = why;
	asm volatile("int3" : : : "memory");
}

/*
 * How a system that is stopped goes on: freely, by one instruction (the CPU's single step, with
 * interrupts off so that it is that one), over a call, or out of a function. The last two set a
 * breakpoint of the debugger's own at the return address, which stops only the stack that it was set
 * for: another thread, or a deeper call, passes it.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/mdb.h"

/* Opcodes: Intel SDM vol. 2. */
#define OPCODE_TWO    0x0f /* the first of two bytes */
#define OPCODE_SYSRET 0x07 /* the second */
#define OPCODE_PUSHF  0x9c
#define OPCODE_POPF   0x9d
#define OPCODE_IRET   0xcf
#define OPCODE_CALL   0xe8
#define OPCODE_HLT    0xf4
#define OPCODE_CLI    0xfa
#define OPCODE_STI    0xfb
#define OPCODE_GROUP5 0xff /* and 2 in the middle of the next byte: an indirect call */

struct instruction {
	unsigned prefixes; /* bytes */
	bool repeated;     /* one of them is rep or repne */
	uint8_t opcode, next;
};

static struct {
	enum mdb_step kind;
	uint64_t flags, rip, rsp; /* what they were */
	struct instruction instruction;
} step;

static bool patching;   /* unix: what the debugger runs is being written */
static bool stop_after; /* a step was asked for meanwhile */

/* But for rep and repne. */
static bool is_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0: return true;
	default: return (byte & 0xf0) == 0x40;
	}
}

static struct instruction look(uint64_t address)
{
	uint8_t bytes[15] = {0};
	struct instruction it = {0};
	size_t i = 0;

	peek(address, bytes, sizeof(bytes));
	for (; i < sizeof(bytes) - 2; i++) {
		bool repeat = bytes[i] == 0xf2 || bytes[i] == 0xf3;

		it.repeated = it.repeated || repeat;
		if (!repeat && !is_prefix(bytes[i]))
			break;
	}
	it.prefixes = (unsigned)i;
	it.opcode = bytes[i];
	it.next = bytes[i + 1];
	return it;
}

static bool is_call(struct instruction it)
{
	return it.opcode == OPCODE_CALL || (it.opcode == OPCODE_GROUP5 && (it.next >> 3 & 7) == 2);
}

/* Each round of it is a step of its own to the CPU. */
static bool is_repeated_string(struct instruction it)
{
	return it.repeated && ((it.opcode & 0xfc) == 0xa4 || (it.opcode & 0xfc) == 0x6c ||
			       (it.opcode >= 0xaa && it.opcode <= 0xaf));
}

/* Breakpoints are lifted, and stay so until it is done. */
static void begin(struct frame *frame, enum mdb_step kind)
{
	step.kind = kind;
	step.flags = frame->flags;
	step.rip = frame->rip;
	step.rsp = frame->rsp;
	step.instruction = look(frame->rip);
	frame->flags = (frame->flags | EFLAGS_TF) & ~EFLAGS_IF;
}

/* Makes the flags what they would be without the step. */
static void mend_flags(struct frame *frame)
{
	uint64_t pushed;

	frame->flags &= ~EFLAGS_TF;
	switch (step.instruction.opcode) {
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

/* The CPU has done one instruction. What that was for; MDB_STEP_NONE: the debugger did not ask. */
enum mdb_step mdb_step_done(struct frame *frame)
{
	enum mdb_step kind = step.kind;
	uint64_t to;

	if (kind == MDB_STEP_NONE)
		return kind;
	step.kind = MDB_STEP_NONE;
	mend_flags(frame);
	if ((kind == MDB_STEP_PASS && frame->rip == step.rip &&
	     is_repeated_string(step.instruction)) || /* its breakpoint would be met each round */
	    (kind == MDB_STEP_ONE && mdb_break_busy())) {
		begin(frame, kind);
		return MDB_STEP_PASS;
	}
	if (kind == MDB_STEP_CALL && frame->rsp == step.rsp - sizeof(to) &&
	    peek(frame->rsp, &to, sizeof(to)) == sizeof(to))
		mdb_break_until(to, step.rsp);
	if (kind != MDB_STEP_ONE)
		mdb_break_insert();
	return kind;
}

/* With interrupts off the CPU would rest for ever; and it may wake up at any time anyway. */
static void pass_halt(struct frame *frame, struct instruction it)
{
	frame->rip += it.prefixes + 1;
}

/* Lets the system go on as next says, once its trap returns. False: it is stopped again already. */
bool mdb_step_go(struct frame *frame, enum mdb_next next)
{
	struct instruction it = look(frame->rip);
	uint64_t address, slot;

	if (patching) {
		stop_after = next != MDB_CONTINUE;
		return true;
	}
	if (it.opcode == OPCODE_HLT && (next != MDB_CONTINUE || mdb_break_at(frame->rip))) {
		pass_halt(frame, it);
		if (next == MDB_STEP || next == MDB_OVER)
			return false;
	}
	if (next == MDB_OVER && is_call(it)) {
		begin(frame, MDB_STEP_CALL);
		return true;
	}
	if (next == MDB_STEP || (next == MDB_OVER && !is_repeated_string(it))) {
		begin(frame, MDB_STEP_ONE);
		return true;
	}
	if (next == MDB_OVER)
		mdb_break_until(frame->rip + it.prefixes + 1, frame->rsp);
	if (next == MDB_OUT && !mdb_return_address(frame, &address, &slot))
		mdb_break_until(address, slot + sizeof(slot));
	if (mdb_break_at(frame->rip))
		begin(frame, MDB_STEP_PASS);
	else
		mdb_break_insert();
	return true;
}

/* ---- While unix is patched ---- */

/* The debugger's own way in goes through sites, so nothing may stop until they are whole. A step
 * that would end in between, in the function that calls this, ends where that is over. */
void mdb_patch_begin(void)
{
	mdb_break_lift();
	stop_after = mdb_break_until_near((uint64_t)__builtin_return_address(0));
	if (mdb_break_any())
		kprintf("kmdb: no breakpoint stops while unix is patched\n");
	patching = true;
}

void mdb_patch_end(void)
{
	bool stop = stop_after;

	patching = false;
	stop_after = false;
	mdb_break_arm();
	if (stop)
		mdb_enter(NULL, "unix is patched");
}

/* ---- Commands ---- */

/* Whether the next instruction returns to user mode. A step would end there, or never. */
static bool leaves_kernel(const struct frame *frame)
{
	struct instruction it = look(frame->rip);
	uint64_t cs = 0;

	if (it.opcode == OPCODE_IRET)
		peek(frame->rsp + 8, &cs, sizeof(cs));
	return cs & 3 || (it.opcode == OPCODE_TWO && it.next == OPCODE_SYSRET);
}

static void go_on(struct mdb *mdb, enum mdb_next next)
{
	if (next != MDB_CONTINUE && !panicked() && leaves_kernel(mdb->frame)) {
		kprintf("mdb: that returns to a program, where no step goes: the system goes on\n");
		next = MDB_CONTINUE;
	}
	if (panicked()) {
		kprintf("mdb: after a panic nothing goes on; $q ends it\n");
		return;
	}
	if (patching && next != MDB_CONTINUE)
		kprintf("mdb: unix is being patched, and the debugger with it: the step goes to "
			"the end of that\n");
	mdb->next = next;
}

void mdb_continue(struct mdb_call *call)
{
	go_on(call->mdb, MDB_CONTINUE);
}

void mdb_step_over(struct mdb_call *call)
{
	const struct frame *frame = call->mdb->frame;
	struct instruction it = look(frame->rip);
	const char *why =
	    is_call(it) || is_repeated_string(it) ? mdb_break_refusal(frame->rip) : NULL;

	if (why && !patching)
		kprintf("mdb: step over: %s; ::step goes on, one instruction at a time\n", why);
	else
		go_on(call->mdb, MDB_OVER);
}

void mdb_step_out(struct mdb_call *call)
{
	uint64_t address, slot;
	const char *why = mdb_return_address(call->mdb->frame, &address, &slot);
	char line[96];

	if (why && !patching && !panicked())
		kprintf("mdb: step out: it would return to %s: %s\n",
			mdb_name(address, line, sizeof(line)), why);
	else
		go_on(call->mdb, MDB_OUT);
}

void mdb_step(struct mdb_call *call)
{
	const char *how = call->argc ? call->argv[0] : "";

	if (!*how)
		go_on(call->mdb, MDB_STEP);
	else if (strcmp(how, "over") == 0)
		mdb_step_over(call);
	else if (strcmp(how, "out") == 0)
		mdb_step_out(call);
	else
		kprintf("usage: ::step [over|out]\n");
}

/*
 * The end when nothing else is right: what happened, where, and how it came to that. Then the
 * debugger, if a boot argument (-k, -kd) asked for it, or the verdict. Nothing in here may rely
 * on more than the console; an exception on the way ends it at once.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define TRACED 16 /* lines of the trap trace */

static unsigned depth; /* panics that have begun */

bool panicked(void)
{
	return depth;
}

static void begin(void)
{
	interrupts_off();
	traps_count_nmis(); /* another one would end the report */
	console_mute(false);
	depth++;
	kprintf("\npanic[cpu0]/thread=%lx: ", (uint64_t)current);
}

static void end(struct frame *frame, uint64_t rip, uint64_t rbp, const char *why)
{
	kprintf("\ntrap trace, the newest first:\n");
	ttrace_print(TRACED);
	kprintf("\nstack trace:\n");
	stack_trace(rip, rbp);
	kprintf("\n");
	if (mdb_wanted())
		mdb_enter(frame, why);
	else if (frame)
		mdb_show(frame); /* last, because a broken system may break here */
	verdict_exit(VERDICT_PANIC);
}

void panic(const char *format, ...)
{
	char why[256];
	va_list args;

	va_start(args, format);
	vksnprintf(why, sizeof(why), format, args);
	va_end(args);
	begin();
	kprintf("%s\n", why);
	if (depth > 1)
		verdict_exit(VERDICT_PANIC);
	end(NULL, (uint64_t)__builtin_return_address(0), *(uint64_t *)__builtin_frame_address(0),
	    why);
	verdict_exit(VERDICT_PANIC);
}

static const char *module_name(uint64_t address)
{
	uint64_t offset, size;
	const char *symbol;
	const struct krtld_module *module = krtld_name(&krtld, address, &symbol, &offset, &size);

	return module ? module->name : "?";
}

/* An exception of the kernel's own. address and reason (or NULL): of a page fault. */
void panic_trap(struct frame *frame, uint64_t address, const char *reason)
{
	const char *mnemonic = trap_mnemonic(frame->vector), *name = trap_name(frame->vector);
	char where[128];

	begin();
	if (depth > 1) {
		kprintf("a second exception, %s at %s, while the first was reported\n", mnemonic,
			name_address(frame->rip, where, sizeof(where)));
		verdict_exit(VERDICT_PANIC);
	}
	kprintf("BAD TRAP: type=%lx (%s %s) rp=0x%lx", frame->vector, mnemonic, name,
		(uint64_t)frame);
	if (reason)
		kprintf(" addr=0x%lx", address);
	kprintf(" occurred in module \"%s\"", module_name(frame->rip));
	if (reason)
		kprintf(" due to %s", reason);
	kprintf("\n\n%s: %s %s\n", current->name, mnemonic, name);
	if (reason)
		kprintf("Bad kernel fault at addr=0x%lx\n", address);
	registers_print(frame, read_cr2());
	end(frame, frame->rip, frame->rbp, name);
	verdict_exit(VERDICT_PANIC);
}

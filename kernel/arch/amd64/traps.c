/*
 * What becomes of an exception or an interrupt. trap_entry.asm calls trap(), with interrupts and AC
 * off. A fault of a user program ends it; a fault of the kernel is a panic, with one exception: on a
 * user address, in a window, when somebody waits for it (uaccess.c).
 *
 * Whether it was in a window is read from AC in the frame, and before anybody asks who waits for a
 * fault: a handler that was meant for a bad address must not be given an access that SMAP forbids,
 * which would fault again for ever once it is repeated.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define LOW_HALF 0x800000000000ul /* canonical addresses below are users' */

/* trap_entry.asm */
extern const uint64_t trap_vectors[NVECTORS];
extern uint64_t nmi_early;
void trap_nmi_early(void);
void trap(struct frame *frame);

static bool nmi_harmless; /* boot argument nmi=count */
static uint64_t nmi_count;

/* SMAP forbids it, whether or not there is a page. */
static bool is_violation(const struct frame *frame, uint64_t address)
{
	return address < LOW_HALF && !(frame->error & FAULT_FETCH) && !(frame->flags & EFLAGS_AC) &&
	       cpu_smap_enabled();
}

static const char *fault_reason(const struct frame *frame, uint64_t address)
{
	if (address < PAGE_SIZE)
		return "a NULL pointer dereference";
	if (frame->error & FAULT_FETCH)
		return address < LOW_HALF ? "the execution of a user address"
		       : frame->error & FAULT_PRESENT
			   ? "an execution, and the page is not executable"
			   : "an execution where nothing is mapped";
	if (address < LOW_HALF)
		return frame->flags & EFLAGS_AC && cpu_smap_enabled()
			   ? "a bad user address in a window without a handler"
			   : "an illegal access to a user address";
	if (!(frame->error & FAULT_PRESENT))
		return "an access where nothing is mapped";
	return frame->error & FAULT_WRITE ? "a write, and the page is not writable"
					  : "an access that the page forbids";
}

/* Back to where on_fault() returned 0, now with 1. AC first: iretq would bring it back. */
static void recover(struct frame *frame)
{
	const struct label *label = current->onfault;

	frame->flags &= ~(EFLAGS_AC | EFLAGS_DF);
	current->onfault = label->previous;
	frame->rbx = label->rbx;
	frame->rbp = label->rbp;
	frame->r12 = label->r12;
	frame->r13 = label->r13;
	frame->r14 = label->r14;
	frame->r15 = label->r15;
	frame->rsp = label->rsp;
	frame->rip = label->rip;
	frame->rax = 1;
}

static void kernel_fault(struct frame *frame, uint64_t address)
{
	if (frame->vector == VECTOR_PAGE_FAULT) {
		if (!is_violation(frame, address) && address < LOW_HALF &&
		    !(frame->error & FAULT_FETCH) && current->onfault) {
			recover(frame);
			return;
		}
		panic_trap(frame, address, fault_reason(frame, address));
	}
	panic_trap(frame, 0, NULL);
}

/* The program's own mistake. */
static void user_fault(struct frame *frame, uint64_t address)
{
	if (frame->vector == VECTOR_MACHINE_CHECK)
		panic_trap(frame, 0, NULL);
	kprintf("%s: process %d: %s %s at pc=0x%lx", current->name, process_pid(),
		trap_mnemonic(frame->vector), trap_name(frame->vector), frame->rip);
	if (frame->vector == VECTOR_PAGE_FAULT)
		kprintf(" addr=0x%lx", address);
	kprintf(": killed\n");
	process_exit(STATUS_KILLED + (int)frame->vector);
}

static void non_maskable(struct frame *frame)
{
	nmi_count++;
	if (!nmi_harmless && !mdb_nmi())
		panic_trap(frame, 0, NULL);
}

static void interrupt(const struct frame *frame)
{
	if (frame->vector != VECTOR_TIMER)
		return;
	apic_end();
	thread_tick();
}

void trap(struct frame *frame)
{
	uint64_t address = read_cr2();
	bool is_interrupt = frame->vector >= VECTOR_TIMER;

	ttrace_add(is_interrupt ? TTRACE_INTERRUPT : TTRACE_TRAP, (unsigned)frame->vector,
		   frame->rip);
	if (is_interrupt)
		interrupt(frame);
	else if ((frame->vector == VECTOR_DEBUG || frame->vector == VECTOR_BREAKPOINT) &&
		 mdb_trap(frame))
		return;
	else if (frame->vector == VECTOR_NMI)
		non_maskable(frame);
	else if (mdb_trap(frame))
		return;
	else if (frame_is_user(frame))
		user_fault(frame, address);
	else
		kernel_fault(frame, address);
	if (frame_is_user(frame))
		process_check(frame);
}

uint64_t traps_nmis(void)
{
	return nmi_count + nmi_early;
}

/* Non-maskable interrupts are counted, and no more than that, until unix is patched; those that came
 * before were counted by the boot program. */
void traps_init(const struct bootinfo *info)
{
	segments_init((uint64_t)trap_nmi_early);
	__atomic_fetch_add(&nmi_early, *(const volatile uint32_t *)physmap(info->nmis),
			   __ATOMIC_RELAXED);
}

void traps_count_nmis(void)
{
	segments_set_nmi((uint64_t)trap_nmi_early);
}

/* The entry code is as it shall be: they may use it like all others. */
void traps_patched(void)
{
	char value[ARG_MAX];

	nmi_harmless = boot_argument("nmi", value, sizeof(value)) && strcmp(value, "count") == 0;
	segments_set_nmi(trap_vectors[VECTOR_NMI]);
	if (nmi_early && !nmi_harmless)
		panic("%lu non-maskable interrupts before unix was patched; nmi=count only counts "
		      "them",
		      nmi_early);
}

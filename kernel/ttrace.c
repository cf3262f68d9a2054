/*
 * The trap trace: a ring of the last traps, interrupts and system calls, for panics and for the
 * debugger. An entry is made before anything is done about a trap, so the newest is the cause of a
 * panic. Filled by traps.c and syscall.c.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define TTRACE_SIZE 128 /* a power of two */

static struct record {
	uint64_t time; /* time stamp */
	uint64_t rip;
	const struct thread *thread;
	uint32_t count; /* timer interrupts in a row: of the last are time and rip */
	uint16_t number;
	uint8_t kind; /* enum ttrace_kind */
} ring[TTRACE_SIZE];
static unsigned ttrace_end; /* how many there ever were */

/* A non-maskable interrupt may come in between: it takes the next place. Timer interrupts of a thread
 * that does nothing else, idle before all, would fill the ring: those in a row are one entry. */
void ttrace_add(enum ttrace_kind kind, unsigned number, uint64_t rip)
{
	struct record *last = &ring[(ttrace_end - 1) % TTRACE_SIZE];

	if (kind == TTRACE_INTERRUPT && number == VECTOR_TIMER && last->count &&
	    last->kind == kind && last->number == number && last->thread == current) {
		last->time = timestamp();
		last->rip = rip;
		last->count++;
		return;
	}
	last = &ring[__atomic_fetch_add(&ttrace_end, 1, __ATOMIC_RELAXED) % TTRACE_SIZE];
	*last = (struct record){timestamp(), rip, current, 1, (uint16_t)number, (uint8_t)kind};
}

static const char *kind_name(enum ttrace_kind kind)
{
	switch (kind) {
	case TTRACE_TRAP: return "trap";
	case TTRACE_INTERRUPT: return "interrupt";
	case TTRACE_SYSCALL: return "syscall";
	}
	return "?";
}

static void print(const struct record *record)
{
	char where[128];

	kprintf("%016lx %lx %-9s %3x %-24s %s", record->time, (uint64_t)record->thread,
		kind_name(record->kind), record->number,
		record->kind == TTRACE_SYSCALL ? syscall_name(record->number)
					       : trap_name(record->number),
		name_address(record->rip, where, sizeof(where)));
	if (record->count > 1)
		kprintf(", the last of %u in a row", record->count);
	kprintf("\n");
}

/* The last n (0: all that there are), the newest first. */
void ttrace_print(unsigned n)
{
	unsigned end = ttrace_end, have = end < TTRACE_SIZE ? end : TTRACE_SIZE;

	if (!n || n > have)
		n = have;
	kprintf("%-16s %-16s %-9s %3s %-24s %s\n", "time stamp", "thread", "kind", "no.", "name",
		"at");
	for (unsigned i = 1; i <= n; i++)
		print(&ring[(end - i) % TTRACE_SIZE]);
}

/*
 * Threads: of the kernel, and of processes while they are in it. One CPU runs them in turn; the
 * timer takes it from a thread at any place where interrupts are on, inside a window too.
 * traps.c calls thread_tick(); everybody else creates, waits and wakes.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define FCW_INIT   0x037f /* the x87 unit's and SSE's state at reset: Intel SDM vol. 1, 8.1.5 */
#define MXCSR_INIT 0x1f80 /* and 10.2.3 */

/* switch.asm */
void thread_switch(uint64_t *save, uint64_t restore);
extern const uint8_t thread_first[];
void thread_run(void *argument, void (*run)(void *)) __attribute__((noreturn));

static struct thread boot_thread = {.name = "boot", .next = &boot_thread};
static struct thread *idle;
static uint64_t nticks; /* of the timer, ever */
struct thread *current = &boot_thread;

static void fpu_init(struct thread *thread)
{
	memcpy(thread->fpu, &(uint16_t){FCW_INIT}, 2);
	memcpy(thread->fpu + 24, &(uint32_t){MXCSR_INIT}, 4);
}

/* Where traps of user mode begin: thread_create() left room for struct thread. */
static uint64_t stack_top(const struct thread *thread)
{
	return (uint64_t)thread->stack + STACK_SIZE;
}

/* Runs with interrupts off, until the next thread is where it once called this. */
static void switch_to(struct thread *next)
{
	struct thread *last = current;

	if (next == last)
		return;
	last->fsbase = read_fsbase();
	last->gsbase = rdmsr(GS_BASE);
	asm volatile("fxsave64 %0" : "=m"(last->fpu));
	current = next;
	asm volatile("fxrstor64 %0" : : "m"(next->fpu));
	write_fsbase(next->fsbase);
	wrmsr(GS_BASE, next->gsbase);
	if (next->root != last->root)
		paging_use(next->root);
	if (next->stack)
		segments_set_stack(stack_top(next));
	thread_switch(&last->rsp, next->rsp);
}

/* The next in the circle that can run, perhaps the same again; idle if there is none. */
static struct thread *choose(void)
{
	uint64_t now = time_now();
	struct thread *thread = current;

	do {
		thread = thread->next;
		if (thread->state == THREAD_WAITING && thread->wake && thread->wake <= now) {
			thread->state = THREAD_RUNNABLE;
			thread->wake = 0;
		}
		if (thread->state == THREAD_RUNNABLE && thread != idle)
			return thread;
	} while (thread != current);
	return idle;
}

void thread_yield(void)
{
	bool on = interrupts_off();

	switch_to(choose());
	interrupts_restore(on);
}

/* Every thread begins here: switch_to() left interrupts off. */
void thread_run(void *argument, void (*run)(void *))
{
	asm volatile("sti");
	run(argument);
	thread_exit();
}

struct thread *thread_create(const char *name, void (*run)(void *), void *argument)
{
	static unsigned last_id;
	struct thread *thread = kas_alloc(sizeof(*thread), PAGE_SIZE);
	uint64_t *top;
	bool on;

	if (!thread)
		return NULL;
	thread->stack = kas_alloc(STACK_SIZE, PAGE_SIZE);
	if (!thread->stack) {
		kas_free(thread, sizeof(*thread));
		return NULL;
	}
	thread->name = name;
	thread->root = boot_thread.root;
	fpu_init(thread);
	top = (uint64_t *)stack_top(thread);
	*--top = 0; /* thread_first() has no caller, */
	*--top = 0; /* with a stack as the C ABI has it */
	*--top = (uint64_t)thread_first;
	*--top = EFLAGS_ONE;
	*--top = 0; /* rbx, rbp, then r12 to r15 */
	*--top = 0;
	*--top = (uint64_t)run;
	*--top = (uint64_t)argument;
	*--top = 0;
	*--top = 0;
	thread->rsp = (uint64_t)top;
	on = interrupts_off();
	thread->id = ++last_id;
	thread->next = current->next;
	current->next = thread;
	interrupts_restore(on);
	return thread;
}

/* Its creator frees it with thread_free(), when the state says that it is dead. */
void thread_exit(void)
{
	interrupts_off();
	current->state = THREAD_DEAD;
	thread_wake(current);
	switch_to(choose());
	panic("a dead thread runs: %s", current->name);
}

void thread_free(struct thread *thread)
{
	bool on = interrupts_off();
	struct thread *before = thread;

	while (before->next != thread)
		before = before->next;
	before->next = thread->next;
	interrupts_restore(on);
	kas_free(thread->stack, STACK_SIZE);
	kas_free(thread, sizeof(*thread));
}

/* Interrupts must be off from the caller's look at what it waits for until here, or the thread
 * that wakes it may come too early. May return without reason: look again. */
void thread_wait(const void *channel, uint64_t until)
{
	bool on = interrupts_off();

	current->channel = channel;
	current->wake = until;
	current->state = THREAD_WAITING;
	switch_to(choose());
	current->channel = NULL;
	current->wake = 0;
	interrupts_restore(on);
}

/* From the timer's interrupt: somebody else's turn. */
void thread_tick(void)
{
	nticks++;
	thread_yield();
}

uint64_t thread_ticks(void)
{
	return nticks;
}

uint64_t thread_kernel_root(void)
{
	return boot_thread.root;
}

void thread_wake(const void *channel)
{
	bool on = interrupts_off();
	struct thread *thread = current;

	do {
		if (thread->state == THREAD_WAITING && thread->channel == channel)
			thread->state = THREAD_RUNNABLE;
		thread = thread->next;
	} while (thread != current);
	interrupts_restore(on);
}

static void idle_run(void *argument)
{
	(void)argument;
	for (;;) {
		asm volatile("sti; hlt");
		thread_yield();
	}
}

/* What runs already becomes the first thread. */
void thread_init(uint64_t root)
{
	boot_thread.root = root;
	fpu_init(&boot_thread);
}

/* From here on the timer may interrupt. */
void thread_start(void)
{
	idle = thread_create("idle", idle_run, NULL);
	if (!idle)
		panic("no memory for the idle thread: give QEMU a larger -m");
	asm volatile("sti");
}

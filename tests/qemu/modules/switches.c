/*
 * What a thread has of its own: FS and GS base, the x87 unit's and SSE's state. Each of several threads
 * begins with that of reset, sets it to what no other has, and must find it again after each switch.
 * With switches.spoil=fsbase, gsbase or fpu (canaries) what is saved of the first thread is changed.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define THREADS_MAX 8
#define ROUNDS      5
#define FCW_RESET   0x037f /* Intel SDM vol. 1, 8.1.5 and 10.2.3 */
#define MXCSR_RESET 0x1f80
#define XMM0_AT     160 /* in FXSAVE's area: Intel SDM vol. 1, 10.5.1 */

static unsigned nchecks, nwrong;
static struct thread *threads[THREADS_MAX];

static void check(bool ok, const char *rule)
{
	nchecks++;
	if (ok)
		return;
	nwrong++;
	verdict_fail(rule);
}

struct state {
	uint64_t fsbase, gsbase, xmm0;
	uint32_t mxcsr;
	uint16_t fcw;
};

static void set(const struct state *state)
{
	write_fsbase(state->fsbase);
	wrmsr(GS_BASE, state->gsbase);
	asm volatile("movq %0, %%xmm0; ldmxcsr %1; fldcw %2"
		     :
		     : "r"(state->xmm0), "m"(state->mxcsr), "m"(state->fcw));
}

static void compare(const struct state *state)
{
	uint64_t xmm0;
	uint32_t mxcsr;
	uint16_t fcw;

	asm volatile("movq %%xmm0, %0; stmxcsr %1; fnstcw %2" : "=r"(xmm0), "=m"(mxcsr), "=m"(fcw));
	check(read_fsbase() == state->fsbase, "a thread's FS base is its own");
	check(rdmsr(GS_BASE) == state->gsbase, "a thread's GS base is its own");
	check(xmm0 == state->xmm0, "a thread's vector registers are its own");
	check(mxcsr == state->mxcsr && fcw == state->fcw, "a thread's control words are its own");
}

/* The x87 control word's precision and SSE's rounding, two bits each, differ between neighbours. */
static void run(void *argument)
{
	uint64_t n = (uint64_t)argument;
	struct state reset = {.mxcsr = MXCSR_RESET, .fcw = FCW_RESET};
	struct state own = {.fsbase = 0x1000 + n,
			    .gsbase = 0x200000 + n,
			    .xmm0 = 0x0101010101010101 * (n + 1),
			    .mxcsr = MXCSR_RESET | (uint32_t)(n & 3) << 13,
			    .fcw = (uint16_t)(FCW_RESET & ~(n & 1 ? 0x300 : 0x100))};

	compare(&reset);
	set(&own);
	for (unsigned i = 0; i < ROUNDS; i++) {
		thread_yield();
		compare(&own);
	}
}

static void spoil(struct thread *thread)
{
	char value[ARG_MAX];

	if (!boot_argument("switches.spoil", value, sizeof(value)))
		return;
	if (strcmp(value, "fsbase") == 0)
		thread->fsbase ^= 1;
	else if (strcmp(value, "gsbase") == 0)
		thread->gsbase ^= 1;
	else if (strcmp(value, "fpu") == 0)
		thread->fpu[XMM0_AT] ^= 1;
}

static bool all_are_dead(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (threads[i]->state != THREAD_DEAD)
			return false;
	return true;
}

int _init(void)
{
	static const unsigned counts[] = {1, 2, 3, THREADS_MAX};

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		for (uint64_t i = 0; i < counts[c]; i++) {
			threads[i] = thread_create("switches", run, (void *)i);
			if (!threads[i])
				panic("switches: no memory for a thread");
		}
		thread_yield();
		spoil(threads[0]);
		while (!all_are_dead(counts[c]))
			thread_yield();
		for (unsigned i = 0; i < counts[c]; i++)
			thread_free(threads[i]);
	}
	kprintf("switches: %u checks, %u wrong\n", nchecks, nwrong);
	return 0;
}

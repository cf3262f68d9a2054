/*
 * Calls hotinlines by pointer, before and after their stubs are patched by the engine, for
 * test_hardened.py. Prints what they return.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hotinline.h"
#include "hottable.h"

static uint64_t (*volatile three_pointer)(void) = three;
static uint64_t (*volatile plus_pointer)(uint64_t) = plus;
static uint64_t (*volatile twice_pointer)(int32_t, const void *) = twice;
static uint64_t (*volatile helped_pointer)(uint64_t) = helped;
#ifdef WRONG_TYPE
static uint64_t (*volatile wrong)(int32_t) = (uint64_t(*)(int32_t))plus;
#endif

extern uint8_t three_stub[] __asm__("three");
extern uint8_t plus_stub[] __asm__("plus");
extern uint8_t twice_stub[] __asm__("twice");
extern uint8_t helped_stub[] __asm__("helped");
extern uint8_t helper_entry[] __asm__("helper"); /* in hotstubs.asm; it calls the function below */
extern uint8_t thunk[] __attribute__((weak));    /* of a table that has a return thunk */

uint64_t helper(uint64_t x)
{
	return x + 5;
}

/* By index, which is their order in the text, too. */
static uint8_t *const stubs[HOT_INLINES] = {
    [HOT_INLINE_HELPED] = helped_stub,
    [HOT_INLINE_PLUS] = plus_stub,
    [HOT_INLINE_THREE] = three_stub,
    [HOT_INLINE_TWICE] = twice_stub,
};

static void show(void)
{
	printf("%d %d %d %d\n", (int)three_pointer(), (int)plus_pointer(10),
	       (int)twice_pointer(10, NULL), (int)helped_pointer(10));
}

static void no_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	(void)ctx, (void)leaf, (void)subleaf;
	memset(regs, 0, 4 * sizeof *regs);
}

static bool all_hold(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "chosen") == 0;
}

static const char *patch(void)
{
	static uint64_t memory[1024];
	static struct hot_site sites[HOT_INLINES];
	static const struct hot_env env = {.cpuid = no_cpuid, .boot = all_hold};
	uint8_t *start = (uint8_t *)((uintptr_t)stubs[0] & ~(uintptr_t)4095);
	struct hot_text text = {(uintptr_t)start, start, sites, 8192, HOT_INLINES};
	struct hot_features features;
	struct hot_error error;
	struct hot_machine *machine;

	if (hot_machine_size(&hot_table) > sizeof memory)
		return "the machine needs more memory";
	machine = hot_machine_init(memory, &hot_table);
	for (unsigned i = 0; i < HOT_INLINES; i++) {
		machine->stubs[i] = (uintptr_t)stubs[i];
		sites[i].offset = (uint32_t)(stubs[i] - start) + hot_table.entry;
		sites[i].hotinline = (uint16_t)i;
		sites[i].form = HOT_STUB;
	}
	machine->symbols[0] = (uintptr_t)helper_entry;
	if (hot_table.return_thunk != HOT_NONE)
		machine->symbols[hot_table.return_thunk] = (uintptr_t)thunk;
	hot_features_read(&hot_table, &env, &features);
	hot_decide(machine, &features);
	if (mprotect(start, text.size, PROT_READ | PROT_WRITE | PROT_EXEC))
		return "mprotect";
	return do_hotinlines(machine, &text, 1, &error) ? NULL : hot_reason_text(error.reason);
}

int main(void)
{
	const char *why;

	show();
	why = patch();
	if (why)
		return puts(why);
	show();
#ifdef WRONG_TYPE
	puts("now the wrong type");
	fflush(stdout);
	return (int)wrong(1);
#endif
	return 0;
}

/*
 * Objects of real compilers and assemblers (tests/host/objects.mk): loaded below 2 GiB, called,
 * patched and called again; and loaded once more on a machine that is decided already.
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/near.h"
#include "tests/host/world.h"

#define OBJECTS "build/tests/objects/"

static const char *const compilers[] = {"gcc", "clang"};
static const char *const ways[] = {"O0",    "O1",     "O2",    "O3",       "Os",    "pic",
				   "noplt", "kernel", "large", "sections", "common"};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static uint64_t call(const struct krtld_module *module, const char *name, uint64_t a)
{
	return near_call(world_symbol(module, name), a, 0, 0);
}

static void expect_call(const struct krtld_module *module, const char *name, uint64_t a,
			uint64_t want, const char *when)
{
	uint64_t got = call(module, name, a);

	cr_expect_eq(got, want, "%s, %s(%lu) %s: %lu, not %lu", module->name, name, a, when, got,
		     want);
}

/* ---- What the functions of objects/calls.c and forms.asm yield ---- */

/* count, two, exact, wfull of the common table, with popcnt and up, and with neither. */
static uint64_t count(uint64_t x, bool chosen)
{
	return chosen ? (uint64_t)__builtin_popcountl(x) : x + 100;
}

static uint64_t two(uint64_t x, bool chosen)
{
	return chosen ? (uint32_t)x : x + 101;
}

static uint64_t many_calls(uint64_t x, bool chosen)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < 10; i++)
		sum += count(x + i, chosen) + 2 * two(i, chosen) + (chosen ? 42 : 41);
	return sum;
}

static void expect_c_calls(const struct krtld_module *m, bool chosen, const char *when)
{
	static const uint64_t values[] = {0, 1, 7, 0xff, 0x7fffffff};

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint64_t x = values[i], c = count(x, chosen);

		expect_call(m, "a_call", x, c + 1, when);
		expect_call(m, "many_calls", x, many_calls(x, chosen), when);
		expect_call(m, "a_tail_call", x, c, when);
		expect_call(m, "a_conditional_call", x, x & 1 ? two(x, chosen) : x, when);
		expect_call(m, "a_pointer_in_data", x, c + two(x, chosen), when);
		expect_call(m, "an_address_in_code", x, c, when);
		expect_call(m, "a_wide_call", x, chosen ? 42 : 7, when);
		expect_call(m, "a_call_from_asm", x, c, when);
		expect_call(m, "kept_registers", x, c + x * 3 + (x ^ 0x55) + x + 7 + x, when);
	}
}

static void expect_asm_calls(const struct krtld_module *m, bool chosen, const char *when)
{
	static const char *const counts[] = {"a_call",
					     "a_tail_call",
					     "a_rex_call",
					     "an_indirect_call",
					     "an_address_by_lea",
					     "an_address_by_mov",
					     "an_address_by_mov32",
					     "through_got",
					     "through_got_tail",
					     "through_plt",
					     "in_another_section",
					     "at_the_end"};

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		expect_call(m, counts[i], 0xff, count(0xff, chosen), when);
	expect_call(m, "a_conditional_call", 7, two(7, chosen), when);
	expect_call(m, "a_conditional_call", 8, 8, when);
	expect_call(m, "a_prefixed_call", 7, two(7, chosen), when);
	expect_call(m, "a_prefixed_jmp", 7, two(7, chosen), when);
	expect_call(m, "a_wide_call", 0, chosen ? 42 : 7, when);
	expect_call(m, "a_wide_jmp", 0, chosen ? 42 : 7, when);
	expect_call(m, "a_bare_wide_call", 0, chosen ? 42 : 7, when);
	expect_call(m, "a_loop_into_what_follows", 0, 3, when);
}

/* Every site holds what its state demands, and every byte outside of all sites is as before. */
static void expect_sites(const struct world *world, const struct krtld_module *module)
{
	struct hot_error error;

	cr_expect(hot_verify(world->machine, module->texts, module->ntexts,
			     world->machine->decided ? HOT_NOW : HOT_BEFORE, &error),
		  "%s at %#lx: %s", module->name, error.address, hot_reason_text(error.reason));
}

static void call_patch_call(const char *path, const char *features, bool chosen,
			    void (*expect)(const struct krtld_module *, bool, const char *))
{
	struct image image = image_read(path);
	struct world *world = world_that_runs();
	struct krtld_module *module = world_load(world, path, &image);

	expect_sites(world, module);
	expect(module, false, "before patching");
	world_decide(world, features);
	expect_sites(world, module);
	expect(module, chosen, "after patching");
	world_unload(world, module);
	module = world_load(world, path, &image);
	expect_sites(world, module);
	expect(module, chosen, "patched at load");
	world_unload(world, module);
	world_expect_empty(world);
}

static void each_way(const char *source, void (*f)(const char *path))
{
	char path[128];

	for (unsigned c = 0; c < 2; c++) {
		for (unsigned w = 0; w < WAYS; w++) {
			snprintf(path, sizeof(path), OBJECTS "%s-%s-%s.o", source, compilers[c],
				 ways[w]);
			f(path);
		}
	}
}

static void calls_chosen(const char *path)
{
	call_patch_call(path, "popcnt up", true, expect_c_calls);
}

static void calls_baseline(const char *path)
{
	call_patch_call(path, "", false, expect_c_calls);
}

Test(real, c_calls_run_the_chosen_code_after_patching)
{
	each_way("calls", calls_chosen);
}

Test(real, c_calls_run_the_baseline_where_no_feature_is_there)
{
	each_way("calls", calls_baseline);
}

Test(real, assembly_runs_the_chosen_code_in_every_form)
{
	call_patch_call(OBJECTS "forms-nasm.o", "popcnt up", true, expect_asm_calls);
	call_patch_call(OBJECTS "forms-nasm.o", "", false, expect_asm_calls);
}

/* PEERS 16: wide sites whose bytes lie in two pages, 1 to 11 in the first. */
Test(real, a_site_that_crosses_a_page_runs)
{
	for (unsigned before = 1; before < 12; before++) {
		struct world *world = world_that_runs();
		struct object *object = object_new();
		uint8_t code[2 * 4096];
		unsigned text;
		struct krtld_module *module;

		memset(code, 0x90, sizeof(code));
		memcpy(code + 4096 - before, "\xe8\0\0\0\0\x36\x66\x0f\x1f\x44\0\0\xc3", 13);
		text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
				      4096, code, sizeof(code));
		object_global(object, "crossing", text, 4096 - before - 4);
		object_rela(object, text, 4096 - before + 1, R_X86_64_PLT32,
			    object_undefined(object, "wpair"), -4);
		module = world_load_object(world, "it", object);
		cr_assert_eq(module->sites[0].flags, HOT_WIDE);
		expect_call(module, "crossing", 5, 104 + 5, "before patching");
		world_decide(world, "up");
		expect_sites(world, module);
		expect_call(module, "crossing", 5, 104 + 5, "after patching");
	}
}

/* ---- What is found in them ---- */

/* Branches of a form, and references that are none, in an object. */
static void tally(const char *path, unsigned forms[3], unsigned *plain)
{
	struct image image = image_read(path);
	struct world *world = world_that_runs();
	struct krtld_module *module = world_load(world, path, &image);

	memset(forms, 0, 3 * sizeof(*forms));
	for (unsigned i = 0; i < module->nsites; i++)
		forms[module->sites[i].form]++;
	*plain = module->nreferences;
	world_unload(world, module);
}

static void expect_both_forms(const char *path)
{
	unsigned forms[3], plain;

	if (strstr(path, "noplt") || strstr(path, "large"))
		return;
	tally(path, forms, &plain);
	cr_expect(forms[HOT_CALL] >= 4, "%s: %u calls", path, forms[HOT_CALL]);
	cr_expect(plain >= 3, "%s: %u plain references", path, plain);
	if (strstr(path, "O2"))
		cr_expect(forms[HOT_JMP] >= 1, "%s: %u jumps", path, forms[HOT_JMP]);
}

Test(real, ordinary_code_has_its_calls_proven)
{
	each_way("calls", expect_both_forms);
}

/* PEERS 2: calls through the GOT or through a register are never sites. Those of inline assembly
 * are: four in objects/calls.c, of which a compiler may make more by inlining. */
/* PEERS 41: calls through the GOT are sites. Twin: the large model calls through a register. */
Test(real, code_without_plt_has_its_calls_proven_and_the_large_model_has_few)
{
	static const char *const objects[] = {
	    OBJECTS "calls-gcc-noplt.o", OBJECTS "calls-clang-noplt.o", OBJECTS "calls-gcc-large.o",
	    OBJECTS "calls-clang-large.o"};
	unsigned forms[3], plain;

	for (unsigned i = 0; i < 4; i++) {
		tally(objects[i], forms, &plain);
		if (i < 2) {
			cr_expect(forms[HOT_CALL] > 3, "%s: %u", objects[i], forms[HOT_CALL]);
			continue;
		}
		cr_expect_eq(forms[HOT_CALL], 3, "%s: %u", objects[i], forms[HOT_CALL]);
		cr_expect_eq(forms[HOT_JMP], 0, "%s: %u", objects[i], forms[HOT_JMP]);
		cr_expect(plain >= 8, "%s: %u plain references", objects[i], plain);
	}
}

/* PEERS 3. */
Test(real, clang_os_makes_a_conditional_tail_call_that_is_no_site)
{
	struct image image = image_read(OBJECTS "calls-clang-Os.o");
	struct world *world = world_that_runs();
	struct krtld_module *module = world_load(world, "it", &image);
	unsigned opcodes = 0;

	for (unsigned i = 0; i < module->nreferences; i++)
		opcodes += module->references[i].reason == KRTLD_PLAIN_OPCODE;
	cr_expect(opcodes >= 1, "%u", opcodes);
}

Test(real, assembly_has_its_sites_counted)
{
	unsigned forms[3], plain;

	tally(OBJECTS "forms-nasm.o", forms, &plain);
	cr_expect_eq(forms[HOT_CALL], 8, "%u calls", forms[HOT_CALL]);
	cr_expect_eq(forms[HOT_JMP], 4, "%u jumps", forms[HOT_JMP]);
	cr_expect_eq(plain, 7, "%u plain references", plain);
}

/* ---- Objects without hotinlines: objects/data.c ---- */

static void run_data(const char *path)
{
	static const uint64_t jumps[] = {17, 2 * (1 + 41), 10, 0, 12, 1000, 6 ^ 3, 21, 99};
	struct image image = image_read(path);
	struct world *world = world_that_runs();
	struct krtld_module *module;

	world_decide(world, "");
	module = world_load(world, path, &image);
	cr_expect_eq(world->starts, 1, "%s: _init did not run", path);
	for (uint64_t i = 0; i < 9; i++)
		expect_call(module, "jump_table", i, jumps[i], "");
	expect_call(module, "weak_absent", 0, 1, "");
	/* twice(3) + 'h' + thrice(3) + 'l' + 1 + 1 + 5, and one more of both counters again. */
	expect_call(module, "check", 3, 6 + 'h' + 9 + 'l' + 7, "first");
	expect_call(module, "check", 3, 6 + 'h' + 9 + 'l' + 9, "second");
	cr_expect_eq(module->nsites + module->nreferences, 0);
	world_unload(world, module);
	world_expect_empty(world);
}

Test(real, ordinary_objects_are_relocated_and_run)
{
	each_way("data", run_data);
}

/* ---- And damaged ---- */

static void cut(const char *path)
{
	struct image whole = image_read(path);
	struct world *world = world_new("popcnt up");

	for (size_t size = 0; size < whole.size; size += 1 + size % 7) {
		struct image image = image_copy(&whole, size);

		world_refuse(world, "cut", &image, KRTLD_OK);
		image_free(&image);
	}
	world_expect_empty(world);
}

Test(real, objects_cut_short_are_refused)
{
	cut(OBJECTS "calls-gcc-O2.o");
	cut(OBJECTS "calls-clang-noplt.o");
	cut(OBJECTS "forms-nasm.o");
}

Test(real, each_allocation_for_a_real_object_fails_in_turn)
{
	struct image image = image_read(OBJECTS "calls-gcc-noplt.o");
	struct world *world = world_new("popcnt up");
	struct krtld_module *module = world_load(world, "it", &image);
	unsigned n = world->allocs;

	world_unload(world, module);
	for (unsigned i = 1; i <= n; i++) {
		world->fail_alloc = i;
		world_refuse(world, "it", &image, KRTLD_E_MEMORY);
		world_expect_empty(world);
	}
	world_load(world, "it", &image);
}

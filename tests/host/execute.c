/*
 * Sites that run: text written by hand below 2 GiB, called, patched and called again. Only code
 * that any x86-64 CPU of the last fifteen years executes in user mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/near.h"
#include "tests/host/text.h"

#define STUBS   0x800 /* offset of the first stub; 0x20 bytes each */
#define HELPERS 0xc00 /* offset of the first symbol; 0x20 bytes each */

static struct near near;

/* Stubs, helpers and an empty text at 0; the machine knows where they are. */
static struct text *world(const char *features)
{
	struct hot_machine *machine = table_machine(table_common(), features);
	struct text *text = text_new(machine, 4096);

	near = near_map(4096);
	free(text->text.bytes);
	text->text.bytes = near.write;
	text->text.address = near.address;
	for (unsigned i = 0; i < machine->table->nhotinlines; i++)
		machine->stubs[i] = near.address + STUBS + 0x20u * i;
	for (unsigned i = 0; i < machine->table->nsymbols; i++) {
		uint8_t *helper = near.write + HELPERS + 0x20 * i;

		machine->symbols[i] = near.address + HELPERS + 0x20 * i;
		/* add rax, 100 + i; add rax, rdi; ret */
		bytes_hex("48 83 c0 00 48 01 f8 c3", helper, 8);
		helper[3] = (uint8_t)(100 + i);
	}
	return text;
}

static void code(struct text *text, uint32_t offset, const char *bytes)
{
	table_bytes(text->machine, bytes, text->text.address + offset, text->text.bytes + offset,
		    64);
}

static uint64_t run(const struct text *text, uint32_t offset, uint64_t a)
{
	return near_call(text->text.address + offset, a, 0, 0);
}

static uint32_t stub_of(const struct text *text, const char *name)
{
	return STUBS + 0x20u * hot_find(text->machine->table, name);
}

/* The stubs that a test does not use are not there: a text must have its stubs among its sites. */
static void other_stubs(struct text *text)
{
	bool used[32] = {false};

	for (unsigned i = 0; i < text->text.nsites; i++)
		used[text->sites[i].hotinline] |= text->sites[i].form == HOT_STUB;
	for (unsigned i = 0; i < text->machine->table->nhotinlines; i++)
		if (!used[i])
			text->machine->stubs[i] = 0;
}

/* One function at 0 around a site of the hotinline; then its stub. The text is 0 .. 0x7ff and the
 * stubs', and sites stay sorted. Returns the function's address as an offset. */
static struct text *one_site(const char *features, const char *prologue, uint32_t at,
			     const char *name, enum hot_form form, unsigned flags,
			     const char *epilogue)
{
	struct text *text = world(features);

	code(text, 0, prologue);
	text_site(text, at, name, form, flags);
	code(text, at + hot_site_size(text->machine->table, &text->sites[0]), epilogue);
	text_site(text, stub_of(text, name), name, HOT_STUB, 0);
	other_stubs(text);
	return text;
}

static void call_patch_call(struct text *text, uint64_t argument, uint64_t before, uint64_t after)
{
	cr_expect_eq(run(text, 0, argument), before, "before patching: %#lx",
		     run(text, 0, argument));
	text_patch(text);
	cr_expect_eq(run(text, 0, argument), after, "after patching: %#lx", run(text, 0, argument));
}

Test(execute, a_call_site_runs_the_chosen_code)
{
	/* xor eax, eax; call count; ret. Before: 0 + 100 + 7; after: popcnt 7 */
	call_patch_call(one_site("popcnt", "31 c0", 2, "count", HOT_CALL, 0, "c3"), 7, 107, 3);
}

Test(execute, a_call_site_without_the_feature_runs_the_baseline)
{
	call_patch_call(one_site("", "31 c0", 2, "count", HOT_CALL, 0, "c3"), 7, 107, 107);
}

Test(execute, a_tail_call_returns_to_the_caller)
{
	/* mov eax, 9; jmp two; ud2: `mov eax, edi; ret` in its place. */
	call_patch_call(one_site("up", "b8 09 00 00 00", 5, "two", HOT_JMP, 0, "0f 0b"), 7,
			9 + 101 + 7, 7);
}

Test(execute, a_tail_call_of_a_tail_returns_to_the_caller)
{
	call_patch_call(one_site("", "31 c0", 2, "two", HOT_JMP, 0, "0f 0b"), 7, 108, 108);
}

Test(execute, a_tail_call_that_does_not_fit_still_returns)
{
	call_patch_call(one_site("up", "31 c0", 2, "exact", HOT_JMP, 0, "0f 0b"), 0, 41, 42);
}

Test(execute, a_wide_site_and_its_mark_run)
{
	call_patch_call(one_site("up", "31 c0", 2, "wfull", HOT_CALL, HOT_WIDE, "c3"), 0, 7, 42);
	call_patch_call(one_site("up", "31 c0", 2, "wlong", HOT_CALL, HOT_WIDE, "c3"), 5, 102 + 5,
			5);
	call_patch_call(one_site("", "31 c0", 2, "wlong", HOT_CALL, HOT_WIDE, "c3"), 5, 107, 107);
}

Test(execute, fixups_of_a_site_reach_what_they_name)
{
	struct text *text = one_site("up", "", 0, "wpair", HOT_CALL, HOT_WIDE, "c3");
	uint64_t datum = table_address(text->machine, "datum");
	uint64_t add = bytes_get(
	    text->text.bytes + HELPERS + 3 +
		(table_address(text->machine, "pair_soft") - text->text.address - HELPERS),
	    1);

	text_patch(text);
	cr_expect_eq(run(text, 0, 1000), datum + add + 1000,
		     "lea rax, [rel datum]; call pair_soft");
	text = one_site("erms", "", 0, "wpair", HOT_CALL, HOT_WIDE, "c3");
	text_patch(text);
	cr_expect_eq(run(text, 0, 1000),
		     bytes_get((uint8_t *)table_address(text->machine, "datum") + 8, 8),
		     "mov rax, [rel datum+8]");
}

Test(execute, the_stub_runs_the_chosen_code_too)
{
	struct text *text = world("popcnt up");

	text_site(text, stub_of(text, "count"), "count", HOT_STUB, 0);
	text_site(text, stub_of(text, "exact"), "exact", HOT_STUB, 0);
	other_stubs(text);
	text_patch(text);
	cr_expect_eq(run(text, stub_of(text, "count"), 0xff), 8);
	cr_expect_eq(run(text, stub_of(text, "exact"), 0), 42);
}

/* PEERS 30: what is written after bytes that may be prefixes means the same after each of them, and
 * when they are the end of another instruction. The site's flags are those that are proven. */
static void behind_prefix(const char *prologue, uint32_t at, const char *name, enum hot_form form,
			  uint64_t before, uint64_t after)
{
	uint8_t bytes[64] = {0};
	size_t n = bytes_hex(prologue, bytes, sizeof(bytes));
	struct hot_site proven;
	struct text *text;

	cr_assert_eq(n, at);
	bytes[n] = form == HOT_CALL ? 0xe8 : 0xe9;
	cr_assert(hot_arch_prove(bytes, n + 5, n + 1, 5, &proven));
	text = one_site("up popcnt", prologue, at, name, form, proven.flags,
			form == HOT_CALL ? "c3" : "0f 0b");
	call_patch_call(text, 7, before, after);
	near_unmap(&near);
}

static void behind_each_kind(const char *prologue, uint32_t at)
{
	behind_prefix(prologue, at, "two", HOT_CALL, 108, 7);
	behind_prefix(prologue, at, "two", HOT_JMP, 108, 7);
	behind_prefix(prologue, at, "lead", HOT_CALL, 0, 7);
	behind_prefix(prologue, at, "lead", HOT_JMP, 0, 7);
	behind_prefix(prologue, at, "count", HOT_CALL, 107, 3);
	behind_prefix(prologue, at, "count", HOT_JMP, 107, 3);
	behind_prefix(prologue, at, "exact", HOT_JMP, 41, 42);
	behind_prefix(prologue, at, "empty", HOT_CALL, 0, 0);
	behind_prefix(prologue, at, "empty", HOT_JMP, 0, 0);
}

/* 66 is left out where no REX.W follows: AMD's CPUs take e8 with it for a call of 16 bits. */
static const char *const prefixes[] = {"26", "2e", "36", "3e", "64", "65", "67", "f2", "f3",
				       "40", "41", "42", "44", "48", "49", "4c", "4f"};
#define NPREFIXES (sizeof(prefixes) / sizeof(prefixes[0]))

Test(execute, code_behind_a_prefix_means_the_same)
{
	for (unsigned i = 0; i < NPREFIXES; i++) {
		char prologue[64];

		snprintf(prologue, sizeof(prologue), "31 c0 %s", prefixes[i]);
		behind_each_kind(prologue, 3);
	}
}

Test(execute, code_behind_two_prefixes_means_the_same)
{
	for (unsigned i = 0; i < NPREFIXES; i++) {
		for (unsigned j = 0; j < NPREFIXES; j++) {
			char prologue[64];

			snprintf(prologue, sizeof(prologue), "31 c0 %s %s", prefixes[i],
				 prefixes[j]);
			behind_each_kind(prologue, 4);
		}
	}
}

/* What compilers write before a call of __tls_get_addr, and as many prefixes as there may be: with
 * ten, five bytes of call are an instruction's 15. */
Test(execute, code_behind_many_prefixes_means_the_same)
{
	behind_each_kind("31 c0 66 66 48", 5);
	behind_each_kind("31 c0 2e 2e 2e 2e 2e 2e 2e 2e 2e", 11);
	behind_each_kind("31 c0 2e 2e 2e 2e 2e 2e 2e 2e 2e 2e", 12);
}

Test(execute, code_behind_the_end_of_another_instruction_means_the_same)
{
	/* mov al, 0x2e and mov al, 0x48: their last byte may be taken for a prefix. */
	behind_prefix("31 c0 b0 2e", 4, "two", HOT_CALL, 0x2e + 108, 7);
	behind_prefix("31 c0 b0 48", 4, "two", HOT_JMP, 0x48 + 108, 7);
	behind_prefix("31 c0 b0 f3", 4, "lead", HOT_CALL, 0xf3, 7);
	behind_prefix("31 c0 b0 f0", 4, "two", HOT_CALL, 0xf0 + 108, 7);
	behind_prefix("b8 40 2e f0 48", 5, "two", HOT_CALL, 0x48f02e40 + 108, 7);
}

/* From an alternative to the bytes of a site: hot_site_size() and hot_site_bytes(). */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/table.h"

#define TEXT 0xffffffff80001000ul
#define SITE 0x40u
#define CALL HOT_CALL
#define JMP  HOT_JMP
#define STUB HOT_STUB
#define W    HOT_WIDE
#define P    (HOT_ARCH_SEVERAL << HOT_PREFIX_SHIFT)

/* One site: of which hotinline, on which machine, in which form; and what it must hold. */
struct row {
	const char *hotinline;
	const char *features;
	enum hot_form form;
	unsigned flags;
	const char *bytes;
};

static void expect_rows(const struct row *rows, size_t n, enum hot_state state)
{
	static uint8_t memory[0x100];

	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		struct hot_machine *machine = table_machine(table_common(), row->features);
		struct hot_site site = {SITE, (uint16_t)hot_find(machine->table, row->hotinline),
					(uint8_t)row->form, (uint8_t)row->flags};
		struct hot_text text = {TEXT, memory, &site, sizeof(memory), 1};
		uint8_t want[HOT_BYTES_MAX], got[HOT_BYTES_MAX];
		struct hot_error error;
		unsigned size =
		    (unsigned)table_bytes(machine, row->bytes, TEXT + SITE, want, sizeof(want));
		char one[BYTES_TEXT];

		if (row->form == STUB)
			machine->stubs[site.hotinline] = TEXT + SITE;
		cr_expect_eq(hot_site_size(machine->table, &site), size, "%s form %u flags %x: %u",
			     row->hotinline, row->form, row->flags,
			     hot_site_size(machine->table, &site));
		cr_expect_eq(hot_site_bytes(machine, &text, &site, state, got, &error), size,
			     "%s form %u flags %x \"%s\": reason %u", row->hotinline, row->form,
			     row->flags, row->features, error.reason);
		cr_expect(!memcmp(got, want, size),
			  "%s form %u flags %x \"%s\":\n  got  %s\n  want %s", row->hotinline,
			  row->form, row->flags, row->features, bytes_dump(got, size, one),
			  row->bytes);
		free(machine);
	}
}

#define EXPECT(state, ...)                                                                         \
	do {                                                                                       \
		static const struct row rows[] = {__VA_ARGS__};                                    \
		expect_rows(rows, sizeof(rows) / sizeof(rows[0]), state);                          \
	} while (0)

Test(before, a_call_site_calls_the_stub)
{
	EXPECT(HOT_BEFORE, {"xsmap", "smap", CALL, 0, "e8 @xsmap-4"},
	       {"count", "", CALL, 0, "e8 @count-4"}, {"count", "", CALL, P, "e8 @count-4"},
	       {"wclean", "", CALL, 0, "e8 @wclean-4"});
}

Test(before, a_jmp_site_jumps_to_the_stub)
{
	EXPECT(HOT_BEFORE, {"xsmap", "smap", JMP, 0, "e9 @xsmap-4"},
	       {"count", "", JMP, P, "e9 @count-4"}, {"wfull", "", JMP, 0, "e9 @wfull-4"});
}

Test(before, a_wide_site_has_its_mark)
{
	EXPECT(HOT_BEFORE, {"wfull", "", CALL, W, "e8 @wfull-4 36 90"},
	       {"wclean", "", CALL, W, "e8 @wclean-4 36 66 90"},
	       {"wclean", "", JMP, W | P, "e9 @wclean-4 36 66 90"},
	       {"wpair", "", CALL, W, "e8 @wpair-4 36 66 0f 1f 44 00 00"},
	       {"wlong", "", CALL, W,
		"e8 @wlong-4 36 66 0f 1f 84 00 00 00 00 00 36 66 0f 1f 84 00 00 00 00 00"
		"36 66 0f 1f 84 00 00 00 00 00 36 66 0f 1f 84 00 00 00 00 00"
		"36 66 0f 1f 84 00 00 00 00 00 36 0f 1f 84 00 00 00 00 00"});
}

Test(before, a_stub_is_the_baseline_and_a_return)
{
	EXPECT(HOT_BEFORE, {"xsmap", "smap", STUB, 0, "c3 cc cc cc cc cc"},
	       {"empty", "up", STUB, 0, "c3 cc cc cc cc cc"},
	       {"exact", "up", STUB, 0, "b8 29 00 00 00 c3"},
	       {"count", "popcnt", STUB, 0, "e9 @count_soft-4 cc"},
	       {"wclean", "fast", STUB, 0, "0f ae 3f c3 cc cc cc cc cc"},
	       {"wfull", "up", STUB, 0, "b8 07 00 00 00 c3 cc cc"},
	       {"wpair", "up", STUB, 0, "e9 @pair_soft-4 cc cc cc cc cc cc cc cc"});
}

Test(call, code_is_followed_by_the_fewest_nops)
{
	EXPECT(HOT_NOW, {"xsmap", "smap", CALL, 0, "0f 01 ca 66 90"},
	       {"xsmap", "", CALL, 0, "0f 1f 44 00 00"}, {"two", "up", CALL, 0, "89 f8 0f 1f 00"},
	       {"four", "up", CALL, 0, "48 0f 01 ca 90"},
	       {"exact", "up", CALL, 0, "b8 2a 00 00 00"}, {"exact", "", CALL, 0, "b8 29 00 00 00"},
	       {"count", "popcnt", CALL, 0, "f3 48 0f b8 c7"},
	       {"empty", "", CALL, 0, "90 0f 1f 40 00"});
}

Test(call, no_code_at_all_is_one_nop)
{
	EXPECT(HOT_NOW, {"empty", "up", CALL, 0, "0f 1f 44 00 00"});
}

Test(call, a_trailing_call_is_rebased_and_stays_a_call)
{
	EXPECT(HOT_NOW, {"count", "", CALL, 0, "e8 @count_soft-4"},
	       {"two", "", CALL, 0, "e8 @two_soft-4"});
}

Test(call, every_fixup_is_rebased)
{
	EXPECT(HOT_NOW, {"wpair", "up", CALL, W, "48 8d 05 @datum-4 e8 @pair_soft-4"},
	       {"wpair", "erms", CALL, W, "48 8b 05 @datum+4 0f 1f 44 00 00"},
	       {"wpair", "", CALL, W, "e8 @pair_soft-4 0f 1f 80 00 00 00 00"});
}

/* What the machine has ready for a site is the same at all sites. Twin: a field that is not. */
Test(call, a_fixup_that_fills_the_site_is_rebased_at_each)
{
	struct table *table = table_new();
	struct hot_machine *machine;
	uint8_t memory[0x100], want[HOT_BYTES_MAX], got[HOT_BYTES_MAX];
	struct hot_text text = {TEXT, memory, NULL, sizeof(memory), 0};
	struct hot_error error;

	table_hotinline(table, "adds", 5);
	table_alternative(table, NULL, "05 @datum-4", false);
	machine = table_machine(&table->t, "");
	for (uint32_t at = 0; at < 2 * SITE; at += SITE) {
		struct hot_site site = {at, 0, HOT_CALL, 0};

		table_bytes(machine, "05 @datum-4", TEXT + at, want, sizeof(want));
		cr_assert_eq(hot_site_bytes(machine, &text, &site, HOT_NOW, got, &error), 5);
		cr_expect(!memcmp(got, want, 5), "at %x", at);
	}
	free(machine);
}

Test(call, a_wide_site_takes_what_is_as_long_as_it)
{
	EXPECT(HOT_NOW, {"wclean", "fast erms", CALL, W, "66 0f ae 37 0f 1f 40 00"},
	       {"wclean", "erms", CALL, W, "66 0f ae 3f 0f 1f 40 00"},
	       {"wclean", "", CALL, W, "0f ae 3f 0f 1f 44 00 00"},
	       {"wfull", "up", CALL, W, "48 c7 c0 2a 00 00 00"},
	       {"wlong", "", CALL, W,
		"e8 @long_soft-4 66 0f 1f 84 00 00 00 00 00 66 0f 1f 84 00 00 00 00 00"
		"66 0f 1f 84 00 00 00 00 00 66 0f 1f 84 00 00 00 00 00 66 0f 1f 84 00 00 00 00 00"
		"66 0f 1f 84 00 00 00 00 00 0f 1f 44 00 00"});
}

Test(call, without_the_mark_only_what_fits_5_bytes_is_inlined)
{
	EXPECT(HOT_NOW, {"wclean", "fast", CALL, 0, "66 0f ae 37 90"},
	       {"wclean", "", CALL, 0, "0f ae 3f 66 90"}, {"wfull", "", CALL, 0, "b8 07 00 00 00"},
	       {"wpair", "", CALL, 0, "e8 @pair_soft-4"});
}

Test(call, without_the_mark_what_is_longer_leaves_the_call)
{
	EXPECT(HOT_NOW, {"wclean", "erms", CALL, 0, "e8 @wclean-4"},
	       {"wfull", "up", CALL, 0, "e8 @wfull-4"}, {"wlong", "up", CALL, 0, "e8 @wlong-4"},
	       {"wpair", "erms", CALL, 0, "e8 @wpair-4"}, {"wpair", "up", CALL, 0, "e8 @wpair-4"});
}

Test(jmp, code_is_followed_by_a_return_and_what_traps)
{
	EXPECT(HOT_NOW, {"xsmap", "smap", JMP, 0, "0f 01 ca c3 cc"},
	       {"two", "up", JMP, 0, "89 f8 c3 cc cc"}, {"four", "up", JMP, 0, "48 0f 01 ca c3"},
	       {"empty", "", JMP, 0, "c3 cc cc cc cc"}, {"empty", "up", JMP, 0, "c3 cc cc cc cc"});
}

Test(jmp, code_without_room_for_a_return_leaves_the_jump)
{
	EXPECT(HOT_NOW, {"exact", "up", JMP, 0, "e9 @exact-4"},
	       {"count", "popcnt", JMP, 0, "e9 @count-4"},
	       {"wfull", "up", JMP, W, "e9 @wfull-4 36 90"}, {"wfull", "up", JMP, 0, "e9 @wfull-4"},
	       {"wclean", "erms", JMP, W, "e9 @wclean-4 36 66 90"});
}

Test(jmp, a_trailing_call_becomes_a_jump)
{
	EXPECT(HOT_NOW, {"count", "", JMP, 0, "e9 @count_soft-4"},
	       {"wpair", "up", JMP, W, "48 8d 05 @datum-4 e9 @pair_soft-4"},
	       {"wpair", "", JMP, W, "e9 @pair_soft-4 cc cc cc cc cc cc cc"},
	       {"wpair", "", JMP, 0, "e9 @pair_soft-4"});
}

Test(jmp, a_wide_jump_takes_code_and_return)
{
	EXPECT(HOT_NOW, {"wclean", "fast", JMP, W, "66 0f ae 37 c3 cc cc cc"},
	       {"wfull", "", JMP, W, "b8 07 00 00 00 c3 cc"},
	       {"wpair", "erms", JMP, W, "48 8b 05 @datum+4 c3 cc cc cc cc"});
}

Test(stub, has_room_for_its_size_and_a_return)
{
	EXPECT(HOT_NOW, {"xsmap", "smap", STUB, 0, "0f 01 ca c3 cc cc"},
	       {"exact", "up", STUB, 0, "b8 2a 00 00 00 c3"},
	       {"count", "popcnt", STUB, 0, "f3 48 0f b8 c7 c3"},
	       {"count", "", STUB, 0, "e9 @count_soft-4 cc"},
	       {"empty", "up", STUB, 0, "c3 cc cc cc cc cc"},
	       {"wfull", "up", STUB, 0, "48 c7 c0 2a 00 00 00 c3"},
	       {"wclean", "erms", STUB, 0, "66 0f ae 3f 0f 1f 40 00 c3"},
	       {"wpair", "up", STUB, 0, "48 8d 05 @datum-4 e9 @pair_soft-4 cc"});
}

Test(prefixed, padding_goes_first)
{
	EXPECT(HOT_NOW, {"xsmap", "smap", CALL, P, "66 90 0f 01 ca"},
	       {"two", "up", CALL, P, "0f 1f 00 89 f8"}, {"two", "up", JMP, P, "66 90 89 f8 c3"},
	       {"wclean", "", CALL, W | P, "0f 1f 44 00 00 0f ae 3f"},
	       {"wclean", "fast", JMP, W | P, "0f 1f 00 66 0f ae 37 c3"},
	       {"empty", "", CALL, P, "0f 1f 40 00 90"}, {"empty", "", JMP, P, "0f 1f 40 00 c3"});
}

Test(prefixed, code_that_begins_with_a_long_nop_or_a_branch_stays_in_front)
{
	EXPECT(HOT_NOW, {"xsmap", "", CALL, P, "0f 1f 44 00 00"},
	       {"lead", "up", CALL, P, "66 90 89 f8 90"}, {"lead", "up", JMP, P, "66 90 89 f8 c3"},
	       {"count", "", CALL, P, "e8 @count_soft-4"},
	       {"count", "", JMP, P, "e9 @count_soft-4"},
	       {"wpair", "", CALL, W | P, "e8 @pair_soft-4 0f 1f 80 00 00 00 00"});
}

/* hotc says of each alternative behind which classes of prefixes it means the same. */
Test(prefixed, code_stays_in_front_behind_a_prefix_that_does_not_change_it)
{
	enum { REX = HOT_ARCH_REX << HOT_PREFIX_SHIFT, FS = HOT_ARCH_FS_GS << HOT_PREFIX_SHIFT };

	EXPECT(HOT_NOW, {"rexed", "up", CALL, REX, "0f 01 ca 66 90"},
	       {"rexed", "up", JMP, REX, "0f 01 ca c3 cc"},
	       {"rexed", "up", CALL, FS, "66 90 0f 01 ca"},
	       {"rexed", "up", JMP, FS, "e9 @rexed-4"});
}

Test(prefixed, without_room_for_a_nop_of_two_bytes_the_branch_stays)
{
	EXPECT(HOT_NOW, {"four", "up", CALL, P, "e8 @four-4"}, {"four", "up", JMP, P, "e9 @four-4"},
	       {"xsmap", "smap", JMP, P, "e9 @xsmap-4"}, {"exact", "up", CALL, P, "e8 @exact-4"},
	       {"count", "popcnt", CALL, P, "e8 @count-4"},
	       {"wfull", "up", CALL, W | P, "e8 @wfull-4 36 90"},
	       {"wfull", "", JMP, W | P, "e9 @wfull-4 36 90"},
	       {"wpair", "up", CALL, W | P, "e8 @wpair-4 36 66 0f 1f 44 00 00"});
}

Test(prefixed, fixups_move_with_the_code)
{
	EXPECT(HOT_NOW, {"wpair", "erms", CALL, W | P, "0f 1f 44 00 00 48 8b 05 @datum+4"},
	       {"wpair", "erms", JMP, W | P, "0f 1f 40 00 48 8b 05 @datum+4 c3"});
}

/* Before a return a NOP is no code: nothing is called, and control goes back at once. Twin: in a call
 * site it is the filling. */
Test(jmp, a_nop_is_no_code)
{
	EXPECT(HOT_NOW, {"xsmap", "", JMP, 0, "c3 cc cc cc cc"},
	       {"xsmap", "", STUB, 0, "c3 cc cc cc cc cc"}, {"lead", "", JMP, P, "0f 1f 40 00 c3"},
	       {"xsmap", "", CALL, 0, "0f 1f 44 00 00"});
}

/* No code at all in a prefixed site: the filling is the NOP that absorbs the prefix; a lone `ret`
 * keeps its meaning only after one. */
Test(prefixed, no_code_at_all_is_one_nop)
{
	EXPECT(HOT_NOW, {"empty", "up", CALL, P, "0f 1f 44 00 00"},
	       {"empty", "up", JMP, P, "0f 1f 40 00 c3"});
}

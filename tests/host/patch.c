/* do_hotinlines() and hot_verify(): plan, commit, verify; all or nothing. */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/text.h"

static struct hot_machine *machine(const char *features)
{
	return table_machine(table_common(), features);
}

/* Ten good sites of all forms. */
static struct text *many(const char *features)
{
	static const struct text_row rows[] = {
	    {0x00, "xsmap", HOT_CALL, 0},
	    {0x05, "count", HOT_CALL, 0},
	    {0x20, "exact", HOT_JMP, 0},
	    {0x30, "wclean", HOT_CALL, HOT_WIDE},
	    {0x40, "wpair", HOT_CALL, HOT_WIDE},
	    {0x50, "wpair", HOT_JMP, HOT_WIDE},
	    {0x80, "wlong", HOT_CALL, HOT_WIDE},
	    {0xc0, "xsmap", HOT_JMP, HOT_ARCH_REX << HOT_PREFIX_SHIFT},
	    {0xd0, "two", HOT_STUB, 0},
	    {0x1fb, "four", HOT_CALL, 0},
	};
	struct text *text = text_new(machine(features), 0x200);

	text_rows(text, rows, sizeof(rows) / sizeof(rows[0]));
	return text;
}

Test(patch, every_site_of_a_text_is_patched_and_nothing_else)
{
	struct text *text = many("smap up popcnt erms");
	uint8_t *after = malloc(text->text.size);

	text_patch(text);
	text_expect(text, 0x00, "0f 01 ca 66 90");
	text_expect(text, 0x05, "f3 48 0f b8 c7");
	text_expect(text, 0x20, "e9 @exact-4");
	text_expect(text, 0x40, "48 8d 05 @datum-4 e8 @pair_soft-4");
	text_expect(text, 0x50, "48 8d 05 @datum-4 e9 @pair_soft-4");
	text_expect(text, 0xd0, "89 f8 c3 cc cc cc");
	text_expect(text, 0x1fb, "48 0f 01 ca 90");
	memcpy(after, text->text.bytes, text->text.size);
	for (unsigned i = 0; i < text->text.nsites; i++) {
		unsigned size = hot_site_size(text->machine->table, &text->sites[i]);

		memset(after + text->sites[i].offset, TEXT_FILL, size);
	}
	for (unsigned i = 0; i < text->text.size; i++)
		cr_expect_eq(after[i], TEXT_FILL, "byte %#x is of no site", i);
}

/* A text after that one, of the same machine. */
static struct text *next_text(const struct text *one)
{
	struct text *two = text_new(one->machine, 0x200);

	two->text.address += 0x1000;
	text_site(two, 0x00, "xsmap", HOT_CALL, 0);
	text_site(two, 0x30, "wclean", HOT_CALL, HOT_WIDE);
	text_site(two, 0x1fb, "four", HOT_CALL, 0);
	text_seal(two);
	return two;
}

Test(patch, several_texts_are_one_module)
{
	struct text *one = many("smap"), *two = next_text(one);
	struct hot_text both[2];
	struct hot_error error;

	both[0] = one->text;
	both[1] = two->text;
	cr_expect(do_hotinlines(one->machine, both, 2, &error));
	cr_expect_eq(error.reason, HOT_OK);
	text_expect(one, 0x00, "0f 01 ca 66 90");
	text_expect(two, 0x00, "0f 01 ca 66 90");
}

Test(patch, a_bad_site_of_the_last_text_leaves_the_first_untouched)
{
	struct text *one = many("smap up"), *two = next_text(one);
	struct hot_text both[2];
	struct hot_error error;

	two->text.bytes[0x1ff] ^= 1;
	text_seal(two);
	both[0] = one->text;
	both[1] = two->text;
	cr_expect(!do_hotinlines(one->machine, both, 2, &error));
	text_expect_unchanged(one, "the first text was written");
	text_expect_unchanged(two, "the second text was written");
}

Test(patch, a_module_without_sites_has_nothing_to_do)
{
	struct text *text = text_new(machine("smap"), 16);
	struct hot_error error;

	text_seal(text);
	text_patch(text);
	text_expect_unchanged(text, "no site, yet written");
	cr_expect(do_hotinlines(text->machine, NULL, 0, &error));
	cr_expect(hot_verify(text->machine, NULL, 0, HOT_BEFORE, &error));
}

Test(patch, an_undecided_machine_patches_nothing)
{
	struct text *text = many(NULL);
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	text_expect_refusal(text, HOT_E_UNDECIDED);
	cr_expect_eq(
	    hot_site_bytes(text->machine, &text->text, text->sites, HOT_NOW, bytes, &error), 0);
	cr_expect_eq(error.reason, HOT_E_UNDECIDED);
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error),
		  "what the relocator left can be verified without a decision");
}

Test(patch, an_undecided_machine_has_not_even_nothing_to_do)
{
	struct text *text = text_new(machine(NULL), 8);

	text_seal(text);
	text_expect_refusal(text, HOT_E_UNDECIDED);
}

/* The last site's choice refers to a symbol without an address: known before the first write. */
Test(patch, one_choice_that_cannot_be_written_among_many_is_found_before_a_write)
{
	struct text *text = text_new(machine("smap"), 256);

	for (unsigned i = 0; i < 10; i++)
		text_site(text, 16 * i, "xsmap", HOT_CALL, 0);
	text_site(text, 160, "count", HOT_CALL, 0);
	text->machine->symbols[0] = 0;
	text_seal(text);
	text_expect_refusal(text, HOT_E_SYMBOL);
	text->machine->symbols[0] = TEXT_RUNS + (1ul << 32);
	text_expect_refusal(text, HOT_E_REACH);
}

Test(patch, one_bad_site_among_many_leaves_every_byte)
{
	for (unsigned bad = 0; bad < 10; bad++) {
		struct text *text = many("smap up popcnt erms");
		struct hot_error error;
		uint32_t at = text->sites[bad].offset;

		text->text.bytes[at + 1] ^= 0x10;
		text_seal(text);
		error = text_expect_refusal(text, HOT_E_OLD_BYTES);
		cr_expect_eq(error.address, TEXT_RUNS + at, "site %u: %lx", bad, error.address);
		cr_expect_eq(error.hotinline, text->sites[bad].hotinline);
		free(text->machine);
	}
}

Test(old_bytes, each_flipped_bit_of_a_site_is_found_before_a_write)
{
	struct text *text = many("smap up popcnt erms");

	for (unsigned i = 0; i < text->text.nsites; i++) {
		const struct hot_site *site = &text->sites[i];

		for (unsigned bit = 0; bit < 8 * hot_site_size(text->machine->table, site); bit++) {
			text->text.bytes[site->offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
			text_seal(text);
			text_expect_refusal(text, HOT_E_OLD_BYTES);
			text->text.bytes[site->offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	text_patch(text);
}

Test(old_bytes, a_refusal_tells_what_was_expected_and_what_was_found)
{
	struct text *text = text_new(machine("smap"), 5);
	uint8_t want[5];
	struct hot_error error;

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	memcpy(want, text->text.bytes, 5);
	text->text.bytes[0] = 0xe9;
	text_seal(text);
	error = text_expect_refusal(text, HOT_E_OLD_BYTES);
	cr_expect_eq(error.size, 5);
	cr_expect_eq(error.address, TEXT_RUNS);
	cr_expect_eq(error.symbol, HOT_NONE);
	bytes_expect("expected", error.expected, want, 5);
	bytes_expect("found", error.found, text->text.bytes, 5);
}

Test(old_bytes, a_site_that_is_patched_already_is_refused)
{
	struct text *text = text_new(machine("smap"), 8);

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	text_patch(text);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OLD_BYTES);
}

/* PEERS 31, 4: a call to something else, one bit of whose target differs. */
Test(old_bytes, a_call_to_another_function_is_refused)
{
	struct text *text = text_new(machine("smap"), 8);

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	bytes_put(text->text.bytes + 1, 4, bytes_get(text->text.bytes + 1, 4) + 0x100);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OLD_BYTES);
}

Test(old_bytes, a_wide_site_without_its_mark_is_refused)
{
	struct text *text = text_new(machine("erms"), 8);

	text_site(text, 0, "wclean", HOT_CALL, HOT_WIDE);
	memset(text->text.bytes + 5, 0x90, 3);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OLD_BYTES);
}

Test(bounds, a_site_may_end_with_its_text)
{
	struct text *text = text_new(machine("smap erms"), 21);

	text_site(text, 0, "wclean", HOT_CALL, HOT_WIDE);
	text_site(text, 8, "wclean", HOT_CALL, HOT_WIDE);
	text_site(text, 16, "xsmap", HOT_CALL, 0);
	text_seal(text);
	text_patch(text);
}

Test(bounds, a_site_may_not_end_beyond_its_text)
{
	static const struct {
		const char *name;
		unsigned form, flags, size;
	} rows[] = {{"xsmap", HOT_CALL, 0, 5},  {"xsmap", HOT_JMP, 0, 5},
		    {"xsmap", HOT_STUB, 0, 6},  {"wclean", HOT_CALL, HOT_WIDE, 8},
		    {"wclean", HOT_STUB, 0, 9}, {"wlong", HOT_CALL, HOT_WIDE, 64},
		    {"wlong", HOT_STUB, 0, 65}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned missing = 1; missing <= rows[i].size; missing++) {
			struct text *text = text_new(machine("smap"), 100);

			text_site(text, 100 - rows[i].size, rows[i].name, rows[i].form,
				  rows[i].flags);
			text->text.size -= missing;
			text_seal(text);
			text_expect_refusal(text, HOT_E_BOUNDS);
			free(text->machine);
			free(text);
		}
	}
}

Test(bounds, an_offset_near_4_gib_does_not_wrap)
{
	static const uint32_t offsets[] = {100, 0x7fffffff, 0xfffffffb, 0xfffffffc, 0xffffffff};

	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct text *text = text_new(machine("smap"), 100);

		text_site(text, 0, "xsmap", HOT_CALL, 0)->offset = offsets[i];
		text_seal(text);
		text_expect_refusal(text, HOT_E_BOUNDS);
		/* Nor is it the stub's distance that stops it. */
		text->machine->stubs[text->sites[0].hotinline] =
		    text->text.address + offsets[i] + 16;
		text_expect_refusal(text, HOT_E_BOUNDS);
	}
}

Test(bounds, an_empty_text_holds_no_site)
{
	struct text *text = text_new(machine("smap"), 8);

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	text->text.size = 0;
	text_seal(text);
	text_expect_refusal(text, HOT_E_BOUNDS);
}

Test(overlap, neighbours_may_touch)
{
	struct text *text = text_new(machine("smap up"), 100);

	text_site(text, 0, "xsmap", HOT_STUB, 0);
	text_site(text, 6, "wfull", HOT_CALL, HOT_WIDE);
	text_site(text, 13, "xsmap", HOT_CALL, 0);
	text_seal(text);
	text_patch(text);
}

Test(overlap, neighbours_may_not_share_a_byte)
{
	for (unsigned distance = 0; distance < 7; distance++) {
		struct text *text = text_new(machine("smap up"), 100);
		struct hot_error error;

		text_site(text, distance, "xsmap", HOT_CALL, 0);
		text_site(text, 0, "wfull", HOT_CALL, HOT_WIDE);
		text->sites[1].offset = distance;
		text->sites[0] = (struct hot_site){0, text->sites[1].hotinline, HOT_CALL, HOT_WIDE};
		text->sites[1].hotinline = (uint16_t)hot_find(text->machine->table, "xsmap");
		text->sites[1].flags = 0;
		text_seal(text);
		error = text_expect_refusal(text, HOT_E_OVERLAP);
		cr_expect_eq(error.address, TEXT_RUNS + distance, "the second one's: %lx",
			     error.address);
	}
}

Test(overlap, sites_out_of_order_are_refused)
{
	struct text *text = text_new(machine("smap"), 100);

	text_site(text, 20, "xsmap", HOT_CALL, 0);
	text_site(text, 10, "xsmap", HOT_CALL, 0);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OVERLAP);
}

Test(overlap, the_same_site_twice_is_refused)
{
	struct text *text = text_new(machine("smap"), 100);

	text_site(text, 20, "xsmap", HOT_CALL, 0);
	text_site(text, 20, "xsmap", HOT_CALL, 0);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OVERLAP);
}

Test(site, one_of_no_hotinline_or_no_form_is_refused)
{
	struct text *text = many("smap");
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	text->sites[3].hotinline = text->machine->table->nhotinlines;
	text_expect_refusal(text, HOT_E_SITE);
	text->sites[3].hotinline = HOT_NONE;
	text_expect_refusal(text, HOT_E_SITE);
	text->sites[3] = (struct hot_site){text->sites[3].offset, UINT16_MAX - 1, HOT_CALL, 0};
	text_expect_refusal(text, HOT_E_SITE);
	text->sites[3].hotinline = 0;
	text->sites[3].form = HOT_STUB + 1;
	text_expect_refusal(text, HOT_E_SITE);
	text->sites[3].form = 0xff;
	error = text_expect_refusal(text, HOT_E_SITE);
	cr_expect_eq(error.address, TEXT_RUNS + text->sites[3].offset);
	cr_expect_eq(
	    hot_site_bytes(text->machine, &text->text, &text->sites[3], HOT_BEFORE, bytes, &error),
	    0);
	cr_expect_eq(error.reason, HOT_E_SITE);
}

Test(symbol, one_without_an_address_is_refused)
{
	struct text *text = many("up");
	struct hot_error error;
	unsigned datum = text->machine->table->nsymbols;

	while (strcmp(text->machine->table->symbols[--datum], "datum"))
		;
	text->machine->symbols[datum] = 0;
	error = text_expect_refusal(text, HOT_E_SYMBOL);
	cr_expect_eq(error.symbol, datum);
	cr_expect_eq(error.address, TEXT_RUNS + 0x40, "of the first that needs it");
	cr_expect_eq(error.hotinline, hot_find(text->machine->table, "wpair"));
}

Test(symbol, one_that_the_choice_does_not_need_may_be_missing)
{
	struct text *text = text_new(machine("popcnt"), 8);

	text_site(text, 0, "count", HOT_CALL, 0);
	memset(text->machine->symbols, 0, 8ul * text->machine->table->nsymbols);
	text_patch(text);
}

/* An alternative's own reference, beyond the limits by one byte and exactly at them. */
Test(reach, a_fixup_reaches_2_gib_and_no_further)
{
	static const struct {
		int64_t distance; /* from the end of the branch */
		bool reaches;
	} rows[] = {{INT32_MAX, true},
		    {(int64_t)INT32_MAX + 1, false},
		    {INT32_MIN, true},
		    {(int64_t)INT32_MIN - 1, false}};

	for (unsigned i = 0; i < 4; i++) {
		struct text *text = text_new(machine(""), 8);
		struct hot_error error;

		text->text.address = 0x7fff00000000;
		for (unsigned s = 0; s < text->machine->table->nhotinlines; s++)
			text->machine->stubs[s] = 0x7fff00000100;
		text_site(text, 1, "count", HOT_CALL, 0);
		text->machine->symbols[0] = text->text.address + 6 + (uint64_t)rows[i].distance;
		text_seal(text);
		if (rows[i].reaches) {
			text_patch(text);
			text_expect(text, 1, "e8 @count_soft-4");
			continue;
		}
		error = text_expect_refusal(text, HOT_E_REACH);
		cr_expect_eq(error.symbol, 0);
		cr_expect_eq(error.address, text->text.address + 1);
	}
}

Test(reach, a_stub_out_of_reach_is_refused)
{
	struct text *text = text_new(machine("smap"), 8);
	struct hot_error error;
	uint8_t bytes[HOT_BYTES_MAX];

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	text->machine->stubs[text->sites[0].hotinline] = TEXT_RUNS + 5 + (1ul << 31);
	text_seal(text);
	cr_expect_eq(
	    hot_site_bytes(text->machine, &text->text, text->sites, HOT_BEFORE, bytes, &error), 0);
	cr_expect_eq(error.reason, HOT_E_REACH);
	text_expect_refusal(text, HOT_E_REACH);
}

Test(verify, live_text_is_compared_in_either_state)
{
	struct text *text = many("smap up");
	struct hot_error error;

	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error));
	cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
	cr_expect_eq(error.reason, HOT_E_VERIFY);
	text_patch(text);
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
	cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error));
	cr_expect_eq(error.reason, HOT_E_VERIFY);
}

Test(verify, each_flipped_bit_of_a_patched_site_is_found)
{
	struct text *text = many("smap up popcnt erms");
	struct hot_error error;

	text_patch(text);
	for (unsigned i = 0; i < text->text.nsites; i++) {
		const struct hot_site *site = &text->sites[i];

		for (unsigned bit = 0; bit < 8 * hot_site_size(text->machine->table, site); bit++) {
			uint8_t *byte = text->text.bytes + site->offset + bit / 8;

			*byte ^= (uint8_t)(1u << bit % 8);
			cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_NOW, &error),
				  "site %u bit %u", i, bit);
			cr_expect_eq(error.address, TEXT_RUNS + site->offset);
			cr_expect_eq(error.reason, HOT_E_VERIFY);
			cr_expect_eq(error.found[bit / 8], *byte);
			*byte ^= (uint8_t)(1u << bit % 8);
		}
	}
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
}

Test(verify, a_byte_outside_of_every_site_does_not_matter)
{
	struct text *text = many("smap up popcnt erms");
	struct hot_error error;

	text_patch(text);
	text->text.bytes[0x1f] ^= 0xff;
	text->text.bytes[0x25] ^= 0xff;
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
}

/* What cannot be a site holds neither state; and before the decision there is but one. */
Test(verify, refuses_what_it_cannot_tell)
{
	struct text *text = text_new(table_machine(table_common(), NULL), 64);
	struct hot_features none = {{0}};
	struct hot_error error;

	text_site(text, 8, "xsmap", HOT_CALL, 0);
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error));
	cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
	cr_expect_eq(error.reason, HOT_E_UNDECIDED, "%s", hot_reason_text(error.reason));
	hot_decide(text->machine, &none);
	text->sites[0].form = HOT_STUB + 1;
	cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error));
	cr_expect_eq(error.reason, HOT_E_SITE, "%s", hot_reason_text(error.reason));
	cr_expect_eq(error.address, TEXT_RUNS + 8);
}

Test(verify, never_writes)
{
	struct text *text = many("smap up popcnt erms");
	struct hot_error error;

	cr_expect(!hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
	text_expect_unchanged(text, "verifying has written");
}

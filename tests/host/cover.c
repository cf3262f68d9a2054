/*
 * Stubs' bodies are sites, too, where a kernel finds its sites without krtld (hot_add_stubs());
 * do_hotinlines() refuses a text without them; and no array of sites or texts makes the engine read
 * where it should not: AddressSanitizer watches.
 */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/text.h"

/* two, and a second, which is clac or a NOP. */
static struct table *table_of(const char *second, unsigned size)
{
	struct table *table = table_new();

	table_cpuid(table, "smap", 7, 0, 1, 20);
	table_hotinline(table, "two", 5);
	table_alternative(table, "smap", "89 f8", false);
	table_alternative(table, NULL, "e8 @two_soft-4", true);
	table_hotinline(table, second, size);
	table_alternative(table, "smap", "0f 01 ca", false);
	table_alternative(table, NULL, "0f 1f 44 00 00", false);
	return table;
}

/* A text that holds the stubs of xsmap and two, and a call of the first. */
static struct text *with_stubs(const char *features, unsigned entry)
{
	struct table *table = table_of("xsmap", 5);
	struct hot_machine *machine;
	struct text *text;

	table->t.entry = (uint8_t)entry;
	machine = table_machine(&table->t, features);
	text = text_new(machine, 0x40);
	machine->stubs[0] = text->text.address + 0x20;
	machine->stubs[1] = text->text.address + 0x10;
	text_site(text, 0, "xsmap", HOT_CALL, 0);
	table_bytes(machine, "c3 cc cc cc cc cc", 0, text->text.bytes + 0x10 + entry, 6);
	table_bytes(machine, "e9 @two_soft-4 cc", text->text.address + 0x20 + entry,
		    text->text.bytes + 0x20 + entry, 6);
	text_seal(text);
	return text;
}

Test(cover, a_text_that_holds_a_stub_must_have_it_among_its_sites)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_error error = text_expect_refusal(text, HOT_E_COVER);

	cr_expect_eq(error.hotinline, 0);
	cr_expect_eq(error.address, TEXT_RUNS + 0x20);
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), 0);
	text->text.nsites = hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES);
	cr_expect_eq(text->text.nsites, 3);
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), HOT_NONE);
	text_patch(text);
	text_expect(text, 0x00, "0f 01 ca 66 90");
	text_expect(text, 0x10, "0f 01 ca c3 cc cc");
	text_expect(text, 0x20, "89 f8 c3 cc cc cc");
}

/* Of the right form and hotinline, and of every hotinline to the last. */
Test(cover, another_site_at_a_stub_does_not_cover_it)
{
	struct text *text = with_stubs("smap", 0);
	unsigned last = text->machine->table->nhotinlines - 1;
	struct hot_site *site;

	text->text.nsites = hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES);
	site = &text->sites[2];
	cr_assert_eq(site->form, HOT_STUB);
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), HOT_NONE);
	site->form = HOT_CALL;
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), site->hotinline, "a call");
	site->form = HOT_JMP;
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), site->hotinline, "a jmp");
	site->form = HOT_STUB;
	text->machine->stubs[last] = text->machine->stubs[site->hotinline];
	text->machine->stubs[site->hotinline] = 0;
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), last, "another hotinline");
	site->hotinline = (uint16_t)last;
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), HOT_NONE);
}

/* Twins: stubs elsewhere need not be in this text. */
Test(cover, stubs_outside_of_the_text_are_not_its_own)
{
	struct text *text = with_stubs("smap", 0);

	text->machine->stubs[0] = text->text.address + text->text.size;
	text->machine->stubs[1] = text->text.address - 1;
	table_bytes(text->machine, "e8 @xsmap-4", text->text.address, text->text.bytes, 5);
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), HOT_NONE);
	text_patch(text);
	cr_expect_eq(hot_add_stubs(text->machine, &text->text, text->sites, 1, 1), 1);
}

Test(cover, a_stub_begins_where_the_table_says)
{
	struct text *text = with_stubs("smap", 4);

	text_expect_refusal(text, HOT_E_COVER);
	text->text.nsites = hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES);
	cr_expect_eq(text->sites[1].offset, 0x14);
	cr_expect_eq(text->sites[2].offset, 0x24);
	text_patch(text);
	text_expect(text, 0x14, "0f 01 ca c3 cc cc");
	text_expect(text, 0x24, "89 f8 c3 cc cc cc");
	cr_expect_eq(text->text.bytes[0x13], TEXT_FILL, "endbr64 is not the site's");
}

Test(cover, a_stub_s_site_is_at_the_stub)
{
	struct text *text = with_stubs("smap", 0);

	text->text.nsites = hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES);
	text->machine->stubs[0] += 0x100;
	text_expect_refusal(text, HOT_E_STUB);
	text->machine->stubs[0] -= 0x110;
	text_expect_refusal(text, HOT_E_STUB);
	text->machine->stubs[0] = 0;
	text_expect_refusal(text, HOT_E_STUB);
}

Test(cover, a_stub_is_found_in_each_of_many_texts)
{
	struct text *one = with_stubs("smap", 0);
	struct hot_text texts[7];

	one->machine->stubs[1] = 0;
	for (unsigned n = 1; n <= 7; n++) {
		for (unsigned i = 0; i < n; i++)
			texts[i] = (struct hot_text){.address = TEXT_RUNS + 0x100 * i, .size = 8};
		for (unsigned i = 0; i < n; i++) {
			one->machine->stubs[0] = texts[i].address;
			cr_expect_eq(hot_uncovered(one->machine, texts, n), 0, "%u of %u", i, n);
			one->machine->stubs[0] += 7;
			cr_expect_eq(hot_uncovered(one->machine, texts, n), 0, "%u of %u", i, n);
			one->machine->stubs[0]++;
			cr_expect_eq(hot_uncovered(one->machine, texts, n), HOT_NONE);
		}
	}
}

Test(cover, a_stub_without_an_address_is_in_no_text)
{
	struct text *text = with_stubs("smap", 0);

	text->text.address = 0;
	text->machine->stubs[0] = text->machine->stubs[1] = 0;
	cr_expect_eq(hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES), 1);
	text->text.nsites = 0;
	cr_expect_eq(hot_uncovered(text->machine, &text->text, 1), HOT_NONE);
}

/* Control comes to a stub by its address: what is before it is not executed. */
Test(cover, what_is_before_a_stub_is_not_its_prefix)
{
	struct text *text = with_stubs("smap", 0);

	text->text.nsites = hot_add_stubs(text->machine, &text->text, text->sites, 1, TEXT_SITES);
	text->sites[2].flags = HOT_ARCH_SEVERAL << HOT_PREFIX_SHIFT;
	text_patch(text);
	text_expect(text, 0x20, "89 f8 c3 cc cc cc");
}

/* Twin: where bytes differ, they are in the error. */
Test(cover, an_error_without_bytes_says_so)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_error error;

	memset(&error, 0xff, sizeof(error));
	cr_expect(!do_hotinlines(text->machine, &text->text, 1, &error));
	cr_expect_eq(error.reason, HOT_E_COVER);
	cr_expect_eq(error.size, 0);
	text->text.bytes[0] ^= 1;
	cr_expect(!do_hotinlines(text->machine, &text->text, 1, &error));
	cr_expect_eq(error.reason, HOT_E_OLD_BYTES);
	cr_expect_eq(error.size, 5);
}

Test(cover, a_call_needs_a_stub_with_an_address)
{
	struct text *text = with_stubs("smap", 0);

	text->machine->stubs[1] = 0;
	text_expect_refusal(text, HOT_E_STUB);
}

Test(cover, without_room_the_array_stays_and_the_number_is_told)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_site *exact = malloc(2 * sizeof(*exact));

	memcpy(exact, text->sites, sizeof(*exact));
	cr_expect_eq(hot_add_stubs(text->machine, &text->text, exact, 1, 2), 3);
	free(exact);
	cr_expect_eq(hot_add_stubs(text->machine, &text->text, NULL, 0, 0), 2);
}

Test(cover, sites_are_sorted)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_site sites[TEXT_SITES];
	unsigned seed = 7;

	for (unsigned n = 0; n + 2 <= TEXT_SITES; n++) {
		for (unsigned i = 0; i < n; i++)
			sites[i] =
			    (struct hot_site){(uint32_t)rand_r(&seed) % 0x40, 1, HOT_CALL, 0};
		cr_assert_eq(hot_add_stubs(text->machine, &text->text, sites, n, TEXT_SITES),
			     n + 2);
		for (unsigned i = 1; i < n + 2; i++)
			cr_expect(sites[i - 1].offset <= sites[i].offset, "%u of %u", i, n);
	}
}

/* ---- Bad arrays ---- */

static unsigned random_of(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

/* Whatever they are, each function answers, and none reads beyond text, sites or table. */
Test(bad_sites, random_ones_are_refused_or_right)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_site *sites = malloc(8 * sizeof(*sites));
	unsigned seed = 1, refused = 0;
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	text->text.sites = sites;
	for (unsigned round = 0; round < 20000; round++) {
		text->text.nsites = 1 + random_of(&seed, 8);
		for (unsigned i = 0; i < text->text.nsites; i++) {
			sites[i] = (struct hot_site){random_of(&seed, 80), 0, 0, 0};
			sites[i].hotinline = (uint16_t)random_of(&seed, 4);
			sites[i].form = (uint8_t)random_of(&seed, 5);
			sites[i].flags = (uint8_t)rand_r(&seed);
			if (random_of(&seed, 2))
				sites[i].flags &= HOT_WIDE;
			(void)hot_site_size(text->machine->table, &sites[i]);
			cr_assert(hot_site_bytes(text->machine, &text->text, &sites[i],
						 random_of(&seed, 2), bytes,
						 &error) <= HOT_BYTES_MAX);
		}
		refused += !hot_verify(text->machine, &text->text, 1, HOT_BEFORE, &error);
		(void)hot_uncovered(text->machine, &text->text, 1);
		cr_assert(!do_hotinlines(text->machine, &text->text, 1, &error));
		text_expect_unchanged(text, "a refusal has written");
	}
	cr_expect(refused > 10000 && refused < 20000, "%u", refused);
}

Test(bad_sites, flags_that_mean_nothing_are_refused)
{
	static const struct {
		uint8_t form, flags;
	} rows[] = {{HOT_CALL, 0x40},
		    {HOT_CALL, 0x80},
		    {HOT_CALL, (HOT_ARCH_SEVERAL + 1) << HOT_PREFIX_SHIFT},
		    {HOT_CALL, HOT_PREFIXED},
		    {HOT_CALL, HOT_WIDE | HOT_GOT},
		    {HOT_STUB, HOT_GOT}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text *text = with_stubs("smap", 0);

		text->sites[0].form = rows[i].form;
		text->sites[0].flags = rows[i].flags;
		cr_expect_eq(hot_site_size(text->machine->table, &text->sites[0]), 0, "row %u", i);
		text_expect_refusal(text, HOT_E_SITE);
	}
}

Test(bad_sites, a_hotinline_beyond_the_table_has_no_size)
{
	const struct hot_table *table = table_common();
	struct hot_features none = {{0}};

	for (unsigned form = 0; form < 256; form++) {
		struct hot_site site = {0, table->nhotinlines, (uint8_t)form, 0};

		cr_expect_eq(hot_site_size(table, &site), 0);
		site.hotinline = 0;
		cr_expect_eq(hot_site_size(table, &site) != 0, form <= HOT_STUB);
	}
	cr_expect_eq(hot_select(table, &none, table->nhotinlines), HOT_NONE);
	cr_expect(!hot_condition(table, &none, table->nconditions));
	cr_expect(!hot_condition(table, &none, HOT_ALWAYS - 1));
	cr_expect(hot_condition(table, &none, HOT_ALWAYS));
	cr_expect(!hot_has(&none, HOT_FEATURES_MAX));
}

Test(bad_sites, a_hotinline_beyond_the_table_has_no_bytes)
{
	struct text *text = with_stubs("smap", 0);
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	for (unsigned i = 0; i < 4; i++) {
		struct hot_site site = {0, (uint16_t)i, HOT_CALL, 0};
		bool good = i < text->machine->table->nhotinlines;

		for (enum hot_state state = HOT_BEFORE; state <= HOT_NOW; state++) {
			unsigned size =
			    hot_site_bytes(text->machine, &text->text, &site, state, bytes, &error);

			cr_expect_eq(size, good ? 5 : 0, "hotinline %u", i);
			cr_expect_eq(error.reason, good ? HOT_OK : HOT_E_SITE);
		}
	}
}

/* Where 32 bits count from the start again, and a stub there is within reach. */
Test(bad_sites, an_offset_near_4_gib_is_out_of_bounds)
{
	struct text *text = with_stubs("smap", 0);
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	text->machine->stubs[1] = text->text.address + UINT32_MAX + 0x100;
	for (uint32_t offset = UINT32_MAX; offset > UINT32_MAX - 8; offset--) {
		struct hot_site site = {offset, 1, HOT_CALL, 0};

		cr_expect_eq(
		    hot_site_bytes(text->machine, &text->text, &site, HOT_BEFORE, bytes, &error),
		    0);
		cr_expect_eq(error.reason, HOT_E_BOUNDS, "offset %x", offset);
	}
}

Test(bad_texts, overlapping_or_unsorted_ones_are_refused)
{
	struct text *one = with_stubs("smap", 0);
	struct hot_text texts[2] = {one->text, one->text};
	struct hot_error error;

	one->machine->stubs[0] = one->machine->stubs[1] = 0;
	texts[0].nsites = texts[1].nsites = 0;
	texts[1].address = texts[0].address + texts[0].size;
	cr_expect(do_hotinlines(one->machine, texts, 2, &error));
	texts[1].address--;
	cr_expect(!do_hotinlines(one->machine, texts, 2, &error));
	cr_expect_eq(error.reason, HOT_E_TEXT);
	cr_expect_eq(error.address, texts[1].address);
	cr_expect(!hot_verify(one->machine, texts, 2, HOT_NOW, &error));
	texts[1].address = texts[0].address - 0x1000;
	cr_expect(!do_hotinlines(one->machine, texts, 2, &error));
	texts[1].address = UINT64_MAX - 8;
	cr_expect(!do_hotinlines(one->machine, texts, 2, &error), "it wraps round");
	cr_expect_eq(error.reason, HOT_E_TEXT);
}

Test(bad_texts, one_without_bytes_or_sites_is_refused)
{
	struct text *text = with_stubs("smap", 0);
	struct hot_text bad = text->text;
	struct hot_error error;

	bad.sites = NULL;
	cr_expect(!do_hotinlines(text->machine, &bad, 1, &error));
	cr_expect_eq(error.reason, HOT_E_TEXT);
	bad = text->text;
	bad.bytes = NULL;
	cr_expect(!hot_verify(text->machine, &bad, 1, HOT_BEFORE, &error));
	cr_expect_eq(error.reason, HOT_E_TEXT);
	cr_expect(!do_hotinlines(text->machine, NULL, 1, &error));
	cr_expect_eq(error.reason, HOT_E_TEXT);
}

/* A table that is not sound has no features, and is not read beyond its layout. */
Test(bad_table, has_no_features)
{
	struct hot_table table = *table_common();
	struct hot_env env = {NULL, NULL, NULL, NULL};
	struct hot_features features;

	memset(&features, 0xff, sizeof(features));
	table.features = NULL;
	hot_features_read(&table, &env, &features);
	cr_expect(!hot_has(&features, 0));
	table.layout++;
	memset(&features, 0xff, sizeof(features));
	hot_features_read(&table, &env, &features);
	cr_expect(!hot_has(&features, 0));
}

/* ---- Returns through a thunk ---- */

/* two and wide with returns that jump to `thunk`: calls, jmps and both stubs. */
static struct text *with_thunk(const char *features)
{
	static const struct text_row rows[] = {
	    {0x00, "two", HOT_CALL, 0},
	    {0x10, "two", HOT_JMP, 0},
	    {0x20, "wide", HOT_JMP, HOT_WIDE},
	    {0x30, "wide", HOT_JMP, 0},
	    {0x40, "wide", HOT_JMP, HOT_ARCH_SEVERAL << HOT_PREFIX_SHIFT},
	    {0x50, "two", HOT_STUB, 0},
	    {0x60, "wide", HOT_STUB, 0},
	};
	struct table *table = table_of("wide", 12);
	struct text *text;

	table->t.return_thunk = (uint16_t)table_symbol(table, "thunk");
	text = text_new(table_machine(&table->t, features), 0x80);
	text_rows(text, rows, sizeof(rows) / sizeof(rows[0]));
	return text;
}

Test(thunk, a_return_is_a_jump_to_it_and_needs_five_bytes)
{
	struct text *text = with_thunk("smap");

	text_patch(text);
	text_expect(text, 0x00, "89 f8 0f 1f 00");
	text_expect(text, 0x10, "e9 @two-4");
	text_expect(text, 0x20, "0f 01 ca e9 @thunk-4 cc cc cc cc");
	text_expect(text, 0x30, "e9 @wide-4");
	text_expect(text, 0x40, "e9 @wide-4");
	text_expect(text, 0x50, "89 f8 e9 @thunk-4 cc cc cc");
	text_expect(text, 0x60, "0f 01 ca e9 @thunk-4 cc cc cc cc cc cc cc cc cc");
}

Test(thunk, no_code_is_a_jump_to_it_that_fits_every_jmp)
{
	struct text *text = with_thunk("");

	text_expect(text, 0x60, "e9 @thunk-4 cc cc cc cc cc cc cc cc cc cc cc cc");
	text_patch(text);
	text_expect(text, 0x10, "e9 @two_soft-4");
	text_expect(text, 0x20, "e9 @thunk-4 cc cc cc cc cc cc cc");
	text_expect(text, 0x30, "e9 @thunk-4");
	text_expect(text, 0x40, "e9 @thunk-4");
	text_expect(text, 0x50, "e9 @two_soft-4 cc cc cc cc cc");
}

/* Twin: without a thunk the same sites hold c3. */
Test(thunk, no_ret_is_written)
{
	static const char *const features[] = {"", "smap"};

	for (unsigned i = 0; i < 2; i++) {
		struct text *text = with_thunk(features[i]);

		text_patch(text);
		for (unsigned at = 0; at < text->text.size; at++)
			cr_expect(text->text.bytes[at] != 0xc3, "%u", at);
	}
}

Test(thunk, one_that_is_out_of_reach_or_unknown_is_refused_before_a_write)
{
	struct text *text = with_thunk("");
	unsigned thunk = text->machine->table->return_thunk;
	struct hot_error error;

	text->machine->symbols[thunk] = 0;
	error = text_expect_refusal(text, HOT_E_SYMBOL);
	cr_expect_eq(error.symbol, thunk);
	text->machine->symbols[thunk] = TEXT_RUNS + (1ul << 33);
	text_expect_refusal(text, HOT_E_REACH);
}

/* ---- Calls through the GOT ---- */

Test(got, a_relaxed_call_has_six_bytes_for_the_code)
{
	struct text *text = text_new(table_machine(table_common(), "up smap"), 0x80);

	text_site(text, 0x00, "xsmap", HOT_CALL, HOT_GOT);
	text_site(text, 0x10, "exact", HOT_JMP, HOT_GOT);
	text_site(text, 0x20, "xsmap", HOT_CALL, HOT_GOT | HOT_ARCH_SEVERAL << HOT_PREFIX_SHIFT);
	text_site(text, 0x30, "wfull", HOT_CALL, HOT_GOT);
	text_site(text, 0x40, "wfull", HOT_JMP, HOT_GOT);
	text_expect(text, 0x00, "67 e8 @xsmap-4");
	text_expect(text, 0x10, "e9 @exact-4 90");
	text_patch(text);
	text_expect(text, 0x00, "0f 01 ca 0f 1f 00");
	text_expect(text, 0x10, "b8 2a 00 00 00 c3");
	text_expect(text, 0x20, "0f 1f 00 0f 01 ca");
	text_expect(text, 0x30, "67 e8 @wfull-4");
	text_expect(text, 0x40, "e9 @wfull-4 90");
}

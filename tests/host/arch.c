/* amd64's operations (alternatives/arch.h): proof of a site, marks, NOPs, branches, prefixes. */
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"

static const char *const nops[10] = {
    "",
    "90",
    "66 90",
    "0f 1f 00",
    "0f 1f 40 00",
    "0f 1f 44 00 00",
    "66 0f 1f 44 00 00",
    "0f 1f 80 00 00 00 00",
    "0f 1f 84 00 00 00 00 00",
    "66 0f 1f 84 00 00 00 00 00",
};

/* Nines, then what remains. */
static void pad_by_table(uint8_t *out, unsigned n)
{
	while (n) {
		unsigned size = n > 9 ? 9 : n;

		bytes_hex(nops[size], out, 9);
		out += size;
		n -= size;
	}
}

/* Calls f(bytes, n) and makes sure that not a byte beyond n is touched. */
static void call_within(void (*f)(uint8_t *, unsigned), unsigned n, uint8_t *out, const char *what)
{
	uint8_t beyond[16];

	memset(out, 0xcc, 100);
	memset(beyond, 0xcc, sizeof(beyond));
	f(out, n);
	bytes_expect(what, out + n, beyond, sizeof(beyond));
}

Test(arch, padding_is_the_fewest_canonical_nops)
{
	uint8_t got[100], want[100];

	for (unsigned n = 0; n <= HOT_SITE_MAX + 1; n++) {
		call_within(hot_arch_pad, n, got, "pad writes beyond its end");
		pad_by_table(want, n);
		bytes_expect("pad", got, want, n);
	}
}

/* The call that was there had 5: with as many prefixes before it as it could have, 15 is the limit. */
Test(arch, what_absorbs_a_prefix_begins_with_a_nop_of_2_to_5_bytes)
{
	uint8_t got[100], want[100];

	for (unsigned n = 0; n <= HOT_SITE_MAX; n += n ? 1 : 2) {
		unsigned first = n < 5 ? n : 5;

		call_within(hot_arch_absorb, n, got, "absorb writes beyond its end");
		pad_by_table(want, first);
		pad_by_table(want + first, n - first);
		bytes_expect("absorb", got, want, n);
	}
}

Test(arch, a_mark_is_a_nop_behind_an_ss_override)
{
	static const char *const marks[] = {
	    [2] = "36 90",
	    [3] = "36 66 90",
	    [4] = "36 0f 1f 00",
	    [5] = "36 0f 1f 40 00",
	    [6] = "36 0f 1f 44 00 00",
	    [7] = "36 66 0f 1f 44 00 00",
	    [8] = "36 0f 1f 80 00 00 00 00",
	    [9] = "36 0f 1f 84 00 00 00 00 00",
	    [10] = "36 66 0f 1f 84 00 00 00 00 00",
	    [11] = "36 0f 1f 84 00 00 00 00 00 36 90",
	    [12] = "36 66 0f 1f 84 00 00 00 00 00 36 90",
	    [13] = "36 66 0f 1f 84 00 00 00 00 00 36 66 90",
	    [20] = "36 66 0f 1f 84 00 00 00 00 00 36 66 0f 1f 84 00 00 00 00 00",
	    [21] = "36 66 0f 1f 84 00 00 00 00 00 36 0f 1f 84 00 00 00 00 00 36 90",
	    [22] = "36 66 0f 1f 84 00 00 00 00 00 36 66 0f 1f 84 00 00 00 00 00 36 90",
	};
	uint8_t got[100], want[100];

	for (unsigned n = 2; n < sizeof(marks) / sizeof(marks[0]); n++) {
		if (!marks[n])
			continue;
		call_within(hot_arch_mark, n, got, "mark writes beyond its end");
		cr_assert_eq(bytes_hex(marks[n], want, sizeof(want)), n);
		bytes_expect("mark", got, want, n);
	}
	for (unsigned n = 2; n <= HOT_SITE_MAX - 5; n++)
		call_within(hot_arch_mark, n, got, "mark writes beyond its end");
}

Test(arch, no_mark_can_be_taken_for_padding)
{
	uint8_t mark[100], pad[100];

	for (unsigned n = 2; n <= HOT_SITE_MAX - 5; n++) {
		hot_arch_mark(mark, n);
		hot_arch_pad(pad, n);
		cr_expect(memcmp(mark, pad, n), "%u bytes", n);
	}
}

Test(arch, a_branch_reaches_2_gib_each_way_and_no_further)
{
	static const struct {
		int64_t distance; /* from the end of the branch */
		bool reaches;
	} rows[] = {
	    {0, true},
	    {1, true},
	    {-5, true},
	    {INT32_MAX, true},
	    {INT32_MIN, true},
	    {(int64_t)INT32_MAX + 1, false},
	    {(int64_t)INT32_MIN - 1, false},
	    {INT64_MAX, false},
	    {INT64_MIN, false},
	    {0x100000000, false},
	    {-0x100000000, false},
	};
	uint64_t from = 0xffffffff80000000;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t to = from + 5 + (uint64_t)rows[i].distance;

		for (unsigned tail = 0; tail < 2; tail++) {
			uint8_t bytes[8] = {0};
			bool done = hot_arch_branch(bytes, from, to, tail);

			cr_expect_eq(done, rows[i].reaches, "%lx to %lx", from, to);
			if (!done)
				continue;
			cr_expect_eq(bytes[0], tail ? 0xe9 : 0xe8);
			cr_expect_eq((int32_t)bytes_get(bytes + 1, 4), rows[i].distance);
			cr_expect_eq(bytes[5], 0, "a sixth byte was written");
		}
	}
}

Test(arch, a_fixup_is_symbol_plus_addend_minus_place)
{
	static const struct {
		uint64_t at, symbol;
		int32_t addend;
		bool fits;
		int32_t value;
	} rows[] = {
	    {0x1000, 0x1004, -4, true, 0},
	    {0x1000, 0x2000, 0, true, 0x1000},
	    {0x2000, 0x1000, 8, true, -0xff8},
	    {0, 0x7fffffff, 0, true, 0x7fffffff},
	    {0, 0x80000000, 0, false, 0},
	    {0, 0x80000000, -1, true, 0x7fffffff},
	    {0x80000000, 0, 0, true, INT32_MIN},
	    {0x80000000, 0, -1, false, 0},
	    {0xffffffff80000000, 0xffffffffffffffff, 0, true, 0x7fffffff},
	    {0xffffffffffffffff, 1, 0, true, 2},
	    {0, 0xffffffff00000000, 0, false, 0},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t field[8];
		bool fits;

		memset(field, 0xcc, sizeof(field));
		fits = hot_arch_fixup(field, rows[i].at, rows[i].symbol, rows[i].addend);
		cr_expect_eq(fits, rows[i].fits, "row %u", i);
		if (fits)
			cr_expect_eq((int32_t)bytes_get(field, 4), rows[i].value, "row %u: %lx", i,
				     bytes_get(field, 4));
		else
			cr_expect_eq(bytes_get(field, 4), 0xcccccccc, "row %u: written", i);
		cr_expect_eq(bytes_get(field + 4, 4), 0xcccccccc, "row %u: a fifth byte", i);
	}
}

/* PEERS 30: the class of each byte that may be a prefix of the branch, 0 of all others. */
static unsigned class_of(unsigned byte)
{
	static const uint8_t classes[256] = {
	    [0x26] = 1, [0x2e] = 1, [0x36] = 1, [0x3e] = 1, [0x64] = 2, [0x65] = 2,
	    [0x66] = 3, [0x67] = 4, [0xf2] = 5, [0xf3] = 5, [0xf0] = 7};

	return byte >= 0x40 && byte <= 0x4f ? 6 : classes[byte];
}

Test(prove, each_byte_before_the_opcode_is_a_prefix_or_none)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		uint8_t section[6] = {(uint8_t)byte, 0xe8};
		struct hot_site site = {0};

		cr_assert(hot_arch_prove(section, 6, 2, 5, &site), "behind %02x", byte);
		cr_expect_eq((site.flags & HOT_PREFIXED) >> HOT_PREFIX_SHIFT, class_of(byte),
			     "behind %02x", byte);
		cr_expect_eq(site.offset, 1, "the prefix is no part of the site: %02x", byte);
	}
}

/* Every byte that may be a prefix counts, and not only the one next to the opcode. */
Test(prove, two_bytes_that_may_be_prefixes_are_several)
{
	for (unsigned one = 0; one < 256; one++) {
		for (unsigned two = 0; two < 256; two++) {
			uint8_t section[7] = {(uint8_t)one, (uint8_t)two, 0xe8};
			unsigned wanted =
			    class_of(one) && class_of(two) ? HOT_ARCH_SEVERAL : class_of(two);
			struct hot_site site = {0};

			cr_assert(hot_arch_prove(section, 7, 3, 5, &site));
			cr_expect_eq((site.flags & HOT_PREFIXED) >> HOT_PREFIX_SHIFT, wanted,
				     "after %02x %02x", one, two);
		}
	}
}

Test(prove, only_ff_15_and_ff_25_are_calls_through_the_got)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		for (unsigned modrm = 0; modrm < 256; modrm++) {
			uint8_t section[8] = {0x3e, (uint8_t)opcode, (uint8_t)modrm};
			struct hot_site site = {0};
			bool proven = hot_arch_prove_got(section, 7, 3, &site);

			cr_expect_eq(proven, opcode == 0xff && (modrm == 0x15 || modrm == 0x25));
			if (!proven)
				continue;
			cr_expect_eq(site.form, modrm == 0x15 ? HOT_CALL : HOT_JMP);
			cr_expect_eq(site.offset, 1);
			cr_expect_eq(site.flags, HOT_GOT | HOT_ARCH_SEGMENT << HOT_PREFIX_SHIFT);
		}
	}
}

Test(prove, a_call_through_the_got_lies_within_its_section)
{
	uint8_t section[8] = {0xff, 0x15, 0, 0, 0, 0};
	struct hot_site site = {0};

	cr_expect(hot_arch_prove_got(section, 6, 2, &site));
	cr_expect_eq(site.flags, HOT_GOT);
	cr_expect(!hot_arch_prove_got(section, 5, 2, &site));
	cr_expect(!hot_arch_prove_got(section + 1, 5, 1, &site));
	cr_expect(!hot_arch_prove_got(section, 6, 0, &site));
	cr_expect(!hot_arch_prove_got(NULL, UINT64_MAX, UINT32_MAX + 3ul, &site));
}

/* psABI 1.0, B.2. */
Test(arch, a_call_through_the_got_is_relaxed_to_six_bytes)
{
	uint8_t got[6], want[6];

	cr_assert(hot_arch_relax(got, 0x1000, 0x2000, false));
	bytes_hex("67 e8 fa 0f 00 00", want, 6);
	bytes_expect("call", got, want, 6);
	cr_assert(hot_arch_relax(got, 0x1000, 0x2000, true));
	bytes_hex("e9 fb 0f 00 00 90", want, 6);
	bytes_expect("jmp", got, want, 6);
	cr_expect(!hot_arch_relax(got, 0x1000, 0x80001006, false));
	cr_expect(hot_arch_relax(got, 0x1000, 0x80001005, false));
}

Test(prove, only_e8_and_e9_are_direct_branches)
{
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		uint8_t section[8] = {0xcc, (uint8_t)opcode};
		struct hot_site site = {0};
		bool proven = hot_arch_prove(section, 6, 2, 5, &site);

		cr_expect_eq(proven, opcode == 0xe8 || opcode == 0xe9, "opcode %02x", opcode);
		if (proven) {
			cr_expect_eq(site.form, opcode == 0xe8 ? HOT_CALL : HOT_JMP);
			cr_expect_eq(site.offset, 1);
			cr_expect_eq(site.flags, 0, "flags %x", site.flags);
		}
	}
}

Test(prove, a_field_at_the_start_of_a_section_has_no_opcode)
{
	/* e8 lies before the section: whatever that is, it is not this section's. */
	uint8_t memory[8] = {0xe8, 0, 0, 0, 0};
	struct hot_site site;

	cr_expect(!hot_arch_prove(memory + 1, 4, 0, 5, &site));
}

/* A site's offset has 32 bits; a field that far is refused before a byte is looked at. */
Test(prove, a_field_beyond_4_gib_is_none)
{
	struct hot_site site;

	cr_expect(!hot_arch_prove(NULL, UINT64_MAX, UINT32_MAX + 2ul, 5, &site));
	cr_expect(!hot_arch_prove(NULL, UINT64_MAX, UINT64_MAX - 4, 5, &site));
}

Test(prove, an_opcode_at_the_start_of_a_section_has_no_prefix)
{
	uint8_t memory[8] = {0x2e, 0xe8};
	struct hot_site site;

	cr_assert(hot_arch_prove(memory + 1, 5, 1, 5, &site));
	cr_expect_eq(site.flags, 0, "a byte outside of the section was taken for a prefix");
	cr_expect_eq(site.offset, 0);
}

static struct hot_site wide(unsigned width, unsigned marked, uint64_t size, uint8_t opcode)
{
	uint8_t section[100];
	struct hot_site site = {0};

	memset(section, 0x90, sizeof(section));
	section[1] = opcode;
	if (marked)
		hot_arch_mark(section + 6, marked);
	cr_assert(hot_arch_prove(section, size, 2, width, &site));
	return site;
}

Test(prove, a_mark_proves_the_width)
{
	for (unsigned width = 7; width <= HOT_SITE_MAX; width++) {
		cr_expect_eq(wide(width, width - 5, 100, 0xe8).flags, HOT_WIDE, "call, %u", width);
		cr_expect_eq(wide(width, width - 5, 100, 0xe9).flags, HOT_WIDE, "jmp, %u", width);
		cr_expect_eq(wide(width, 0, 100, 0xe8).flags, 0, "no mark, %u", width);
	}
}

/* A longer one may begin with a shorter one, and proves that width as well. */
Test(prove, a_mark_that_is_too_short_proves_nothing)
{
	for (unsigned width = 7; width <= HOT_SITE_MAX; width++)
		for (unsigned other = 7; other < width; other++)
			cr_expect_eq(wide(width, other - 5, 100, 0xe8).flags, 0,
				     "wanted %u, found the mark of %u", width, other);
}

Test(prove, a_mark_with_one_bit_flipped_proves_nothing)
{
	uint8_t section[12] = {0x90, 0xe8};
	struct hot_site site;

	for (unsigned bit = 0; bit < 8 * 5; bit++) {
		hot_arch_mark(section + 6, 5);
		section[6 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert(hot_arch_prove(section, sizeof(section), 2, 10, &site));
		cr_expect_eq(site.flags, 0, "bit %u of the mark", bit);
	}
}

Test(prove, a_mark_must_lie_within_the_section)
{
	cr_expect_eq(wide(12, 7, 13, 0xe8).flags, HOT_WIDE, "the mark ends with the section");
	cr_expect_eq(wide(12, 7, 12, 0xe8).flags, 0, "the mark ends one byte behind it");
	cr_expect_eq(wide(12, 7, 6, 0xe8).flags, 0, "the section ends with the call");
}

/* A mark has two bytes at least. */
Test(prove, a_hotinline_of_5_or_6_bytes_is_never_wide)
{
	for (unsigned width = 5; width <= 6; width++) {
		for (unsigned mark = 2; mark < 8; mark++)
			cr_expect_eq(wide(width, mark, 100, 0xe8).flags, 0, "%u, %u", width, mark);
		cr_expect_eq(wide(width, 0, 6, 0xe8).flags, 0);
	}
	cr_expect_eq(wide(7, 2, 100, 0xe8).flags, HOT_WIDE);
}

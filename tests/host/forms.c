/* Reference forms: what krtld proves to be a site, and what stays a plain reference to a stub. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/world.h"

/* One reference to the stub of `count`, at the field of the text that is said. */
struct reference {
	const char *code;
	uint64_t field;
	uint32_t type;
	int64_t addend;
};

static struct krtld_module *load_one(struct world *world, const struct reference *r,
				     const char *hotinline)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", r->code);

	object_rela(object, text, r->field, r->type, object_undefined(object, hotinline),
		    r->addend);
	return world_load_object(world, "it", object);
}

static void expect_site(const struct reference *r, const char *hotinline, enum hot_form form,
			unsigned flags)
{
	struct world *world = world_new("popcnt up");
	struct krtld_module *module = load_one(world, r, hotinline);
	const struct hot_site *site = module->sites;

	cr_assert_eq(module->nsites, 1, "%s at %lu: %u sites", r->code, r->field, module->nsites);
	cr_expect_eq(module->nreferences, 0);
	cr_assert_eq(module->ntexts, 1);
	cr_expect_eq(module->texts[0].nsites, 1);
	cr_expect_eq(site->form, form, "%s: form %u", r->code, site->form);
	cr_expect_eq(site->flags, flags, "%s: flags %u", r->code, site->flags);
	cr_expect_eq(site->hotinline, hot_find(world->machine->table, hotinline));
	cr_expect_eq(module->texts[0].address + site->offset,
		     world_section(module, ".text")->address + r->field -
			 (flags & HOT_GOT ? 2 : 1));
}

static void expect_plain(const struct reference *r, enum krtld_plain reason)
{
	struct world *world = world_new("popcnt up");
	struct krtld_module *module = load_one(world, r, "count");
	const struct krtld_section *text = world_section(module, ".text");
	const struct krtld_reference *reference = module->references;

	cr_expect_eq(module->nsites, 0, "%s was taken for a site", r->code);
	cr_assert_eq(module->nreferences, 1, "%s: %u references", r->code, module->nreferences);
	cr_expect_eq(reference->reason, reason, "%s: %s", r->code,
		     krtld_plain_text(reference->reason));
	cr_expect_eq(reference->type, r->type);
	cr_expect_eq(reference->address, text->address + r->field);
	cr_expect_eq(reference->hotinline, hot_find(world->machine->table, "count"));
}

#define CALL_AT_0 "e8 00 00 00 00 c3 90 90"

Test(forms, a_call_is_a_site_by_pc32_and_plt32)
{
	expect_site(&(struct reference){CALL_AT_0, 1, R_X86_64_PC32, -4}, "count", HOT_CALL, 0);
	expect_site(&(struct reference){CALL_AT_0, 1, R_X86_64_PLT32, -4}, "count", HOT_CALL, 0);
}

Test(forms, a_tail_jmp_is_a_site_by_pc32_and_plt32)
{
	expect_site(&(struct reference){"e9 00 00 00 00", 1, R_X86_64_PC32, -4}, "count", HOT_JMP,
		    0);
	expect_site(&(struct reference){"e9 00 00 00 00", 1, R_X86_64_PLT32, -4}, "count", HOT_JMP,
		    0);
}

Test(forms, a_conditional_jump_is_no_site)
{
	for (unsigned condition = 0x80; condition <= 0x8f; condition++) {
		char code[32];

		snprintf(code, sizeof(code), "0f %02x 00 00 00 00 c3", condition);
		expect_plain(&(struct reference){code, 2, R_X86_64_PC32, -4}, KRTLD_PLAIN_OPCODE);
		expect_plain(&(struct reference){code, 2, R_X86_64_PLT32, -4}, KRTLD_PLAIN_OPCODE);
	}
}

/* PEERS 41: -fno-plt, and rustc by default. */
Test(forms, a_call_through_the_got_that_may_be_relaxed_is_a_site)
{
	static const uint32_t x = R_X86_64_GOTPCRELX;
	unsigned segment = HOT_ARCH_SEGMENT << HOT_PREFIX_SHIFT;

	expect_site(&(struct reference){"ff 15 00 00 00 00 c3", 2, x, -4}, "count", HOT_CALL,
		    HOT_GOT);
	expect_site(&(struct reference){"ff 25 00 00 00 00 c3", 2, x, -4}, "count", HOT_JMP,
		    HOT_GOT);
	expect_site(&(struct reference){"3e ff 25 00 00 00 00 c3", 3, x, -4}, "count", HOT_JMP,
		    HOT_GOT | segment);
	expect_site(&(struct reference){"66 2e ff 15 00 00 00 00 c3", 4, x, -4}, "count", HOT_CALL,
		    HOT_GOT | HOT_ARCH_SEVERAL << HOT_PREFIX_SHIFT);
}

/* Twin: the slot is used where a direct call does not reach. */
Test(forms, a_call_through_the_got_of_a_stub_too_far_away_stays_one)
{
	struct world *world = world_new(NULL);
	struct reference r = {"ff 15 00 00 00 00 c3", 2, R_X86_64_GOTPCRELX, -4};
	struct hot_features none = {{0}};
	struct krtld_module *module;

	world->machine->stubs[hot_find(world->machine->table, "count")] = 0x123456789000;
	hot_decide(world->machine, &none);
	module = load_one(world, &r, "count");
	cr_expect_eq(module->nsites, 0);
	cr_assert_eq(module->nreferences, 1);
	cr_expect_eq(module->references[0].reason, KRTLD_PLAIN_REACH);
	cr_expect_eq(world_section(module, ".text")->bytes[0], 0xff);
}

Test(forms, an_indirect_branch_through_the_got_is_no_site)
{
	static const char *const codes[] = {"ff 15 00 00 00 00 c3", "ff 25 00 00 00 00 c3"};

	/* The psABI allows no relaxation of these. */
	for (unsigned i = 0; i < 2; i++) {
		expect_plain(&(struct reference){codes[i], 2, R_X86_64_GOTPCREL, -4},
			     KRTLD_PLAIN_TYPE);
		expect_plain(&(struct reference){codes[i], 2, R_X86_64_REX_GOTPCRELX, -4},
			     KRTLD_PLAIN_TYPE);
		expect_plain(&(struct reference){codes[i], 2, R_X86_64_GOTPCRELX, -5},
			     KRTLD_PLAIN_ADDEND);
	}
	expect_plain(&(struct reference){"ff 35 00 00 00 00 c3", 2, R_X86_64_GOTPCRELX, -4},
		     KRTLD_PLAIN_TYPE);
	expect_plain(&(struct reference){"48 8b 05 00 00 00 00 c3", 3, R_X86_64_REX_GOTPCRELX, -4},
		     KRTLD_PLAIN_TYPE);
}

/* An e8 right before the field proves nothing where the relocation is no branch's. */
Test(forms, an_opcode_with_another_relocation_is_no_site)
{
	static const uint32_t types[] = {R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX,
					 R_X86_64_REX_GOTPCRELX};

	for (unsigned i = 0; i < 3; i++)
		expect_plain(&(struct reference){CALL_AT_0, 1, types[i], -4}, KRTLD_PLAIN_TYPE);
}

Test(forms, an_address_taken_in_code_is_no_site)
{
	expect_plain(&(struct reference){"48 8d 05 00 00 00 00 c3", 3, R_X86_64_PC32, -4},
		     KRTLD_PLAIN_OPCODE);
	expect_plain(&(struct reference){"48 b8 00 00 00 00 00 00 00 00 c3", 2, R_X86_64_64, 0},
		     KRTLD_PLAIN_TYPE);
	expect_plain(&(struct reference){"48 c7 c0 00 00 00 00 c3", 3, R_X86_64_32S, 0},
		     KRTLD_PLAIN_TYPE);
	expect_plain(&(struct reference){"68 00 00 00 00 c3", 1, R_X86_64_32S, 0},
		     KRTLD_PLAIN_TYPE);
}

Test(forms, another_addend_is_no_site)
{
	static const int64_t addends[] = {0, -3, -5, 4, 1, -8, INT32_MIN / 2};

	for (unsigned i = 0; i < sizeof(addends) / sizeof(addends[0]); i++)
		expect_plain(&(struct reference){CALL_AT_0, 1, R_X86_64_PC32, addends[i]},
			     KRTLD_PLAIN_ADDEND);
}

Test(forms, a_field_without_an_opcode_before_it_is_no_site)
{
	expect_plain(&(struct reference){"00 00 00 00 c3", 0, R_X86_64_PC32, -4},
		     KRTLD_PLAIN_OPCODE);
}

Test(forms, a_site_may_be_at_the_start_and_at_the_end_of_its_section)
{
	expect_site(&(struct reference){"e8 00 00 00 00", 1, R_X86_64_PC32, -4}, "count", HOT_CALL,
		    0);
	expect_site(&(struct reference){"90 90 e8 00 00 00 00", 3, R_X86_64_PC32, -4}, "count",
		    HOT_CALL, 0);
}

Test(forms, a_byte_that_may_be_a_prefix_is_marked)
{
	expect_site(&(struct reference){"2e e8 00 00 00 00 c3", 2, R_X86_64_PC32, -4}, "count",
		    HOT_CALL, HOT_ARCH_SEGMENT << HOT_PREFIX_SHIFT);
	expect_site(&(struct reference){"67 e9 00 00 00 00", 2, R_X86_64_PLT32, -4}, "count",
		    HOT_JMP, HOT_ARCH_ADDRESS << HOT_PREFIX_SHIFT);
	expect_site(&(struct reference){"48 e8 00 00 00 00 c3", 2, R_X86_64_PC32, -4}, "count",
		    HOT_CALL, HOT_ARCH_REX << HOT_PREFIX_SHIFT);
	expect_site(&(struct reference){"90 e8 00 00 00 00 c3", 2, R_X86_64_PC32, -4}, "count",
		    HOT_CALL, 0);
}

Test(forms, a_marked_call_of_a_wide_hotinline_is_wide)
{
	expect_site(&(struct reference){"e8 00 00 00 00 36 90 c3", 1, R_X86_64_PC32, -4}, "wfull",
		    HOT_CALL, HOT_WIDE);
	expect_site(&(struct reference){"e9 00 00 00 00 36 90", 1, R_X86_64_PLT32, -4}, "wfull",
		    HOT_JMP, HOT_WIDE);
	expect_site(&(struct reference){"2e e8 00 00 00 00 36 66 90", 2, R_X86_64_PC32, -4},
		    "wclean", HOT_CALL, HOT_WIDE | HOT_ARCH_SEGMENT << HOT_PREFIX_SHIFT);
}

Test(forms, a_call_of_a_wide_hotinline_without_its_mark_is_narrow)
{
	expect_site(&(struct reference){"e8 00 00 00 00 66 90 c3", 1, R_X86_64_PC32, -4}, "wfull",
		    HOT_CALL, 0);
	expect_site(&(struct reference){"e8 00 00 00 00 90 90 90", 1, R_X86_64_PC32, -4}, "wclean",
		    HOT_CALL, 0);
	expect_site(&(struct reference){"e8 00 00 00 00 36", 1, R_X86_64_PC32, -4}, "wfull",
		    HOT_CALL, 0);
	expect_site(&(struct reference){"e8 00 00 00 00", 1, R_X86_64_PC32, -4}, "wlong", HOT_CALL,
		    0);
}

/* ---- Outside of text ---- */

static struct krtld_module *load_data(struct world *world, bool writable, uint32_t type,
				      int64_t addend)
{
	struct object *object = object_new();
	unsigned data = (writable ? object_data : object_rodata)(
	    object, writable ? ".data" : ".rodata", "e8 00 00 00 00 00 00 00 00");

	object_rela(object, data, 1, type, object_undefined(object, "count"), addend);
	return world_load_object(world, "it", object);
}

Test(forms, a_reference_from_data_is_no_site_whatever_it_looks_like)
{
	static const struct {
		uint32_t type;
		int64_t addend;
	} rows[] = {{R_X86_64_64, 0},
		    {R_X86_64_PC32, -4},
		    {R_X86_64_PLT32, -4},
		    {R_X86_64_32S, 0},
		    {R_X86_64_PC64, 0}};

	for (unsigned writable = 0; writable < 2; writable++) {
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct world *world = world_new("popcnt");
			struct krtld_module *module =
			    load_data(world, writable, rows[i].type, rows[i].addend);

			cr_expect_eq(module->nsites, 0);
			cr_assert_eq(module->nreferences, 1);
			cr_expect_eq(module->references[0].reason, KRTLD_PLAIN_DATA, "%s",
				     krtld_plain_text(module->references[0].reason));
		}
	}
}

Test(forms, a_pointer_in_data_holds_the_address_of_the_stub)
{
	struct world *world = world_new("popcnt");
	struct krtld_module *module = load_data(world, true, R_X86_64_64, 0);

	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes + 1, 8),
		     table_address(world->machine, "count"));
}

/* A section that is not loaded (debugging information) has neither sites nor references. */
Test(forms, what_is_not_loaded_does_not_count)
{
	struct world *world = world_new("popcnt");
	struct object *object = object_new();
	unsigned debug =
	    object_section(object, ".debug_info", SHT_PROGBITS, 0, 1, "\xe8\0\0\0\0\0\0\0\0", 9);
	struct krtld_module *module;

	object_text(object, ".text", CALL_AT_0);
	object_rela(object, debug, 1, R_X86_64_64, object_undefined(object, "count"), 0);
	module = world_load_object(world, "it", object);
	cr_expect_eq(module->nsites + module->nreferences, 0);
}

/* ---- Many ---- */

Test(forms, sites_are_sorted_whatever_the_order_of_their_relocations)
{
	struct world *world = world_new("popcnt up");
	struct object *object = object_new();
	static uint8_t bytes[64 * 8];
	unsigned text, count;
	struct krtld_module *module;

	for (unsigned i = 0; i < 64; i++)
		bytes[8 * i] = 0xe8;
	text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, bytes,
			      sizeof(bytes));
	count = object_undefined(object, "count");
	for (unsigned i = 0; i < 64; i++)
		object_rela(object, text, 8 * (i * 37 % 64) + 1, R_X86_64_PLT32, count, -4);
	module = world_load_object(world, "it", object);
	cr_assert_eq(module->nsites, 64);
	for (unsigned i = 1; i < 64; i++)
		cr_expect_eq(module->sites[i].offset - module->sites[i - 1].offset, 8, "site %u",
			     i);
}

/* A field of so many bytes, and a call at 16, in the order of their offsets or not. Where the field is
 * over the call's opcode it writes that once more: it is a call all the same. */
static struct image neighbours(unsigned width, uint64_t offset, bool backwards)
{
	static const uint32_t types[] = {
	    [1] = R_X86_64_8, [2] = R_X86_64_16, [4] = R_X86_64_32, [8] = R_X86_64_64};
	struct object *object = object_new();
	static uint8_t bytes[40];
	unsigned text, order[2] = {offset > 16, offset <= 16};

	memset(bytes, 0x90, sizeof(bytes));
	bytes_hex("e8 00 00 00 00", bytes + 16, 5);
	text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, bytes,
			      sizeof(bytes));
	for (unsigned i = 0; i < 2; i++) {
		if (order[i ^ backwards] == 0)
			object_rela(object, text, offset, types[width],
				    object_undefined(object, "zero"),
				    offset <= 16 && offset + width > 16
					? (int64_t)(0xe8ull << 8 * (16 - offset))
					: 0);
		else
			object_rela(object, text, 17, R_X86_64_PLT32,
				    object_undefined(object, "count"), -4);
	}
	return object_image(object);
}

Test(forms, a_field_may_touch_a_site_on_either_side_and_not_share_a_byte)
{
	for (unsigned width = 1; width <= 8; width *= 2) {
		for (unsigned backwards = 0; backwards < 2; backwards++) {
			struct world *world = world_new("popcnt");

			world_external(world, "zero", 0);
			for (uint64_t offset = 16 - width; offset <= 21; offset++) {
				struct image image = neighbours(width, offset, backwards);
				bool apart = offset == 16 - width || offset == 21;

				if (apart)
					world_unload(world, world_load(world, "it", &image));
				else
					world_refuse(world, "it", &image, KRTLD_E_FORMAT);
				image_free(&image);
			}
		}
	}
}

/* Every flag that a site can have, and none: a prefix before it, its mark, the GOT. The last has its
 * prefix from another relocation, which writes the byte right before it. */
static const struct {
	const char *code;
	unsigned field;
	uint32_t type;
	const char *stub;
} kinds[] = {
    {"e8 00 00 00 00", 1, R_X86_64_PLT32, "count"},
    {"66 e9 00 00 00 00", 2, R_X86_64_PLT32, "count"},
    {"f3 48 e8 00 00 00 00", 3, R_X86_64_PC32, "count"},
    {"e8 00 00 00 00 36 66 90", 1, R_X86_64_PLT32, "wclean"},
    {"ff 15 00 00 00 00", 2, R_X86_64_GOTPCRELX, "count"},
    {"2e ff 25 00 00 00 00", 3, R_X86_64_GOTPCRELX, "count"},
    {"00 e8 00 00 00 00", 2, R_X86_64_PLT32, "count"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), SITES_MAX = 61, STEP = 32 };

/* n sites, their relocations forwards or backwards, from some other one than the first on. */
static struct krtld_module *load_in_order(struct world *world, const char *name, unsigned n,
					  bool backwards, unsigned turn)
{
	static uint8_t bytes[SITES_MAX * STEP];
	struct object *object = object_new();
	struct {
		uint64_t field;
		uint32_t type;
		unsigned symbol;
		int64_t addend;
	} relas[2 * SITES_MAX];
	unsigned text, nrelas = 0, prefix = object_undefined(object, "prefix");

	memset(bytes, 0x90, sizeof(bytes));
	for (unsigned i = 0; i < n; i++) {
		unsigned kind = i % KINDS, at = STEP * i + 16;

		bytes_hex(kinds[kind].code, bytes + at, STEP);
		if (kind == KINDS - 1) {
			relas[nrelas].field = at;
			relas[nrelas].type = R_X86_64_8;
			relas[nrelas].symbol = prefix;
			relas[nrelas++].addend = 0;
		}
		relas[nrelas].field = at + kinds[kind].field;
		relas[nrelas].type = kinds[kind].type;
		relas[nrelas].symbol = object_undefined(object, kinds[kind].stub);
		relas[nrelas++].addend = -4;
	}
	text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, bytes,
			      n * STEP);
	for (unsigned i = 0; i < nrelas; i++) {
		unsigned at = ((backwards ? nrelas - 1 - i : i) + turn) % nrelas;

		object_rela(object, text, relas[at].field, relas[at].type, relas[at].symbol,
			    relas[at].addend);
	}
	return world_load_object(world, name, object);
}

Test(forms, a_site_is_the_same_whatever_the_order_of_relocations)
{
	static const unsigned counts[] = {1, 2, 3, 4, 7, 14, SITES_MAX};
	unsigned flags = 0;

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct world *world = world_new("popcnt up erms");
		unsigned n = counts[c];
		struct krtld_module *right;

		world_external(world, "prefix", 0x66);
		right = load_in_order(world, "right", n, false, 0);
		cr_assert_eq(right->nsites, n);
		for (unsigned i = 0; i < n; i++)
			flags |= right->sites[i].flags;
		for (unsigned o = 1; o < 4; o++) {
			struct krtld_module *other =
			    load_in_order(world, "other", n, o & 1, o / 2 * n / 2);

			cr_assert_eq(other->nsites, n);
			for (unsigned i = 0; i < n; i++)
				cr_expect(!memcmp(&right->sites[i], &other->sites[i],
						  sizeof(struct hot_site)),
					  "site %u of %u, order %u: flags %x and %x", i, n, o,
					  right->sites[i].flags, other->sites[i].flags);
			world_unload(world, other);
		}
	}
	cr_expect(flags & HOT_WIDE && flags & HOT_PREFIXED && flags & HOT_GOT, "all of them");
}

Test(forms, each_section_of_text_has_its_sites)
{
	struct world *world = world_new("popcnt up");
	struct object *object = object_new();
	unsigned a = object_text(object, ".text", CALL_AT_0);
	unsigned b = object_text(object, ".text.b", "90 90 90 90");
	unsigned c = object_text(object, ".text.c", "90 e9 00 00 00 00");
	unsigned count = object_undefined(object, "count"), two = object_undefined(object, "two");
	struct krtld_module *module;
	uint8_t want[8];

	(void)b;
	object_rela(object, c, 2, R_X86_64_PLT32, two, -4);
	object_rela(object, a, 1, R_X86_64_PLT32, count, -4);
	module = world_load_object(world, "it", object);
	cr_expect_eq(module->nsites, 2);
	bytes_hex("f3 48 0f b8 c7", want, 8);
	bytes_expect("count in .text", world_section(module, ".text")->bytes, want, 5);
	bytes_hex("89 f8 c3 cc cc", want, 8);
	bytes_expect("two in .text.c", world_section(module, ".text.c")->bytes + 1, want, 5);
	for (unsigned i = 1; i < module->ntexts; i++)
		cr_expect(module->texts[i - 1].address < module->texts[i].address, "text %u", i);
	for (unsigned i = 0; i < module->ntexts; i++)
		cr_expect(module->texts[i].nsites > 0, "a text without sites is listed");
}

Test(forms, references_are_sorted_by_address)
{
	struct world *world = world_new("popcnt up");
	struct object *object = object_new();
	unsigned data =
	    object_data(object, ".data", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	unsigned text = object_text(object, ".text", "48 8d 05 00 00 00 00 0f 85 00 00 00 00 c3");
	unsigned count = object_undefined(object, "count");
	struct krtld_module *module;

	object_rela(object, data, 8, R_X86_64_64, count, 0);
	object_rela(object, data, 0, R_X86_64_64, count, 0);
	object_rela(object, text, 9, R_X86_64_PC32, count, -4);
	object_rela(object, text, 3, R_X86_64_PC32, count, -4);
	module = world_load_object(world, "it", object);
	cr_assert_eq(module->nreferences, 4);
	for (unsigned i = 1; i < 4; i++)
		cr_expect(module->references[i - 1].address < module->references[i].address);
}

static void refuse_two(uint64_t first, uint64_t second)
{
	struct world *world = world_new("popcnt up");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 e8 e8 e8 e8 e8 e8 e8 e8 e8 e8 e8 e8 e8");
	unsigned count = object_undefined(object, "count");
	const struct krtld_error *error;

	object_rela(object, text, first, R_X86_64_PC32, count, -4);
	object_rela(object, text, second, R_X86_64_PC32, count, -4);
	error = world_refuse_object(world, "it", object, KRTLD_OK);
	cr_expect_str_eq(error->section, ".text");
	cr_expect(strstr(world->lines[0], "overlap"), "%s", world->lines[0]);
	world_expect_empty(world);
}

/* One field ends inside of the other call. */
Test(forms, overlapping_fields_are_refused)
{
	for (uint64_t distance = 1; distance < 4; distance++) {
		refuse_two(1, 1 + distance);
		refuse_two(1 + distance, 1);
	}
}

/* Before anything is patched, and so by krtld and not by the engine. */
Test(forms, two_relocations_of_one_call_are_refused_at_once)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "90 e8 00 00 00 00 c3");
		unsigned count = object_undefined(object, "count");

		object_rela(object, text, 2, R_X86_64_PC32, count, -4);
		if (twice)
			object_rela(object, text, 2, R_X86_64_PLT32, count, -4);
		if (!twice) {
			cr_expect_eq(world_load_object(world, "it", object)->nsites, 1);
			continue;
		}
		world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
		cr_expect_eq(world->reports[0].offset, 2);
		cr_expect_str_eq(world->reports[0].section, ".text");
	}
}

/* Two proven sites, both intact: the last byte of the first one's field is e8, the opcode of the
 * second. Twin: a byte that is none. */
Test(forms, overlapping_sites_are_refused)
{
	for (unsigned top = 0xe7; top <= 0xe9; top++) {
		struct world *world = world_new("popcnt up");
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "e8 00 00 00 00 00 00 00 00 c3");
		unsigned count = hot_find(world->machine->table, "count");
		uint64_t stub = WORLD_TEXT + 5 + (uint64_t)(int32_t)(top << 24);
		struct krtld_module *module;
		struct image image;

		object_rela(object, text, 1, R_X86_64_PC32, object_undefined(object, "count"), -4);
		object_rela(object, text, 5, R_X86_64_PC32, object_undefined(object, "two"), -4);
		world->machine->stubs[count] = stub;
		world->externals[count].value = stub;
		image = object_image(object);
		if (top != 0xe7) {
			world_refuse(world, "it", &image, KRTLD_OK);
			cr_expect(strstr(world->lines[0], "overlap"), "%s", world->lines[0]);
			continue;
		}
		module = world_load(world, "it", &image);
		cr_assert_eq(module->regions[KRTLD_TEXT].address, WORLD_TEXT);
		cr_expect_eq(module->nsites, 1);
	}
}

Test(forms, two_relocations_of_one_field_are_refused)
{
	refuse_two(1, 1);
}

/* Another relocation that writes into the mark, or into the call, of a proven site. */
Test(forms, a_relocation_into_a_site_is_refused)
{
	for (uint64_t field = 1; field < 13; field++) {
		struct world *world = world_new("popcnt up");
		struct object *object = object_new();
		const char *code = "90 90 90 90 e8 11 11 11 11 36 66 90 90 90 90 90 90 90 90 90";
		unsigned text = object_text(object, ".text", code);
		uint8_t bytes[20];
		unsigned other;
		struct image image;

		/* It stores what is there, so that opcode and mark stay as they are. */
		bytes_hex(code, bytes, sizeof(bytes));
		other = object_global(object, "other", SHN_ABS, bytes_get(bytes + field, 4));
		object_rela(object, text, 5, R_X86_64_PC32, object_undefined(object, "wclean"), -4);
		object_rela(object, text, field, R_X86_64_32, other, 0);
		image = object_image(object);
		if (field == 12) {
			world_load(world, "it", &image);
			continue;
		}
		world_refuse(world, "it", &image, KRTLD_OK);
	}
}

Test(forms, a_refusal_of_the_engine_names_section_offset_hotinline_and_reason)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text.odd", "90 90 e8 00 00 00 00 c3");
	const struct krtld_error *error;

	object_global(object, "odd_function", text, 1);
	object_rela(object, text, 3, R_X86_64_PC32, object_undefined(object, "count"), -4);
	memset(world->machine->symbols, 0, 8ul * world->machine->table->nsymbols);
	error = world_refuse_object(world, "odd", object, KRTLD_E_HOTINLINE);
	cr_expect_eq(error->hot.hotinline, hot_find(world->machine->table, "count"));
	cr_expect_eq(error->hot.reason, HOT_E_SYMBOL);
	cr_expect_str_eq(error->section, ".text.odd");
	cr_expect_eq(error->offset, 2, "%lu", error->offset);
	cr_expect(strstr(world->lines[0], "odd: .text.odd+0x2"), "%s", world->lines[0]);
	cr_expect(strstr(world->lines[0], "count"), "no hotinline in: %s", world->lines[0]);
	cr_expect(strstr(world->lines[0], "odd_function"), "no symbol in: %s", world->lines[0]);
	cr_expect(strstr(world->lines[0], hot_reason_text(HOT_E_SYMBOL)), "no reason in: %s",
		  world->lines[0]);
}

Test(forms, texts_of_forms_and_reasons_are_told_apart)
{
	cr_expect_str_eq(krtld_form_text(HOT_CALL), "call");
	cr_expect_str_eq(krtld_form_text(HOT_JMP), "jmp");
	cr_expect_str_eq(krtld_form_text(HOT_STUB), "stub");
	for (unsigned i = KRTLD_PLAIN_DATA; i <= KRTLD_PLAIN_SECTION; i++)
		for (unsigned j = KRTLD_PLAIN_DATA; j < i; j++)
			cr_expect(strcmp(krtld_plain_text(i), krtld_plain_text(j)), "%u and %u", i,
				  j);
}

/*
 * Relocations: every type at, below and beyond its limits. The rows are this test's own: formula
 * and width from the psABI (table 4.9), ranges from what GNU ld 2.40 accepts but for small fields: one
 * of n bits of either sign takes -2^(n-1) .. 2^n - 1 here and -2^n .. 2^n - 1 there, and a PC16 is
 * signed here, because a jump would go back where it should go forward.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define FIELD 16 /* offset of the field in its section, with guards on both sides */

enum range { ANY, SIGNED, UNSIGNED, EITHER };

/* S + A, less P where relative. */
struct row {
	const char *name;
	uint32_t type;
	unsigned width; /* bytes */
	bool relative;
	enum range range;
};

static const struct row rows[] = {
    {"R_X86_64_64", R_X86_64_64, 8, false, ANY},
    {"R_X86_64_32", R_X86_64_32, 4, false, UNSIGNED},
    {"R_X86_64_32S", R_X86_64_32S, 4, false, SIGNED},
    {"R_X86_64_16", R_X86_64_16, 2, false, EITHER},
    {"R_X86_64_8", R_X86_64_8, 1, false, EITHER},
    {"R_X86_64_PC64", R_X86_64_PC64, 8, true, ANY},
    {"R_X86_64_PC32", R_X86_64_PC32, 4, true, SIGNED},
    {"R_X86_64_PC16", R_X86_64_PC16, 2, true, SIGNED},
    {"R_X86_64_PC8", R_X86_64_PC8, 1, true, SIGNED},
    {"R_X86_64_PLT32", R_X86_64_PLT32, 4, true, SIGNED},
    {"R_X86_64_PC32_BND", 39, 4, true, SIGNED},
    {"R_X86_64_PLT32_BND", 40, 4, true, SIGNED},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char guarded[] = "a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af b0"
			      "c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf d0";

/* An object whose one relocation adds the addend to a symbol of that absolute value. */
static struct image one(uint32_t type, uint64_t offset, uint64_t symbol, int64_t addend)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", guarded);

	object_rela(object, data, offset, type, object_global(object, "it", SHN_ABS, symbol),
		    addend);
	return object_image(object);
}

/* Where the field will be: the same in each load of an object of that shape. */
static uint64_t place(struct world *world)
{
	struct image image = one(R_X86_64_NONE, FIELD, 0, 0);
	struct krtld_module *module = world_load(world, "probe", &image);
	uint64_t address = world_section(module, ".data")->address + FIELD;

	world_unload(world, module);
	return address;
}

static void expect_field(struct world *world, const struct row *row, uint64_t symbol,
			 int64_t addend, uint64_t value)
{
	struct image image = one(row->type, FIELD, symbol, addend);
	struct krtld_module *module = world_load(world, "it", &image);
	uint8_t want[32];

	cr_assert_eq(bytes_hex(guarded, want, sizeof(want)), 32);
	bytes_put(want + FIELD, row->width, value);
	bytes_expect(row->name, world_section(module, ".data")->bytes, want, sizeof(want));
	world_unload(world, module);
	image_free(&image);
}

static void expect_overflow(struct world *world, const struct row *row, uint64_t symbol,
			    int64_t addend)
{
	struct image image = one(row->type, FIELD, symbol, addend);
	const struct krtld_error *error = world_refuse(world, "it", &image, KRTLD_E_RANGE);

	cr_expect_str_eq(error->section, ".data", "%s", row->name);
	cr_expect_eq(error->offset, FIELD, "%s: offset %#lx", row->name, error->offset);
	cr_expect_str_eq(error->type, row->name);
	cr_expect(error->symbol && !strcmp(error->symbol, "it"), "%s", row->name);
	world_expect_empty(world);
	image_free(&image);
}

static int64_t lowest(const struct row *row)
{
	unsigned bits = 8 * row->width;

	if (row->range == ANY)
		return INT64_MIN;
	if (row->range == UNSIGNED)
		return 0;
	return -(1l << (bits - 1));
}

static int64_t highest(const struct row *row)
{
	unsigned bits = 8 * row->width;

	if (row->range == ANY)
		return INT64_MAX;
	return row->range == SIGNED ? (1l << (bits - 1)) - 1 : (1l << bits) - 1;
}

Test(reloc, every_type_takes_what_its_range_allows)
{
	struct world *world = world_new("");
	uint64_t at = place(world);

	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t base = rows[i].relative ? at : 0;
		int64_t low = lowest(&rows[i]), high = highest(&rows[i]);
		int64_t values[] = {0, 1, 0x7f, low, low + 1, high - 1, high};

		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			expect_field(world, &rows[i], base + (uint64_t)values[v], 0,
				     (uint64_t)values[v]);
	}
	world_expect_empty(world);
}

Test(reloc, every_type_refuses_what_is_beyond_its_range)
{
	struct world *world = world_new("");
	uint64_t at = place(world);

	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t base = rows[i].relative ? at : 0;
		int64_t low = rows[i].range == ANY ? 0 : lowest(&rows[i]);
		int64_t high = rows[i].range == ANY ? 0 : highest(&rows[i]);
		int64_t values[] = {low - 1,     high + 1,           INT64_MIN,   INT64_MAX,
				    0x100000000, 0x7fffffff00000000, -0x100000001};

		if (rows[i].range == ANY)
			continue;
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			expect_overflow(world, &rows[i], base + (uint64_t)values[v], 0);
	}
}

Test(reloc, the_addend_counts_as_much_as_the_symbol)
{
	struct world *world = world_new("");
	uint64_t at = place(world);

	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t base = rows[i].relative ? at : 0;
		int64_t high = rows[i].range == ANY ? 0 : highest(&rows[i]);

		if (rows[i].range == ANY)
			continue;
		expect_field(world, &rows[i], base, high, (uint64_t)high);
		expect_overflow(world, &rows[i], base, high + 1);
		expect_field(world, &rows[i], base + 1000, high - 1000, (uint64_t)high);
		expect_field(world, &rows[i], base + (uint64_t)high + 4, -4, (uint64_t)high);
		expect_overflow(world, &rows[i], base + (uint64_t)high + 5, -4);
	}
}

Test(reloc, sixty_four_bits_wrap)
{
	static const uint64_t values[] = {0,         1,         UINT64_MAX,
					  1ul << 63, INT64_MAX, 0x123456789abcdef0};
	struct world *world = world_new("");
	uint64_t at = place(world);

	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t base = rows[i].relative ? at : 0;

		if (rows[i].range != ANY)
			continue;
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			expect_field(world, &rows[i], base + values[v], 0, values[v]);
			expect_field(world, &rows[i], base, (int64_t)values[v], values[v]);
			expect_field(world, &rows[i], base + 5, (int64_t)values[v], values[v] + 5);
		}
	}
}

Test(reloc, a_field_may_lie_anywhere_in_its_section)
{
	struct world *world = world_new("");

	for (unsigned i = 0; i < ROWS; i++) {
		for (uint64_t offset = 0; offset + rows[i].width <= 32; offset++) {
			uint64_t at = place(world) - FIELD + offset;
			struct image image =
			    one(rows[i].type, offset, rows[i].relative ? at + 0x42 : 0x42, 0);
			struct krtld_module *module = world_load(world, "it", &image);
			uint8_t want[32];

			bytes_hex(guarded, want, sizeof(want));
			bytes_put(want + offset, rows[i].width, 0x42);
			bytes_expect(rows[i].name, world_section(module, ".data")->bytes, want,
				     sizeof(want));
			world_unload(world, module);
			image_free(&image);
		}
	}
}

Test(reloc, a_field_beyond_its_section_is_refused)
{
	struct world *world = world_new("");

	for (unsigned i = 0; i < ROWS; i++) {
		uint64_t offsets[] = {32 - rows[i].width + 1,
				      31 + (rows[i].width == 1),
				      32,
				      33,
				      1000,
				      UINT32_MAX,
				      1ul << 32,
				      UINT64_MAX - 7,
				      UINT64_MAX};

		for (unsigned o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
			struct image image = one(rows[i].type, offsets[o], 0, 0);

			world_refuse(world, "it", &image, KRTLD_E_FORMAT);
			world_expect_empty(world);
			image_free(&image);
		}
	}
}

Test(reloc, none_changes_nothing)
{
	struct world *world = world_new("");
	struct row none = {"R_X86_64_NONE", R_X86_64_NONE, 0, false, ANY};

	expect_field(world, &none, 0x1234, 5, 0);
}

Test(reloc, sizes_are_symbol_size_plus_addend)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", guarded);
	unsigned it = object_symbol(object, "it", STB_GLOBAL, STT_OBJECT, data, 0, 20);
	struct krtld_module *module;

	object_rela(object, data, 0, R_X86_64_SIZE32, it, 3);
	object_rela(object, data, 8, R_X86_64_SIZE64, it, -21);
	module = world_load_object(world, "it", object);
	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes, 4), 23);
	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes + 8, 8), UINT64_MAX);
}

/* ---- Types that are none, or not ours ---- */

Test(reloc, a_type_without_a_row_is_refused)
{
	static const uint32_t types[] = {52, 53, 100, 250, 251, 255, 256, 0x10002, UINT32_MAX};
	struct world *world = world_new("");

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct image image = one(types[i], 0, 0, 0);
		const struct krtld_error *error = world_refuse(world, "it", &image, KRTLD_E_TYPE);

		cr_expect_eq(error->value, types[i], "type %u: value %lu", types[i], error->value);
		cr_expect_str_eq(error->section, ".data");
		cr_expect(strstr(world->lines[0], "the psABI has no such relocation type"), "%s",
			  world->lines[0]);
		world_expect_empty(world);
	}
}

/* psABI, table 4.9, as of 2025: 0 to 51. */
Test(reloc, every_type_of_the_psabi_is_known)
{
	struct world *world = world_new("");

	for (uint32_t type = 0; type <= 51; type++) {
		struct image image = one(type, 0, 0, 0);

		world->nreports = 0;
		if (krtld_load(&world->krtld, "it", image.bytes, image.size)) {
			world_unload(world, krtld_find(&world->krtld, "it"));
			continue;
		}
		cr_expect(strstr(world->lines[0], "R_X86_64_"), "type %u: %s", type,
			  world->lines[0]);
	}
	world_expect_empty(world);
}

Test(reloc, tls_and_ifunc_are_refused_by_name)
{
	static const struct {
		uint32_t type;
		const char *name;
	} refused[] = {
	    {R_X86_64_COPY, "R_X86_64_COPY"},
	    {R_X86_64_GLOB_DAT, "R_X86_64_GLOB_DAT"},
	    {R_X86_64_JUMP_SLOT, "R_X86_64_JUMP_SLOT"},
	    {R_X86_64_RELATIVE, "R_X86_64_RELATIVE"},
	    {R_X86_64_DTPMOD64, "R_X86_64_DTPMOD64"},
	    {R_X86_64_DTPOFF64, "R_X86_64_DTPOFF64"},
	    {R_X86_64_TPOFF64, "R_X86_64_TPOFF64"},
	    {R_X86_64_TLSGD, "R_X86_64_TLSGD"},
	    {R_X86_64_TLSLD, "R_X86_64_TLSLD"},
	    {R_X86_64_DTPOFF32, "R_X86_64_DTPOFF32"},
	    {R_X86_64_GOTTPOFF, "R_X86_64_GOTTPOFF"},
	    {R_X86_64_TPOFF32, "R_X86_64_TPOFF32"},
	    {R_X86_64_GOTPC32_TLSDESC, "R_X86_64_GOTPC32_TLSDESC"},
	    {R_X86_64_TLSDESC_CALL, "R_X86_64_TLSDESC_CALL"},
	    {R_X86_64_TLSDESC, "R_X86_64_TLSDESC"},
	    {R_X86_64_IRELATIVE, "R_X86_64_IRELATIVE"},
	    {R_X86_64_RELATIVE64, "R_X86_64_RELATIVE64"},
	    {44, "R_X86_64_CODE_4_GOTTPOFF"},
	    {45, "R_X86_64_CODE_4_GOTPC32_TLSDESC"},
	    {47, "R_X86_64_CODE_5_GOTTPOFF"},
	    {48, "R_X86_64_CODE_5_GOTPC32_TLSDESC"},
	    {50, "R_X86_64_CODE_6_GOTTPOFF"},
	    {51, "R_X86_64_CODE_6_GOTPC32_TLSDESC"},
	};
	struct world *world = world_new("");

	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct image image = one(refused[i].type, 0, 0, 0);
		const struct krtld_error *error = world_refuse(world, "it", &image, KRTLD_E_TYPE);

		cr_expect(error->type && !strcmp(error->type, refused[i].name), "%s, not %s",
			  error->type ? error->type : "no name", refused[i].name);
		cr_expect(strstr(world->lines[0], refused[i].name), "%s", world->lines[0]);
	}
}

Test(reloc, tls_and_ifunc_symbols_are_refused)
{
	static const unsigned types[] = {STT_TLS, STT_GNU_IFUNC};
	struct world *world = world_new("");

	for (unsigned i = 0; i < 2; i++) {
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");
		unsigned it = object_symbol(object, "it", STB_GLOBAL, types[i], text, 0, 0);

		object_rela(object, text, 1, R_X86_64_PC32, it, -4);
		world_refuse_object(world, "it", object, KRTLD_E_TYPE);
	}
}

/* SHT_REL has its addends in the fields; amd64 has only SHT_RELA (psABI 4.4). */
Test(reloc, relocations_without_addends_are_refused)
{
	struct world *world = world_new("");
	struct image image = one(R_X86_64_64, 0, 0, 0);

	image_section(&image, ".rela.data")->sh_type = SHT_REL;
	world->nreports = 0;
	cr_expect(!krtld_load(&world->krtld, "it", image.bytes, image.size));
	cr_expect_eq(world->nreports, 1);
	world_expect_empty(world);
}

/* Of a section without bytes a region may have no memory: there is nothing to write, and nowhere. */
Test(reloc, an_empty_section_may_have_relocations_without_a_field)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned empty =
	    object_section(object, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 1, "", 0);
	unsigned it = object_global(object, "it", SHN_ABS, 0);

	object_rela(object, empty, 0, R_X86_64_NONE, it, 0);
	world_unload(world, world_load_object(world, "nothing", object));
	object_rela(object, empty, 0, R_X86_64_8, it, 0);
	world_refuse_object(world, "something", object, KRTLD_E_FORMAT);
}

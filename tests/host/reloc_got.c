/* Relocations through the global offset table: GOTPCREL, its relaxable kin, GOTOFF64, GOTPC32 … */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

static const char zeros[] = "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
			    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";

/* The bytes at an address of a loaded module; the test fails where there are none. */
static const uint8_t *at(const struct krtld_module *module, uint64_t address, size_t size)
{
	for (unsigned i = 0; i < KRTLD_REGIONS; i++) {
		const struct krtld_region *region = &module->regions[i];

		if (region->size >= size && address >= region->address &&
		    address - region->address <= region->size - size)
			return region->bytes + (address - region->address);
	}
	cr_assert_fail("%#lx is in no region of %s", address, module->name);
	return NULL;
}

static int64_t field32(const struct krtld_section *section, uint64_t offset)
{
	return (int32_t)bytes_get(section->bytes + offset, 4);
}

Test(got, a_slot_holds_the_address_of_the_symbol)
{
	static const uint32_t types[] = {R_X86_64_GOTPCREL,
					 R_X86_64_GOTPCRELX,
					 R_X86_64_REX_GOTPCRELX,
					 43 /* CODE_4_GOTPCRELX */,
					 46,
					 49};
	struct world *world = world_new("");

	world_external(world, "far", 0x123456789abcdef0);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", zeros);
		unsigned data = object_data(object, ".data", zeros);
		const struct krtld_section *section;
		struct krtld_module *module;
		uint64_t slot;

		object_rela(object, text, 4, types[i], object_undefined(object, "far"), -4);
		object_rela(object, text, 12, types[i], object_global(object, "own", data, 8), -4);
		module = world_load_object(world, "it", object);
		section = world_section(module, ".text");
		slot = section->address + 8 + (uint64_t)field32(section, 4);
		cr_expect_eq(slot % 8, 0, "the slot is at %#lx", slot);
		cr_expect_eq(bytes_get(at(module, slot, 8), 8), 0x123456789abcdef0);
		slot = section->address + 16 + (uint64_t)field32(section, 12);
		cr_expect_eq(bytes_get(at(module, slot, 8), 8),
			     world_section(module, ".data")->address + 8);
		world_unload(world, module);
	}
	world_expect_empty(world);
}

Test(got, a_symbol_has_one_slot_and_different_symbols_have_different_ones)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", zeros);
	unsigned a = object_undefined(object, "count"), b = object_undefined(object, "two");
	const struct krtld_section *section;

	object_rela(object, text, 0, R_X86_64_GOTPCREL, a, 0);
	object_rela(object, text, 8, R_X86_64_GOTPCRELX, a, 0);
	object_rela(object, text, 16, R_X86_64_GOTPCREL, b, 0);
	section = world_section(world_load_object(world, "it", object), ".text");
	cr_expect_eq(field32(section, 0), field32(section, 8) + 8, "two slots for one symbol");
	cr_expect_neq(field32(section, 0), field32(section, 16) + 16, "one slot for two symbols");
}

/* -4 and no other addend is what an instruction needs; the formula takes any. */
Test(got, the_range_of_the_field_is_checked)
{
	struct world *world = world_new("");
	struct image image;
	int64_t value;
	struct krtld_module *module;
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", zeros);

	object_rela(object, text, 4, R_X86_64_GOTPCREL, object_undefined(object, "count"), 0);
	image = object_image(object);
	module = world_load(world, "it", &image);
	value = field32(world_section(module, ".text"), 4);
	world_unload(world, module);
	image_rela(&image, ".text", 0)->r_addend = INT32_MAX - value;
	module = world_load(world, "it", &image);
	cr_expect_eq(field32(world_section(module, ".text"), 4), INT32_MAX);
	world_unload(world, module);
	image_rela(&image, ".text", 0)->r_addend = (int64_t)INT32_MAX - value + 1;
	world_refuse(world, "it", &image, KRTLD_E_RANGE);
	image_rela(&image, ".text", 0)->r_addend = (int64_t)INT32_MIN - value;
	world_unload(world, world_load(world, "it", &image));
	image_rela(&image, ".text", 0)->r_addend = (int64_t)INT32_MIN - value - 1;
	world_refuse(world, "it", &image, KRTLD_E_RANGE);
}

/* GOT + A - P, S + A - GOT, G + A: whatever GOT is, they must agree with one another. */
Test(got, offsets_from_the_got_agree_with_its_address)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", zeros);
	unsigned data = object_data(object, ".data", zeros);
	unsigned it = object_global(object, "it", data, 24);
	unsigned table = object_undefined(object, "_GLOBAL_OFFSET_TABLE_");
	const struct krtld_section *t, *d;
	struct krtld_module *module;
	uint64_t got;

	object_rela(object, text, 0, R_X86_64_GOTPC32, table, 0);
	object_rela(object, text, 8, R_X86_64_GOTPC64, table, 8);
	object_rela(object, data, 0, R_X86_64_GOTOFF64, it, 5);
	object_rela(object, data, 8, R_X86_64_GOT64, it, 0);
	object_rela(object, data, 16, R_X86_64_PLTOFF64, it, 0);
	object_rela(object, text, 16, R_X86_64_GOT32, it, 0);
	module = world_load_object(world, "it", object);
	t = world_section(module, ".text");
	d = world_section(module, ".data");
	got = t->address + (uint64_t)field32(t, 0);
	cr_expect_eq(bytes_get(t->bytes + 8, 8) + t->address, got, "GOTPC64: GOT + 8 - P");
	cr_expect_eq(bytes_get(d->bytes, 8), d->address + 24 + 5 - got, "GOTOFF64");
	cr_expect_eq(bytes_get(at(module, got + bytes_get(d->bytes + 8, 8), 8), 8), d->address + 24,
		     "GOT64");
	cr_expect_eq(bytes_get(d->bytes + 16, 8), d->address + 24 - got, "PLTOFF64");
	cr_expect_eq(bytes_get(at(module, got + (uint64_t)field32(t, 16), 8), 8), d->address + 24,
		     "GOT32");
}

Test(got, it_is_not_writable)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", zeros);
	const struct krtld_section *section;
	struct krtld_module *module;
	const struct krtld_region *data;
	uint64_t slot;

	object_rela(object, text, 4, R_X86_64_GOTPCREL, object_undefined(object, "count"), -4);
	object_data(object, ".data", zeros);
	module = world_load_object(world, "it", object);
	section = world_section(module, ".text");
	slot = section->address + 8 + (uint64_t)field32(section, 4);
	data = &module->regions[KRTLD_DATA];
	cr_expect(slot < data->address || slot >= data->address + data->size,
		  "the GOT is among the writable data");
}

/* More symbols than any small table would hold. */
Test(got, many_slots_are_right)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	static uint8_t text_bytes[400 * 4];
	static char names[400][8];
	unsigned text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16,
				       text_bytes, sizeof(text_bytes));
	const struct krtld_section *section;
	struct krtld_module *module;

	for (unsigned i = 0; i < 400; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		object_rela(object, text, 4 * i, R_X86_64_GOTPCREL,
			    object_global(object, names[i], SHN_ABS, 0x1000 + i), 0);
	}
	module = world_load_object(world, "it", object);
	section = world_section(module, ".text");
	for (unsigned i = 0; i < 400; i++) {
		uint64_t slot = section->address + 4 * i + (uint64_t)field32(section, 4 * i);

		cr_expect_eq(bytes_get(at(module, slot, 8), 8), 0x1000 + i, "slot %u", i);
	}
}

/* Code may ask for the GOT's address, and data for offsets from it, without a slot in it. */
Test(got, without_slots_it_has_an_address_all_the_same)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", zeros);
	unsigned data = object_data(object, ".data", zeros);
	unsigned table = object_undefined(object, "_GLOBAL_OFFSET_TABLE_");
	const struct krtld_section *t, *d;
	struct krtld_module *module;

	object_rela(object, text, 0, R_X86_64_GOTPC32, table, 0);
	object_rela(object, data, 0, R_X86_64_GOTOFF64, object_local(object, "it", data, 3), 0);
	module = world_load_object(world, "it", object);
	t = world_section(module, ".text");
	d = world_section(module, ".data");
	cr_expect_eq(t->address + (uint64_t)field32(t, 0) + bytes_get(d->bytes, 8), d->address + 3);
}

/* Two fields of each type, 8 bytes apart, whose addends differ by more than 32 bits hold. */
Test(got, fields_of_64_bits_take_any_value)
{
	static const struct {
		uint32_t type;
		bool relative; /* less P */
	} rows[] = {{R_X86_64_GOTOFF64, false},  {R_X86_64_GOT64, false},
		    {R_X86_64_GOTPCREL64, true}, {R_X86_64_GOTPC64, true},
		    {R_X86_64_GOTPLT64, false},  {R_X86_64_PLTOFF64, false}};
	static const int64_t addends[] = {0x123456789abc, -0x123456789abc, INT64_MIN, INT64_MAX};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned a = 0; a < 4; a++) {
			struct world *world = world_new("");
			struct object *object = object_new();
			unsigned data = object_data(object, ".data", zeros);
			unsigned it = object_local(object, "it", data, 24);
			const uint8_t *bytes;
			uint64_t apart = rows[i].relative ? 8 : 0;

			object_rela(object, data, 0, rows[i].type, it, 0);
			object_rela(object, data, 8, rows[i].type, it, addends[a]);
			bytes =
			    world_section(world_load_object(world, "it", object), ".data")->bytes;
			cr_expect_eq(bytes_get(bytes + 8, 8) - bytes_get(bytes, 8),
				     (uint64_t)addends[a] - apart, "type %u", rows[i].type);
		}
	}
}

/* How addresses are named again, how names are looked up in one module, and the list of its symbols. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

static struct krtld_module *named(struct world *world)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS ZEROS);
	unsigned data = object_data(object, ".data", ZEROS);

	object_symbol(object, "first", STB_GLOBAL, STT_FUNC, text, 4, 6);
	object_symbol(object, "second", STB_LOCAL, STT_FUNC, text, 16, 0);
	object_symbol(object, "thing", STB_GLOBAL, STT_OBJECT, data, 0, 8);
	object_symbol(object, "shared", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 8);
	return world_load_object(world, "it", object);
}

static void expect_name(struct world *world, uint64_t address, const char *symbol, uint64_t offset,
			uint64_t size)
{
	const char *found = "unset";
	uint64_t at = 1, bytes = 1;
	const struct krtld_module *module = krtld_name(&world->krtld, address, &found, &at, &bytes);

	cr_assert(module, "%#lx is in no module", address);
	cr_expect_str_eq(module->name, "it");
	if (!symbol) {
		cr_expect_null(found, "%#lx is %s", address, found);
		return;
	}
	cr_assert(found, "%#lx has no name, not %s", address, symbol);
	cr_expect_str_eq(found, symbol);
	cr_expect_eq(at, offset, "%s+%lu", found, at);
	cr_expect_eq(bytes, size, "%s: size %lu", found, bytes);
}

static void expect_names(struct world *world, const struct krtld_module *module)
{
	uint64_t text = world_section(module, ".text")->address;
	uint64_t data = world_section(module, ".data")->address;

	expect_name(world, text, NULL, 0, 0);
	expect_name(world, text + 3, NULL, 0, 0);
	expect_name(world, text + 4, "first", 0, 6);
	expect_name(world, text + 15, "first", 11, 6);
	expect_name(world, text + 16, "second", 0, 0);
	expect_name(world, text + 31, "second", 15, 0);
	expect_name(world, data + 15, "thing", 15, 8);
}

Test(name, an_address_is_named_by_the_nearest_symbol_below_it)
{
	struct world *world = world_new("");
	struct krtld_module *module = named(world);

	expect_names(world, module);
	cr_assert(krtld_index(&world->krtld, module));
	expect_names(world, module);
}

Test(name, an_address_outside_of_every_module_has_none)
{
	struct world *world = world_new("");
	struct krtld_module *module = named(world);
	const char *symbol = "unset";
	uint64_t offset, size;
	uint64_t outside[] = {0, 1, UINT64_MAX, module->regions[0].address - 1,
			      module->regions[0].address + module->regions[0].size};

	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		cr_expect_null(krtld_name(&world->krtld, outside[i], &symbol, &offset, &size),
			       "%#lx", outside[i]);
}

Test(name, a_common_symbol_has_its_name)
{
	struct world *world = world_new("");
	struct krtld_module *module = named(world);

	expect_name(world, world_symbol(module, "shared"), "shared", 0, 8);
	expect_name(world, world_symbol(module, "shared") + 5, "shared", 5, 8);
}

Test(name, an_index_that_finds_no_memory_is_refused_and_names_stay)
{
	struct world *world = world_new("");
	struct krtld_module *module = named(world);

	world->nreports = 0;
	world->fail_alloc = 1;
	cr_expect(!krtld_index(&world->krtld, module));
	cr_expect_eq(world->nreports, 1);
	expect_names(world, module);
	world_unload(world, module);
	world_expect_empty(world);
}

/* A function is a better name than a label, and a global than a local. */
Test(name, of_several_symbols_at_one_address_the_best_is_told)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	struct krtld_module *module;

	object_local(object, "label", text, 0);
	object_symbol(object, "function", STB_LOCAL, STT_FUNC, text, 0, 16);
	object_local(object, "later_label", text, 0);
	object_symbol(object, "best", STB_GLOBAL, STT_FUNC, text, 8, 4);
	object_symbol(object, "good", STB_LOCAL, STT_FUNC, text, 8, 4);
	module = world_load_object(world, "it", object);
	for (unsigned indexed = 0; indexed < 2; indexed++) {
		uint64_t at = world_section(module, ".text")->address;

		expect_name(world, at, "function", 0, 16);
		expect_name(world, at + 7, "function", 7, 16);
		expect_name(world, at + 8, "best", 0, 4);
		cr_assert(krtld_index(&world->krtld, module), "an index may be asked for twice");
	}
}

Test(name, every_address_of_a_region_is_the_modules)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "48 8b 05 00 00 00 00");
	const struct krtld_region *got;
	struct krtld_module *module;

	object_text(object, ".text.b", "c3");
	object_rela(object, text, 3, R_X86_64_GOTPCREL, object_undefined(object, "count"), -4);
	module = world_load_object(world, "it", object);
	got = &module->regions[KRTLD_RODATA];
	expect_name(world, got->address, NULL, 0, 0);
	expect_name(world, module->regions[KRTLD_TEXT].address + 10, NULL, 0, 0);
}

Test(name, a_global_wins_over_a_local_of_the_same_name)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	struct krtld_module *module;

	object_local(object, "it", data, 4);
	object_local(object, "other", data, 8);
	object_global(object, "it", data, 12);
	module = world_load_object(world, "it", object);
	cr_expect_eq(world_symbol(module, "it"), world_section(module, ".data")->address + 12);
	cr_expect_eq(world_symbol(module, "other"), world_section(module, ".data")->address + 8);
}

/* The name of a file or of a section says nothing of an address, and no name says nothing at all. */
Test(name, files_sections_and_the_nameless_name_nothing)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	struct krtld_module *module;

	object_symbol(object, "file.c", STB_LOCAL, STT_FILE, SHN_ABS, 0, 0);
	object_symbol(object, "odd.c", STB_LOCAL, STT_FILE, text, 0, 0);
	object_section_symbol(object, text);
	object_symbol(object, "", STB_LOCAL, STT_FUNC, text, 0, 8);
	object_symbol(object, "", STB_GLOBAL, STT_FUNC, text, 4, 8);
	module = world_load_object(world, "it", object);
	for (unsigned indexed = 0; indexed < 2; indexed++) {
		expect_name(world, world_section(module, ".text")->address + 5, NULL, 0, 0);
		cr_assert(krtld_index(&world->krtld, module));
	}
}

/* A limit, which stands behind the last byte, is in no section; a symbol may lie even further. */
Test(name, a_symbol_at_the_end_of_its_section_names_nothing)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	unsigned more = object_text(object, ".text.more", ZEROS);
	unsigned note = object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	struct krtld_module *module;

	object_global(object, "text_end", text, 16);
	object_symbol(object, "beyond", STB_GLOBAL, STT_FUNC, text, 1 << 20, 1);
	object_global(object, "in_a_note", note, 0);
	object_symbol(object, "last", STB_GLOBAL, STT_FUNC, more, 8, 0);
	module = world_load_object(world, "it", object);
	for (unsigned indexed = 0; indexed < 2; indexed++) {
		uint64_t at = world_section(module, ".text.more")->address;

		expect_name(world, at, NULL, 0, 0);
		expect_name(world, at + 7, NULL, 0, 0);
		expect_name(world, at + 15, "last", 7, 0);
		cr_assert(krtld_index(&world->krtld, module));
	}
}

/* A name ends with its section, though the section behind has no name for its first bytes. */
Test(name, a_symbol_does_not_name_the_section_behind_its_own)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "c3");
	struct krtld_module *module;

	object_text(object, ".text.more", ZEROS);
	object_symbol(object, "first", STB_GLOBAL, STT_FUNC, text, 0, 1);
	module = world_load_object(world, "it", object);
	for (unsigned indexed = 0; indexed < 2; indexed++) {
		expect_name(world, world_section(module, ".text")->address, "first", 0, 1);
		expect_name(world, world_section(module, ".text.more")->address, NULL, 0, 0);
		cr_assert(krtld_index(&world->krtld, module));
	}
}

Test(name, a_common_symbol_that_is_defined_elsewhere_is_not_in_this_module)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct krtld_module *module;

	world_external(world, "shared", 0x1000);
	module = named(world);
	cr_expect_eq(world_symbol(module, "shared"), 0x1000);
	for (unsigned indexed = 0; indexed < 2; indexed++) {
		const char *symbol;
		uint64_t offset, size;

		cr_expect_null(krtld_name(&world->krtld, 0x1000, &symbol, &offset, &size));
		expect_names(world, module);
		cr_assert(krtld_index(&world->krtld, module));
	}
	object_symbol(object, "own", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 8);
	world_unload(world, module);
	module = world_load_object(world, "it", object);
	expect_name(world, world_symbol(module, "own"), "own", 0, 8);
}

Test(name, a_module_without_symbols_can_be_indexed)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct krtld_module *module;

	object_text(object, ".text", ZEROS);
	module = world_load_object(world, "it", object);
	cr_assert(krtld_index(&world->krtld, module));
	expect_name(world, world_section(module, ".text")->address, NULL, 0, 0);
	world_unload(world, module);
	world_expect_empty(world);
}

/* ---- Names in one module ---- */

Test(name, of_two_locals_of_a_name_the_first_is_found)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	struct krtld_module *module;

	object_local(object, "it", data, 4);
	object_local(object, "it", data, 8);
	module = world_load_object(world, "it", object);
	cr_expect_eq(world_symbol(module, "it"), world_section(module, ".data")->address + 4);
}

Test(name, what_is_not_in_memory_is_not_found)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned note = object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	struct krtld_module *module;
	uint64_t value;

	object_data(object, ".data", ZEROS);
	object_symbol(object, "file.c", STB_LOCAL, STT_FILE, SHN_ABS, 0, 0);
	object_local(object, "noted", note, 0);
	object_undefined(object, "wanted");
	module = world_load_object(world, "it", object);
	cr_expect(!krtld_module_symbol(module, "file.c", &value));
	cr_expect(!krtld_module_symbol(module, "noted", &value));
	cr_expect(!krtld_module_symbol(module, "wanted", &value));
	cr_expect(!krtld_module_symbol(module, "nobody", &value));
}

/* ---- The list of symbols ---- */

Test(list, each_symbol_of_a_module_comes_once)
{
	static const char *const want[] = {"second", "first", "thing", "shared"};
	struct world *world = world_new("");
	struct krtld_module *module = named(world);
	unsigned seen[4] = {0, 0, 0, 0};
	uint64_t value, size;
	uint32_t at = 0;
	const char *name;

	while (krtld_next_symbol(module, &at, &name, &value, &size)) {
		unsigned i = 0;

		while (i < 4 && strcmp(name, want[i]))
			i++;
		cr_assert(i < 4, "%s is not one of them", name);
		seen[i]++;
		cr_expect_eq(value, world_symbol(module, name), "%s", name);
		cr_expect_eq(size, i == 0 ? 0 : i == 1 ? 6 : 8, "%s: %lu bytes", name, size);
	}
	for (unsigned i = 0; i < 4; i++)
		cr_expect_eq(seen[i], 1, "%s comes %u times", want[i], seen[i]);
	cr_expect(!krtld_next_symbol(module, &at, &name, &value, &size), "the end is the end");
}

Test(list, what_is_not_the_modules_own_or_has_no_name_is_left_out)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	unsigned note = object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	struct krtld_module *module;
	uint64_t value, size;
	uint32_t at = 0;
	const char *name;

	object_symbol(object, "file.c", STB_LOCAL, STT_FILE, SHN_ABS, 0, 0);
	object_section_symbol(object, data);
	object_local(object, "", data, 0);
	object_local(object, "noted", note, 0);
	object_undefined(object, "wanted");
	object_symbol(object, "own", STB_GLOBAL, STT_OBJECT, data, 4, 2);
	world_external(world, "wanted", 0x1234);
	module = world_load_object(world, "it", object);
	cr_assert(krtld_next_symbol(module, &at, &name, &value, &size));
	cr_expect_str_eq(name, "own");
	cr_expect_eq(value, world_section(module, ".data")->address + 4);
	cr_expect_eq(size, 2);
	cr_expect(!krtld_next_symbol(module, &at, &name, &value, &size), "%s", name);
}

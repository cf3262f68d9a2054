/* Symbols: what a name stands for, and who may define it. How addresses are named: names.c. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

/* Where a pointer of .data, made by a relocation of 64 bits, leads. */
static uint64_t pointer(const struct krtld_module *module, unsigned n)
{
	return bytes_get(world_section(module, ".data")->bytes + 8 * n, 8);
}

/* A module that defines a global of that binding at offset 4 of its .data. */
static struct krtld_module *define(struct world *world, const char *module, const char *name,
				   unsigned bind)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_symbol(object, name, bind, STT_OBJECT, data, 4, 4);
	return world_load_object(world, module, object);
}

static struct object *refer(const char *name, unsigned bind)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_64,
		    object_symbol(object, name, bind, STT_NOTYPE, SHN_UNDEF, 0, 0), 0);
	return object;
}

Test(symbols, globals_locals_and_section_symbols_have_their_values)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	unsigned data = object_data(object, ".data", ZEROS ZEROS);
	struct krtld_module *module;
	uint64_t t, d;

	object_rela(object, data, 0, R_X86_64_64, object_global(object, "g", text, 3), 0);
	object_rela(object, data, 8, R_X86_64_64, object_local(object, "l", data, 5), 2);
	object_rela(object, data, 16, R_X86_64_64, object_section_symbol(object, text), 9);
	object_rela(object, data, 24, R_X86_64_64, object_global(object, "a", SHN_ABS, 77), 1);
	module = world_load_object(world, "it", object);
	t = world_section(module, ".text")->address;
	d = world_section(module, ".data")->address;
	cr_expect_eq(pointer(module, 0), t + 3, "global");
	cr_expect_eq(pointer(module, 1), d + 7, "local + 2");
	cr_expect_eq(pointer(module, 2), t + 9, "section symbol + 9");
	cr_expect_eq(pointer(module, 3), 78, "absolute + 1");
	cr_expect_eq(world_symbol(module, "l"), d + 5);
	cr_expect_eq(world_symbol(module, "a"), 77);
}

Test(symbols, what_another_module_defines_is_found_there)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);
	struct krtld_module *two = world_load_object(world, "two", refer("it", STB_GLOBAL));
	uint64_t value;

	cr_expect_eq(pointer(two, 0), world_section(one, ".data")->address + 4);
	cr_expect(krtld_lookup(&world->krtld, "it", &value) && value == pointer(two, 0));
	cr_expect(!krtld_module_symbol(two, "it", &value), "it is not two's own");
}

Test(symbols, a_local_of_another_module_is_not_found)
{
	struct world *world = world_new("");
	uint64_t value;

	define(world, "one", "it", STB_LOCAL);
	cr_expect(!krtld_lookup(&world->krtld, "it", &value));
	world_refuse_object(world, "two", refer("it", STB_GLOBAL), KRTLD_E_UNDEFINED);
}

Test(symbols, a_hidden_symbol_of_another_module_is_not_found)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct image image;
	uint64_t value;

	object_global(object, "it", object_data(object, ".data", ZEROS), 0);
	image = object_image(object);
	image_symbol(&image, "it")->st_other = STV_HIDDEN;
	world_load(world, "one", &image);
	cr_expect(!krtld_lookup(&world->krtld, "it", &value));
	world_refuse_object(world, "two", refer("it", STB_GLOBAL), KRTLD_E_UNDEFINED);
}

Test(symbols, what_no_module_defines_is_asked_for_outside)
{
	struct world *world = world_new("");

	world_external(world, "outside", 0x1122334455667788);
	cr_expect_eq(pointer(world_load_object(world, "it", refer("outside", STB_GLOBAL)), 0),
		     0x1122334455667788);
}

/* Two names that FNV-1a, of which the tables of names are made, cannot tell apart. */
Test(symbols, names_of_one_hash_are_told_apart)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "costarring", STB_GLOBAL), *two;
	uint64_t value;

	world_refuse_object(world, "two", refer("liquid", STB_GLOBAL), KRTLD_E_UNDEFINED);
	two = define(world, "two", "liquid", STB_GLOBAL);
	cr_expect(krtld_lookup(&world->krtld, "liquid", &value));
	cr_expect_eq(value, world_symbol(two, "liquid"));
	cr_expect(krtld_lookup(&world->krtld, "costarring", &value));
	cr_expect_eq(value, world_symbol(one, "costarring"));
}

Test(symbols, names_of_one_hash_may_meet_in_one_module)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	struct krtld_module *module;
	uint64_t value;

	object_global(object, "costarring", data, 1);
	object_global(object, "liquid", data, 2);
	object_global(object, "altarage", data, 3);
	object_global(object, "zinke", data, 4);
	module = world_load_object(world, "it", object);
	for (unsigned i = 1; i <= 4; i++) {
		static const char *const names[] = {"", "costarring", "liquid", "altarage",
						    "zinke"};

		cr_assert(krtld_lookup(&world->krtld, names[i], &value), "%s", names[i]);
		cr_expect_eq(value, world_section(module, ".data")->address + i, "%s", names[i]);
	}
}

Test(symbols, a_protected_symbol_of_another_module_is_found)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct image image;
	uint64_t value;

	object_global(object, "it", object_data(object, ".data", ZEROS), 0);
	image = object_image(object);
	image_symbol(&image, "it")->st_other = STV_PROTECTED;
	world_load(world, "one", &image);
	cr_expect(krtld_lookup(&world->krtld, "it", &value));
	world_load_object(world, "two", refer("it", STB_GLOBAL));
	image_symbol(&image, "it")->st_other = STV_INTERNAL;
	world_load(world, "three", &image);
}

/* A message names a symbol; one that has no name is its section, or nothing. */
Test(symbols, what_has_no_name_is_called_by_its_section)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_16, object_section_symbol(object, text), 0);
	world_refuse_object(world, "it", object, KRTLD_E_RANGE);
	cr_expect_str_eq(world->reports[0].symbol, ".text");
	object = object_new();
	data = object_data(object, ".data", ZEROS);
	object_rela(object, data, 0, R_X86_64_16, object_local(object, "", SHN_ABS, 0x12345), 0);
	world_refuse_object(world, "it", object, KRTLD_E_RANGE);
	cr_expect_str_eq(world->reports[0].symbol, "");
}

Test(symbols, a_module_wins_over_the_outside)
{
	struct world *world = world_new("");
	struct krtld_module *one;

	world_external(world, "it", 0x1234);
	one = define(world, "one", "it", STB_GLOBAL);
	cr_expect_eq(pointer(world_load_object(world, "two", refer("it", STB_GLOBAL)), 0),
		     world_symbol(one, "it"));
}

Test(weak, an_undefined_weak_symbol_is_zero)
{
	struct world *world = world_new("");
	struct krtld_module *module = world_load_object(world, "it", refer("it", STB_WEAK));

	cr_expect_eq(pointer(module, 0), 0);
}

Test(weak, an_undefined_weak_symbol_is_found_where_somebody_defines_it)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);

	cr_expect_eq(pointer(world_load_object(world, "two", refer("it", STB_WEAK)), 0),
		     world_symbol(one, "it"));
	cr_expect_eq(one->users, 1, "a weak reference that is resolved is a use");
}

Test(weak, a_definition_gives_way_to_an_earlier_one)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	struct krtld_module *two;
	uint64_t value;

	object_rela(object, data, 0, R_X86_64_64, object_weak(object, "it", data, 8), 0);
	two = world_load_object(world, "two", object);
	cr_expect_eq(pointer(two, 0), world_symbol(one, "it"));
	cr_expect(krtld_lookup(&world->krtld, "it", &value));
	cr_expect_eq(value, world_symbol(one, "it"));
	cr_expect_eq(one->users, 1);
}

Test(weak, a_definition_of_which_there_is_no_other_counts)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_WEAK);

	cr_expect_eq(pointer(world_load_object(world, "two", refer("it", STB_GLOBAL)), 0),
		     world_section(one, ".data")->address + 4);
}

Test(duplicate, a_global_that_a_module_defines_already_is_refused)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);
	struct object *object = object_new();
	const struct krtld_error *error;
	uint64_t value;

	object_global(object, "it", object_data(object, ".data", ZEROS), 0);
	error = world_refuse_object(world, "two", object, KRTLD_E_DUPLICATE);
	cr_expect_str_eq(error->symbol, "it");
	cr_expect(strstr(world->lines[0], "one"), "who has it? %s", world->lines[0]);
	cr_expect(krtld_lookup(&world->krtld, "it", &value));
	cr_expect_eq(value, world_symbol(one, "it"));
	world_unload(world, one);
	world_load_object(world, "two", object);
}

Test(duplicate, the_same_local_in_two_modules_is_fine)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_LOCAL);
	struct krtld_module *two = define(world, "two", "it", STB_LOCAL);

	cr_expect_neq(world_symbol(one, "it"), world_symbol(two, "it"));
}

Test(duplicate, a_name_defined_twice_in_one_object_is_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_global(object, "it", data, 0);
	object_global(object, "it", data, 8);
	world_refuse_object(world, "one", object, KRTLD_E_DUPLICATE);
	world_expect_empty(world);
}

/* No assembler and no `ld -r` writes that: which of the two its author means, nobody can tell. */
Test(duplicate, a_name_defined_twice_in_one_object_is_refused_weak_or_not)
{
	static const unsigned bindings[] = {STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE};

	for (unsigned i = 0; i < 9; i++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned data = object_data(object, ".data", ZEROS);

		object_symbol(object, "it", bindings[i / 3], STT_OBJECT, data, 0, 4);
		object_symbol(object, "it", bindings[i % 3], STT_OBJECT, data, 8, 4);
		world_refuse_object(world, "one", object, KRTLD_E_DUPLICATE);
		cr_expect_str_eq(world->reports[0].symbol, "it");
		world_expect_empty(world);
	}
}

/* Its own are a module's own affair: two hidden ones, or a local beside a global. */
Test(duplicate, a_name_that_nobody_else_can_see_may_be_defined_twice)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS ZEROS);
	struct krtld_module *module;
	uint64_t at;

	object_rela(object, data, 0, R_X86_64_64, object_local(object, "it", data, 20), 0);
	object_rela(object, data, 8, R_X86_64_64, object_local(object, "it", data, 24), 0);
	object_rela(object, data, 16, R_X86_64_64, object_global(object, "it", data, 28), 0);
	module = world_load_object(world, "one", object);
	at = world_section(module, ".data")->address;
	cr_expect_eq(pointer(module, 0), at + 20);
	cr_expect_eq(pointer(module, 1), at + 24);
	cr_expect_eq(pointer(module, 2), at + 28);
}

Test(duplicate, the_name_of_a_loaded_module_is_refused)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);
	struct object *object = object_new();
	const struct krtld_error *error;

	object_data(object, ".data", ZEROS);
	error = world_refuse_object(world, "one", object, KRTLD_E_DUPLICATE);
	cr_expect_str_eq(error->module, "one");
	world_unload(world, one);
	world_load_object(world, "one", object);
}

Test(duplicate, every_module_may_have_its_own_init)
{
	struct world *world = world_new("");

	for (unsigned i = 0; i < 3; i++) {
		static const char *const names[] = {"one", "two", "three"};
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "31 c0 c3 31 c0 c3");
		struct krtld_module *module;

		object_global(object, "_init", text, 0);
		object_global(object, "_fini", text, 3);
		module = world_load_object(world, names[i], object);
		cr_expect_eq(world->starts, i + 1);
		cr_expect_eq(world->started[i], world_symbol(module, "_init"));
	}
}

/* ---- COMMON ---- */

Test(common, symbols_get_zeroed_memory_of_their_size_and_alignment)
{
	static const struct {
		const char *name;
		uint64_t size, align;
	} rows[] = {{"c1", 1, 1}, {"c2", 100, 32}, {"c3", 8, 8}, {"c4", 3, 4096}, {"c5", 64, 64}};
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS ZEROS ZEROS);
	const struct krtld_region *region;
	struct krtld_module *module;

	for (unsigned i = 0; i < 5; i++)
		object_rela(object, data, 8 * i, R_X86_64_64,
			    object_symbol(object, rows[i].name, STB_GLOBAL, STT_OBJECT, SHN_COMMON,
					  rows[i].align, rows[i].size),
			    0);
	module = world_load_object(world, "it", object);
	region = &module->regions[KRTLD_DATA];
	for (unsigned i = 0; i < 5; i++) {
		uint64_t at = pointer(module, i);

		cr_expect_eq(at, world_symbol(module, rows[i].name));
		cr_expect_eq(at % rows[i].align, 0, "%s at %#lx", rows[i].name, at);
		cr_assert(at >= region->address &&
			  at + rows[i].size <= region->address + region->size);
		for (uint64_t b = 0; b < rows[i].size; b++)
			cr_expect_eq(region->bytes[at - region->address + b], 0);
		for (unsigned j = 0; j < i; j++)
			cr_expect(at + rows[i].size <= pointer(module, j) ||
				      pointer(module, j) + rows[j].size <= at,
				  "%s and %s overlap", rows[i].name, rows[j].name);
		cr_expect(at + rows[i].size <= world_section(module, ".data")->address ||
			  at >= world_section(module, ".data")->address + 48);
	}
}

Test(common, a_symbol_that_an_earlier_module_defines_is_that_one)
{
	struct world *world = world_new("");
	struct krtld_module *one = define(world, "one", "it", STB_GLOBAL);
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_64,
		    object_symbol(object, "it", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 4, 4), 0);
	cr_expect_eq(pointer(world_load_object(world, "two", object), 0), world_symbol(one, "it"));
}

Test(common, uninitialised_data_is_zero_even_where_memory_was_used_before)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	const struct krtld_section *section;

	object_bss(object, ".bss", 1000);
	section = world_section(world_load_object(world, "it", object), ".bss");
	cr_expect_eq(section->size, 1000);
	for (unsigned i = 0; i < 1000; i++)
		cr_expect_eq(section->bytes[i], 0);
}

/* ---- Without hotinlines ---- */

Test(symbols, without_a_machine_a_stub_is_a_function_like_any_other)
{
	struct world *world = world_with(NULL, NULL);
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");
	struct krtld_module *module;

	world_external(world, "count", WORLD_TEXT + 0x100000);
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "count"), -4);
	module = world_load_object(world, "it", object);
	cr_expect_eq(module->nsites + module->nreferences, 0);
	cr_expect_eq(world_section(module, ".text")->bytes[0], 0xe8);
	world_unload(world, module);
	world_expect_empty(world);
}

/* The first definition counts, and what the surroundings know comes after all of them. */
Test(symbols, what_a_module_exports_comes_before_the_surroundings)
{
	struct world *world = world_new("");
	struct krtld_module *module = define(world, "first", "known", STB_GLOBAL), *user;

	world_external(world, "known", 0x1234);
	user = world_load_object(world, "user", refer("known", STB_GLOBAL));
	cr_expect_eq(pointer(user, 0), world_symbol(module, "known"));
	cr_expect_eq(module->users, 1);
	world_unload(world, user);
	world_unload(world, module);
	user = world_load_object(world, "user", refer("known", STB_GLOBAL));
	cr_expect_eq(pointer(user, 0), 0x1234, "the twin: nothing else defines it");
}

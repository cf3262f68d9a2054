/* __start_NAME and __stop_NAME: the ends of a set of sections, which a linker defines. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define WORD "00 00 00 00 00 00 00 00"

/* An object whose .data holds the ends of the set `probes', by references of that binding. */
static struct object *with_ends(unsigned binding)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", WORD WORD);

	object_rela(object, data, 0, R_X86_64_64,
		    object_symbol(object, "__start_probes", binding, STT_NOTYPE, SHN_UNDEF, 0, 0),
		    0);
	object_rela(object, data, 8, R_X86_64_64,
		    object_symbol(object, "__stop_probes", binding, STT_NOTYPE, SHN_UNDEF, 0, 0),
		    0);
	return object;
}

static uint64_t end_of(const struct krtld_module *module, bool stop)
{
	return bytes_get(world_section(module, ".data")->bytes + 8 * stop, 8);
}

Test(sets, both_ends_are_those_of_the_section)
{
	static const unsigned bindings[] = {STB_GLOBAL, STB_WEAK};
	struct world *world = world_new("");

	for (unsigned i = 0; i < 2; i++) {
		struct object *object = with_ends(bindings[i]);
		struct krtld_module *module;
		uint64_t start;

		object_rodata(object, "probes", "01 02 03 04 05");
		module = world_load_object(world, "it", object);
		start = world_section(module, "probes")->address;
		cr_expect_eq(end_of(module, false), start);
		cr_expect_eq(end_of(module, true), start + 5);
		world_unload(world, module);
	}
}

Test(sets, of_a_section_that_is_not_there_weak_ends_are_0_and_strong_ones_undefined)
{
	struct world *world = world_new("");
	struct krtld_module *module;
	struct object *object = with_ends(STB_WEAK);

	object_section(object, "probes", SHT_PROGBITS, 0, 1, "abc", 3); /* not loaded */
	module = world_load_object(world, "it", object);
	cr_expect_eq(end_of(module, false), 0);
	cr_expect_eq(end_of(module, true), 0);
	world_refuse_object(world, "strong", with_ends(STB_GLOBAL), KRTLD_E_UNDEFINED);
	cr_expect_eq(world->nreports, 2);
}

/* Each module has its own, and what another exports does not take its place. */
Test(sets, two_modules_have_two_sets)
{
	struct world *world = world_new("");
	struct object *other = object_new();
	struct krtld_module *modules[2];

	object_global(other, "__start_probes", object_data(other, ".data", WORD), 0);
	world_load_object(world, "other", other);
	for (unsigned i = 0; i < 2; i++) {
		struct object *object = with_ends(STB_GLOBAL);

		object_rodata(object, "probes", WORD);
		modules[i] = world_load_object(world, i ? "b" : "a", object);
		cr_expect_eq(end_of(modules[i], false),
			     world_section(modules[i], "probes")->address);
	}
	cr_expect_neq(end_of(modules[0], false), end_of(modules[1], false));
	cr_expect_eq(modules[0]->users, 0);
}

Test(sets, an_objects_own_definition_wins)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", WORD WORD);
	struct krtld_module *module;

	object_rodata(object, "probes", WORD);
	object_rela(object, data, 0, R_X86_64_64,
		    object_global(object, "__start_probes", SHN_ABS, 0x1234), 0);
	module = world_load_object(world, "it", object);
	cr_expect_eq(end_of(module, false), 0x1234);
}

/* As groups, and `ld -r` with them, leave several; others lie between them in the file. */
Test(sets, sections_of_one_name_are_put_next_to_each_other)
{
	struct world *world = world_new("");
	struct object *object = with_ends(STB_GLOBAL);
	struct krtld_module *module;
	const struct krtld_section *first, *second, *third;

	object_data(object, "before", "11 22 33");
	object_section(object, "probes", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8, "12345678", 8);
	object_data(object, "between", "11 22 33");
	object_section(object, "probes", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 64, "abcdefgh", 8);
	object_bss(object, ".bss", 100);
	object_section(object, "probes", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8, "ABCDEFGH", 8);
	module = world_load_object(world, "it", object);
	first = &module->sections[3];
	second = &module->sections[5];
	third = &module->sections[7];
	cr_expect_eq(first->address % 64, 0, "as the output section's of a linker");
	cr_expect_eq(second->address, first->address + 64);
	cr_expect_eq(third->address, second->address + 8);
	cr_expect_eq(end_of(module, false), first->address);
	cr_expect_eq(end_of(module, true), third->address + 8);
	cr_expect(!memcmp(third->bytes, "ABCDEFGH", 8) && !memcmp(second->bytes, "abcdefgh", 8));
	world_unload(world, module);
	world_expect_empty(world);
}

Test(sets, sections_of_one_name_and_several_kinds_are_refused)
{
	for (unsigned wanted = 0; wanted < 2; wanted++) {
		struct world *world = world_new("");
		struct object *object = wanted ? with_ends(STB_GLOBAL) : object_new();

		object_rodata(object, "probes", WORD);
		object_data(object, "probes", WORD);
		if (wanted)
			world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
		else
			world_load_object(world, "it", object);
	}
}

Test(sets, a_set_that_is_torn_apart_by_addresses_from_outside_is_refused)
{
	struct world *world = world_new("");
	struct object *object = with_ends(STB_GLOBAL);

	object_data(object, "probes", WORD);
	object_data(object, "probes", WORD);
	world->placed = "it";
	world->places[2] = 0xffffffff90000000;
	world->places[3] = 0xffffffff90000010;
	world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
	world->places[3] = 0xffffffff90000008;
	world_load_object(world, "it", object);
}

/* A linker makes the symbols for names that C can write. */
Test(sets, only_c_identifiers_have_ends)
{
	static const struct {
		const char *section, *symbol;
		bool good;
	} names[] = {
	    {"a1", "__start_a1", true},   {"_", "__stop__", true},     {"1a", "__start_1a", false},
	    {".a", "__start_.a", false},  {"a", "_start_a", false},    {"a", "__start_", false},
	    {"a.b", "__stop_a.b", false}, {"a", "__startof_a", false},
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct world *world = world_new("");
		struct object *object = object_new();

		object_rela(object, object_data(object, ".data", WORD), 0, R_X86_64_64,
			    object_undefined(object, names[i].symbol), 0);
		object_rodata(object, names[i].section, WORD);
		if (names[i].good)
			world_load_object(world, "it", object);
		else
			world_refuse_object(world, "it", object, KRTLD_E_UNDEFINED);
	}
}

Test(sets, each_allocation_of_a_module_with_a_set_fails_in_turn)
{
	struct world *world = world_new("");
	struct object *object = with_ends(STB_GLOBAL);
	struct image image;
	unsigned n;

	object_rodata(object, "probes", WORD);
	image = object_image(object);
	world_unload(world, world_load(world, "it", &image));
	n = world->allocs;
	for (unsigned i = 1; i <= n; i++) {
		world->fail_alloc = i;
		world_refuse(world, "it", &image, KRTLD_E_MEMORY);
	}
}

Test(sets, more_ends_than_the_limit_are_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	const unsigned n = 5000;
	struct image image, longer;
	Elf64_Shdr *symtab;
	Elf64_Sym *symbols;

	object_undefined(object, "__start_probes");
	image = object_image(object);
	longer = image_copy(&image, image.size + n * sizeof(Elf64_Sym));
	symtab = image_section(&longer, ".symtab");
	symbols = (Elf64_Sym *)(longer.bytes + image.size);
	for (unsigned i = 0; i < n; i++)
		symbols[i] = ((Elf64_Sym *)(longer.bytes + symtab->sh_offset))[i > 0];
	symtab->sh_offset = image.size;
	symtab->sh_size = n * sizeof(Elf64_Sym);
	world_refuse(world, "it", &longer, KRTLD_E_FORMAT);
	cr_expect(strstr(world->lines[0], "found 0x1001, limit 0x1000"), "%s", world->lines[0]);
	symtab->sh_size = 4097 * sizeof(Elf64_Sym);
	world_load(world, "it", &longer);
}

/*
 * Constructors, _init, _fini, destructors: in which order they run, what is never called, and what
 * happens if one of them loads and unloads modules. AddressSanitizer watches for what is gone.
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define FUNCTIONS "c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3 c3"
#define ALLOCATED (SHF_ALLOC | SHF_WRITE)

/* An object whose .text is sixteen functions of a byte; arrays refer to them by number. */
struct start {
	struct object *object;
	unsigned text, symbol;
};

static struct start start_new(void)
{
	struct start s = {.object = object_new()};

	s.text = object_text(s.object, ".text", FUNCTIONS);
	s.symbol = object_section_symbol(s.object, s.text);
	return s;
}

/* -1: the word that crtbegin.o has; -2: 0 */
static void add_array(struct start *s, const char *name, uint32_t type, const int *functions)
{
	uint8_t words[8 * 16] = {0};
	unsigned n = 0, section;

	for (; functions[n] != -3; n++)
		if (functions[n] == -1)
			memset(words + 8 * n, 0xff, 8);
	section = object_section(s->object, name, type, ALLOCATED, 8, words, 8 * n);
	for (unsigned i = 0; i < n; i++)
		if (functions[i] >= 0)
			object_rela(s->object, section, 8 * i, R_X86_64_64, s->symbol,
				    functions[i]);
}

#define ARRAY(s, name, type, ...) add_array(s, name, type, (const int[]){__VA_ARGS__, -3})

static uint64_t text_of(const struct krtld_module *module)
{
	return world_section(module, ".text")->address;
}

/* What has run since the last time, as numbers of functions. */
static void expect_runs(struct world *world, uint64_t text, const char *want)
{
	char found[64] = "";

	cr_assert(world->starts <= 16);
	for (unsigned i = 0; i < world->starts; i++)
		found[i] = "0123456789abcdef"[world->started[i] - text];
	cr_expect_str_eq(found, want);
	world->starts = 0;
}

Test(start, constructors_run_before_init_and_destructors_after_fini)
{
	struct world *world = world_new("");
	struct start s = start_new();
	struct krtld_module *module;
	uint64_t text;

	object_global(s.object, "_init", s.text, 14);
	object_global(s.object, "_fini", s.text, 15);
	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 4, 5);
	ARRAY(&s, ".fini_array", SHT_FINI_ARRAY, 6, 7);
	ARRAY(&s, ".init_array.200", SHT_INIT_ARRAY, 3);
	ARRAY(&s, ".fini_array.00100", SHT_FINI_ARRAY, 8, 9);
	ARRAY(&s, ".init_array.00100", SHT_PROGBITS, 1, 2);
	ARRAY(&s, ".preinit_array", SHT_PREINIT_ARRAY, 0);
	module = world_load_object(world, "it", s.object);
	text = text_of(module);
	expect_runs(world, text, "012345e");
	cr_expect(krtld_start(&world->krtld, module), "it has begun already");
	expect_runs(world, text, "");
	module->users++;
	cr_expect(!krtld_unload(&world->krtld, module));
	cr_expect_eq(world->starts, 0, "what is in use is not stopped");
	module->users--;
	world_unload(world, module);
	expect_runs(world, text, "f7698");
	world_expect_empty(world);
}

/* As GNU ld puts them into .init_array and .fini_array: the higher number runs first. */
Test(start, constructors_of_the_old_kind_run_backwards)
{
	struct world *world = world_new("");
	struct start s = start_new();
	struct krtld_module *module;
	uint64_t text;

	ARRAY(&s, ".ctors", SHT_PROGBITS, -1, 5, 4, -2);
	ARRAY(&s, ".ctors.65435", SHT_PROGBITS, 1);
	ARRAY(&s, ".ctors.65335", SHT_PROGBITS, 3);
	ARRAY(&s, ".init_array.150", SHT_INIT_ARRAY, 2);
	ARRAY(&s, ".dtors", SHT_PROGBITS, -1, 8, 9, -2);
	ARRAY(&s, ".dtors.65435", SHT_PROGBITS, 7);
	module = world_load_object(world, "it", s.object);
	text = text_of(module);
	expect_runs(world, text, "12345");
	world_unload(world, module);
	expect_runs(world, text, "897");
}

Test(start, names_that_only_begin_like_arrays_are_none)
{
	static const char *const names[] = {".init_arrays", ".init",      ".ctorsx", ".init_array1",
					    ".fini_arrax",  "init_array", ".ctor"};
	struct world *world = world_new("");

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct start s = start_new();

		ARRAY(&s, names[i], SHT_PROGBITS, 1);
		world_unload(world, world_load_object(world, "it", s.object));
		cr_expect_eq(world->starts, 0, "%s", names[i]);
	}
}

/* What is said of one name in several sections is in the order of the sections; destructors run the
 * other way round, the last section first. */
Test(start, arrays_of_one_name_run_in_the_order_of_their_sections)
{
	struct world *world = world_new("");
	struct start s = start_new();
	struct krtld_module *module;
	uint64_t text;

	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 1, 2);
	ARRAY(&s, ".fini_array.7", SHT_FINI_ARRAY, 4, 5);
	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 3);
	ARRAY(&s, ".fini_array.7", SHT_FINI_ARRAY, 6);
	module = world_load_object(world, "it", s.object);
	text = text_of(module);
	expect_runs(world, text, "123");
	world_unload(world, module);
	expect_runs(world, text, "654");
}

/* ld's linker script has all sections with a number before those without: 65536, which no compiler
 * writes, is still a number. Destructors run the other way round. */
Test(start, an_array_with_any_number_comes_before_those_without)
{
	static const char *const numbers[] = {"65534", "65535", "65536", "65537", "4294967296"};

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct world *world = world_new("");
		struct start s = start_new();
		struct krtld_module *module;
		char init[32], fini[32];
		uint64_t text;

		snprintf(init, sizeof(init), ".init_array.%s", numbers[i]);
		snprintf(fini, sizeof(fini), ".fini_array.%s", numbers[i]);
		ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 2);
		ARRAY(&s, init, SHT_INIT_ARRAY, 1);
		ARRAY(&s, fini, SHT_FINI_ARRAY, 4);
		ARRAY(&s, ".fini_array", SHT_FINI_ARRAY, 3);
		module = world_load_object(world, "it", s.object);
		text = text_of(module);
		expect_runs(world, text, "12");
		world_unload(world, module);
		expect_runs(world, text, "34");
	}
}

/* ld sorts by the number alone; what is not one has no priority. */
Test(start, a_suffix_that_is_not_a_number_is_no_priority)
{
	struct world *world = world_new("");
	struct start s = start_new();

	ARRAY(&s, ".init_array.early", SHT_INIT_ARRAY, 2);
	ARRAY(&s, ".init_array.", SHT_INIT_ARRAY, 3);
	ARRAY(&s, "kernel_inits", SHT_INIT_ARRAY, 4);
	ARRAY(&s, ".init_array.99999999999999999999", SHT_INIT_ARRAY, 1);
	ARRAY(&s, ".init_array.0", SHT_INIT_ARRAY, 0);
	expect_runs(world, text_of(world_load_object(world, "it", s.object)), "01234");
}

Test(start, an_empty_array_is_fine)
{
	struct world *world = world_new("");
	struct start s = start_new();

	object_section(s.object, ".init_array", SHT_INIT_ARRAY, ALLOCATED, 8, "", 0);
	object_section(s.object, ".ctors", SHT_PROGBITS, ALLOCATED, 8,
		       "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0", 16);
	world->ops.start = NULL;
	world_refuse_object(world, "it", s.object, KRTLD_E_START);
	s = start_new();
	object_section(s.object, ".init_array", SHT_INIT_ARRAY, ALLOCATED, 8, "", 0);
	world_unload(world, world_load_object(world, "it", s.object));
}

Test(start, without_a_start_operation_a_module_with_constructors_is_refused)
{
	static const char *const names[] = {".preinit_array", ".init_array.5", ".ctors",
					    ".fini_array", ".dtors"};
	struct world *world = world_new("");

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct start s = start_new();
		int (*start)(void *, uint64_t) = world->ops.start;

		ARRAY(&s, names[i], SHT_PROGBITS, 1);
		world->ops.start = NULL;
		world_refuse_object(world, "it", s.object, KRTLD_E_START);
		cr_expect_str_eq(world->reports[0].section, names[i]);
		world->ops.start = start;
		world_unload(world, world_load_object(world, "it", s.object));
	}
}

Test(start, an_array_of_another_size_or_without_contents_is_refused)
{
	struct world *world = world_new("");
	struct start s = start_new();

	object_section(s.object, ".init_array", SHT_INIT_ARRAY, ALLOCATED, 8, "123456789", 9);
	world_refuse_object(world, "it", s.object, KRTLD_E_START);
	s = start_new();
	object_section(s.object, ".ctors", SHT_NOBITS, ALLOCATED, 8, NULL, 8);
	world_refuse_object(world, "it", s.object, KRTLD_E_START);
}

Test(start, each_allocation_of_a_module_with_constructors_fails_in_turn)
{
	struct world *world = world_new("");
	struct start s = start_new();
	struct image image;
	unsigned n;

	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 1);
	image = object_image(s.object);
	world_unload(world, world_load(world, "it", &image));
	n = world->allocs;
	for (unsigned i = 1; i <= n; i++) {
		world->starts = 0;
		world->fail_alloc = i;
		world_refuse(world, "it", &image, KRTLD_E_MEMORY);
		cr_expect_eq(world->starts, 0);
	}
}

/* ---- What is never called ---- */

struct place {
	const char *what;
	const char *section; /* of a symbol; NULL: absolute */
	uint64_t offset;
	bool good;
};

static const struct place places[] = {
    {"the first byte of text", ".text", 0, true},
    {"the last byte of text", ".text", 15, true},
    {"another text", ".text.more", 1, true},
    {"one past the last text", ".text.more", 2, false},
    {"data", ".data", 0, false},
    {"0", NULL, 0, false},
    {"-1", NULL, UINT64_MAX, false},
    {"another module's text", NULL, WORLD_TEXT, false},
};

/* The name as a global at that place, and an array that calls it. */
static struct image at_place(const struct place *place, const char *name, const char *array)
{
	struct start s = start_new();
	unsigned more = object_text(s.object, ".text.more", "c3 c3");
	unsigned data = object_data(s.object, ".data", "c3 c3 c3 c3 c3 c3 c3 c3");
	unsigned section = !place->section                    ? SHN_ABS
			   : !strcmp(place->section, ".text") ? s.text
			   : !strcmp(place->section, ".data") ? data
							      : more;
	unsigned it = object_global(s.object, name, section, place->offset);

	if (array)
		object_rela(s.object,
			    object_section(s.object, array, SHT_PROGBITS, ALLOCATED, 8,
					   "\0\0\0\0\0\0\0", 8),
			    0, R_X86_64_64, it, 0);
	return object_image(s.object);
}

static void expect_place(struct world *world, const struct place *place, const char *name,
			 const char *array)
{
	struct image image = at_place(place, name, array);

	if (place->good) {
		world_unload(world, world_load(world, "it", &image));
		cr_expect_eq(world->starts, 1, "%s, %s", place->what, name);
	} else {
		world_refuse(world, "it", &image, KRTLD_E_START);
		cr_expect_eq(world->starts, 0, "%s was called for %s", place->what, name);
		cr_expect(strstr(world->lines[0], "executable sections, address 0x") ||
			      !world->reports[0].value,
			  "%s", world->lines[0]);
	}
	world->starts = 0;
}

Test(start, only_what_is_in_the_modules_own_text_is_called)
{
	struct world *world = world_new("");
	struct object *other = object_new();

	object_text(other, ".text", FUNCTIONS);
	world_load_object(world, "other", other);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		expect_place(world, &places[i], "_init", NULL);
		expect_place(world, &places[i], "_fini", NULL);
		expect_place(world, &places[i], "f", ".init_array");
		expect_place(world, &places[i], "f", ".fini_array");
	}
}

/* gABI: the index is in SHT_SYMTAB_SHNDX, and may be 0 there. */
Test(start, an_undefined_init_that_hides_behind_an_extended_index_is_not_called)
{
	struct world *world = world_new("");

	for (uint32_t section = 0; section < 2; section++) {
		uint32_t indices[3] = {0, section, 0};
		struct object *object = object_new();
		struct krtld_module *module;
		struct image image;

		object_text(object, ".text", "90 90 c3");
		object_section(object, ".indices", SHT_SYMTAB_SHNDX, 0, 4, indices,
			       sizeof(indices));
		object_weak(object, "_init", SHN_XINDEX, 2);
		image = object_image(object);
		image_section(&image, ".indices")->sh_link = image_section_index(&image, ".symtab");
		module = world_load(world, "it", &image);
		cr_expect_eq(world->starts, section, "section %u", section);
		world_unload(world, module);
	}
}

/* ---- unix ---- */

static struct world *world_undecided(struct image *image)
{
	struct start s = start_new();

	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 1, 2);
	ARRAY(&s, ".fini_array", SHT_FINI_ARRAY, 3);
	object_global(s.object, "_init", s.text, 4);
	*image = object_image(s.object);
	return world_new(NULL);
}

Test(start, the_kernel_starts_unix_once_it_is_patched)
{
	struct hot_features none = {{0}};
	struct image image;
	struct world *world = world_undecided(&image);
	struct krtld_module *module = world_load(world, "unix", &image);

	expect_runs(world, text_of(module), "");
	hot_decide(world->machine, &none);
	cr_assert(krtld_start(&world->krtld, module));
	expect_runs(world, text_of(module), "124");
	world_unload(world, world_load(world, "other", &image));
	world->starts = 0;
	world_unload(world, module);
	cr_expect_eq(world->starts, 1);
}

/* Twin: a kernel that forgets it hears of it, at the latest with its first module. */
Test(start, constructors_of_unix_are_not_forgotten)
{
	struct hot_features none = {{0}};
	struct image image;
	struct world *world = world_undecided(&image);
	struct krtld_module *module = world_load(world, "unix", &image);
	int (*start)(void *, uint64_t) = world->ops.start;

	hot_decide(world->machine, &none);
	world_refuse(world, "other", &image, KRTLD_E_START);
	cr_expect(strstr(world->lines[0], "krtld_start()"), "%s", world->lines[0]);
	world->ops.start = NULL;
	world->nreports = 0;
	cr_expect(!krtld_start(&world->krtld, module));
	cr_expect_eq(world->nreports, 1);
	world->ops.start = start;
	world->start_result = 7;
	cr_expect(!krtld_start(&world->krtld, module), "its _init fails");
	world->start_result = 0;
	expect_runs(world, text_of(module), "124");
	cr_expect(krtld_start(&world->krtld, module));
	expect_runs(world, text_of(module), "4"); /* constructors run once */
	world_load(world, "other", &image);
}

Test(start, what_init_fails_after_is_destructed)
{
	struct world *world = world_new("");
	struct start s = start_new();

	ARRAY(&s, ".init_array", SHT_INIT_ARRAY, 1);
	ARRAY(&s, ".fini_array", SHT_FINI_ARRAY, 2, 3);
	object_global(s.object, "_init", s.text, 4);
	object_global(s.object, "_fini", s.text, 5);
	world->start_result = 1;
	world_refuse_object(world, "it", s.object, KRTLD_E_START);
	expect_runs(world, WORLD_TEXT, "1432");
	world_expect_empty(world);
}

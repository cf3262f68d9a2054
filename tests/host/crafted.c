/*
 * Objects that are made to take a time or a memory that grows with the square of their size: they
 * are refused, and what only looks like them is not. The curves are in tests/fuzz.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/world.h"

/* ---- Names that collide on purpose ---- */

/* Of the names n0, n1, …: those whose hash has no low bits, so that they share a bucket. Up
 * to seven characters are one word (loader/names.c). */
static struct object *colliding(unsigned n)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "c3");

	for (unsigned i = 0; n > 0; i++) {
		uint64_t hash = 0;
		char *name;

		cr_assert(asprintf(&name, "n%u", i) > 0);
		cr_assert(strlen(name) < 8);
		memcpy(&hash, name, strlen(name));
		hash *= 0x9e3779b97f4a7c15;
		if ((uint32_t)(hash ^ hash >> 32) % 1024)
			continue;
		object_global(object, name, text, 0);
		n--;
	}
	return object;
}

Test(crafted, names_that_all_collide_in_the_hash_table_are_refused)
{
	struct world *world = world_new("");
	const struct krtld_error *error =
	    world_refuse_object(world, "crafted", colliding(65), KRTLD_E_FORMAT);

	cr_expect(error->what && strstr(error->what, "hash chain"), "%s", world->lines[0]);
}

/* The failing twin: chance may do that to a few. */
Test(crafted, names_of_which_some_collide_are_found_all_the_same)
{
	struct world *world = world_new("");
	struct object *object = colliding(64);
	struct krtld_module *module = world_load_object(world, "crafted", object);
	const char *name;
	uint64_t value, size, found;
	uint32_t position = 0;

	for (unsigned i = 0; i < 64; i++) {
		cr_assert(krtld_next_symbol(module, &position, &name, &value, &size));
		cr_expect(krtld_lookup(&world->krtld, name, &found) && found == value, "%s", name);
	}
}

/* ---- Long names that are read again and again ---- */

#define LONG 2000 /* letters */

static const char *long_name(void)
{
	char *name = calloc(1, LONG + 1);

	return memset(name, 'a', LONG);
}

/* Symbols that are all called the same, by the same letters of the file. */
static struct image namesakes(unsigned n, unsigned bind)
{
	struct object *object = object_new();
	struct image image;
	Elf64_Sym *first;

	object_data(object, ".data", "00");
	object_symbol(object, long_name(), bind, STT_NOTYPE, SHN_UNDEF, 0, 0);
	for (unsigned i = 1; i < n; i++)
		object_symbol(object, "", bind, STT_NOTYPE, SHN_UNDEF, 0, 0);
	image = object_image(object);
	first = (Elf64_Sym *)(image.bytes + image_section(&image, ".symtab")->sh_offset) + 1;
	for (unsigned i = 1; i < n; i++)
		first[i].st_name = first[0].st_name;
	return image;
}

static void expect_namesakes(unsigned bind)
{
	struct world *world = world_new("");
	struct image few = namesakes(4, bind), many = namesakes(400, bind);
	const struct krtld_error *error = world_refuse(world, "many", &many, KRTLD_E_FORMAT);

	cr_expect(error->what && strstr(error->what, "names"), "%s", world->lines[0]);
	world_unload(world, world_load(world, "few", &few));
}

Test(crafted, weak_symbols_that_share_a_long_name_are_refused)
{
	expect_namesakes(STB_WEAK);
}

/* No assembler writes one; if it had no name it would be like symbol 0. */
Test(crafted, an_undefined_local_is_refused_by_name)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct image image = namesakes(1, STB_LOCAL);

	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	cr_expect(strstr(world->lines[0], "a local symbol that is undefined"), "%s",
		  world->lines[0]);
	object_symbol(object, "", STB_LOCAL, STT_NOTYPE, SHN_UNDEF, 0, 0);
	world_unload(world, world_load_object(world, "nameless", object));
	object_rela(object, object_data(object, ".data", "00 00 00 00 00 00 00 00"), 0, R_X86_64_64,
		    1, 0);
	world_refuse_object(world, "used", object, KRTLD_E_UNDEFINED);
}

/* Each asks another module for a size, by name. */
static struct object *sizes(unsigned n)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
	unsigned its = object_undefined(object, long_name());

	for (unsigned i = 0; i < n; i++)
		object_rela(object, data, 0, R_X86_64_SIZE64, its, 0);
	return object;
}

Test(crafted, sizes_of_a_symbol_with_a_long_name_are_refused)
{
	struct world *world = world_new("");
	const struct krtld_error *error;

	world_external(world, long_name(), 1);
	world_unload(world, world_load_object(world, "few", sizes(2)));
	error = world_refuse_object(world, "many", sizes(1000), KRTLD_E_FORMAT);
	cr_expect(error->what && strstr(error->what, "names"), "%s", world->lines[0]);
}

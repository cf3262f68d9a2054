/*
 * What a module exports and what is its own, and whose definition of a name wins: the rule is at the
 * top of krtld.c. A kernel's modules often each define a global of one well-known name.
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/sample.h"
#include "tests/host/world.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

/* A module with a pointer to its own `metadata`, a strong global at offset 8. */
static struct image with_metadata(unsigned visibility)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);
	struct image image;

	object_rela(object, data, 0, R_X86_64_64, object_global(object, "metadata", data, 8), 0);
	image = object_image(object);
	image_symbol(&image, "metadata")->st_other = (unsigned char)visibility;
	return image;
}

static struct object *referring(const char *name)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_64, object_undefined(object, name), 0);
	return object;
}

static uint64_t pointer(const struct krtld_module *module)
{
	return bytes_get(world_section(module, ".data")->bytes, 8);
}

static void expect_own(const struct krtld_module *module)
{
	cr_expect_eq(pointer(module), world_section(module, ".data")->address + 8,
		     "%s refers to the metadata of another module", module->name);
}

/* A kernel's list of what is not exported, and whom it was asked about. */
static char asked[512];

static bool not_metadata(void *ctx, const char *module, const char *name)
{
	size_t length = strlen(asked);

	(void)ctx;
	snprintf(asked + length, sizeof(asked) - length, "%s:%s ", module, name);
	return strcmp(name, "metadata") != 0;
}

/* ---- What is a module's own ---- */

Test(exports, modules_that_hide_a_name_may_each_define_it)
{
	static const unsigned hidden[] = {STV_HIDDEN, STV_INTERNAL};
	static const char *const names[] = {"one", "two"};
	struct world *world = world_new("");
	uint64_t value;

	for (unsigned i = 0; i < 2; i++) {
		struct image image = with_metadata(hidden[i]);

		expect_own(world_load(world, names[i], &image));
	}
	cr_expect(!krtld_lookup(&world->krtld, "metadata", &value));
	world_refuse_object(world, "three", referring("metadata"), KRTLD_E_UNDEFINED);
}

Test(exports, modules_that_both_export_a_name_are_told_of_each_other_and_of_a_way_out)
{
	struct world *world = world_new("");
	struct image image = with_metadata(STV_DEFAULT);

	world_load(world, "one", &image);
	world_refuse(world, "two", &image, KRTLD_E_DUPLICATE);
	cr_expect_str_eq(world->lines[0],
			 "two: symbol `metadata' is defined twice, first in one; hide it where it "
			 "is a module's own: static, or -fvisibility=hidden");
	image = with_metadata(STV_PROTECTED);
	world_refuse(world, "two", &image, KRTLD_E_DUPLICATE);
}

Test(exports, a_hidden_name_does_not_collide_with_an_exported_one)
{
	struct world *world = world_new("");
	struct image exported = with_metadata(STV_DEFAULT), hidden = with_metadata(STV_HIDDEN);
	struct krtld_module *one, *two;

	expect_own(world_load(world, "zero", &hidden));
	one = world_load(world, "one", &exported);
	two = world_load(world, "two", &hidden);
	expect_own(one);
	expect_own(two);
	cr_expect_eq(one->users, 0, "two has its own");
	cr_expect_eq(pointer(world_load_object(world, "three", referring("metadata"))),
		     world_symbol(one, "metadata"));
}

Test(exports, a_hidden_weak_or_common_symbol_does_not_give_way)
{
	struct world *world = world_new("");
	struct image exported = with_metadata(STV_DEFAULT), hidden = with_metadata(STV_HIDDEN);
	struct krtld_module *module;

	world_load(world, "one", &exported);
	image_symbol(&hidden, "metadata")->st_info = ELF64_ST_INFO(STB_WEAK, STT_OBJECT);
	expect_own(world_load(world, "two", &hidden));
	image_symbol(&hidden, "metadata")->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	image_symbol(&hidden, "metadata")->st_shndx = SHN_COMMON;
	image_symbol(&hidden, "metadata")->st_value = 8;
	image_symbol(&hidden, "metadata")->st_size = 8;
	module = world_load(world, "three", &hidden);
	cr_expect_eq(pointer(module), world_symbol(module, "metadata"));
	cr_expect(pointer(module) - module->regions[KRTLD_DATA].address <
		  module->regions[KRTLD_DATA].size);
}

/* ---- A kernel that has a list ---- */

Test(exports, what_the_kernel_does_not_export_is_each_modules_own)
{
	struct world *world = world_new("");
	struct image image = with_metadata(STV_DEFAULT);
	uint64_t value;

	world->ops.exported = not_metadata;
	expect_own(world_load(world, "one", &image));
	expect_own(world_load(world, "two", &image));
	cr_expect(!krtld_lookup(&world->krtld, "metadata", &value));
	world_refuse_object(world, "three", referring("metadata"), KRTLD_E_UNDEFINED);
	cr_expect_str_eq(asked, "one:metadata two:metadata ");
}

Test(exports, a_weak_or_common_symbol_that_is_not_exported_does_not_give_way)
{
	static const unsigned bindings[] = {STB_WEAK, STB_GNU_UNIQUE};
	struct world *world = world_new("");
	struct image image = with_metadata(STV_DEFAULT);

	world_load(world, "one", &image);
	world->ops.exported = not_metadata;
	for (unsigned i = 0; i < 2; i++) {
		static const char *const names[] = {"two", "three"};

		image_symbol(&image, "metadata")->st_info =
		    (unsigned char)ELF64_ST_INFO(bindings[i], STT_OBJECT);
		expect_own(world_load(world, names[i], &image));
	}
}

/* Only where the answer counts: not for what no other module could see in any case. */
Test(exports, the_kernel_is_asked_for_each_global_that_others_could_see)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);
	struct image image;
	uint64_t value;

	object_local(object, "local", text, 0);
	object_undefined(object, "undefined");
	object_global(object, "_init", text, 0);
	object_global(object, "hidden", text, 1);
	object_global(object, "strong", text, 2);
	object_weak(object, "weak", text, 3);
	object_symbol(object, "common", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 8);
	image = object_image(object);
	image_symbol(&image, "hidden")->st_other = STV_HIDDEN;
	world->ops.exported = not_metadata;
	world_load(world, "it", &image);
	cr_expect_str_eq(asked, "it:strong it:weak it:common ");
	cr_expect(krtld_lookup(&world->krtld, "strong", &value), "it may be exported");
}

/* ---- What gives way ---- */

static struct object *common(uint64_t size, uint64_t align)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_64,
		    object_symbol(object, "it", STB_GLOBAL, STT_OBJECT, SHN_COMMON, align, size),
		    0);
	return object;
}

/* 16 bytes at an address that is a multiple of 8, and not of 16. */
static struct krtld_module *sixteen(struct world *world)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS ZEROS);

	object_symbol(object, "it", STB_GLOBAL, STT_OBJECT, data, 8, 16);
	return world_load_object(world, "one", object);
}

Test(exports, a_common_symbol_gives_way_only_to_what_has_its_size_and_alignment)
{
	struct world *world = world_new("");
	struct krtld_module *one = sixteen(world);
	const struct krtld_error *error;

	cr_expect_eq(pointer(world_load_object(world, "two", common(16, 8))),
		     world_symbol(one, "it"));
	cr_expect_eq(pointer(world_load_object(world, "three", common(0, 0))),
		     world_symbol(one, "it"));
	error = world_refuse_object(world, "four", common(17, 8), KRTLD_E_DUPLICATE);
	cr_expect_eq(error->value, 17);
	cr_expect_str_eq(world->lines[0],
			 "four: symbol `it' is defined twice, first in one, which has not the size "
			 "and alignment of this COMMON symbol, found 0x11");
	world_refuse_object(world, "four", common(16, 16), KRTLD_E_DUPLICATE);
}

/* Assembly need not say how large something is. */
Test(exports, a_definition_of_unknown_size_holds_a_common_symbol)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct krtld_module *one;

	object_global(object, "it", object_data(object, ".data", ZEROS), 4);
	one = world_load_object(world, "one", object);
	cr_expect_eq(pointer(world_load_object(world, "two", common(400, 4))),
		     world_symbol(one, "it"));
	world_refuse_object(world, "three", common(400, 8), KRTLD_E_DUPLICATE);
}

/* The order of loading decides: no module that runs already can be given another definition. */
Test(exports, a_strong_definition_after_a_weak_one_is_refused)
{
	struct world *world = world_new("");
	struct image image = with_metadata(STV_DEFAULT), weak = with_metadata(STV_DEFAULT);

	image_symbol(&weak, "metadata")->st_info = ELF64_ST_INFO(STB_WEAK, STT_OBJECT);
	world_load(world, "one", &weak);
	world_refuse(world, "two", &image, KRTLD_E_DUPLICATE);
	world_unload(world, krtld_find(&world->krtld, "one"));
	world_load(world, "two", &image);
	world_load(world, "one", &weak);
	cr_expect_eq(pointer(krtld_find(&world->krtld, "one")),
		     pointer(krtld_find(&world->krtld, "two")));
}

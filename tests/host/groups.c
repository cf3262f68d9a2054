/*
 * C++: COMDAT groups (gABI, "Section groups"), whose code each object that uses it brings along, and
 * unique symbols, of which a program has one. The first module that brings a symbol is believed.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/world.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

/*
 * An object with a group of one function, `twice', a pointer to it, and a call of it. result: what
 * it returns. bind: of `twice'.
 */
static struct object *with_group(unsigned result, unsigned bind)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");
	unsigned data = object_data(object, ".data", ZEROS);
	unsigned twice = object_text(object, ".text.twice", "b8 00 00 00 00 c3");
	const uint32_t group[] = {GRP_COMDAT, twice};
	unsigned symbol = object_symbol(object, "twice", bind, STT_FUNC, twice, 0, 6);

	object_section(object, ".group", SHT_GROUP, 0, 4, group, sizeof(group));
	object_rela(object, twice, 1, R_X86_64_32, object_local(object, "result", SHN_ABS, result),
		    0);
	object_rela(object, text, 1, R_X86_64_PLT32, symbol, -4);
	object_rela(object, data, 0, R_X86_64_64, symbol, 0);
	return object;
}

static uint64_t pointer(const struct krtld_module *module)
{
	return bytes_get(world_section(module, ".data")->bytes, 8);
}

/* Where the call in .text leads. */
static uint64_t called(const struct krtld_module *module)
{
	const struct krtld_section *text = world_section(module, ".text");

	return text->address + 5 + (uint64_t)(int64_t)(int32_t)bytes_get(text->bytes + 1, 4);
}

static void expect_shared(unsigned bind)
{
	struct world *world = world_new("");
	struct krtld_module *one = world_load_object(world, "one", with_group(1, bind));
	struct krtld_module *two = world_load_object(world, "two", with_group(2, bind));
	uint64_t first = world_section(one, ".text.twice")->address;

	cr_expect_eq(pointer(one), first);
	cr_expect_eq(called(one), first);
	cr_expect_eq(pointer(two), first, "two has one of its own");
	cr_expect_eq(called(two), first, "two calls one of its own");
	cr_expect_eq(bytes_get(world_section(two, ".text.twice")->bytes + 1, 4), 2,
		     "what is not used is relocated all the same");
	cr_expect_eq(one->users, 1, "one must stay as long as two");
	world_unload(world, two);
	two = world_load_object(world, "two", with_group(2, bind));
	world_unload(world, two);
	world_unload(world, one);
	two = world_load_object(world, "two", with_group(2, bind));
	cr_expect_eq(pointer(two), world_section(two, ".text.twice")->address);
}

Test(groups, of_a_weak_function_in_two_modules_the_first_is_used_by_both)
{
	expect_shared(STB_WEAK);
}

Test(groups, of_a_unique_symbol_in_two_modules_the_first_is_used_by_both)
{
	expect_shared(STB_GNU_UNIQUE);
}

/* A group does not make a strong symbol weak: ld keeps one of the groups, krtld would have both. */
Test(groups, a_strong_function_in_two_modules_is_refused)
{
	struct world *world = world_new("");

	world_load_object(world, "one", with_group(1, STB_GLOBAL));
	world_refuse_object(world, "two", with_group(2, STB_GLOBAL), KRTLD_E_DUPLICATE);
	cr_expect_str_eq(world->reports[0].symbol, "twice");
}

Test(groups, a_unique_symbol_gives_way_to_a_strong_one_that_was_there_before)
{
	struct world *world = world_new("");
	struct krtld_module *one = world_load_object(world, "one", with_group(1, STB_GLOBAL));
	struct krtld_module *two = world_load_object(world, "two", with_group(2, STB_GNU_UNIQUE));

	cr_expect_eq(pointer(two), world_symbol(one, "twice"));
	world_refuse_object(world, "three", with_group(3, STB_GLOBAL), KRTLD_E_DUPLICATE);
}

Test(groups, a_strong_symbol_after_a_unique_one_is_refused)
{
	struct world *world = world_new("");

	world_load_object(world, "one", with_group(1, STB_GNU_UNIQUE));
	world_refuse_object(world, "two", with_group(2, STB_GLOBAL), KRTLD_E_DUPLICATE);
}

/* ---- Groups that are wrong ---- */

static void expect_group(const uint32_t *words, size_t size, bool good)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_text(object, ".text", "c3");
	object_section(object, ".group", SHT_GROUP, 0, 4, words, size);
	if (good)
		world_load_object(world, "it", object);
	else
		world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
}

Test(groups, members_must_be_sections_of_the_object)
{
	const uint32_t words[] = {GRP_COMDAT, 1, 2, 0, 1000, UINT32_MAX};

	expect_group(words, 16, true);
	expect_group(words, 20, false);
	expect_group(words + 1, 20, false);
	expect_group(words, 4, true); /* a group may be empty but for its flags */
	expect_group(words + 5, 4, true);
}

Test(groups, a_group_is_whole_words_and_at_least_one)
{
	const uint32_t words[] = {GRP_COMDAT, 1};

	for (size_t size = 0; size <= 8; size++)
		expect_group(words, size, size == 4 || size == 8);
}

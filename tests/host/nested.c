/* _init and _fini that load and unload other modules. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/world.h"

static struct {
	struct image image;          /* of the module that the next start loads, or empty */
	struct krtld_module *unload; /* what the next start unloads, or NULL */
	struct krtld_module *loaded;
	int result; /* of the outer start */
	unsigned depth;
} plan;

static int start_and_load(void *ctx, uint64_t address)
{
	struct world *world = ctx;

	(void)address;
	if (plan.depth++)
		return 0;
	if (plan.image.size)
		plan.loaded = krtld_load(&world->krtld, "inner", plan.image.bytes, plan.image.size);
	if (plan.unload)
		cr_expect(krtld_unload(&world->krtld, plan.unload));
	return plan.result;
}

/* A module with _init and _fini, a function, and a call of another where that is named. */
static struct object *module_object(const char *defines, const char *needs)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "31 c0 c3 90 e8 00 00 00 00 c3");

	object_global(object, "_init", text, 0);
	object_global(object, "_fini", text, 0);
	object_global(object, defines, text, 4);
	if (needs)
		object_rela(object, text, 5, R_X86_64_PLT32, object_undefined(object, needs), -4);
	return object;
}

static struct world *world_of_nested(const char *inner_needs)
{
	struct world *world = world_new("");

	memset(&plan, 0, sizeof(plan));
	plan.image = object_image(module_object("inner_function", inner_needs));
	world->ops.start = start_and_load;
	return world;
}

Test(nested, an_init_may_load_a_module_that_uses_its_own)
{
	struct world *world = world_of_nested("outer_function");
	struct krtld_module *outer =
	    world_load_object(world, "outer", module_object("outer_function", NULL));

	cr_assert(plan.loaded, "%s", world->lines[0]);
	cr_expect_eq(outer->users, 1);
	cr_expect_eq(krtld_find(&world->krtld, "inner"), plan.loaded);
	world_unload(world, plan.loaded);
	world_unload(world, outer);
	world_expect_empty(world);
}

Test(nested, an_init_may_fail_after_it_has_loaded_a_module)
{
	struct world *world = world_of_nested(NULL);
	struct image image = object_image(module_object("outer_function", NULL));

	plan.result = 7;
	world->nreports = 0;
	cr_expect(!krtld_load(&world->krtld, "outer", image.bytes, image.size));
	cr_expect_eq(world->reports[0].reason, KRTLD_E_START);
	cr_expect_eq(krtld_find(&world->krtld, "inner"), plan.loaded);
	cr_expect(!krtld_find(&world->krtld, "outer"));
	cr_expect(world->krtld.first == plan.loaded && world->krtld.last == plan.loaded);
	world_unload(world, plan.loaded);
	world_expect_empty(world);
}

Test(nested, a_load_that_is_refused_inside_of_an_init_does_no_harm)
{
	struct world *world = world_of_nested("nobody_has_this");
	struct image image = object_image(module_object("outer_function", NULL));
	struct krtld_module *outer;

	outer = krtld_load(&world->krtld, "outer", image.bytes, image.size);
	cr_assert(outer);
	cr_expect(!plan.loaded);
	cr_expect_eq(world->nreports, 1);
	cr_expect_eq(world->reports[0].reason, KRTLD_E_UNDEFINED);
	world_unload(world, outer);
	world_expect_empty(world);
}

Test(nested, a_fini_may_unload_another_module)
{
	struct world *world = world_of_nested(NULL);
	struct krtld_module *other, *outer;

	plan.depth = 1;
	other = world_load_object(world, "other", module_object("other_function", NULL));
	outer = world_load_object(world, "outer", module_object("outer_function", NULL));
	plan.image.size = 0;
	plan.unload = other;
	plan.depth = 0;
	world_unload(world, outer);
	world_expect_empty(world);
}

/* While its _init runs a module is published: others may find it, but its load may still fail. */
Test(nested, a_module_cannot_be_loaded_under_a_name_that_is_being_loaded)
{
	struct world *world = world_of_nested(NULL);
	struct image image = object_image(module_object("outer_function", NULL));
	struct krtld_module *outer = krtld_load(&world->krtld, "inner", image.bytes, image.size);

	cr_assert(outer);
	cr_expect(!plan.loaded, "two modules of one name");
	cr_expect_eq(world->reports[0].reason, KRTLD_E_DUPLICATE);
	world_unload(world, outer);
	world_expect_empty(world);
}

/* ---- What a module does to itself while one of its functions runs ---- */

/* What the n-th call does, from 0. */
enum act { NOTHING, UNLOAD_SELF, HOLD_SELF, LOAD_USER, START_SELF };
static struct {
	enum act acts[8];
	int results[8];
	unsigned calls;
	struct image user;
	struct krtld_module *user_module;
} script;

static int act(void *ctx, uint64_t address)
{
	struct world *world = ctx;
	unsigned call = script.calls++;
	struct krtld_module *self = krtld_find(&world->krtld, "outer");

	(void)address;
	cr_assert(call < 8);
	switch (script.acts[call]) {
	case NOTHING: break;
	case UNLOAD_SELF: cr_expect(!krtld_unload(&world->krtld, self)); break;
	case HOLD_SELF: krtld_hold(self); break;
	case START_SELF: cr_expect(!krtld_start(&world->krtld, self)); break;
	case LOAD_USER:
		script.user_module =
		    krtld_load(&world->krtld, "user", script.user.bytes, script.user.size);
		cr_expect(script.user_module);
		break;
	}
	return script.results[call];
}

/* calls: what the first calls do, and return. */
static struct world *world_of_script(enum act first, int result, enum act second)
{
	struct world *world = world_new("");
	struct object *user = object_new();
	unsigned text = object_text(user, ".text", "e8 00 00 00 00 c3");

	object_rela(user, text, 1, R_X86_64_PLT32, object_undefined(user, "outer_function"), -4);
	memset(&script, 0, sizeof(script));
	script.user = object_image(user);
	script.acts[0] = first;
	script.results[0] = result;
	script.acts[1] = second;
	world->ops.start = act;
	return world;
}

static struct krtld_module *load_outer(struct world *world)
{
	struct image image = object_image(module_object("outer_function", NULL));

	world->nreports = 0;
	return krtld_load(&world->krtld, "outer", image.bytes, image.size);
}

Test(nested, an_init_cannot_unload_its_own_module)
{
	for (int result = 0; result < 2; result++) {
		struct world *world = world_of_script(UNLOAD_SELF, result, NOTHING);
		struct krtld_module *outer = load_outer(world);

		cr_expect_eq(outer == NULL, result);
		cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY, "%s", world->lines[0]);
		cr_expect(strstr(world->lines[0], "has not returned"), "%s", world->lines[0]);
		if (outer)
			world_unload(world, outer);
		world_expect_empty(world);
	}
}

Test(nested, a_fini_cannot_unload_its_own_module)
{
	struct world *world = world_of_script(NOTHING, 0, UNLOAD_SELF);
	struct krtld_module *outer = load_outer(world);

	cr_expect(krtld_unload(&world->krtld, outer));
	cr_expect_eq(script.calls, 2, "_fini ran %u times", script.calls - 1);
	cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
	world_expect_empty(world);
}

Test(nested, an_init_cannot_start_its_own_module_again)
{
	struct world *world = world_of_script(START_SELF, 0, NOTHING);
	struct krtld_module *outer = load_outer(world);

	cr_expect_eq(script.calls, 1);
	cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
	world_unload(world, outer);
}

Test(nested, a_module_that_is_used_again_by_its_own_destructor_stays)
{
	struct world *world = world_of_script(HOLD_SELF, 0, NOTHING);
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "c3");
	unsigned array = object_section(object, ".fini_array", SHT_FINI_ARRAY,
					SHF_ALLOC | SHF_WRITE, 8, "\0\0\0\0\0\0\0", 8);
	struct krtld_module *outer;

	object_rela(object, array, 0, R_X86_64_64, object_section_symbol(object, text), 0);
	outer = world_load_object(world, "outer", object);
	cr_assert(!krtld_unload(&world->krtld, outer));
	cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
	cr_expect(krtld_release(outer));
	world_unload(world, outer);
	cr_expect_eq(script.calls, 1, "destructors run once");
	world_expect_empty(world);
}

/* It cannot go, so the caller gets it, and hears of both. */
Test(nested, a_module_whose_init_fails_stays_as_long_as_others_use_it)
{
	for (enum act first = HOLD_SELF; first <= LOAD_USER; first++) {
		struct world *world = world_of_script(first, 5, NOTHING);
		struct krtld_module *outer = load_outer(world);

		cr_assert(outer, "it is gone though it is in use");
		cr_assert_eq(world->nreports, 2);
		cr_expect_eq(world->reports[0].reason, KRTLD_E_START);
		cr_expect_eq(world->reports[1].reason, KRTLD_E_BUSY);
		cr_expect_eq(outer->users, 1);
		cr_expect(!krtld_unload(&world->krtld, outer));
		if (first == HOLD_SELF)
			cr_assert(krtld_release(outer));
		else
			world_unload(world, script.user_module);
		world_unload(world, outer);
		cr_expect_eq(script.calls, 1, "what has not begun is not ended");
		world_expect_empty(world);
	}
}

Test(nested, a_module_that_is_used_again_by_its_own_fini_stays)
{
	for (enum act second = HOLD_SELF; second <= LOAD_USER; second++) {
		struct world *world = world_of_script(NOTHING, 0, second);
		struct krtld_module *outer = load_outer(world);

		cr_expect(!krtld_unload(&world->krtld, outer));
		cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
		cr_expect_eq(krtld_find(&world->krtld, "outer"), outer);
		if (second == HOLD_SELF)
			cr_assert(krtld_release(outer));
		else
			world_unload(world, script.user_module);
		world_unload(world, outer);
		cr_expect_eq(script.calls, 2, "_fini runs once");
		world_expect_empty(world);
	}
}

/* PEERS' list walkers: what a function unloads may be the next in the list. */
Test(nested, the_list_is_whole_after_a_fini_has_unloaded_the_next_module)
{
	struct world *world = world_of_nested(NULL);
	struct krtld_module *outer, *next, *last;

	plan.depth = 1;
	outer = world_load_object(world, "outer", module_object("outer_function", NULL));
	next = world_load_object(world, "next", module_object("next_function", NULL));
	last = world_load_object(world, "last", module_object("last_function", NULL));
	plan.image.size = 0;
	plan.unload = next;
	plan.depth = 0;
	world_unload(world, outer);
	cr_expect(world->krtld.first == last && world->krtld.last == last && !last->next);
	plan.depth = 1;
	world_unload(world, last);
	world_expect_empty(world);
}

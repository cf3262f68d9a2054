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

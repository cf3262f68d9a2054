/* Every phase of a load fails in turn, and each failure undoes all that was done before it. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/sample.h"
#include "tests/host/world.h"

/* A module that everybody leans on: what is refused must not count as its user. */
static struct krtld_module *load_base(struct world *world)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "31 c0 c3");

	object_global(object, "base_function", text, 0);
	return world_load_object(world, "base", object);
}

/* The sample, which also calls base_function, and defines `sample_function`. */
static struct image dependent(void)
{
	struct object *object = sample_object();
	unsigned text = object_text(object, ".text.more", "e8 00 00 00 00 c3");

	object_global(object, "sample_function", text, 0);
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "base_function"), -4);
	return object_image(object);
}

struct scene {
	struct world *world;
	struct krtld_module *base;
	struct image image;
};

static struct scene scene(void)
{
	struct scene s;

	s.world = world_new("popcnt up");
	s.base = load_base(s.world);
	s.image = dependent();
	return s;
}

/* After a refusal: its exports are gone, the base is free, and a good load succeeds. */
static void expect_recovered(struct scene *s)
{
	struct krtld_module *module;
	uint64_t value;

	cr_expect_eq(s->base->users, 0, "a refused module counts as a user: %u", s->base->users);
	cr_expect(!krtld_lookup(&s->world->krtld, "sample_function", &value),
		  "a refused module's export is found");
	cr_expect(!krtld_find(&s->world->krtld, "sample"));
	module = world_load(s->world, "sample", &s->image);
	cr_expect_eq(s->base->users, 1);
	cr_expect(krtld_lookup(&s->world->krtld, "sample_function", &value));
	world_unload(s->world, module);
	world_unload(s->world, s->base);
	world_expect_empty(s->world);
}

Test(phases, a_load_succeeds_and_is_undone_by_unload)
{
	struct scene s = scene();

	expect_recovered(&s);
}

Test(phases, each_allocation_in_turn_fails)
{
	struct scene s = scene();
	unsigned before = s.world->allocs, n;
	struct krtld_module *module = world_load(s.world, "sample", &s.image);

	n = s.world->allocs - before;
	world_unload(s.world, module);
	cr_assert(n >= 4, "only %u allocations", n);
	for (unsigned i = 1; i <= n; i++) {
		s.world->fail_alloc = i;
		world_refuse(s.world, "sample", &s.image, KRTLD_E_MEMORY);
		cr_expect_eq(s.world->nreports, 1, "%u reports", s.world->nreports);
		cr_expect_eq(s.world->fail_alloc, 0, "allocation %u was never made", i);
		cr_expect_eq(s.base->users, 0);
	}
	s.world->fail_alloc = n + 1;
	module = world_load(s.world, "sample", &s.image);
	cr_expect_eq(s.world->fail_alloc, 1, "one more allocation than the time before");
	s.world->fail_alloc = 0;
	world_unload(s.world, module);
	expect_recovered(&s);
}

/* Where there is no memory any more, the first that is missing is reported, and no other. */
Test(phases, memory_that_is_used_up_is_reported_once)
{
	struct scene s = scene();
	unsigned before = s.world->allocs, n;
	struct krtld_module *module = world_load(s.world, "sample", &s.image);

	n = s.world->allocs - before;
	world_unload(s.world, module);
	for (unsigned i = 1; i <= n; i++) {
		s.world->fail_alloc = i;
		s.world->exhausted = true;
		world_refuse(s.world, "sample", &s.image, KRTLD_E_MEMORY);
		cr_expect_eq(s.world->nreports, 1, "%u reports, from %u on", s.world->nreports, i);
	}
	s.world->fail_alloc = 0;
	expect_recovered(&s);
}

Test(phases, each_protection_in_turn_fails)
{
	struct scene s = scene();
	unsigned before = s.world->protects, n;
	struct krtld_module *module = world_load(s.world, "sample", &s.image);

	n = s.world->protects - before;
	world_unload(s.world, module);
	cr_assert_eq(n, 3, "text, rodata and data: %u", n);
	for (unsigned i = 1; i <= n; i++) {
		s.world->fail_protect = i;
		world_refuse(s.world, "sample", &s.image, KRTLD_E_PROTECT);
		cr_expect_eq(s.world->starts, 1, "it was started all the same");
	}
	expect_recovered(&s);
}

Test(phases, a_start_that_returns_an_error_is_a_refusal)
{
	struct scene s = scene();
	const struct krtld_error *error;

	s.world->start_result = 5;
	error = world_refuse(s.world, "sample", &s.image, KRTLD_E_START);
	cr_expect_eq(error->value, 5, "%lu", error->value);
	s.world->start_result = -1;
	world_refuse(s.world, "sample", &s.image, KRTLD_E_START);
	s.world->start_result = 0;
	expect_recovered(&s);
}

Test(phases, check_fails)
{
	struct scene s = scene();
	struct image bad = image_copy(&s.image, s.image.size);

	image_rela(&bad, ".text.more", 0)->r_offset = 3;
	world_refuse(s.world, "sample", &bad, KRTLD_E_FORMAT);
	expect_recovered(&s);
}

Test(phases, resolve_fails_with_one_report_for_each_name)
{
	static const char *const names[] = {"nobody_1", "nobody_2", "nobody_3"};
	struct scene s = scene();
	struct object *object = sample_object();
	unsigned text = object_text(object, ".text.more",
				    "e8 00 00 00 00 e8 00 00 00 00 e8 00 00 00 00 e8 00 00 00 00");
	struct image image;

	for (unsigned i = 0; i < 3; i++)
		object_rela(object, text, 5 * i + 1, R_X86_64_PLT32,
			    object_undefined(object, names[i]), -4);
	object_rela(object, text, 16, R_X86_64_PLT32, object_undefined(object, "base_function"),
		    -4);
	image = object_image(object);
	world_refuse(s.world, "sample", &image, KRTLD_E_UNDEFINED);
	cr_expect_eq(s.world->nreports, 3, "%u reports", s.world->nreports);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_str_eq(s.world->reports[i].symbol, names[i]);
		cr_expect_eq(s.world->reports[i].reason, KRTLD_E_UNDEFINED);
		cr_expect(strstr(s.world->lines[i], names[i]), "%s", s.world->lines[i]);
	}
	expect_recovered(&s);
}

Test(phases, an_undefined_name_is_reported_once_however_often_it_is_used)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 e8 00 00 00 00");
	unsigned nobody = object_undefined(object, "nobody");

	object_rela(object, text, 1, R_X86_64_PLT32, nobody, -4);
	object_rela(object, text, 6, R_X86_64_PLT32, nobody, -4);
	world_refuse_object(world, "it", object, KRTLD_E_UNDEFINED);
	cr_expect_eq(world->nreports, 1);
	cr_expect_str_eq(world->reports[0].section, ".text");
	cr_expect_eq(world->reports[0].offset, 1);
}

/* PEERS 25: the last relocation of the last section does not fit. */
Test(phases, relocate_fails)
{
	struct scene s = scene();
	struct object *object = sample_object();
	unsigned data = object_data(object, ".data.last", "00 00 00 00");
	struct image image;

	object_rela(object, data, 0, R_X86_64_32, object_undefined(object, "base_function"), 0);
	image = object_image(object);
	world_refuse(s.world, "sample", &image, KRTLD_E_RANGE);
	expect_recovered(&s);
}

Test(phases, do_hotinlines_fails)
{
	struct scene s = scene();
	struct hot_machine *machine = s.world->machine;
	struct image image = s.image;
	struct hot_features none = {{0}};
	uint64_t symbols[8];

	memcpy(symbols, machine->symbols, 8ul * machine->table->nsymbols);
	memset(machine->symbols, 0, 8ul * machine->table->nsymbols);
	hot_decide(machine, &none); /* count becomes call count_soft */
	world_refuse(s.world, "sample", &image, KRTLD_E_HOTINLINE);
	cr_expect_eq(s.world->reports[0].hot.reason, HOT_E_SYMBOL);
	memcpy(machine->symbols, symbols, 8ul * machine->table->nsymbols);
	expect_recovered(&s);
}

Test(phases, memory_is_protected_before_the_start)
{
	struct scene s = scene();
	struct krtld_module *module = world_load(s.world, "sample", &s.image);

	/* fake_start() itself looks at the protection of all regions. */
	cr_expect_eq(s.world->starts, 1);
	cr_expect_eq(s.world->started[0], world_symbol(module, "_init"));
}

Test(phases, without_a_start_operation_nothing_runs)
{
	struct scene s = scene();

	s.world->ops.start = NULL;
	world_unload(s.world, world_load(s.world, "sample", &s.image));
	cr_expect_eq(s.world->starts, 0);
}

Test(phases, optional_operations_may_be_missing)
{
	struct world *world = world_new("popcnt up");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");

	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "count"), -4);
	world->ops.external = NULL;
	world->ops.start = NULL;
	world_unload(world, world_load_object(world, "it", object));
	world_expect_empty(world);
}

Test(phases, fini_runs_at_unload_and_may_refuse)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "31 c0 c3");
	struct krtld_module *module;

	object_global(object, "_fini", text, 0);
	module = world_load_object(world, "it", object);
	cr_expect_eq(world->starts, 0, "there is no _init");
	world->start_result = 3;
	world->nreports = 0;
	cr_expect(!krtld_unload(&world->krtld, module), "its _fini refused");
	cr_expect_eq(world->nreports, 1);
	cr_expect_eq(krtld_find(&world->krtld, "it"), module, "it must stay");
	world->start_result = 0;
	world_unload(world, module);
	cr_expect_eq(world->starts, 2);
	cr_expect_eq(world->started[1], world->started[0]);
	world_expect_empty(world);
}

/* A module with an _init and a _fini that only count; see fake_start(). */
static struct object *with_init_and_fini(void)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "31 c0 c3 31 c0 c3");

	object_global(object, "_init", text, 0);
	object_global(object, "_fini", text, 3);
	return object;
}

Test(phases, fini_runs_if_init_has_run)
{
	struct world *world = world_new("");
	struct krtld_module *module = world_load_object(world, "it", with_init_and_fini());
	uint64_t init = world_symbol(module, "_init");

	world_unload(world, module);
	cr_expect_eq(world->starts, 2);
	cr_expect_eq(world->started[0], init);
	cr_expect_eq(world->started[1], init + 3);
}

/* The first module comes before the decision, and its owner starts it himself. */
Test(phases, fini_does_not_run_if_init_has_not)
{
	struct hot_features none = {{0}};

	for (unsigned decided = 0; decided < 2; decided++) {
		struct world *world = world_new(NULL);
		struct krtld_module *module;

		world->unpatched = true; /* or else it would have to be unix */
		module = world_load_object(world, "it", with_init_and_fini());
		if (decided)
			hot_decide(world->machine, &none);
		world_unload(world, module);
		cr_expect_eq(world->starts, 0, "_fini ran, decided: %u", decided);
		world_expect_empty(world);
	}
}

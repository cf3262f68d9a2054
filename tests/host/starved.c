/*
 * Every allocation of every load of every object of the small corpus (tests/host/objects.mk) fails
 * in turn, then every protection, then the start: each time the load is refused and leaves nothing,
 * and in the end it succeeds.
 */
#include <glob.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/sample.h"
#include "tests/host/world.h"

#define FAILURES 1000 /* more than any load has */

/* A failure armed before each load, as *fail says; the load that it did not meet is the last. */
static unsigned starve(struct world *world, const char *name, const struct image *image,
		       unsigned *fail, enum krtld_reason reason)
{
	struct krtld_module *module;
	unsigned n = 0;

	for (; n < FAILURES; n++) {
		*fail = n + 1;
		world->nreports = 0;
		module = krtld_load(&world->krtld, name, image->bytes, image->size);
		if (module)
			break;
		cr_assert_eq(*fail, 0, "%s: refused without a failure: %s", name, world->lines[0]);
		cr_expect_eq(world->nreports, 1, "%s: %u reports", name, world->nreports);
		cr_expect_eq(world->reports[0].reason, reason, "%s: %s", name, world->lines[0]);
		cr_expect(!world->krtld.first, "%s: a refused module is there", name);
		cr_assert_eq(world->nblocks, 0, "%s: failure %u leaves %u blocks", name, n + 1,
			     world->nblocks);
	}
	cr_assert(n<FAILURES && * fail> 0, "%s: it never succeeded", name);
	*fail = 0;
	world_unload(world, module);
	return n;
}

static void starve_all(struct world *world, const char *name, const struct image *image)
{
	uint64_t before = world_state(world);
	unsigned allocs = starve(world, name, image, &world->fail_alloc, KRTLD_E_MEMORY);
	unsigned protects = starve(world, name, image, &world->fail_protect, KRTLD_E_PROTECT);
	unsigned starts = world->starts;

	cr_expect(allocs >= 4, "%s: only %u allocations", name, allocs);
	cr_expect(protects >= 1 && protects <= KRTLD_REGIONS, "%s: %u", name, protects);
	world->start_result = 1;
	world->nreports = 0;
	if (krtld_load(&world->krtld, name, image->bytes, image->size))
		cr_expect_eq(world->starts, starts, "%s: its _init failed", name);
	else
		cr_expect_eq(world->reports[0].reason, KRTLD_E_START, "%s", world->lines[0]);
	world->start_result = 0;
	if (world->krtld.first)
		world_unload(world, world->krtld.first);
	world_expect_empty(world);
	cr_expect_eq(world_state(world), before, "%s: something is left", name);
}

Test(starved, each_allocation_protection_and_start_of_each_object_fails_in_turn)
{
	struct world *world = world_new("popcnt up");
	glob_t objects;

	cr_assert(!glob("build/tests/objects/*.o", 0, NULL, &objects) && objects.gl_pathc >= 40,
		  "`make build/tests/host-tests` makes the objects");
	for (size_t i = 0; i < world->machine->table->nhotinlines; i++)
		world->machine->stubs[i] = 0x100000 + 0x100 * i; /* some objects want 32 bits */
	for (size_t i = 0; i < objects.gl_pathc; i++) {
		struct image image = image_read(objects.gl_pathv[i]);

		starve_all(world, objects.gl_pathv[i], &image);
		image_free(&image);
	}
	globfree(&objects);
}

Test(starved, each_allocation_and_protection_of_a_unix_fails_in_turn)
{
	struct world *world = world_new(NULL);
	struct image image = object_image(sample_unix(world->machine->table, NULL));
	uint64_t before;

	memset(world->machine->stubs, 0, 8ul * world->machine->table->nhotinlines);
	memset(world->machine->symbols, 0, 8ul * world->machine->table->nsymbols);
	world->nexternals = 0;
	before = world_state(world);
	cr_expect(starve(world, "unix", &image, &world->fail_alloc, KRTLD_E_MEMORY) >= 8);
	cr_expect(starve(world, "unix", &image, &world->fail_protect, KRTLD_E_PROTECT) >= 1);
	world_expect_empty(world);
	cr_expect_eq(world_state(world), before, "the machine has kept an address");
}

/* The failing twin: with no failure armed, the first load succeeds and the count is nothing. */
Test(starved, what_does_not_fail_is_loaded_at_once)
{
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();

	world_unload(world, world_load(world, "sample", &image));
	world_expect_empty(world);
}

/* The world that the fuzz targets load into; see scene.h. */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/fuzz/scene.h"

const char *__asan_default_options(void);

/* What krtld leaks, the world counts; the test tables live for ever. The rest is for speed. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0:quarantine_size_mb=8:malloc_context_size=3";
}

static struct krtld_ops fakes;                           /* of world.c */
static size_t meta_now, meta_peak, regions_now, regions; /* regions: the peak */

/* The fakes of world.c count and fail on demand; this one is poor besides, and keeps accounts. */
static void *poor_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			uint64_t *address)
{
	void *bytes;

	if (kind != KRTLD_META) {
		regions_now = regions_now + size < regions_now ? SIZE_MAX : regions_now + size;
		regions = regions_now > regions ? regions_now : regions;
	}
	if (kind != KRTLD_META && (size > SCENE_REGION_MAX || align > SCENE_REGION_MAX))
		return NULL;
	bytes = fakes.alloc(ctx, kind, size, align, address);
	if (bytes && kind == KRTLD_META) {
		meta_now += size;
		meta_peak = meta_now > meta_peak ? meta_now : meta_peak;
	}
	return bytes;
}

static void poor_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	if (kind == KRTLD_META)
		meta_now -= size;
	else
		regions_now -= size;
	fakes.free(ctx, kind, bytes, address, size);
}

static struct world *make_world(void)
{
	struct world *world = world_new(NULL);

	fakes = world->ops;
	world->ops.alloc = poor_alloc;
	world->ops.free = poor_free;
	return world;
}

/* Everything that an earlier input may have changed. */
static void set_back(struct world *world, unsigned nexternals)
{
	world->unpatched = false;
	world->krtld.machine = world->machine;
	world->allocs = world->fail_alloc = 0;
	world->protects = world->fail_protect = 0;
	world->starts = 0;
	world->start_result = 0;
	world->placed = NULL;
	world->nreports = 0;
	world->nexternals = nexternals;
	hot_machine_init(world->machine, world->machine->table);
	meta_now = 0;
}

void scene_decide(struct world *world, unsigned bits)
{
	struct hot_features features = {{bits & ((1u << world->machine->table->nfeatures) - 1)}};

	hot_decide(world->machine, &features);
}

struct world *scene_begin(bool stubs, unsigned bits)
{
	static struct world *world;
	static unsigned nexternals;
	const struct hot_table *table;

	if (!world) {
		world = make_world();
		nexternals = world->nexternals;
	}
	table = world->machine->table;
	scene_end(world);
	set_back(world, stubs ? nexternals : 0);
	for (unsigned i = 0; stubs && i < table->nhotinlines; i++)
		world->machine->stubs[i] = TABLE_STUBS + 0x100 * i;
	for (unsigned i = 0; stubs && i < table->nsymbols; i++)
		world->machine->symbols[i] = TABLE_SYMBOLS + 0x100 * i;
	if (stubs)
		scene_decide(world, bits);
	return world;
}

/* One number for the machine: features, choices, addresses. */
static uint64_t machine_state(const struct world *world)
{
	const uint8_t *bytes = (const uint8_t *)world->machine;
	size_t size = hot_machine_size(world->machine->table);
	uint64_t hash = size;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ul;
	return hash;
}

struct krtld_module *scene_load(struct world *world, const char *name, const struct image *image)
{
	size_t size = image->size;
	uint64_t before = world_state(world);
	uint64_t machine = machine_state(world);
	size_t meta_before = meta_now;
	struct krtld_module *module;

	meta_peak = meta_now;
	regions = regions_now = 0;
	world->nreports = 0;
	module = world_try(world, name, image);
	cr_assert(meta_peak - meta_before <= SCENE_META_PER_BYTE * size + SCENE_META_CONSTANT,
		  "%zu bytes of tables for a file of %zu", meta_peak - meta_before, size);
	cr_assert(!regions || regions <= check_declared(image->bytes, size),
		  "%zu bytes of memory where the file declares %lu", regions,
		  check_declared(image->bytes, size));
	cr_assert((module == NULL) == (world->nreports > 0), "%u reports of %s", world->nreports,
		  module ? "what was loaded" : "a refusal");
	cr_assert(module || (world_state(world) == before && machine_state(world) == machine),
		  "a refusal leaves something behind: %s", world->lines[0]);
	cr_assert(module || meta_now == meta_before, "a refusal leaves %zu bytes: %s",
		  meta_now - meta_before, world->lines[0]);
	cr_assert(module == krtld_find(&world->krtld, name), "%s is not what is found", name);
	return module;
}

void scene_unload(struct world *world, struct krtld_module *module)
{
	if (krtld_unload(&world->krtld, module))
		return;
	cr_assert_eq(world->reports[0].reason, KRTLD_E_START, "%s", world->lines[0]);
	world->start_result = 0;
	cr_assert(krtld_unload(&world->krtld, module), "it was refused again");
}

void scene_end(const struct world *world)
{
	cr_assert(!world->krtld.first && !world->krtld.last, "a module is left");
	cr_assert_eq(world->nblocks, 0, "%u allocations are left", world->nblocks);
}

/*
 * Fuzz target: the whole path. unix is loaded, the machine decided, unix patched as a kernel does
 * it; then each object of the input is loaded, patched, verified and compared byte by byte with the
 * same module left unpatched, while allocations and protections fail as the input says; in the end
 * all are unloaded in some order. See README.md for the rules.
 */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/fuzz/container.h"
#include "tests/fuzz/scene.h"
#include "tests/host/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a load has made: regions, and sites. */
struct snapshot {
	uint8_t *bytes[KRTLD_REGIONS];
	struct krtld_region regions[KRTLD_REGIONS];
	struct hot_site *sites;
	uint32_t nsites;
};

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = calloc(1, size + !size);

	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

static struct snapshot snapshot_take(const struct krtld_module *module)
{
	struct snapshot s = {.nsites = module->nsites};

	for (unsigned i = 0; i < KRTLD_REGIONS; i++) {
		s.regions[i] = module->regions[i];
		s.bytes[i] = copy_of(module->regions[i].bytes, module->regions[i].size);
	}
	s.sites = copy_of(module->sites, module->nsites * sizeof(*module->sites));
	return s;
}

static void snapshot_drop(struct snapshot *snapshot)
{
	for (unsigned i = 0; i < KRTLD_REGIONS; i++)
		free(snapshot->bytes[i]);
	free(snapshot->sites);
}

/* Puts a text's sites back to what they were, in a copy: then it must be as it was all over. */
static void restore_sites(const struct hot_table *table, const struct snapshot *before,
			  const struct hot_text *text, uint8_t *copy, const uint8_t *start)
{
	size_t at = (size_t)(text->bytes - start);

	for (uint32_t i = 0; i < text->nsites; i++) {
		const struct hot_site *site = &text->sites[i];

		memcpy(copy + at + site->offset, before->bytes[KRTLD_TEXT] + at + site->offset,
		       hot_site_size(table, site));
	}
}

/* Patched text differs from unpatched text in sites only, and nothing else differs at all. */
static void check_outside(const struct world *world, const struct krtld_module *module,
			  const struct snapshot *before)
{
	const struct krtld_region *text = &module->regions[KRTLD_TEXT];
	uint8_t *copy = copy_of(text->bytes, text->size);

	for (uint32_t i = 0; i < module->ntexts; i++)
		restore_sites(world->machine->table, before, &module->texts[i], copy, text->bytes);
	cr_assert(!text->size || !memcmp(copy, before->bytes[KRTLD_TEXT], text->size),
		  "a byte outside of all sites was changed");
	for (unsigned i = KRTLD_TEXT + 1; i < KRTLD_REGIONS; i++)
		cr_assert(!module->regions[i].size ||
			      !memcmp(module->regions[i].bytes, before->bytes[i],
				      module->regions[i].size),
			  "data was changed by patching");
	free(copy);
}

static void check_same(const struct krtld_module *module, const struct snapshot *before)
{
	for (unsigned i = 0; i < KRTLD_REGIONS; i++)
		cr_assert(module->regions[i].address == before->regions[i].address &&
			      module->regions[i].size == before->regions[i].size,
			  "the same load has another layout");
	cr_assert_eq(module->nsites, before->nsites);
	cr_assert(!module->nsites || !memcmp(module->sites, before->sites,
					     module->nsites * sizeof(*module->sites)),
		  "the same load has other sites");
}

/* ---- unix ---- */

static const struct image *sample_unix_image(void)
{
	static struct image image;

	if (!image.bytes)
		image = object_image(sample_unix(table_common(), NULL));
	return &image;
}

/* Loads unix, decides and patches it. NULL: the input's own unix was not good enough. */
static struct krtld_module *load_unix(struct world *world, const struct container *c)
{
	bool own = c->options.features & 0x80 && c->nobjects;
	const struct image *image = own ? &c->objects[0] : sample_unix_image();
	struct krtld_module *module = scene_load(world, "unix", image);
	struct snapshot before;
	struct hot_error error;
	bool patched;

	cr_assert(module || own, "unix was refused: %s", world->lines[0]);
	if (!module)
		return NULL;
	check_module(world, module, image, false);
	before = snapshot_take(module);
	scene_decide(world, c->options.features);
	patched = do_hotinlines(world->machine, module->texts, module->ntexts, &error);
	cr_assert(patched || own, "unix: %s", hot_reason_text(error.reason));
	if (patched) {
		check_sites(world, module, true);
		check_outside(world, module, &before);
		cr_assert(
		    hot_verify(world->machine, module->texts, module->ntexts, HOT_NOW, &error),
		    "unix: %s", hot_reason_text(error.reason));
	}
	snapshot_drop(&before);
	if (patched)
		return module;
	scene_unload(world, module);
	return NULL;
}

/* ---- Modules ---- */

/* The module with its calls left on the stubs; false: it is refused. */
static bool load_unpatched(struct world *world, const char *name, const struct image *image,
			   struct snapshot *snapshot)
{
	struct krtld_module *module;

	world->unpatched = true;
	module = scene_load(world, name, image);
	if (module) {
		check_module(world, module, image, false);
		*snapshot = snapshot_take(module);
		scene_unload(world, module);
	}
	world->unpatched = false;
	return module != NULL;
}

/* The load that fails half way: it must leave nothing, which scene_load() sees to. */
static void load_suffering(struct world *world, const char *name, const struct image *image,
			   const struct container_options *options)
{
	struct krtld_module *module;

	world->fail_alloc = options->fail_alloc;
	world->fail_protect = options->fail_protect;
	world->start_result = options->start;
	module = scene_load(world, name, image);
	world->fail_alloc = world->fail_protect = 0;
	world->start_result = 0;
	if (module)
		scene_unload(world, module);
}

static void load_module(struct world *world, const char *name, const struct image *image,
			const struct container_options *options)
{
	struct krtld_module *module;
	struct snapshot before;

	if (options)
		load_suffering(world, name, image, options);
	if (!load_unpatched(world, name, image, &before)) {
		cr_assert(!scene_load(world, name, image), "patched, what was refused is loaded");
		return;
	}
	module = scene_load(world, name, image);
	cr_assert(module || world->reports[0].reason == KRTLD_E_HOTINLINE,
		  "only the engine may refuse now: %s", world->lines[0]);
	if (module) {
		check_same(module, &before);
		check_module(world, module, image, true);
		check_outside(world, module, &before);
	}
	snapshot_drop(&before);
}

/* Modules without users go, beginning with the one that order says; each round frees one more. */
static void unload_all(struct world *world, unsigned order)
{
	while (world->krtld.first) {
		struct krtld_module *module = world->krtld.first;
		unsigned busy = 0;

		for (unsigned skip = order % 4; skip && module->next; skip--)
			module = module->next;
		while (module->users) {
			world->nreports = 0;
			cr_assert(!krtld_unload(&world->krtld, module) &&
				      world->reports[0].reason == KRTLD_E_BUSY,
				  "a module in use was unloaded");
			module = module->next ? module->next : world->krtld.first;
			cr_assert(++busy < 2 * CONTAINER_OBJECTS, "every module is in use");
		}
		scene_unload(world, module);
		order /= 4;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[CONTAINER_OBJECTS] = {"first", "second", "third", "fourth"};
	struct container c = container_open(data, size);
	struct world *world = scene_begin(false, 0);

	if (load_unix(world, &c)) {
		for (unsigned i = c.options.features >> 7; i < c.nobjects; i++)
			load_module(world, names[i], &c.objects[i],
				    c.options.victim == i ? &c.options : NULL);
		unload_all(world, c.options.order);
	}
	scene_end(world);
	return 0;
}

/*
 * Fuzz target: krtld_load() on one object, first as a module of a machine that is decided and then
 * as unix, the first module of one that is not. The input is the object file; e_flags, which krtld
 * does not read, says what its world is like. See README.md for the rules.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/fuzz/scene.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* e_flags, from its lowest bit. */
struct options {
	unsigned features;   /* 7 bits: of the common table */
	unsigned no_machine; /* 1: no hotinlines at all */
	unsigned fail_alloc; /* 6: the n-th allocation fails; 0: none */
	unsigned fail_place; /* 2: the n-th protection fails; 0: none */
	unsigned unpatched;  /* 1 */
	unsigned places;     /* 1: sections have addresses of their own */
	unsigned index;      /* 1: krtld_index() */
	int start;           /* 2: what _init and _fini return */
};

static struct options options_of(const uint8_t *data, size_t size)
{
	uint32_t word = 0;

	if (size >= sizeof(Elf64_Ehdr))
		memcpy(&word, data + offsetof(Elf64_Ehdr, e_flags), sizeof(word));
	return (struct options){.features = word & 0x7f,
				.no_machine = word >> 7 & 1,
				.fail_alloc = word >> 8 & 0x3f,
				.fail_place = word >> 14 & 3,
				.unpatched = word >> 16 & 1,
				.places = word >> 17 & 1,
				.index = word >> 18 & 1,
				.start = (int)(word >> 19 & 3)};
}

static void set_up(struct world *world, const struct options *options)
{
	if (options->no_machine)
		world->krtld.machine = NULL;
	world->unpatched = options->unpatched;
	world->fail_alloc = options->fail_alloc;
	world->fail_protect = options->fail_place;
	world->start_result = options->start;
	world->placed = options->places ? "input" : NULL;
	for (unsigned i = 0; i < 64; i++)
		world->places[i] = WORLD_TEXT + 0x8000000ul + 0x100000ul * i;
}

static void as_module(const struct options *options, const struct image *image)
{
	struct world *world = scene_begin(true, options->features);
	struct krtld_module *module;

	set_up(world, options);
	module = scene_load(world, "input", image);
	world->fail_alloc = 0;
	if (!module)
		return;
	if (options->index)
		cr_assert(krtld_index(&world->krtld, module));
	check_module(world, module, image, !options->unpatched);
	scene_unload(world, module);
}

/* The kernel's part: it decides, and patches itself. What the engine refuses it leaves alone. */
static void patch_unix(struct world *world, const struct krtld_module *module, unsigned features)
{
	uint64_t before = world_state(world);
	struct hot_error error;

	scene_decide(world, features);
	if (!do_hotinlines(world->machine, module->texts, module->ntexts, &error)) {
		cr_assert_eq(world_state(world), before, "a refusal has written something");
		cr_assert(error.reason != HOT_OK && *hot_reason_text(error.reason));
		return;
	}
	check_sites(world, module, true);
	cr_assert(hot_verify(world->machine, module->texts, module->ntexts, HOT_NOW, &error));
}

static void as_unix(const struct options *options, const struct image *image)
{
	struct world *world = scene_begin(false, 0);
	struct krtld_module *module;

	set_up(world, options);
	module = scene_load(world, "input", image);
	world->fail_alloc = 0;
	if (!module)
		return;
	cr_assert(!world->starts || options->no_machine, "unix was started");
	check_module(world, module, image, false);
	if (world->krtld.machine)
		patch_unix(world, module, options->features);
	scene_unload(world, module);
	for (unsigned i = 0; world->krtld.machine && i < world->machine->table->nhotinlines; i++)
		cr_assert_eq(world->machine->stubs[i], 0, "the machine knows a stub that is gone");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image image = {(uint8_t *)data, size}; /* libFuzzer's own copy, of that size */
	struct options options = options_of(data, size);

	as_module(&options, &image);
	as_unix(&options, &image);
	scene_end(scene_begin(false, 0));
	return 0;
}

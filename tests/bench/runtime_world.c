/* Modules that run in this process; see runtime_world.h. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hottable.h"
#include "tests/bench/result.h"
#include "tests/bench/runtime_world.h"

#define MEMORY ((size_t)1 << 20) /* bytes for the regions of both modules */
#define PAGE   ((size_t)4096)
#define LINE   1024

/* ---- What krtld asks for ---- */

static void *world_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			 uint64_t *address)
{
	struct runtime_world *world = ctx;
	size_t pages = (size + PAGE - 1) & ~(PAGE - 1);
	uint8_t *bytes = world->memory + world->used;

	if (kind == KRTLD_META)
		return calloc(1, size);
	if (align > PAGE || pages > MEMORY - world->used)
		return NULL;
	world->used += pages;
	*address = (uint64_t)bytes;
	return bytes;
}

static void world_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)address;
	(void)size;
	if (kind == KRTLD_META)
		free(bytes);
}

static bool world_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			  size_t size)
{
	int protection = kind == KRTLD_TEXT   ? PROT_READ | PROT_EXEC
			 : kind == KRTLD_DATA ? PROT_READ | PROT_WRITE
					      : PROT_READ;

	(void)ctx;
	(void)address;
	return mprotect(bytes, size, protection) == 0;
}

static void world_report(void *ctx, const struct krtld_error *error)
{
	char line[LINE];

	(void)ctx;
	fprintf(stderr, "%s\n", krtld_error_line(error, &hot_table, line, sizeof line));
}

static const struct krtld_ops ops = {
    .alloc = world_alloc, .free = world_free, .protect = world_protect, .report = world_report};

/* ---- The machine ---- */

static void world_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	(void)ctx;
	__cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
}

/* This program is all that changes its counters. */
static bool world_boot(void *ctx, const char *feature)
{
	(void)ctx;
	return strcmp(feature, "up") == 0;
}

static bool world_disabled(void *ctx, const char *feature)
{
	const struct runtime_world *world = ctx;

	return world->state == RUNTIME_NO_FEATURE || strcmp(feature, "smap") == 0;
}

static void decide(struct runtime_world *world)
{
	const struct hot_env env = {world, world_cpuid, world_boot, world_disabled};
	struct hot_features features;

	hot_features_read(&hot_table, &env, &features);
	hot_decide(world->machine, &features);
}

bool runtime_world_has(const struct runtime_world *world, const char *feature)
{
	for (unsigned i = 0; i < hot_table.nfeatures; i++) {
		if (strcmp(hot_table.features[i].name, feature) == 0)
			return hot_has(&world->machine->features, i);
	}
	result_refuse("runtime: the table has no feature %s", feature);
}

/* ---- Loading ---- */

static struct krtld_module *load(struct runtime_world *world, const char *path)
{
	const struct krtld_placement placement = {.unpatched = world->state == RUNTIME_UNPATCHED};
	FILE *file = fopen(path, "rb");
	struct krtld_module *module;
	uint8_t *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		result_refuse("runtime: cannot read %s: `make build/bench/runtime' builds it, and "
			      "this program runs at the root of the tree",
			      path);
	rewind(file);
	bytes = result_memory((size_t)size);
	if (fread(bytes, 1, (size_t)size, file) != (size_t)size)
		result_refuse("runtime: cannot read %s", path);
	fclose(file);
	module = krtld_load_at(&world->krtld, path, bytes, (size_t)size, &placement);
	free(bytes);
	if (!module)
		result_refuse("runtime: krtld refuses %s", path);
	return module;
}

static void open_text(const struct krtld_module *module, int protection)
{
	const struct krtld_region *text = &module->regions[KRTLD_TEXT];

	if (mprotect(text->bytes, text->size, protection) != 0)
		result_refuse("runtime: the text of %s stays as it is", module->name);
}

/* As a kernel does it for itself. */
static void patch_unix(struct runtime_world *world)
{
	const struct krtld_module *module = world->unix_module;
	struct hot_error error;

	open_text(module, PROT_READ | PROT_WRITE);
	if (!do_hotinlines(world->machine, module->texts, module->ntexts, &error))
		result_refuse("runtime: %s: %s", module->name, hot_reason_text(error.reason));
	open_text(module, PROT_READ | PROT_EXEC);
}

static void damage(const struct krtld_module *module)
{
	open_text(module, PROT_READ | PROT_WRITE);
	module->texts[0].bytes[module->texts[0].sites[0].offset] ^= 1;
	open_text(module, PROT_READ | PROT_EXEC);
}

static void verify(const struct runtime_world *world, const struct krtld_module *module)
{
	enum hot_state state = world->state == RUNTIME_UNPATCHED ? HOT_BEFORE : HOT_NOW;
	struct hot_error error;

	if (!hot_verify(world->machine, module->texts, module->ntexts, state, &error))
		result_refuse("runtime: %s: a site of %s: %s", module->name,
			      hot_table.hotinlines[error.hotinline].name,
			      hot_reason_text(error.reason));
}

void runtime_world_load(struct runtime_world *world, enum runtime_state state,
			const char *unix_path, const char *loops_path, bool spoil)
{
	*world = (struct runtime_world){.state = state};
	world->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (world->memory == MAP_FAILED)
		result_refuse("runtime: no memory below 2 GiB");
	world->machine = hot_machine_init(result_memory(hot_machine_size(&hot_table)), &hot_table);
	world->krtld = (struct krtld){.ops = &ops, .ctx = world, .machine = world->machine};
	world->unix_module = load(world, unix_path);
	decide(world);
	if (state != RUNTIME_UNPATCHED)
		patch_unix(world);
	world->loops = load(world, loops_path);
	if (spoil)
		damage(world->loops);
	verify(world, world->unix_module);
	verify(world, world->loops);
}

uint64_t runtime_world_symbol(const struct runtime_world *world, const char *name)
{
	uint64_t value;

	if (!krtld_module_symbol(world->loops, name, &value))
		result_refuse("runtime: %s does not define %s", world->loops->name, name);
	return value;
}

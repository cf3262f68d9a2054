/* Everything around krtld, made of fakes; see world.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/near.h"
#include "tests/host/world.h"

#define PAGE 4096ul

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

/* ---- Memory ---- */

/* After the last block of that kind, so that the same loads get the same addresses. */
static uint64_t next_address(const struct world *world, enum krtld_kind kind, size_t align)
{
	uint64_t next = WORLD_TEXT + 0x1000000ul * kind;

	if (world->places_once && world->ends[kind])
		next = world->ends[kind];
	for (unsigned i = 0; i < world->nblocks; i++) {
		const struct world_block *block = &world->blocks[i];

		if (block->kind == kind && block->address + block->size > next)
			next = block->address + block->size;
	}
	return round_up(next, align > PAGE ? align : PAGE);
}

/* Two views of a text or of constants, one of data; below 2 GiB. */
static void real_memory(struct world_block *block)
{
	if (block->kind == KRTLD_DATA) {
		block->bytes = mmap(NULL, round_up(block->size, PAGE), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		cr_assert(block->bytes != MAP_FAILED);
		block->real = block->bytes;
		block->address = (uint64_t)block->bytes;
	} else {
		struct near near = near_map(block->size);

		memset(near.write, 0, near.size);
		block->bytes = near.write;
		block->address = near.address;
		block->real = (void *)near.address;
	}
}

static void fake_memory(struct world *world, struct world_block *block, size_t align)
{
	void *bytes = NULL;

	if (align < 16)
		align = 16;
	cr_assert(!posix_memalign(&bytes, align, block->size), "%zu bytes", block->size);
	memset(bytes, 0, block->size);
	block->bytes = bytes;
	if (block->kind == KRTLD_META)
		return;
	block->address = next_address(world, block->kind, align);
	world->ends[block->kind] = block->address + block->size;
}

static void *fake_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			uint64_t *address)
{
	struct world *world = ctx;
	struct world_block *block = &world->blocks[world->nblocks];

	cr_expect(kind <= KRTLD_META && size > 0, "alloc of %zu bytes of kind %u", size, kind);
	cr_expect(align && !(align & (align - 1)), "an alignment of %zu", align);
	world->allocs++;
	if (world->fail_alloc && --world->fail_alloc == 0) {
		world->fail_alloc = world->exhausted;
		return NULL;
	}
	if (size > 1ul << 30)
		return NULL;
	cr_assert(world->nblocks < WORLD_BLOCKS, "too many allocations");
	*block = (struct world_block){.kind = kind, .size = size};
	if (world->runs && kind != KRTLD_META)
		real_memory(block);
	else
		fake_memory(world, block, align);
	world->nblocks++;
	if (kind != KRTLD_META)
		*address = block->address;
	return block->bytes;
}

static struct world_block *find_block(struct world *world, const void *bytes)
{
	for (unsigned i = 0; i < world->nblocks; i++)
		if (world->blocks[i].bytes == bytes)
			return &world->blocks[i];
	return NULL;
}

static void fake_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	struct world *world = ctx;
	struct world_block *block = find_block(world, bytes);

	cr_assert(block, "free of %p, which was never allocated or is free already", bytes);
	cr_expect_eq(block->kind, kind, "allocated as kind %u, freed as %u", block->kind, kind);
	cr_expect_eq(block->size, size, "allocated %zu bytes, freed %zu", block->size, size);
	if (kind != KRTLD_META)
		cr_expect_eq(block->address, address, "allocated at %lx, freed at %lx",
			     block->address, address);
	if (block->real) {
		munmap(block->bytes, round_up(size, PAGE));
		if (block->real != bytes)
			munmap(block->real, round_up(size, PAGE));
	} else {
		free(bytes);
	}
	*block = world->blocks[--world->nblocks];
}

/* ---- The other operations ---- */

static bool fake_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			 size_t size)
{
	struct world *world = ctx;
	struct world_block *block = find_block(world, bytes);

	cr_assert(block, "protect of what was never allocated");
	cr_expect(block->kind == kind && block->address == address && block->size == size,
		  "protect of another region than was allocated");
	cr_expect(!block->is_protected, "protected twice");
	world->protects++;
	if (world->fail_protect && --world->fail_protect == 0)
		return false;
	block->is_protected = true;
	if (world->runs && kind != KRTLD_DATA)
		mprotect(bytes, round_up(size, PAGE), PROT_READ);
	return true;
}

static bool fake_external(void *ctx, const char *name, uint64_t *value)
{
	const struct world *world = ctx;

	for (unsigned i = 0; i < world->nexternals; i++) {
		if (!strcmp(world->externals[i].name, name)) {
			*value = world->externals[i].value;
			return true;
		}
	}
	return false;
}

static int fake_start(void *ctx, uint64_t address)
{
	struct world *world = ctx;

	for (unsigned i = 0; i < world->nblocks; i++)
		if (world->blocks[i].kind != KRTLD_META && world->krtld.last)
			cr_expect(world->blocks[i].is_protected || !world->blocks[i].size,
				  "start before protect");
	if (world->starts < 16)
		world->started[world->starts] = address;
	world->starts++;
	if (world->runs)
		return (int)near_call(address, 0, 0, 0);
	return world->start_result;
}

static void fake_report(void *ctx, const struct krtld_error *error)
{
	struct world *world = ctx;
	const struct hot_table *table = world->machine ? world->machine->table : NULL;

	cr_expect(error->reason != KRTLD_OK, "a report without a reason");
	if (world->nreports >= WORLD_REPORTS)
		return;
	world->reports[world->nreports] = *error;
	krtld_error_line(error, table, world->lines[world->nreports], WORLD_LINE);
	world->nreports++;
}

/* ---- Worlds ---- */

void world_external(struct world *world, const char *name, uint64_t value)
{
	cr_assert(world->nexternals < 64);
	world->externals[world->nexternals++] = (struct world_symbol){name, value};
}

struct world *world_with(const struct hot_table *table, const char *features)
{
	struct world *world = calloc(1, sizeof(*world));

	world->ops = (struct krtld_ops){.alloc = fake_alloc,
					.free = fake_free,
					.protect = fake_protect,
					.external = fake_external,
					.start = fake_start,
					.report = fake_report};
	world->krtld.ops = &world->ops;
	world->krtld.ctx = world;
	if (!table)
		return world;
	world->machine = table_machine(table, features);
	world->krtld.machine = world->machine;
	for (unsigned i = 0; i < table->nhotinlines; i++)
		world_external(world, table->hotinlines[i].name, world->machine->stubs[i]);
	for (unsigned i = 0; i < table->nsymbols; i++)
		world_external(world, table->symbols[i], world->machine->symbols[i]);
	return world;
}

struct world *world_new(const char *features)
{
	return world_with(table_common(), features);
}

/* helper i: lea rax, [rdi + 100 + i]; ret */
static void make_helpers(struct world *world, const struct near *near)
{
	struct hot_machine *machine = world->machine;

	for (unsigned i = 0; i < machine->table->nsymbols; i++) {
		uint8_t *helper = near->write + PAGE + 0x20 * i;

		machine->symbols[i] = near->address + PAGE + 0x20 * i;
		world_external(world, machine->table->symbols[i], machine->symbols[i]);
		bytes_hex("48 8d 47 00 c3", helper, 8);
		helper[3] = (uint8_t)(100 + i);
	}
}

struct world *world_that_runs(void)
{
	struct world *world = world_new(NULL);
	struct hot_machine *machine = world->machine;
	struct near near = near_map(2 * PAGE);
	struct hot_site *sites = calloc(machine->table->nhotinlines, sizeof(*sites));
	struct hot_error error;

	world->runs = true;
	world->nexternals = 0;
	make_helpers(world, &near);
	world->stubs = (struct hot_text){near.address, near.write, sites, (uint32_t)near.size,
					 machine->table->nhotinlines};
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		machine->stubs[i] = near.address + 0x80 * i;
		world_external(world, machine->table->hotinlines[i].name, machine->stubs[i]);
		sites[i] = (struct hot_site){0x80 * i, (uint16_t)i, HOT_STUB, 0};
		cr_assert(hot_site_bytes(machine, &world->stubs, &sites[i], HOT_BEFORE,
					 near.write + 0x80 * i, &error));
	}
	return world;
}

static void set_writable(struct world *world, bool writable)
{
	for (unsigned i = 0; i < world->nblocks; i++)
		if (world->blocks[i].kind == KRTLD_TEXT)
			mprotect(world->blocks[i].bytes, round_up(world->blocks[i].size, PAGE),
				 PROT_READ | (writable ? PROT_WRITE : 0));
}

void world_decide(struct world *world, const char *features)
{
	struct hot_features set;
	struct hot_error error;

	table_features(world->machine->table, features, &set);
	hot_decide(world->machine, &set);
	cr_assert(do_hotinlines(world->machine, &world->stubs, 1, &error), "the stubs: %s",
		  hot_reason_text(error.reason));
	set_writable(world, true);
	for (struct krtld_module *m = world->krtld.first; m; m = m->next)
		cr_assert(do_hotinlines(world->machine, m->texts, m->ntexts, &error), "%s at %#lx",
			  hot_reason_text(error.reason), error.address);
	set_writable(world, false);
}

/* ---- Loads ---- */

static void print_reports(const struct world *world)
{
	for (unsigned i = 0; i < world->nreports; i++)
		cr_log_error("  %s\n", world->lines[i]);
}

struct krtld_module *world_try(struct world *world, const char *name, const struct image *image)
{
	bool placed = world->placed && !strcmp(world->placed, name);
	const struct krtld_placement placement = {
	    .sections = world->places, .nsections = placed ? 64 : 0, .unpatched = world->unpatched};

	char *called = strdup(name);
	uint8_t *file = malloc(image->size ? image->size : 1);
	struct krtld_module *module;

	free(world->refused_file);
	free(world->refused_name);
	cr_assert(file && called);
	memcpy(file, image->bytes, image->size);
	module = krtld_load_at(&world->krtld, called, file, image->size, &placement);
	world->refused_file = module ? NULL : file; /* reports have names in it */
	world->refused_name = module ? NULL : called;
	if (module) { /* nothing may point to them any more */
		memset(file, 0xa5, image->size);
		memset(called, 0xa5, strlen(called));
		free(file);
		free(called);
	}
	return module;
}

struct krtld_module *world_load(struct world *world, const char *name, const struct image *image)
{
	struct krtld_module *module;

	world->nreports = 0;
	module = world_try(world, name, image);
	if (!module || world->nreports)
		print_reports(world);
	cr_assert(module, "%s was refused: %s", name,
		  world->nreports ? world->lines[0] : "without a report");
	cr_expect_eq(world->nreports, 0, "%s was loaded with a report: %s", name, world->lines[0]);
	cr_expect_eq(krtld_find(&world->krtld, name), module, "%s is not to be found", name);
	return module;
}

struct krtld_module *world_load_object(struct world *world, const char *name,
				       const struct object *object)
{
	struct image image = object_image(object);

	return world_load(world, name, &image);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3ul;
}

uint64_t world_state(const struct world *world)
{
	uint64_t hash = world->nblocks;

	for (const struct krtld_module *m = world->krtld.first; m; m = m->next) {
		hash = mix(mix(mix(hash, (uint64_t)m), m->users), m->nsites);
		for (unsigned r = 0; r < KRTLD_REGIONS; r++)
			for (size_t i = 0; i < m->regions[r].size; i++)
				hash = mix(hash, m->regions[r].bytes[i]);
	}
	if (world->machine) {
		for (unsigned i = 0; i < world->machine->table->nhotinlines; i++)
			hash = mix(hash, world->machine->stubs[i]);
		for (unsigned i = 0; i < world->machine->table->nsymbols; i++)
			hash = mix(hash, world->machine->symbols[i]);
	}
	return mix(hash, (uint64_t)world->krtld.last);
}

const struct krtld_error *world_refuse(struct world *world, const char *name,
				       const struct image *image, enum krtld_reason reason)
{
	uint64_t before = world_state(world);
	const struct krtld_module *already = krtld_find(&world->krtld, name);
	const struct krtld_module *module;

	world->nreports = 0;
	module = world_try(world, name, image);
	cr_assert(!module, "%s was loaded, but reason %u was expected", name, reason);
	cr_assert(world->nreports > 0, "%s was refused without a report", name);
	if (reason != KRTLD_OK)
		cr_expect_eq(world->reports[0].reason, reason, "refused for reason %u, not %u: %s",
			     world->reports[0].reason, reason, world->lines[0]);
	cr_expect_eq(world_state(world), before, "a refused load has left something behind: %s",
		     world->lines[0]);
	cr_expect_eq(krtld_find(&world->krtld, name), already);
	return &world->reports[0];
}

const struct krtld_error *world_refuse_object(struct world *world, const char *name,
					      const struct object *object, enum krtld_reason reason)
{
	struct image image = object_image(object);

	return world_refuse(world, name, &image, reason);
}

void world_unload(struct world *world, struct krtld_module *module)
{
	world->nreports = 0;
	cr_assert(krtld_unload(&world->krtld, module), "unload was refused: %s",
		  world->nreports ? world->lines[0] : "without a report");
}

void world_expect_empty(const struct world *world)
{
	cr_expect_eq(world->nblocks, 0, "%u allocations are left", world->nblocks);
	cr_expect(!world->krtld.first && !world->krtld.last, "a module is left");
}

const struct krtld_section *world_section(const struct krtld_module *module, const char *name)
{
	for (unsigned i = 0; i < module->nsections; i++)
		if (module->sections[i].bytes && !strcmp(module->sections[i].name, name))
			return &module->sections[i];
	cr_assert_fail("no section %s is loaded", name);
	return NULL;
}

uint64_t world_symbol(const struct krtld_module *module, const char *name)
{
	uint64_t value = 0;

	cr_assert(krtld_module_symbol(module, name, &value), "no symbol %s", name);
	return value;
}

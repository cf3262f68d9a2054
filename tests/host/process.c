/*
 * A world in this process; see process.h.
 *
 * Code for user mode refers to the C library with 32 bits relative to the place, to its functions
 * and to its data (stdout) alike, and expects a linker to put a PLT and copies between. krtld does
 * neither, so its modules are mapped where they reach the library itself: below it, where the
 * addresses that mmap() gives away go on. What is out of reach all the same would be refused.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <criterion/criterion.h>

#include "tests/host/process.h"

#define PAGE  4096ul
#define STEP  (16ul << 20)
#define REACH (1ul << 30) /* half of what 32 bits reach: the library has a size, too */

static struct krtld_ops plain; /* those of a world of fakes: krtld's own tables are theirs */
static void *libc, *libm;
static const char *hidden;

static size_t pages(size_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

static void *map_near(uint64_t anchor, size_t size)
{
	for (uint64_t below = STEP; below < REACH; below += STEP) {
		void *wanted = (void *)(((anchor - below) & ~(PAGE - 1)) - pages(size));
		void *got = mmap(wanted, pages(size), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (got == wanted)
			return got;
	}
	return NULL;
}

static void *process_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			   uint64_t *address)
{
	struct world *world = ctx;
	void *bytes;

	if (kind == KRTLD_META)
		return plain.alloc(ctx, kind, size, align, address);
	cr_assert(align <= PAGE && world->nblocks < WORLD_BLOCKS);
	bytes = map_near((uint64_t)dlsym(libc, "stdout"), size);
	if (!bytes)
		return NULL;
	*address = (uint64_t)bytes;
	world->blocks[world->nblocks++] =
	    (struct world_block){kind, bytes, *address, size, false, bytes};
	return bytes;
}

static bool process_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			    size_t size)
{
	static const int protections[] = {[KRTLD_TEXT] = PROT_READ | PROT_EXEC,
					  [KRTLD_RODATA] = PROT_READ,
					  [KRTLD_DATA] = PROT_READ | PROT_WRITE};

	return plain.protect(ctx, kind, bytes, address, size) &&
	       mprotect(bytes, pages(size), protections[kind]) == 0;
}

/* Only what the C library defines, so that nothing comes from a libz that the test runner happens
 * to use; but as the process sees it, since its malloc() may be another than the library's. */
static bool process_external(void *ctx, const char *name, uint64_t *value)
{
	(void)ctx;
	if ((hidden && strcmp(name, hidden) == 0) || (!dlsym(libc, name) && !dlsym(libm, name)))
		return false;
	*value = (uint64_t)dlsym(RTLD_DEFAULT, name);
	return *value != 0;
}

void process_hide(const char *name)
{
	hidden = name;
}

struct world *process_with(const struct hot_table *table, const char *features)
{
	struct world *world = world_with(table, features);

	libc = dlopen("libc.so.6", RTLD_NOW | RTLD_GLOBAL);
	libm = dlopen("libm.so.6", RTLD_NOW | RTLD_GLOBAL);
	cr_assert(libc && libm, "%s", dlerror());
	plain = world->ops;
	world->ops.alloc = process_alloc;
	world->ops.protect = process_protect;
	world->ops.external = process_external;
	for (unsigned i = 0; table && i < table->nhotinlines; i++)
		cr_assert(
		    process_external(NULL, table->hotinlines[i].name, &world->machine->stubs[i]));
	return world;
}

struct world *process_new(void)
{
	return process_with(NULL, NULL);
}

uint64_t process_thunk(const void *function)
{
	static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip], to what follows */
	uint8_t *thunk = map_near((uint64_t)dlsym(libc, "stdout"), PAGE);

	cr_assert(thunk);
	memcpy(thunk, jump, sizeof(jump));
	memcpy(thunk + sizeof(jump), &function, sizeof(function));
	cr_assert(!mprotect(thunk, PAGE, PROT_READ | PROT_EXEC));
	return (uint64_t)thunk;
}

const char *process_protection(uint64_t address)
{
	static char protection[5];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;

	cr_assert(maps);
	while (fscanf(maps, "%lx-%lx %4s%*[^\n]", &from, &to, protection) == 3) {
		if (from <= address && address < to) {
			fclose(maps);
			return protection;
		}
	}
	fclose(maps);
	return "none";
}

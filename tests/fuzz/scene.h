/*
 * What the fuzz targets share: the world of tests/host/world.c around krtld, made once and set back
 * for each input, and the rules that hold for any module that krtld accepts. A rule that is broken
 * aborts. Used by krtld.c and patch.c.
 */
#ifndef HOTINLINE_TESTS_FUZZ_SCENE_H
#define HOTINLINE_TESTS_FUZZ_SCENE_H

#include "tests/host/world.h"

/* Bytes of one region that the world has at most: a small file may ask for gigabytes of zeros. */
#define SCENE_REGION_MAX    (256ul << 10)

/*
 * The tables of krtld for one load take at most this many bytes for each byte of the file, and a
 * constant for the module itself, the stubs, and the list of the modules it may need.
 */
#define SCENE_META_PER_BYTE 4
#define SCENE_META_CONSTANT 8192

/* An empty world. stubs: the machine is decided for the features of the common table that are set in
 * bits, and knows all stubs; else it knows nothing yet. */
struct world *scene_begin(bool stubs, unsigned bits);

/* Decides for the features of the common table that are set in bits. */
void scene_decide(struct world *world, unsigned bits);

/*
 * krtld_load() with the rules that hold whether it is refused or not: a report if and only if it is
 * refused; then nothing has changed; and memory is in proportion to the file.
 */
struct krtld_module *scene_load(struct world *world, const char *name, const struct image *image);

/* krtld_unload() of a module that nobody uses, which must succeed the second time if not the first:
 * its _fini may refuse once. */
void scene_unload(struct world *world, struct krtld_module *module);

/* Nothing is loaded, and no memory is held. */
void scene_end(const struct world *world);

/* The rules for an accepted module: see check.c. patched: its sites are what the machine chose. */
void check_module(const struct world *world, const struct krtld_module *module,
		  const struct image *image, bool patched);

/* The sites and their order. Only a plan of the engine proves that no two overlap. */
void check_sites(const struct world *world, const struct krtld_module *module, bool planned);

/* Bytes of memory that an object asks for in its own words: sections, COMMON symbols, and a GOT slot
 * for each symbol. UINT64_MAX if that is more. */
uint64_t check_declared(const uint8_t *file, size_t size);

#endif

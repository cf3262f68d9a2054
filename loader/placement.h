/*
 * A load at addresses that its caller chooses, for host programs: what krtld.h has and a kernel has no
 * use for. object.h tells beforehand what there is to place.
 */
#ifndef HOTINLINE_LOADER_PLACEMENT_H
#define HOTINLINE_LOADER_PLACEMENT_H

#include "loader/krtld.h"

#define KRTLD_SLOT 8 /* bytes of a GOT slot */

struct krtld_placement {
	const uint64_t *sections; /* [nsections] address of a loaded section; 0: in its region */
	uint32_t nsections;       /* those after them are in their regions */
	const uint64_t *got; /* what _GLOBAL_OFFSET_TABLE_ stands for; NULL: the module's own */
	bool unpatched;      /* leave every site on its stub, decided or not */
};

/* As krtld_load(). */
struct krtld_module *krtld_load_at(struct krtld *krtld, const char *name, const void *file,
				   size_t size, const struct krtld_placement *placement)
    __attribute__((warn_unused_result));

/* The GOT of a module: its slots, *n of them, in the order of memory, and where they run. */
const uint8_t *krtld_got(const struct krtld_module *module, uint32_t *n, uint64_t *address);

#endif

/* Sets of sections, for the layout; see sets.c. Private to loader/. */
#ifndef HOTINLINE_LOADER_SETS_H
#define HOTINLINE_LOADER_SETS_H

#include "loader/object.h"

/* Finds the sections of each set that the object refers to. False after a report. */
bool krtld_find_sets(const struct krtld_object *object, struct krtld_layout *layout);
/* The alignment of a section where it is placed: the first of a set has the set's. */
uint64_t krtld_placed_align(const struct krtld_object *object, const struct krtld_layout *layout,
			    uint32_t section);

#endif

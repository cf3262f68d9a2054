/*
 * Crafted objects for the curves of time and memory: each is made to be as slow as can be for its
 * size. Made by curve_files.c, measured by curve.c.
 */
#ifndef HOTINLINE_TESTS_FUZZ_CURVE_H
#define HOTINLINE_TESTS_FUZZ_CURVE_H

#include <stdint.h>

#include "tests/host/object.h"

/* An object, and what must be loaded before it: nothing, or a module that is not measured. */
struct crafted {
	struct image file;
	struct image before;
};

/* A way to be slow, with about n of whatever it takes many of. */
struct craft {
	const char *name;
	const char *what;
	struct crafted (*make)(uint32_t n);
};

extern const struct craft crafts[];
extern const unsigned ncrafts;

#endif

/*
 * The input of the patch target: options, and up to four objects.
 *
 *	bytes 0–7    struct container_options
 *	then         for each object its size, 32 bits, and its bytes
 *
 * Read by patch.c, taken apart and put together by mutate_patch.c, and made by seeds.py.
 */
#ifndef HOTINLINE_TESTS_FUZZ_CONTAINER_H
#define HOTINLINE_TESTS_FUZZ_CONTAINER_H

#include <stdint.h>
#include <string.h>

#include "tests/host/object.h"

#define CONTAINER_OBJECTS 4

struct container_options {
	uint8_t features;   /* of the common table, 7 bits; bit 7: the first object is unix */
	uint8_t victim;     /* the object whose load suffers the failures */
	uint8_t fail_alloc; /* its n-th allocation fails; 0: none */
	uint8_t fail_protect;
	uint8_t start; /* what its _init returns */
	uint8_t order; /* of unloading */
	uint8_t unused[2];
};
_Static_assert(sizeof(struct container_options) == 8, "as seeds.py packs them");

struct container {
	struct container_options options;
	struct image objects[CONTAINER_OBJECTS]; /* inside of the input */
	unsigned nobjects;
};

/* An input that is cut short has fewer options, and a shorter last object. */
static inline struct container container_open(const uint8_t *data, size_t size)
{
	struct container c = {.nobjects = 0};
	size_t at = sizeof(c.options);

	memcpy(&c.options, data, size < at ? size : at);
	while (c.nobjects < CONTAINER_OBJECTS && at + sizeof(uint32_t) <= size) {
		uint32_t length;

		memcpy(&length, data + at, sizeof(length));
		at += sizeof(length);
		if (length > size - at)
			length = (uint32_t)(size - at);
		c.objects[c.nobjects++] = (struct image){(uint8_t *)data + at, length};
		at += length;
	}
	return c;
}

#endif

/* A small object with a bit of everything, for the suites that make objects wrong. */
#ifndef HOTINLINE_TESTS_HOST_SAMPLE_H
#define HOTINLINE_TESTS_HOST_SAMPLE_H

#include "alternatives/hotinline.h"
#include "tests/host/object.h"

/*
 * .text with a call, a tail jmp and a GOT reference, .rodata, .data with pointers, .bss, a section
 * that is not loaded; symbols global, local, weak, COMMON, absolute, of sections, and undefined
 * ones: `count` and `two`, of the common table.
 */
struct object *sample_object(void);
struct image sample_image(void);

/* A module with one call of a hotinline, at the start of its .text. */
struct object *sample_caller(const char *hotinline);

/*
 * A unix for a table: .text.hotstubs with the stub of every hotinline but the one named (NULL: of
 * all), as hotc writes them, and .text with every symbol that an alternative refers to, 16 bytes
 * apart, each `lea rax, [rdi + 100 + its index]; ret`.
 */
struct object *sample_unix(const struct hot_table *table, const char *without);

#endif

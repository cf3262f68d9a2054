/* A small object with a bit of everything, for the suites that make objects wrong. */
#ifndef HOTINLINE_TESTS_HOST_SAMPLE_H
#define HOTINLINE_TESTS_HOST_SAMPLE_H

#include "tests/host/object.h"

/*
 * .text with a call, a tail jmp and a GOT reference, .rodata, .data with pointers, .bss, a section
 * that is not loaded; symbols global, local, weak, COMMON, absolute, of sections, and undefined
 * ones: `count` and `two`, of the common table.
 */
struct object *sample_object(void);
struct image sample_image(void);

#endif

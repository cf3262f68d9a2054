/*
 * Executable memory for tests, below 2 GiB, so that everything in it reaches everything else with
 * 32 bits of either sign. It is mapped twice: to execute, and to write, never both at one address.
 */
#ifndef HOTINLINE_TESTS_HOST_NEAR_H
#define HOTINLINE_TESTS_HOST_NEAR_H

#include <stddef.h>
#include <stdint.h>

struct near {
	uint8_t *write;   /* a view to read and write, far away */
	uint64_t address; /* where it runs */
	size_t size;      /* a multiple of the page's */
};

/* At least size bytes of int3. */
struct near near_map(size_t size);
void near_unmap(const struct near *near);

/* Calls the function at that address with up to three arguments. */
uint64_t near_call(uint64_t address, uint64_t a, uint64_t b, uint64_t c);

#endif

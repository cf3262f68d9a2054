/*
 * Changes to an object file that know its structure: most leave the rest of the file sound, so that
 * what comes after the first check is reached. Used by mutate_krtld.c and mutate_patch.c.
 */
#ifndef HOTINLINE_TESTS_FUZZ_MUTATE_H
#define HOTINLINE_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* A random number below n > 0, of a state that is not 0. */
uint32_t mutate_random(uint64_t *state, uint32_t n);

/* Changes an object in place, in a few steps. room: bytes that there are. Returns its new size. */
size_t mutate_object(uint8_t *bytes, size_t size, size_t room, uint64_t *state);

/* Takes a part of another object into this one. */
size_t mutate_cross(uint8_t *bytes, size_t size, size_t room, const uint8_t *other,
		    size_t other_size, uint64_t *state);

/* libFuzzer's own mutator, and what it calls (https://llvm.org/docs/LibFuzzer.html). */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_out, unsigned seed);

#endif

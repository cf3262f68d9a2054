/* What the modules answer.c and the canaries of cycles.c have in common: answer(), whose result tells which
 * alternatives were chosen where it was loaded. cycles.c knows what is right. */
#ifndef HOTINLINE_TESTS_ANSWER_H
#define HOTINLINE_TESTS_ANSWER_H

#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

uint64_t answer(uint64_t x);

/* EFLAGS.AC if a window was open, and the number of bits set in x. */
static inline uint64_t answer_right(uint64_t x)
{
	uint64_t flags;

	smap_disable();
	flags = read_flags() & EFLAGS_AC;
	smap_enable();
	return flags | popcount64(x);
}

#endif

/*
 * Text with many sites, twice: as krtld leaves it for do_hotinlines(), and as an assembler and a
 * linker leave it for a section table. Used by patching.c.
 */
#ifndef HOTINLINE_TESTS_BENCH_BENCH_TEXT_H
#define HOTINLINE_TESTS_BENCH_BENCH_TEXT_H

#include "alternatives/hotinline.h"
#include "tests/bench/section_table.h"

struct bench_text {
	struct hot_machine *machine;
	struct hot_text text;  /* of the size of both; its sites are those of the first */
	uint8_t *as_calls;     /* with calls of stubs */
	uint8_t *as_baselines; /* with baselines */
	struct section_record *records;
	uint32_t nrecords;
	uint8_t *replacements;
	uint64_t nreplacements; /* bytes */
	uint32_t features[64];  /* bit i: the condition of the table's alternative i holds */
	uint8_t *final;         /* the sites' bytes at last, one after the other */
	uint8_t *sizes;         /* of each site */
	uint64_t arena;         /* bytes of the mapping that holds most of this */
};

/*
 * Sites of all hotinlines of the built-in table, in the shares of real code: one branch in ten is a
 * tail call, one in 50 stands behind a byte that may be a prefix, from 16 to 80 bytes apart. The
 * same for the same nsites. modern: the machine has every feature of an Intel server as guest of
 * KVM; false: it has none.
 */
struct bench_text bench_text_new(uint32_t nsites, bool modern);
void bench_text_free(struct bench_text *b);

#endif

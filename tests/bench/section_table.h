/*
 * A patcher of the section-table style, for patching.c to compare with: each site leaves a record
 * and its replacement's bytes in sections of their own. Written for this benchmark, as small as the
 * style allows; it believes whatever the records say.
 */
#ifndef HOTINLINE_TESTS_BENCH_SECTION_TABLE_H
#define HOTINLINE_TESTS_BENCH_SECTION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/* One for each alternative of a site but the baseline, which is the site's own code. Of several
 * the last whose feature is there counts. */
struct section_record {
	int32_t site;        /* relative to this field */
	int32_t replacement; /* relative to this field */
	uint32_t feature;
	uint8_t site_size;
	uint8_t replacement_size; /* at most site_size */
} __attribute__((packed));
_Static_assert(sizeof(struct section_record) == 14, "the smallest record that says all this");

/*
 * Patches every site. Relative branches and addresses that leave a replacement are corrected. How
 * they are found: decode true: each instruction is decoded; false: only a replacement of one direct
 * branch is recognised, by its first byte. False: a replacement has code that is not understood.
 */
bool section_table_apply(const struct section_record *records, const struct section_record *end,
			 const uint32_t *features, bool decode) __attribute__((warn_unused_result));

#endif

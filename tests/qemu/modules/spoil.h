/* For canaries: the first site of a hotinline in a function of unix becomes NOPs, through a view of
 * their own. */
#ifndef HOTINLINE_TESTS_SPOIL_H
#define HOTINLINE_TESTS_SPOIL_H

#include "hottable.h"
#include "kernel/defs.h"

#define NOP 0x90
#define FAR 256 /* bytes from the function's beginning, at most */

static inline int spoil(const char *function, unsigned hotinline)
{
	uint64_t start;

	if (!name_lookup(function, &start))
		return 1;
	for (unsigned t = 0; t < krtld.first->ntexts; t++) {
		const struct hot_text *text = &krtld.first->texts[t];

		for (unsigned i = 0; i < text->nsites; i++) {
			uint8_t *site;

			if (text->sites[i].hotinline != hotinline ||
			    text->address + text->sites[i].offset - start >= FAR)
				continue;
			site = kas_alias(text->bytes + text->sites[i].offset, 3);
			if (!site)
				return 1;
			memset(site, NOP, 3);
			kas_unalias(site, 3);
			return 0;
		}
	}
	return 1;
}

#endif

/* Takes all memory but a few pages, until it is unloaded. */
#include "kernel/defs.h"

#define LEFT 6 /* pages: enough to begin to load a module, not enough to load it */

static uint64_t taken; /* the last page; each holds the address of the one before */

int _init(void)
{
	while (pages.nfree > LEFT) {
		uint64_t page = page_alloc();

		*(uint64_t *)physmap(page) = taken;
		taken = page;
	}
	return 0;
}

int _fini(void)
{
	while (taken) {
		uint64_t page = taken;

		taken = *(uint64_t *)physmap(page);
		page_free(page);
	}
	return 0;
}

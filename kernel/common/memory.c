/*
 * Memory for krtld (loader/krtld.h), the same for the boot program and for unix: every piece is
 * mapped to read and write and not to execute, until krtld asks for its final protection.
 */
#include "kernel/defs.h"

void *memory_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align, uint64_t *address)
{
	void *bytes = kas_alloc(size, align);

	(void)ctx;
	(void)kind;
	if (address)
		*address = (uint64_t)bytes;
	return bytes;
}

void memory_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)kind;
	(void)address;
	kas_free(bytes, size);
}

/* A module's text was written as data and is fetched next; the core sees to that by itself as soon
 * as it branches there (Intel SDM vol. 3A, 8.1.3: not another core's, and there is none yet). */
bool memory_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)address;
	switch (kind) {
	case KRTLD_TEXT: kas_protect(bytes, size, PROT_RX); break;
	case KRTLD_RODATA: kas_protect(bytes, size, PROT_R); break;
	case KRTLD_DATA:
	case KRTLD_META: break;
	}
	return true;
}

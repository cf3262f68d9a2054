/*
 * krtld's own memory: blocks of kind KRTLD_META, kept in pools that are freed in one go, and vectors
 * that grow. Private to loader/. It knows nothing of objects and modules but a name for messages.
 */
#ifndef HOTINLINE_LOADER_MEMORY_H
#define HOTINLINE_LOADER_MEMORY_H

#include "alternatives/bytes.h"
#include "alternatives/memory.h"
#include "loader/krtld.h"

/* Blocks that are freed together, so that none can be forgotten. Zero it before the first use. */
struct krtld_pool {
	struct krtld_block *first;
};

/* Zeroed memory for n items, until the pool is freed; n is bounded by a file's size. NULL after a
 * report. */
void *krtld_pool_alloc(const struct krtld *krtld, const char *module, struct krtld_pool *pool,
		       uint64_t n, size_t item);
void krtld_pool_free(const struct krtld *krtld, struct krtld_pool *pool);

/* An array that grows as items are found. Zero it before the first use. */
struct krtld_vector {
	void *items;
	uint32_t n;
	uint32_t room; /* items that its memory holds */
};

/* Makes room for n more items of that many bytes; the caller writes and counts them. False after a
 * report. */
bool krtld_vector_grow(const struct krtld *krtld, const char *module, struct krtld_vector *vector,
		       uint32_t n, size_t size);
/* Gives back the memory that no item uses, if that is much. False after a report. */
bool krtld_vector_trim(const struct krtld *krtld, const char *module, struct krtld_vector *vector,
		       size_t size);
void krtld_vector_free(const struct krtld *krtld, struct krtld_vector *vector, size_t size);

#endif

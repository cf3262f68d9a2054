/* Pools and vectors; see memory.h. */
#include "loader/memory.h"
#include "loader/report.h"

#define ROOM_MIN 64 /* items of a vector that has any */

/* Before the items of a block. */
struct krtld_block {
	struct krtld_block *next;
	size_t size; /* bytes, with this header */
};
_Static_assert(sizeof(struct krtld_block) % _Alignof(max_align_t) == 0, "items are aligned");

static void *allocate(const struct krtld *krtld, uint64_t size)
{
	return krtld->ops->alloc(krtld->ctx, KRTLD_META, size, _Alignof(max_align_t),
				 &(uint64_t){0});
}

static void release(const struct krtld *krtld, void *memory, uint64_t size)
{
	krtld->ops->free(krtld->ctx, KRTLD_META, memory, 0, size);
}

static bool no_memory(const struct krtld *krtld, const char *module, uint64_t size)
{
	return REFUSE(krtld, module, KRTLD_E_MEMORY, .value = size);
}

void *krtld_pool_alloc(const struct krtld *krtld, const char *module, struct krtld_pool *pool,
		       uint64_t n, size_t item)
{
	uint64_t size = sizeof(struct krtld_block) + n * item;
	struct krtld_block *block = allocate(krtld, size);

	if (!block) {
		(void)no_memory(krtld, module, size);
		return NULL;
	}
	*block = (struct krtld_block){pool->first, size};
	pool->first = block;
	return block + 1;
}

void krtld_pool_free(const struct krtld *krtld, struct krtld_pool *pool)
{
	struct krtld_block *block = pool->first;

	while (block) {
		struct krtld_block *next = block->next;

		release(krtld, block, block->size);
		block = next;
	}
	pool->first = NULL;
}

/* Moves the items to memory for so many. */
static bool resize(const struct krtld *krtld, const char *module, struct krtld_vector *vector,
		   uint32_t room, size_t size)
{
	void *items = allocate(krtld, (uint64_t)room * size);

	if (!items)
		return no_memory(krtld, module, (uint64_t)room * size);
	if (vector->n)
		memcpy(items, vector->items, vector->n * size);
	if (vector->items)
		release(krtld, vector->items, vector->room * size);
	vector->items = items;
	vector->room = room;
	return true;
}

bool krtld_vector_grow(const struct krtld *krtld, const char *module, struct krtld_vector *vector,
		       uint32_t n, size_t size)
{
	uint32_t room = vector->room ? 2 * vector->room : ROOM_MIN;

	if (vector->room - vector->n >= n)
		return true;
	while (room - vector->n < n)
		room *= 2;
	return resize(krtld, module, vector, room, size);
}

bool krtld_vector_trim(const struct krtld *krtld, const char *module, struct krtld_vector *vector,
		       size_t size)
{
	return !vector->n || vector->room - vector->n <= vector->n / 8 ||
	       resize(krtld, module, vector, vector->n, size);
}

void krtld_vector_free(const struct krtld *krtld, struct krtld_vector *vector, size_t size)
{
	if (vector->items)
		release(krtld, vector->items, vector->room * size);
	*vector = (struct krtld_vector){NULL, 0, 0};
}

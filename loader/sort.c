/*
 * Sorting for krtld: sites, references, pieces of text, stubs, symbols. A heap sort, because it
 * needs neither memory nor a stack and no input makes it slow; and since compilers emit
 * relocations in order, nearly every call ends after its first loop.
 */
#include "alternatives/memory.h"
#include "loader/sort.h"

#define ELEMENT_MAX 64 /* bytes */

struct heap {
	uint8_t *array;
	size_t size; /* bytes of an element */
	uint64_t (*key)(const void *element);
};

static uint64_t key_of(const struct heap *heap, size_t i)
{
	return heap->key(heap->array + i * heap->size);
}

static void swap(const struct heap *heap, size_t i, size_t j)
{
	uint8_t kept[ELEMENT_MAX];

	memcpy(kept, heap->array + i * heap->size, heap->size);
	memcpy(heap->array + i * heap->size, heap->array + j * heap->size, heap->size);
	memcpy(heap->array + j * heap->size, kept, heap->size);
}

/* Lets element i sink until both of its children, 2i + 1 and 2i + 2, are smaller. */
static void sink(const struct heap *heap, size_t i, size_t n)
{
	while (2 * i + 1 < n) {
		size_t child = 2 * i + 1;

		if (child + 1 < n && key_of(heap, child + 1) > key_of(heap, child))
			child++;
		if (key_of(heap, child) <= key_of(heap, i))
			return;
		swap(heap, i, child);
		i = child;
	}
}

static bool is_sorted(const struct heap *heap, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (key_of(heap, i - 1) > key_of(heap, i))
			return false;
	}
	return true;
}

void krtld_sort(void *array, size_t n, size_t size, uint64_t (*key)(const void *element))
{
	struct heap heap = {array, size, key};

	if (is_sorted(&heap, n))
		return;
	for (size_t i = n / 2; i > 0; i--)
		sink(&heap, i - 1, n);
	for (size_t end = n - 1; end > 0; end--) {
		swap(&heap, 0, end);
		sink(&heap, 0, end);
	}
}

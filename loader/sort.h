/* Sorting. Private to loader/. */
#ifndef HOTINLINE_LOADER_SORT_H
#define HOTINLINE_LOADER_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sorts n elements of at most 64 bytes by key, in place, in n log n steps at worst. */
void krtld_sort(void *array, size_t n, size_t size, uint64_t (*key)(const void *element));

#endif

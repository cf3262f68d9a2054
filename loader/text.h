/* Strings, without a C library. Private to loader/. */
#ifndef HOTINLINE_LOADER_TEXT_H
#define HOTINLINE_LOADER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

static inline bool krtld_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static inline size_t krtld_length(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

#endif

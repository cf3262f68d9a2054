/*
 * What Capstone wants of a C library and the kernel does not have. The make fragment capstone.mk
 * links it with Capstone and hides all these names, so that no one else sees them. memcpy, memmove,
 * strcmp and strlen are those of unix.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/defs.h"

#define ARENA_SIZE (128u << 10) /* bytes; opening takes 40 KiB, an instruction takes none */
#define ALIGN      16u

void __stack_chk_fail(void) __attribute__((noreturn));

/* Pieces lie one after the other, each with its size before it. The last can be given back. */
static uint8_t arena[ARENA_SIZE] __attribute__((aligned(ALIGN)));
static size_t used;

struct piece {
	size_t size; /* bytes after this header, a multiple of ALIGN */
	uint64_t reserved;
};
_Static_assert(sizeof(struct piece) == ALIGN, "what comes after it stays aligned");

void *malloc(size_t size)
{
	struct piece *piece = (struct piece *)(arena + used);
	size_t room = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (size > ARENA_SIZE || room + sizeof(*piece) > ARENA_SIZE - used)
		return NULL;
	piece->size = room;
	used += sizeof(*piece) + room;
	return piece + 1;
}

void free(void *memory)
{
	struct piece *piece;

	if (!memory)
		return;
	piece = (struct piece *)memory - 1;
	if ((uint8_t *)memory + piece->size == arena + used)
		used = (size_t)((uint8_t *)piece - arena);
}

void *calloc(size_t n, size_t size)
{
	size_t all;
	void *memory = __builtin_mul_overflow(n, size, &all) ? NULL : malloc(all);

	return memory ? memset(memory, 0, all) : NULL;
}

void *realloc(void *memory, size_t size)
{
	const struct piece *piece;
	void *other;

	if (!memory)
		return malloc(size);
	piece = (const struct piece *)memory - 1;
	if (piece->size >= size)
		return memory;
	other = malloc(size);
	if (other)
		memcpy(other, memory, piece->size);
	return other;
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	for (; n; a++, b++, n--) {
		uint8_t c = *a;

		*a = *b;
		*b = c;
	}
}

/* By insertion: Capstone sorts a handful of registers. */
void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	uint8_t *at = base;

	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j && compare(at + (j - 1) * size, at + j * size) > 0; j--)
			swap(at + (j - 1) * size, at + j * size, size);
}

char *strncpy(char *restrict to, const char *restrict from, size_t n)
{
	size_t i = 0;

	for (; i < n && from[i]; i++)
		to[i] = from[i];
	memset(to + i, 0, n - i);
	return to;
}

int vsnprintf(char *restrict line, size_t size, const char *restrict format, va_list args)
{
	return vksnprintf(line, size, format, args);
}

void __stack_chk_fail(void)
{
	panic("capstone: it has written past the end of a buffer on its stack");
}

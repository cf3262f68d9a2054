/*
 * Copies and comparisons that never become a call. A kernel's memcpy may itself be a client of what
 * is being patched, half written at that moment. The empty asm hides the loop's count from the
 * compiler, which would otherwise make a call of memcpy, memset or memcmp of it (C11 4p6 and GCC's
 * manual, "Language Standards"; -ffreestanding does not stop that).
 */
#ifndef HOTINLINE_ALTERNATIVES_BYTES_H
#define HOTINLINE_ALTERNATIVES_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A compiler that may use SSE does so for any copy or structure, before a kernel has it on. */
#if !__STDC_HOSTED__ && defined(__SSE__) && !defined(HOT_WITH_SSE)
#error "compile with -mgeneral-regs-only, or define HOT_WITH_SSE if SSE works wherever this runs"
#endif

static inline void hot_copy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
		__asm__ volatile("" : "+r"(i));
	}
}

static inline void hot_fill(void *to, uint8_t byte, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		((uint8_t *)to)[i] = byte;
		__asm__ volatile("" : "+r"(i));
	}
}

static inline bool hot_same(const void *a, const void *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
			return false;
		__asm__ volatile("" : "+r"(i));
	}
	return true;
}

/* Of a size that every compiler moves in one register. */
static inline void hot_copy4(void *to, const void *from)
{
	__builtin_memcpy(to, from, 4);
}

static inline uint32_t hot_load4(const void *from)
{
	uint32_t value;

	__builtin_memcpy(&value, from, 4);
	return value;
}

#endif

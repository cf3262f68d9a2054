/*
 * The three functions of a C library that alternatives/ and loader/ call, and that every compiler
 * may call by itself (C11 4p6 and GCC's manual, "Language Standards"). The program that they are
 * linked into supplies them; no other header of a C library is needed.
 */
#ifndef HOTINLINE_ALTERNATIVES_MEMORY_H
#define HOTINLINE_ALTERNATIVES_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* -ffreestanding takes these names for anybody's functions, and a copy of 24 bytes for a call. */
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)
#define memset(to, byte, size) __builtin_memset(to, byte, size)
#define memcmp(a, b, size)     __builtin_memcmp(a, b, size)

#endif

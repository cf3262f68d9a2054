/*
 * The three functions of a C library that alternatives/ and loader/ call, and that every compiler
 * may call by itself (C11 4p6 and GCC's manual, "Language Standards"). Whoever links them supplies
 * them; no other header of a C library is needed.
 */
#ifndef HOTINLINE_ALTERNATIVES_MEMORY_H
#define HOTINLINE_ALTERNATIVES_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif

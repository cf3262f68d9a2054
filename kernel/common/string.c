/*
 * The part of a C library that the compiler, the engine and krtld ask for, and what the prompt
 * needs to read numbers. The engine calls none of it; krtld does, and loader/krtld.h says when.
 */
#include "kernel/defs.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *back = (char *)to + n - 1;
	const char *last = (const char *)from + n - 1;

	if ((uint64_t)to - (uint64_t)from >= n)
		return memcpy(to, from, n);
	asm volatile("std; rep movsb; cld" : "+D"(back), "+S"(last), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int value, size_t n)
{
	void *at = to;

	asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n; p++, q++, n--)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; a++, b++, n--)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (; *s; s++)
		if (*s == (char)c)
			return (char *)s;
	return c ? NULL : (char *)s;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20; /* lower case */
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool parse_base(const char *s, unsigned base, uint64_t *value)
{
	uint64_t sum = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = (unsigned)digit(*s);

		if (d >= base || sum > (UINT64_MAX - d) / base)
			return false;
		sum = sum * base + d;
	}
	*value = sum;
	return true;
}

static bool has_0x(const char *s)
{
	return s[0] == '0' && (s[1] | 0x20) == 'x';
}

bool parse_number(const char *s, uint64_t *value)
{
	return has_0x(s) ? parse_base(s + 2, 16, value) : parse_base(s, 10, value);
}

bool parse_hex(const char *s, uint64_t *value)
{
	return parse_base(has_0x(s) ? s + 2 : s, 16, value);
}

/*
 * What tests/host/world.c and its neighbours want of Criterion, for programs without it: the fuzz
 * targets include this file in its place. A condition that does not hold says so and aborts, which
 * is how libFuzzer learns of it.
 */
#ifndef HOTINLINE_TESTS_FUZZ_CRITERION_H
#define HOTINLINE_TESTS_FUZZ_CRITERION_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* format begins with a blank, so that it is never empty. */
static inline _Noreturn void fuzz_fail(const char *file, int line, const char *condition,
				       const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static inline _Noreturn void fuzz_fail(const char *file, int line, const char *condition,
				       const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%d: does not hold: %s:", file, line, condition);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

#define cr_assert(condition, ...)                                                                  \
	((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__))
#define cr_assert_fail(...)            fuzz_fail(__FILE__, __LINE__, "reached", " " __VA_ARGS__)
#define cr_assert_eq(left, right, ...) cr_assert((left) == (right), __VA_ARGS__)
#define cr_expect(condition, ...)      cr_assert(condition, __VA_ARGS__)
#define cr_expect_eq(left, right, ...) cr_assert((left) == (right), __VA_ARGS__)
#define cr_log_error(...)              fprintf(stderr, __VA_ARGS__)

#endif

/*
 * What a benchmark program says: a line of JSON for tests/bench/run.py, or a table for a person.
 * Used by every benchmark that is written in C.
 */
#ifndef HOTINLINE_TESTS_BENCH_RESULT_H
#define HOTINLINE_TESTS_BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESULT_VALUES 101 /* repetitions at most */

struct result {
	const char *group;
	const char *name; /* of the case */
	const char *what; /* contender, or quantity */
	const char *unit;
	const char *note; /* or NULL */
	uint64_t n;       /* things that one value is about; 0: says nothing */
	double values[RESULT_VALUES];
	unsigned nvalues;
};

/* As a row of a table: the median, and its ratio to that of the first of its case. */
void result_print(const struct result *results, unsigned nresults, bool table);

/* Nanoseconds of a clock that nobody sets. */
double result_now(void);

/* Nanoseconds that this thread has run: what else the machine does meanwhile does not count. A call
 * takes about 0.2 us. */
double result_cpu(void);

/* Zeroed memory; refuses where there is none. */
void *result_memory(size_t size) __attribute__((malloc, returns_nonnull));

/* Says why on stderr and ends the program with status 1. */
void result_refuse(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Says on stderr what cannot be used, and ends the program with status 64. */
void result_wrong_use(const char *program, const char *what, const char *which)
    __attribute__((noreturn));

/* The number that text is, from 1 to most; anything else is wrong use. */
unsigned result_number(const char *program, const char *text, unsigned most);

/* Reads --json (no table) and --repeat N, where run.py gives nothing else; optind is behind them.
 * False: wrong use. */
bool result_options(int argc, char **argv, unsigned *repetitions, bool *table);

#endif

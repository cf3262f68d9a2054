/* Figures of a benchmark program; see result.h. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/result.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The values between which the middle half lies, and the median. */
static void quartiles(const struct result *result, double three[3])
{
	double sorted[RESULT_VALUES];

	memcpy(sorted, result->values, sizeof sorted);
	qsort(sorted, result->nvalues, sizeof sorted[0], by_value);
	for (unsigned i = 0; i < 3; i++)
		three[i] = sorted[(result->nvalues - 1) * (i + 1) / 4];
}

/* Every text here is a constant of the program's: none needs to be escaped. */
static void print_json(const struct result *result)
{
	printf("{\"group\": \"%s\", \"case\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\"",
	       result->group, result->name, result->what, result->unit);
	if (result->n)
		printf(", \"n\": %lu", result->n);
	if (result->note)
		printf(", \"note\": \"%s\"", result->note);
	printf(", \"values\": [");
	for (unsigned i = 0; i < result->nvalues; i++)
		printf("%s%.4g", i ? ", " : "", result->values[i]);
	printf("]}\n");
}

static void print_row(const struct result *result, const struct result *base)
{
	double three[3], other;

	quartiles(base, three);
	other = three[1];
	quartiles(result, three);
	printf("  %-52s %9.2f %-10s", result->what, three[1], result->unit);
	if (strcmp(result->unit, base->unit) == 0 && other > 0)
		printf(" %7.2f x", three[1] / other);
	else
		printf(" %9s", "");
	if (result->nvalues > 1)
		printf("   %.2f .. %.2f", three[0], three[2]);
	printf("\n");
}

void result_print(const struct result *results, unsigned nresults, bool table)
{
	const struct result *base = results;

	for (unsigned i = 0; i < nresults; i++) {
		bool first = i == 0 || strcmp(results[i].name, results[i - 1].name) != 0;

		if (!table) {
			print_json(&results[i]);
			continue;
		}
		if (first) {
			base = &results[i];
			printf("%s, %s: median, ratio to the first row, middle half\n", base->group,
			       base->name);
		}
		print_row(&results[i], base);
	}
	fflush(stdout);
}

static double clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double result_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double result_cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void *result_memory(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		result_refuse("no memory for %zu bytes", size);
	return memory;
}

void result_refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

void result_wrong_use(const char *program, const char *what, const char *which)
{
	fprintf(stderr, "%s: %s `%s', see `%s --help'\n", program, what, which, program);
	exit(64);
}

unsigned result_number(const char *program, const char *text, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || value < 1 || value > most)
		result_wrong_use(program, "not a number that can be:", text);
	return (unsigned)value;
}

bool result_options(int argc, char **argv, unsigned *repetitions, bool *table)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"repeat", required_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'j')
			*table = false;
		else if (option == 'r')
			*repetitions = (unsigned)strtoul(optarg, NULL, 10);
		else
			return false;
	}
	return *repetitions && *repetitions <= RESULT_VALUES;
}

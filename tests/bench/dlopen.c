/*
 * Relocation by glibc: dlopen(RTLD_NOW) of the synthetic objects as shared objects (objects.py). Run
 * by run.py as `dlopen --json DIR CALLS...`. Its time includes opening and mapping the file, and
 * the page faults of the data that is relocated: of a shared object they cannot be taken apart.
 * What an empty shared object takes is taken off.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/result.h"

#define REPETITIONS 15
#define RUNS        3 /* a repetition is the best of them */
#define DATA        8 /* calls for each pointer in data, as in objects.py */
#define PATH_SIZE   4096

/* Of this thread: nobody else's work on the same core counts. */
static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double open_once(const char *path)
{
	double start = now(), spent;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	spent = now() - start;
	if (!handle)
		result_refuse("dlopen: %s", dlerror());
	dlclose(handle);
	return spent;
}

static double open_best(const char *path)
{
	double best = open_once(path);

	for (unsigned i = 1; i < RUNS; i++) {
		double spent = open_once(path);

		best = spent < best ? spent : best;
	}
	return best;
}

static void measure(const char *folder, uint64_t calls, unsigned repetitions, bool table)
{
	struct result *result = result_memory(sizeof *result);
	char path[PATH_SIZE], empty[PATH_SIZE], name[64];

	snprintf(name, sizeof name, "synthetic-%lu.o", calls);
	snprintf(path, sizeof path, "%s/synthetic-%lu.so", folder, calls);
	snprintf(empty, sizeof empty, "%s/empty.so", folder);
	*result =
	    (struct result){.group = "relocation",
			    .name = name,
			    .what = "glibc dlopen",
			    .unit = "ns/relocation",
			    .note = "RTLD_NOW; with mapping and page faults; a pointer a call",
			    .n = calls + calls / DATA,
			    .nvalues = repetitions};
	for (unsigned i = 0; i < repetitions; i++) {
		double spent = open_best(path) - open_best(empty);

		result->values[i] = (spent > 0 ? spent : 0) / (double)result->n;
	}
	result_print(result, 1, table);
	free(result);
}

static int wrong_use(void)
{
	fprintf(stderr, "usage: dlopen [--json] [--repeat N] DIR CALLS..., N at most %d\n",
		RESULT_VALUES);
	return 64;
}

int main(int argc, char **argv)
{
	unsigned repetitions = REPETITIONS;
	char externals[PATH_SIZE];
	bool table = true;

	if (!result_options(argc, argv, &repetitions, &table) || argc < optind + 2)
		return wrong_use();
	snprintf(externals, sizeof externals, "%s/externals.so", argv[optind]);
	if (!dlopen(externals, RTLD_NOW | RTLD_GLOBAL))
		result_refuse("dlopen: %s", dlerror());
	for (int i = optind + 1; i < argc; i++)
		measure(argv[optind], strtoul(argv[i], NULL, 10), repetitions, table);
	return 0;
}

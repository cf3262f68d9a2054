/*
 * Relocation in memory, on one thread: krtld by its phases and as a whole, a plain loop, and the
 * floor. Run by run.py as `relocation --json DIR OBJECT...`; DIR/OBJECT.unix (objects.py
 * writes it) defines what the object leaves undefined, and is loaded first. Prints ns per
 * relocation.
 *
 * A repetition is the best run of a batch: this measures code, and not who else had the core
 * meanwhile. The first run of a batch does not count; it leaves in the caches what they can hold.
 * Before each run its memory is made as new, outside of the timing. Contenders take turns, batch by
 * batch.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <x86intrin.h>

#include "tests/bench/result.h"
#include "tests/bench/subject.h"

#define REPETITIONS 15
#define BATCH       400000 /* relocations in a batch, at least */
#define RUNS_MIN    5
#define RUNS_MAX    100
#define COLD_RUNS   3
#define LONG        20000 /* relocations: stores alone take 20 us or more */

/* The rows of the table. The first are measured, the last are sums. */
enum row {
	ROW_STORES,
	ROW_MEMCPY,
	ROW_READ,
	ROW_RELOCS,
	ROW_PLAIN,
	ROW_CHECK, /* the phases, in order */
	ROW_PLACE,
	ROW_RESOLVE,
	ROW_RELOCATE,
	ROW_FINISH,
	ROW_PATCH,
	ROW_LOAD,
	ROW_PROPER,
	ROW_COLD_PLAIN,
	ROW_COLD_PROPER,
	ROW_COLD_LOAD,
	ROWS
};

static const struct {
	const char *what;
	const char *note;
} rows[ROWS] = {
    [ROW_STORES] = {"floor: stores", "reads 8 bytes a field of 4 bytes, 12 a field of 8"},
    [ROW_MEMCPY] = {"floor: memcpy", "the contents of all loaded sections"},
    [ROW_READ] = {"floor: object read once", "the sum of its words"},
    [ROW_RELOCS] = {"floor: relocations read", "24 bytes each, and nothing done with them"},
    [ROW_PLAIN] = {"plain loop", "switch, symbol by index, every bound and range checked"},
    [ROW_CHECK] = {"krtld: check", "of everything in the file but its relocations"},
    [ROW_PLACE] = {"krtld: place", "copies all sections into zeroed memory"},
    [ROW_RESOLVE] = {"krtld: resolve", "names are looked up in a unix that defines them"},
    [ROW_RELOCATE] = {"krtld: relocate", "checks each relocation, stores it, finds the sites"},
    [ROW_FINISH] = {"krtld: finish", NULL},
    [ROW_PATCH] = {"krtld: patch", "do_hotinlines()"},
    [ROW_LOAD] = {"krtld: whole load", "krtld_load(), check to protect"},
    [ROW_PROPER] = {"krtld: relocation proper", "relocate + finish"},
    [ROW_COLD_PLAIN] = {"cold: plain loop", "nothing of the object is in a cache"},
    [ROW_COLD_PROPER] = {"cold: relocation proper", "likewise, after the phases before it"},
    [ROW_COLD_LOAD] = {"cold: whole load", "likewise"},
};

/*
 * Two clocks. Long runs are likely to lose the core to somebody else, so the time that this thread
 * had it is what counts; asking for it takes a system call. For short runs there is the time stamp
 * counter, once everything before is done and before anything behind begins (Intel SDM vol. 2B,
 * RDTSC). It ticks at one rate whatever the core's frequency is.
 */
static bool long_runs;

static uint64_t now(void)
{
	struct timespec time;
	uint64_t ticks;

	if (long_runs) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
		return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	}
	_mm_lfence();
	ticks = __rdtsc();
	_mm_lfence();
	return ticks;
}

/* Nanoseconds of one tick, ever more exactly: measured since the first call, which takes 50 ms. */
static double tick_ns(void)
{
	static uint64_t first_tick;
	static double first_ns;

	if (!first_tick) {
		first_ns = result_now();
		first_tick = __rdtsc();
		while (result_now() - first_ns < 5e7)
			;
	}
	return (result_now() - first_ns) / (double)(__rdtsc() - first_tick);
}

static volatile uint64_t kept; /* what was computed is wanted */

static void must(bool ok, const struct subject *subject)
{
	if (!ok)
		give_up(subject->name, "it loaded before, and now it does not");
}

/* ---- The contenders: each puts the time of one run into its rows ---- */

/* A load whose phases are timed. */
static void load_timed(struct subject *subject)
{
	struct krtld_module *module;

	phases = (struct phases){.clock = now};
	module = krtld_load(&subject->krtld, subject->name, subject->file, subject->size);
	phases.clock = NULL;
	must(module && krtld_unload(&subject->krtld, module), subject);
}

static void run_phases(struct subject *subject, uint64_t *spent)
{
	arena_reset(&subject->arena);
	load_timed(subject);
	for (unsigned i = 0; i < PHASES; i++)
		spent[ROW_CHECK + i] = phases.spent[i];
	spent[ROW_PROPER] = phases.spent[PHASE_RELOCATE] + phases.spent[PHASE_FINISH];
}

static void run_load(struct subject *subject, uint64_t *spent)
{
	struct krtld_module *module;
	uint64_t start;

	arena_reset(&subject->arena);
	start = now();
	module = krtld_load(&subject->krtld, subject->name, subject->file, subject->size);
	spent[ROW_LOAD] = now() - start;
	must(module && krtld_unload(&subject->krtld, module), subject);
}

static void run_plain(struct subject *subject, uint64_t *spent)
{
	uint64_t start;
	bool ok;

	fill_pieces(subject);
	start = now();
	ok = plain_relocate(subject);
	spent[ROW_PLAIN] = now() - start;
	must(ok, subject);
}

static void run_stores(struct subject *subject, uint64_t *spent)
{
	uint64_t start;

	fill_pieces(subject);
	start = now();
	store_words(subject);
	spent[ROW_STORES] = now() - start;
}

static void run_memcpy(struct subject *subject, uint64_t *spent)
{
	uint64_t start;

	memset(subject->bytes, 0, subject->bytes_size);
	start = now();
	fill_pieces(subject);
	spent[ROW_MEMCPY] = now() - start;
}

static void run_read(struct subject *subject, uint64_t *spent)
{
	uint64_t start = now();

	kept += read_once(subject);
	spent[ROW_READ] = now() - start;
}

static void run_relocs(struct subject *subject, uint64_t *spent)
{
	uint64_t start = now();

	kept += read_relocs(subject);
	spent[ROW_RELOCS] = now() - start;
}

static void (*const contenders[])(struct subject *, uint64_t *) = {
    run_phases, run_load, run_plain, run_stores, run_memcpy, run_read, run_relocs};

/*
 * Cold: as a module is loaded, once. Its memory is made as new, and then other memory is read until
 * no cache holds anything of it; the branches that were met last are another loop's.
 */
#define OTHER_MEMORY ((size_t)96 << 20) /* bytes */

static void empty_caches(void)
{
	static uint8_t *other;

	if (!other)
		other = result_memory(OTHER_MEMORY);
	for (size_t i = 0; i < OTHER_MEMORY; i += 64)
		other[i]++;
}

static void run_cold(struct subject *subject, uint64_t *spent)
{
	struct krtld_module *module;
	uint64_t start;
	bool ok;

	fill_pieces(subject);
	empty_caches();
	start = now();
	ok = plain_relocate(subject);
	spent[ROW_COLD_PLAIN] = now() - start;
	must(ok, subject);
	arena_reset(&subject->arena);
	empty_caches();
	load_timed(subject);
	spent[ROW_COLD_PROPER] = phases.spent[PHASE_RELOCATE] + phases.spent[PHASE_FINISH];
	arena_reset(&subject->arena);
	empty_caches();
	start = now();
	module = krtld_load(&subject->krtld, subject->name, subject->file, subject->size);
	spent[ROW_COLD_LOAD] = now() - start;
	must(module && krtld_unload(&subject->krtld, module), subject);
}

/* ---- Repetitions ---- */

static void run_batch(struct subject *subject, unsigned contender, unsigned runs, uint64_t *best)
{
	uint64_t spent[ROWS];

	memset(spent, 0xff, sizeof spent);
	contenders[contender](subject, spent);
	memset(spent, 0xff, sizeof spent);
	for (unsigned i = 0; i < runs; i++) {
		contenders[contender](subject, spent);
		for (unsigned row = 0; row < ROWS; row++)
			best[row] = spent[row] < best[row] ? spent[row] : best[row];
	}
}

/* One value for each row, in ns per relocation. */
static void repeat(struct subject *subject, unsigned runs, unsigned which, struct result *results)
{
	double scale = (long_runs ? 1 : tick_ns()) / (double)subject->nrelocs;
	uint64_t best[ROWS], spent[ROWS];

	memset(best, 0xff, sizeof best);
	for (unsigned i = 0; i < sizeof contenders / sizeof *contenders; i++)
		run_batch(subject, i, runs, best);
	for (unsigned i = 0; i < COLD_RUNS; i++) {
		run_cold(subject, spent);
		for (unsigned row = ROW_COLD_PLAIN; row <= ROW_COLD_LOAD; row++)
			best[row] = spent[row] < best[row] ? spent[row] : best[row];
	}
	for (unsigned row = 0; row < ROWS; row++)
		results[row].values[which] = (double)best[row] * scale;
}

static void measure(struct subject *subject, unsigned repetitions, bool table)
{
	struct result *results = result_memory(ROWS * sizeof *results);
	uint64_t runs = BATCH / subject->nrelocs + RUNS_MIN;
	char sites[32];

	snprintf(sites, sizeof sites, "%u sites", subject->nsites);
	for (unsigned row = 0; row < ROWS; row++)
		results[row] = (struct result){.group = "relocation",
					       .name = subject->name,
					       .what = rows[row].what,
					       .unit = "ns/relocation",
					       .note = row == ROW_FINISH ? sites : rows[row].note,
					       .n = subject->nrelocs,
					       .nvalues = repetitions};
	runs = runs < RUNS_MAX ? runs : RUNS_MAX;
	long_runs = subject->nrelocs >= LONG;
	for (unsigned i = 0; i < repetitions; i++)
		repeat(subject, (unsigned)runs, i, results);
	result_print(results, ROWS, table);
	free(results);
}

static int wrong_use(void)
{
	fprintf(stderr, "usage: relocation [--json] [--repeat N] DIR OBJECT..., N at most %d\n",
		RESULT_VALUES);
	return 64;
}

int main(int argc, char **argv)
{
	unsigned repetitions = REPETITIONS;
	bool table = true;

	if (!result_options(argc, argv, &repetitions, &table) || argc < optind + 2)
		return wrong_use();
	(void)tick_ns();
	for (int i = optind + 1; i < argc; i++) {
		static struct subject subject;

		subject_open(&subject, argv[optind], argv[i]);
		measure(&subject, repetitions, table);
		subject_close(&subject);
	}
	return 0;
}

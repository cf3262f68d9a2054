/*
 * What patching costs: do_hotinlines() against a patcher of the section-table style and against
 * stores of the same bytes, on text with up to a million sites. One of the programs that
 * tests/bench/run.py runs; --help says how to run it alone.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hottable.h"
#include "tests/bench/bench_text.h"
#include "tests/bench/result.h"

#define BATCH 20000u /* sites that one value is about at least */

static const char help[] =
    "Usage: patching [OPTION]...\n"
    "Measures do_hotinlines() on text with many sites, and what else makes the same bytes of it.\n"
    "\n"
    "  --sites LIST     numbers of sites, separated by commas (1000,10000,100000,1000000)\n"
    "  --repeat N       repetitions, 1 to 101 (11)\n"
    "  --spoil N        damage the N-th replacement of the section table: must be refused\n"
    "  --json, --table  lines of JSON, or a table (on a terminal)\n"
    "  --help           print this\n"
    "\n"
    "Exit status: 0 measured; 1 the contenders' bytes differ, or no memory; 64 wrong use.\n";

struct options {
	const char *sites;
	unsigned repeat;
	unsigned spoil;
	bool table;
};

/* ---- Contenders ---- */

struct contender {
	const char *what;
	/* Patches the text, which holds what prepare left there. */
	bool (*run)(const struct bench_text *b);
	void (*prepare)(const struct bench_text *b);
};

static void lay_calls(const struct bench_text *b)
{
	memcpy(b->text.bytes, b->as_calls, b->text.size);
}

static void lay_baselines(const struct bench_text *b)
{
	memcpy(b->text.bytes, b->as_baselines, b->text.size);
}

static void lay_patched(const struct bench_text *b)
{
	struct hot_error error;

	lay_calls(b);
	if (!do_hotinlines(b->machine, &b->text, 1, &error))
		result_refuse("patching: %s", hot_reason_text(error.reason));
}

static bool store(const struct bench_text *b)
{
	const uint8_t *from = b->final;

	for (uint32_t i = 0; i < b->text.nsites; i++) {
		memcpy(b->text.bytes + b->text.sites[i].offset, from, b->sizes[i]);
		from += b->sizes[i];
	}
	return true;
}

static bool patch(const struct bench_text *b)
{
	struct hot_error error;

	return do_hotinlines(b->machine, &b->text, 1, &error);
}

static bool verify(const struct bench_text *b)
{
	struct hot_error error;

	return hot_verify(b->machine, &b->text, 1, HOT_NOW, &error);
}

static bool apply_decoding(const struct bench_text *b)
{
	return section_table_apply(b->records, b->records + b->nrecords, b->features, true);
}

static bool apply_first_byte(const struct bench_text *b)
{
	return section_table_apply(b->records, b->records + b->nrecords, b->features, false);
}

static const struct contender contenders[] = {
    {"hotinline: plan + commit + verify", patch, lay_calls},
    {"hotinline: verify alone", verify, lay_patched},
    {"section table: each instruction decoded", apply_decoding, lay_baselines},
    {"section table: first byte looked at", apply_first_byte, lay_baselines},
    {"floor: store the final bytes", store, lay_calls},
};
#define CONTENDERS (sizeof contenders / sizeof contenders[0])

/* ---- Measuring ---- */

/* No figure without the bytes: every site holds what it must, and all else is as it was. */
static void check_bytes(const struct bench_text *b, const char *what, uint8_t *expected)
{
	const uint8_t *from = b->final;

	memcpy(expected, b->as_calls, b->text.size);
	for (uint32_t i = 0; i < b->text.nsites; i++) {
		memcpy(expected + b->text.sites[i].offset, from, b->sizes[i]);
		from += b->sizes[i];
	}
	for (uint32_t i = 0; memcmp(expected, b->text.bytes, b->text.size) != 0; i++) {
		if (expected[i] != b->text.bytes[i])
			result_refuse("patching: `%s' made other bytes of the same sites: offset "
				      "%#x holds %02x, not %02x",
				      what, i, b->text.bytes[i], expected[i]);
	}
}

/* Nanoseconds a site, of as many runs as make a batch. */
static double measure(const struct bench_text *b, const struct contender *contender)
{
	unsigned runs = (BATCH + b->text.nsites - 1) / b->text.nsites;
	double spent = 0;

	for (unsigned i = 0; i < runs; i++) {
		double start;

		contender->prepare(b);
		start = result_cpu();
		if (!contender->run(b))
			result_refuse("patching: `%s' refused the text", contender->what);
		spent += result_cpu() - start;
	}
	return spent / runs / b->text.nsites;
}

static void measure_all(const struct bench_text *b, const char *name, const struct options *options)
{
	struct result results[CONTENDERS] = {0};
	uint8_t *expected = result_memory(b->text.size);

	for (unsigned i = 0; i <= options->repeat; i++) {
		for (unsigned c = 0; c < CONTENDERS; c++) {
			double value = measure(b, &contenders[c]);

			check_bytes(b, contenders[c].what, expected);
			if (i > 0) /* the first time is for the caches */
				results[c].values[results[c].nvalues++] = value;
		}
	}
	for (unsigned c = 0; c < CONTENDERS; c++) {
		results[c].group = "patching";
		results[c].name = name;
		results[c].what = contenders[c].what;
		results[c].unit = "ns/site";
		results[c].n = b->text.nsites;
	}
	result_print(results, CONTENDERS, options->table);
	free(expected);
}

static struct result bytes_per_site(const struct bench_text *b, const char *what, double bytes,
				    const char *note)
{
	return (struct result){
	    "patching", "memory", what, "B/site", note, b->text.nsites, {bytes / b->text.nsites},
	    1};
}

/* What each way keeps of a site in memory, besides the text; and what it adds to a module's file. */
static void print_memory(const struct bench_text *b, const struct options *options)
{
	double sites = (double)b->text.nsites * sizeof(struct hot_site);
	double records = b->nrecords * (double)sizeof(struct section_record);
	double replacements = (double)b->nreplacements, rela = 24;
	const struct result results[] = {
	    bytes_per_site(b, "hotinline: memory", sites, "struct hot_site"),
	    bytes_per_site(b, "section table: memory", records + replacements,
			   "records and replacements"),
	    bytes_per_site(b, "hotinline: module file", rela * b->text.nsites,
			   "the relocation of the call"),
	    bytes_per_site(b, "section table: module file",
			   records + replacements + 2 * rela * b->nrecords,
			   "records with two relocations each, and replacements"),
	    {"patching",
	     "memory",
	     "hotinline: once for all modules",
	     "B",
	     "struct hot_machine",
	     0,
	     {(double)hot_machine_size(&hot_table)},
	     1},
	};

	result_print(results, sizeof results / sizeof results[0], options->table);
}

static void bench(uint32_t nsites, const struct options *options, bool last)
{
	char name[64];

	for (unsigned modern = 2; modern-- > 0;) {
		struct bench_text b = bench_text_new(nsites, modern);

		if (options->spoil && options->spoil <= b.nreplacements)
			b.replacements[options->spoil - 1] ^= 1;
		snprintf(name, sizeof name, "%u sites%s", nsites, modern ? "" : ", no feature");
		measure_all(&b, name, options);
		if (last && modern)
			print_memory(&b, options);
		bench_text_free(&b);
	}
}

/* ---- The command line ---- */

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {{"sites", required_argument, NULL, 's'},
					      {"repeat", required_argument, NULL, 'r'},
					      {"spoil", required_argument, NULL, 'x'},
					      {"json", no_argument, NULL, 'j'},
					      {"table", no_argument, NULL, 't'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct options options = {
	    .sites = "1000,10000,100000,1000000", .repeat = 11, .table = isatty(STDOUT_FILENO)};

	for (int option; (option = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
		switch (option) {
		case 's': options.sites = optarg; break;
		case 'r': options.repeat = result_number("patching", optarg, RESULT_VALUES); break;
		case 'x': options.spoil = result_number("patching", optarg, UINT32_MAX); break;
		case 'j': options.table = false; break;
		case 't': options.table = true; break;
		case 'h': fputs(help, stdout); exit(0);
		default: result_wrong_use("patching", "cannot take", argv[optind - 1]);
		}
	}
	if (optind < argc)
		result_wrong_use("patching", "cannot take", argv[optind]);
	return options;
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	char *list = strdup(options.sites), *rest = list;

	for (char *word; (word = strsep(&rest, ","));)
		bench(result_number("patching", word, 2000000), &options, rest == NULL);
	free(list);
	return 0;
}

/*
 * What a site costs where it runs: loops compiled like a module (runtime_loops.c), loaded into this
 * process by krtld, and patched by it in three ways, against what one would write without sites.
 * One of the programs that tests/bench/run.py runs; --help says how to run it alone.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/result.h"
#include "tests/bench/runtime_loops.h"
#include "tests/bench/runtime_world.h"

#define UNIX_OBJECT  "build/bench/runtime-unix.o"
#define LOOPS_OBJECT "build/kernel/tests/bench/runtime_loops.o"

static const char help[] =
    "Usage: runtime [OPTION]...\n"
    "Measures what a site costs in loops that run on this CPU. Run it at the root of the tree.\n"
    "\n"
    "  --repeat N       repetitions, 1 to 101 (51)\n"
    "  --time US        microseconds that a loop runs in each of them, about (500)\n"
    "  --spoil          damage a site after patching: must be refused\n"
    "  --json, --table  lines of JSON, or a table (on a terminal)\n"
    "  --help           print this\n"
    "\n"
    "Exit status: 0 measured; 1 the text or a result is not what it must be; 64 wrong use.\n";

struct options {
	unsigned repeat;
	unsigned time; /* us */
	bool spoil;
	bool table;
};

/* ---- What is compared ---- */

struct contender {
	const char *what;
	const char *loop; /* what its name ends in */
	enum runtime_state state;
	bool alone; /* it is nothing but the instruction: the CPU must have it */
};

/* The first is subtracted from the others. */
static const struct contender contenders[] = {
    {"nothing: the loop itself", NULL, RUNTIME_PATCHED, false},
    {"the instruction, by hand", "instruction", RUNTIME_PATCHED, true},
    {"site, patched", "hotinline", RUNTIME_PATCHED, false},
    {"site, patched: no feature", "hotinline", RUNTIME_NO_FEATURE, false},
    {"site, unpatched: call of the stub", "hotinline", RUNTIME_UNPATCHED, false},
    {"flag test and branch", "flag", RUNTIME_PATCHED, false},
    {"C call", "call", RUNTIME_PATCHED, true},
    {"indirect C call", "pointer", RUNTIME_PATCHED, true},
};
#define CONTENDERS (sizeof contenders / sizeof contenders[0])

struct loops {
	const char *name;      /* of the case */
	const char *operation; /* what the names of its loops begin with */
	const char *around;    /* and end in */
	const char *feature;   /* that the instruction needs, or NULL */
};

static const struct loops cases[] = {
    {"nop5 (smap_enable), alone", "nothing", "alone", NULL},
    {"nop5 (smap_enable), 8 values live", "nothing", "live", NULL},
    {"nop5 (smap_enable), in a leaf", "nothing", "leaf", NULL},
    {"popcount64, alone", "popcount64", "alone", "popcnt"},
    {"popcount64, 8 values live", "popcount64", "live", "popcnt"},
    {"popcount64, in a leaf", "popcount64", "leaf", "popcnt"},
    {"atomic_increment, alone", "atomic_increment", "alone", NULL},
    {"clean_line, alone", "clean_line", "alone", "clwb"},
    {"timestamp, alone", "timestamp", "alone", "rdtscp"},
    {"order_loads, alone", "order_loads", "alone", NULL},
};
#define CASES (sizeof cases / sizeof cases[0])

typedef uint64_t turns_of(uint64_t n);

static turns_of *find_loop(const struct runtime_world *worlds, const struct loops *which,
			   const struct contender *contender)
{
	char name[128];

	if (contender->loop)
		snprintf(name, sizeof name, "%s_%s_%s", which->operation, contender->loop,
			 which->around);
	else
		snprintf(name, sizeof name, "empty_%s", which->around);
	return (turns_of *)runtime_world_symbol(&worlds[contender->state], name);
}

static void set_flags(const struct runtime_world *world)
{
	struct runtime_flags *flags =
	    (struct runtime_flags *)runtime_world_symbol(world, "runtime_flags");

	flags->popcnt = runtime_world_has(world, "popcnt");
	flags->smap = runtime_world_has(world, "smap");
	flags->up = runtime_world_has(world, "up");
	flags->clwb = runtime_world_has(world, "clwb");
	flags->rdtscp = runtime_world_has(world, "rdtscp");
	flags->intel = runtime_world_has(world, "intel");
	flags->lfence_waits = runtime_world_has(world, "lfence_waits");
}

/* ---- Measuring ---- */

/* Nanoseconds a turn. */
static double time_loop(turns_of *loop, uint64_t n)
{
	double start = result_cpu();

	loop(n);
	return (result_cpu() - start) / (double)n;
}

struct measured {
	const char *what;
	turns_of *loop;
};

/* Every loop of a case computes the same, or they are not to be compared. */
static void check_results(const struct loops *which, const struct measured *loops, unsigned n)
{
	for (unsigned i = 2; i < n; i++) {
		uint64_t expected = loops[1].loop(1000), found = loops[i].loop(1000);

		if (found != expected)
			result_refuse("runtime: %s: `%s' yields %#lx, `%s' %#lx", which->name,
				      loops[i].what, found, loops[1].what, expected);
	}
}

static unsigned find_loops(const struct runtime_world *worlds, const struct loops *which,
			   struct measured *loops)
{
	bool has = !which->feature || runtime_world_has(&worlds[0], which->feature);
	unsigned n = 0;

	for (unsigned i = 0; i < CONTENDERS; i++) {
		if (has || !contenders[i].alone)
			loops[n++] = (struct measured){contenders[i].what,
						       find_loop(worlds, which, &contenders[i])};
	}
	return n;
}

static void measure(const struct runtime_world *worlds, const struct loops *which,
		    const struct options *options)
{
	struct measured loops[CONTENDERS];
	struct result results[CONTENDERS] = {0};
	unsigned n = find_loops(worlds, which, loops);
	uint64_t turns;

	check_results(which, loops, n);
	turns = 1 + (uint64_t)(options->time * 1000 / time_loop(loops[n - 1].loop, 1000));
	for (unsigned r = 0; r < options->repeat; r++) {
		double empty = 0;

		for (unsigned i = 0; i < n; i++) {
			double value = time_loop(loops[i].loop, turns);

			empty = i == 0 ? value : empty;
			results[i].values[r] = i == 0 ? value : value - empty;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		results[i].group = "runtime";
		results[i].name = which->name;
		results[i].what = loops[i].what;
		results[i].unit = i == 0 ? "ns/turn" : "ns/site";
		results[i].n = turns;
		results[i].nvalues = options->repeat;
	}
	result_print(results, n, options->table);
}

/* ---- The command line ---- */

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {{"repeat", required_argument, NULL, 'r'},
					      {"time", required_argument, NULL, 'u'},
					      {"spoil", no_argument, NULL, 'x'},
					      {"json", no_argument, NULL, 'j'},
					      {"table", no_argument, NULL, 't'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct options options = {.repeat = 51, .time = 500, .table = isatty(STDOUT_FILENO)};

	for (int option; (option = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
		switch (option) {
		case 'r': options.repeat = result_number("runtime", optarg, RESULT_VALUES); break;
		case 'u': options.time = result_number("runtime", optarg, 1000000); break;
		case 'x': options.spoil = true; break;
		case 'j': options.table = false; break;
		case 't': options.table = true; break;
		case 'h': fputs(help, stdout); exit(0);
		default: result_wrong_use("runtime", "cannot take", argv[optind - 1]);
		}
	}
	if (optind < argc)
		result_wrong_use("runtime", "cannot take", argv[optind]);
	return options;
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	struct runtime_world worlds[RUNTIME_STATES];

	for (unsigned s = 0; s < RUNTIME_STATES; s++)
		runtime_world_load(&worlds[s], s, UNIX_OBJECT, LOOPS_OBJECT,
				   options.spoil && s == RUNTIME_PATCHED);
	if (worlds[0].loops->nsites < CASES)
		result_refuse("runtime: %u sites in %zu loops", worlds[0].loops->nsites, CASES);
	set_flags(&worlds[RUNTIME_PATCHED]);
	for (unsigned i = 0; i < CASES; i++)
		measure(worlds, &cases[i], &options);
	return 0;
}

/*
 * watch LOG BEGIN END WITHIN: reads what QEMU logs with `log exec,nochain` and `singlestep on`, one
 * line an instruction, and tells in a few thousand lines what millions of them said. observe.py
 * compiles it, runs it, and judges.
 *
 * It prints `COUNT FROM FROM-STATE TO TO-STATE` for each pair of instructions that followed one
 * another, and `within N`: how often WITHIN ran between BEGIN, reached from the kernel with AC set,
 * and END. The three are addresses; a state is that of flags below.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bits of the flags that QEMU looks up translated code by: those of the CPU's hidden flags (CPL,
 * SMAP) and of EFLAGS (AC). */
#define LOGGED_CPL  3u
#define LOGGED_AC   (1u << 18)
#define LOGGED_SMAP (1u << 23)
#define COUNT_MASK  0x1ffu /* of the last column: how many instructions there are to a line */

enum { STATE_USER = 1, STATE_AC = 2, STATE_SMAP = 4 };

#define ROOM  (1u << 21) /* pairs */
#define ENTRY 3          /* instructions from the first of a trap up to BEGIN, at most */

struct step {
	uint64_t pc;
	unsigned state;
};

struct pair {
	struct step from, to;
	uint64_t count;
};

static struct pair *pairs;
static unsigned npairs;
static uint64_t begin, end, within, nwithin;
static uint64_t since_user; /* instructions of the kernel since the last of a user */
static int inside;

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "watch: %s: %s\n", what, detail);
	exit(1);
}

static void count(const struct step *from, const struct step *to)
{
	uint64_t hash = (from->pc * 31 + to->pc) * 0x9e3779b97f4a7c15 + from->state * 8 + to->state;
	unsigned at = (unsigned)(hash >> 43) % ROOM;

	while (pairs[at].count &&
	       (pairs[at].from.pc != from->pc || pairs[at].to.pc != to->pc ||
		pairs[at].from.state != from->state || pairs[at].to.state != to->state))
		at = (at + 1) % ROOM;
	if (!pairs[at].count) {
		pairs[at].from = *from;
		pairs[at].to = *to;
		if (++npairs > ROOM / 2)
			die("too many different pairs", "make ROOM larger");
	}
	pairs[at].count++;
}

static void follow(const struct step *step)
{
	since_user = step->state & STATE_USER ? 0 : since_user + 1;
	if (step->pc == begin)
		inside = step->state & STATE_AC && since_user > ENTRY;
	else if (step->pc == end)
		inside = 0;
	else if (step->pc == within)
		nwithin += (unsigned)inside;
}

/* `Trace CPU: HOST [CS-BASE/PC/FLAGS/COMPILED] NAME` */
static struct step parse(const char *line)
{
	const char *at = strchr(line, '[');
	unsigned long flags, compiled;
	struct step step;
	char *next;

	if (!at || !(at = strchr(at, '/')))
		die("not understood", line);
	step.pc = strtoul(at + 1, &next, 16);
	flags = strtoul(next + 1, &next, 16);
	compiled = strtoul(next + 1, &next, 16);
	if (*next != ']')
		die("not understood", line);
	if ((compiled & COUNT_MASK) != 1)
		die("more than one instruction", line);
	step.state = (flags & LOGGED_CPL ? STATE_USER : 0) | (flags & LOGGED_AC ? STATE_AC : 0) |
		     (flags & LOGGED_SMAP ? STATE_SMAP : 0);
	return step;
}

/* A line tells what is about to run; a line `Stopped` takes the one before it back. observe.py
 * itself writes the last one. */
static void read_log(FILE *log)
{
	struct step last = {0, 0}, next = {0, 0};
	int have_last = 0, have_next = 0;
	char line[512];

	while (fgets(line, sizeof(line), log) && strcmp(line, "End\n") != 0) {
		int is_trace = strncmp(line, "Trace ", 6) == 0;

		if (have_next && strncmp(line, "Stopped ", 8) != 0) {
			if (have_last)
				count(&last, &next);
			follow(&next);
			last = next;
			have_last = 1;
		}
		have_next = is_trace;
		if (is_trace)
			next = parse(line);
	}
	if (have_last && have_next)
		count(&last, &next);
}

int main(int argc, char **argv)
{
	FILE *log = argc == 5 ? fopen(argv[1], "r") : NULL;

	if (!log)
		die("usage", "watch LOG BEGIN END WITHIN");
	begin = strtoul(argv[2], NULL, 0);
	end = strtoul(argv[3], NULL, 0);
	within = strtoul(argv[4], NULL, 0);
	pairs = calloc(ROOM, sizeof(*pairs));
	if (!pairs)
		die("no memory", "for the pairs");
	read_log(log);
	for (unsigned i = 0; i < ROOM; i++)
		if (pairs[i].count)
			printf("%lu %lx %u %lx %u\n", pairs[i].count, pairs[i].from.pc,
			       pairs[i].from.state, pairs[i].to.pc, pairs[i].to.state);
	printf("within %lu\n", nwithin);
	return 0;
}

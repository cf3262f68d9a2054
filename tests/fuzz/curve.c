/*
 * Loads one crafted object (curve.h) and says what it took, as a line of JSON. Linked twice: against
 * krtld as it is, for the time; and against krtld compiled with -fsanitize-coverage=trace-pc, which
 * calls back at each basic block, so that steps are counted without a clock. Called by curve.py.
 *
 * usage: curve            lists the cases, "NAME<tab>what it is"
 *        curve NAME N
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <criterion/criterion.h>

#include "loader/krtld.h"
#include "tests/fuzz/curve.h"
#include "tests/host/table.h"

#define REPEATS 5
#define WORD    16 /* bytes that memcpy() and its like do in a step */

void __sanitizer_cov_trace_pc(void);
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);
void *__wrap_memset(void *to, int byte, size_t size);
int __real_memcmp(const void *a, const void *b, size_t size);
int __wrap_memcmp(const void *a, const void *b, size_t size);

static uint64_t steps;

void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

void *__wrap_memcpy(void *to, const void *from, size_t size)
{
	steps += size / WORD;
	return __real_memcpy(to, from, size);
}

void *__wrap_memset(void *to, int byte, size_t size)
{
	steps += size / WORD;
	return __real_memset(to, byte, size);
}

int __wrap_memcmp(const void *a, const void *b, size_t size)
{
	steps += size / WORD;
	return __real_memcmp(a, b, size);
}

/* ---- A world that only counts ---- */

struct account {
	struct krtld krtld;
	uint64_t now, peak; /* bytes */
	uint64_t reports;
	char line[256]; /* the first of them */
};

static void *count_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			 uint64_t *address)
{
	struct account *account = ctx;
	void *bytes = NULL;

	if (posix_memalign(&bytes, align < 16 ? 16 : align, size))
		return NULL;
	__real_memset(bytes, 0, size);
	account->now += size;
	account->peak = account->now > account->peak ? account->now : account->peak;
	if (kind != KRTLD_META)
		*address = 0xffffffff80000000ul + 0x20000000ul * kind;
	return bytes;
}

static void count_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	struct account *account = ctx;

	(void)kind;
	(void)address;
	account->now -= size;
	free(bytes);
}

static bool allow(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)kind;
	(void)bytes;
	(void)address;
	(void)size;
	return true;
}

static void count_report(void *ctx, const struct krtld_error *error)
{
	struct account *account = ctx;

	if (!account->reports++)
		krtld_error_line(error, table_common(), account->line, sizeof(account->line));
}

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000ul + (uint64_t)now.tv_nsec;
}

struct result {
	uint64_t steps, memory, time;
	bool loaded;
};

/* One load and one unload. */
static struct result measure(struct account *account, const struct image *file)
{
	struct result result = {.time = nanoseconds()};
	uint64_t before = account->now;
	struct krtld_module *module;

	steps = 0;
	account->peak = before;
	account->reports = 0;
	module = krtld_load(&account->krtld, "crafted", file->bytes, file->size);
	result.loaded = module != NULL;
	if (module && !krtld_unload(&account->krtld, module))
		cr_assert_fail("unload was refused: %s", account->line);
	result.steps = steps;
	result.time = nanoseconds() - result.time;
	result.memory = account->peak - before;
	return result;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct result *)a)->time, y = ((const struct result *)b)->time;

	return x < y ? -1 : x > y;
}

static void run(const struct craft *craft, uint32_t n)
{
	static const struct krtld_ops ops = {
	    .alloc = count_alloc, .free = count_free, .protect = allow, .report = count_report};
	struct account account = {.krtld = {.ops = &ops}};
	struct crafted crafted = craft->make(n);
	struct result results[REPEATS];

	account.krtld.ctx = &account;
	account.krtld.machine = table_machine(table_common(), "popcnt up");
	if (crafted.before.bytes &&
	    !krtld_load(&account.krtld, "before", crafted.before.bytes, crafted.before.size))
		fprintf(stderr, "%s: before it: %s\n", craft->name, account.line);
	for (unsigned i = 0; i < REPEATS; i++)
		results[i] = measure(&account, &crafted.file);
	qsort(results, REPEATS, sizeof(results[0]), by_time);
	printf("{\"n\": %u, \"bytes\": %zu, \"steps\": %lu, \"memory\": %lu, \"time\": %lu,"
	       " \"loaded\": %s, \"reports\": %lu}\n",
	       n, crafted.file.size + crafted.before.size, results[0].steps, results[0].memory,
	       results[REPEATS / 2].time, results[0].loaded ? "true" : "false", account.reports);
	if (account.reports)
		fprintf(stderr, "%s: %s\n", craft->name, account.line);
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < ncrafts; i++) {
		if (argc == 1) {
			printf("%s\t%s\n", crafts[i].name, crafts[i].what);
		} else if (argc == 3 && !strcmp(argv[1], crafts[i].name)) {
			run(&crafts[i], (uint32_t)strtoul(argv[2], NULL, 0));
			return 0;
		}
	}
	if (argc == 1)
		return 0;
	fprintf(stderr, "usage: curve [CASE N]; curve alone lists the cases\n");
	return 64;
}

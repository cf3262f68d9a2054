/*
 * --cpu: which machine the host tool decides for. A list of features, none at all, or the machine
 * that it runs on.
 */
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "loader/tool/tool.h"

static void host_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	(void)ctx;
	memset(regs, 0, 4 * sizeof *regs);
#if defined(__x86_64__)
	__cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
#else
	(void)leaf;
	(void)subleaf;
#endif
}

/* Levenshtein's distance between two names, which are short. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), *row = claim(n + 1, sizeof *row), result;

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
			row[j] = best;
		}
	}
	result = row[n];
	free(row);
	return result;
}

static void complain_unknown(const struct hot_table *table, const char *name)
{
	size_t best = SIZE_MAX, room = 1;
	const char *nearest = "none";
	char *list;

	for (unsigned i = 0; i < table->nfeatures; i++) {
		size_t here = distance(name, table->features[i].name);

		room += strlen(table->features[i].name) + 1;
		if (here < best) {
			best = here;
			nearest = table->features[i].name;
		}
	}
	list = claim(room, 1);
	for (unsigned i = 0; i < table->nfeatures; i++) {
		strcat(list, i ? " " : "");
		strcat(list, table->features[i].name);
	}
	complain("--cpu: no feature `%s', did you mean `%s'? There are: %s", name, nearest, list);
	free(list);
}

static int find_feature(const struct hot_table *table, const char *name)
{
	for (unsigned i = 0; i < table->nfeatures; i++) {
		if (strcmp(table->features[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static bool read_list(const struct hot_table *table, const char *text,
		      struct hot_features *features)
{
	size_t size = strlen(text) + 1;
	char *list = memcpy(claim(size, 1), text, size), *rest = list, *name;
	bool ok = true;

	while ((name = strtok_r(rest, ",", &rest))) {
		int feature = find_feature(table, name);

		if (feature < 0) {
			complain_unknown(table, name);
			ok = false;
			continue;
		}
		features->set[feature / 64] |= (uint64_t)1 << (feature % 64);
	}
	free(list);
	return ok;
}

/* A derived feature follows from the others; to name one that does not is a mistake. */
static bool derive(const struct hot_table *table, struct hot_features *features)
{
	for (unsigned i = 0; i < table->nfeatures; i++) {
		const struct hot_feature *feature = &table->features[i];
		uint64_t bit = (uint64_t)1 << (i % 64);

		if (feature->kind != HOT_DERIVED)
			continue;
		if (hot_condition(table, features, feature->condition)) {
			features->set[i / 64] |= bit;
		} else if (features->set[i / 64] & bit) {
			complain(
			    "--cpu: feature `%s' does not follow from the others, it is derived: %s",
			    feature->name, feature->source);
			return false;
		}
	}
	return true;
}

int decide(struct tool *tool)
{
	const struct hot_table *table = tool->krtld.machine->table;
	const struct hot_env env = {.cpuid = host_cpuid};
	struct hot_features features;

	memset(&features, 0, sizeof features);
	if (!tool->cpu) {
		tool->unpatched = true;
		return EXIT_LOADED;
	}
	if (strcmp(tool->cpu, "host") == 0) {
		hot_features_read(table, &env, &features);
	} else if (!tool->cpu[0]) {
		complain("--cpu: the list is empty, write `none' for no feature");
		return EXIT_USE;
	} else {
		bool none = strcmp(tool->cpu, "none") == 0;

		if ((!none && !read_list(table, tool->cpu, &features)) || !derive(table, &features))
			return EXIT_USE;
	}
	hot_decide(tool->krtld.machine, &features);
	return EXIT_LOADED;
}

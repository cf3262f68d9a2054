/* Conditions and selection: hot_condition(), hot_select(), hot_decide(), hot_find(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/table.h"

struct row {
	const char *condition;
	bool truth[4]; /* for b a = 00, 01, 10, 11 */
};

static struct table *two_features(void)
{
	struct table *table = table_new();

	table_boot(table, "a");
	table_boot(table, "b");
	return table;
}

Test(conditions, every_operator_has_its_truth_table)
{
	static const struct row rows[] = {
	    {"a", {0, 1, 0, 1}},
	    {"b", {0, 0, 1, 1}},
	    {"a !", {1, 0, 1, 0}},
	    {"a ! !", {0, 1, 0, 1}},
	    {"a b &", {0, 0, 0, 1}},
	    {"a b |", {0, 1, 1, 1}},
	    {"a b ! &", {0, 1, 0, 0}},
	    {"a ! b |", {1, 0, 1, 1}},
	    {"a b & !", {1, 1, 1, 0}},
	    {"a b | !", {1, 0, 0, 0}},
	    {"a b ! & a ! b & |", {0, 1, 1, 0}},
	    {"a b a & &", {0, 0, 0, 1}},
	    {"a a ! |", {1, 1, 1, 1}},
	    {"a a ! &", {0, 0, 0, 0}},
	};
	struct table *table = two_features();

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t program = table_condition(table, rows[i].condition);

		for (unsigned set = 0; set < 4; set++) {
			struct hot_features features = {{set}};

			cr_expect_eq(hot_condition(&table->t, &features, program),
				     rows[i].truth[set], "%s with b a = %u%u", rows[i].condition,
				     set >> 1, set & 1);
		}
	}
}

Test(conditions, always_holds_without_a_feature)
{
	struct hot_features none = {{0}};

	cr_expect(hot_condition(&two_features()->t, &none, HOT_ALWAYS));
}

/* a a a … & & &: every operand is pending before the first operator. */
static uint32_t deepest(struct table *table, uint16_t operator)
{
	uint32_t start = table->t.nconditions;

	for (unsigned i = 0; i < HOT_DEPTH_MAX; i++)
		table->conditions[table->t.nconditions++] = (uint16_t)(i & 1);
	for (unsigned i = 1; i < HOT_DEPTH_MAX; i++)
		table->conditions[table->t.nconditions++] = operator;
	table->conditions[table->t.nconditions++] = HOT_OP_END;
	return start;
}

Test(conditions, the_deepest_condition_is_evaluated)
{
	struct table *table = two_features();
	uint32_t all = deepest(table, HOT_OP_AND);
	uint32_t any = deepest(table, HOT_OP_OR);

	for (unsigned set = 0; set < 4; set++) {
		struct hot_features features = {{set}};

		cr_expect_eq(hot_condition(&table->t, &features, all), set == 3, "and, %u", set);
		cr_expect_eq(hot_condition(&table->t, &features, any), set != 0, "or, %u", set);
	}
}

Test(conditions, the_last_of_512_features_is_an_operand)
{
	struct table *table = table_new();
	static char names[HOT_FEATURES_MAX][8];
	struct hot_features features = {{0}};
	uint32_t program;

	for (unsigned i = 0; i < HOT_FEATURES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%u", i);
		table_boot(table, names[i]);
	}
	program = table_condition(table, "f511 f0 ! &");
	cr_expect(!hot_condition(&table->t, &features, program));
	features.set[7] = 1ul << 63;
	cr_expect(hot_condition(&table->t, &features, program));
}

/* Every condition over three features of up to seven words, against an evaluation by recursion. */
static bool by_recursion(const uint16_t *words, int *at, unsigned set)
{
	uint16_t word = words[(*at)--];
	bool left, right;

	if (word == HOT_OP_NOT)
		return !by_recursion(words, at, set);
	if (word != HOT_OP_AND && word != HOT_OP_OR)
		return set >> word & 1;
	right = by_recursion(words, at, set);
	left = by_recursion(words, at, set);
	return word == HOT_OP_AND ? left && right : left || right;
}

Test(conditions, random_programs_agree_with_an_evaluation_by_recursion)
{
	struct table *table = table_new();
	unsigned seed = 20, depth, n;

	table_boot(table, "a");
	table_boot(table, "b");
	table_boot(table, "c");
	for (unsigned round = 0; round < 3000; round++) {
		uint16_t *words = table->conditions;

		for (n = depth = 0; n < 40 || depth > 1; n++) {
			unsigned die = (unsigned)rand_r(&seed) % 8;

			if (depth > 1 && (die < 3 || n >= 40)) {
				words[n] = die & 1 ? HOT_OP_AND : HOT_OP_OR;
				depth--;
			} else if (depth && die == 3) {
				words[n] = HOT_OP_NOT;
			} else {
				words[n] = (uint16_t)(die % 3);
				depth++;
			}
		}
		words[n] = HOT_OP_END;
		table->t.nconditions = n + 1;
		for (unsigned set = 0; set < 8; set++) {
			struct hot_features features = {{set}};
			int at = (int)n - 1;

			cr_expect_eq(hot_condition(&table->t, &features, 0),
				     by_recursion(words, &at, set), "round %u, set %u", round, set);
		}
	}
}

static struct table *five_ways(void)
{
	struct table *table = two_features();

	table_hotinline(table, "five", 5);
	table_alternative(table, "a b &", "90", false);
	table_alternative(table, "b", "90 90", false);
	table_alternative(table, "a b |", "90 90 90", false);
	table_alternative(table, NULL, "90 90 90 90", false);
	return table;
}

Test(selection, the_first_alternative_whose_condition_holds_is_chosen)
{
	static const unsigned want[4] = {3, 2, 1, 0};
	struct table *table = five_ways();

	for (unsigned set = 0; set < 4; set++) {
		struct hot_features features = {{set}};

		cr_expect_eq(hot_select(&table->t, &features, 0), want[set], "b a = %u%u: %u",
			     set >> 1, set & 1, hot_select(&table->t, &features, 0));
	}
}

Test(selection, a_hotinline_with_only_a_baseline_has_that)
{
	struct table *table = two_features();
	struct hot_features all = {{3}};

	table_hotinline(table, "one", 5);
	table_alternative(table, NULL, "90", false);
	cr_expect_eq(hot_select(&table->t, &all, 0), 0);
}

Test(selection, a_hotinline_that_is_not_in_the_table_has_no_alternative)
{
	struct table *table = five_ways();
	struct hot_features all = {{3}};

	cr_expect_eq(hot_select(&table->t, &all, table->t.nhotinlines - 1), 0);
	cr_expect_eq(hot_select(&table->t, &all, table->t.nhotinlines), HOT_NONE);
	cr_expect_eq(hot_select(&table->t, &all, UINT32_MAX), HOT_NONE);
}

Test(decision, choices_of_all_hotinlines_are_sealed)
{
	const struct hot_table *table = table_common();
	struct hot_machine *machine = table_machine(table, "erms xen");

	cr_expect(machine->decided);
	for (unsigned i = 0; i < table->nhotinlines; i++)
		cr_expect_eq(machine->chosen[i], hot_select(table, &machine->features, i), "%s",
			     table->hotinlines[i].name);
	cr_expect_eq(machine->chosen[hot_find(table, "wclean")], 1, "erms holds, fast does not");
	free(machine);
}

Test(decision, a_new_machine_is_undecided_and_knows_no_address)
{
	const struct hot_table *table = table_common();
	size_t size = hot_machine_size(table);
	void *memory = malloc(size);
	struct hot_machine *machine;

	memset(memory, 0xff, size);
	machine = hot_machine_init(memory, table);
	cr_expect(!machine->decided);
	cr_expect_eq(machine->table, table);
	for (unsigned i = 0; i < table->nhotinlines; i++)
		cr_expect_eq(machine->stubs[i], 0, "stub %u", i);
	for (unsigned i = 0; i < table->nsymbols; i++)
		cr_expect_eq(machine->symbols[i], 0, "symbol %u", i);
	free(memory);
}

/* With AddressSanitizer, malloc() of exactly that size finds every byte beyond it. */
Test(decision, a_machine_fits_the_size_it_asks_for)
{
	struct hot_machine *machine = table_machine(table_common(), "smap");
	memset(machine->chosen, 0, table_common()->nhotinlines);
	free(machine);
}

Test(find, every_hotinline_is_found_by_its_name)
{
	const struct hot_table *table = table_common();

	for (unsigned i = 0; i < table->nhotinlines; i++)
		cr_expect_eq(hot_find(table, table->hotinlines[i].name), i, "%s",
			     table->hotinlines[i].name);
}

/* strcmp order, in which no byte is negative. */
Test(find, names_are_in_the_order_of_their_bytes)
{
	static const char *const names[] = {"a", "a\x7f", "a\x80", "b", "\xc3\xa9"};
	struct table *table = table_new();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		table_hotinline(table, names[i], 5);
		table_alternative(table, NULL, "90", false);
	}
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_eq(hot_find(&table->t, names[i]), i, "%s", names[i]);
}

Test(find, a_name_that_is_none_is_not_found)
{
	static const char *const names[] = {"",      "a",          "coun",   "countt",
					    "Count", "wpai",       "wpairs", "xsmap ",
					    "zzz",   "count_soft", "\xff"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_eq(hot_find(table_common(), names[i]), HOT_NONE, "\"%s\"", names[i]);
	cr_expect_eq(hot_find(&table_new()->t, "count"), HOT_NONE, "an empty table");
}

/* hot_table_check() and hot_machine_init(): a table that this engine cannot read is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "hottable.h"
#include "tests/host/table.h"

/* Neither checked as sound, nor made a machine of. */
static void refuse(const struct table *table, enum hot_reason reason, const char *what)
{
	_Alignas(uint64_t) static uint8_t memory[1 << 16];

	cr_expect_eq(hot_table_check(&table->t), reason, "%s: %s", what,
		     hot_reason_text(hot_table_check(&table->t)));
	cr_expect_null(hot_machine_init(memory, &table->t), "%s: a machine", what);
}

#define REFUSE(reason, field, value)                                                               \
	do {                                                                                       \
		struct table *table = table_copy(table_common());                                  \
                                                                                                   \
		table->field = value;                                                              \
		refuse(table, reason, #field " = " #value);                                        \
		free(table);                                                                       \
	} while (0)

Test(table, what_hotc_and_the_tests_make_is_sound)
{
	struct table *table = table_copy(table_common());

	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	cr_expect_eq(hot_table_check(&hot_table), HOT_OK);
	table->t.entry = 4;
	table->t.return_thunk = 0;
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	free(table);
}

/* Twin: the layout before this one began with the fingerprint. */
Test(table, one_of_another_layout_is_refused)
{
	REFUSE(HOT_E_LAYOUT, t.layout, 0);
	REFUSE(HOT_E_LAYOUT, t.layout, HOT_LAYOUT + (1ull << 56));
	REFUSE(HOT_E_LAYOUT, t.layout, 0x1234);
	cr_expect_eq(hot_table_check(NULL), HOT_E_LAYOUT);
	cr_expect_eq(hot_machine_size(NULL), 0);
}

Test(table, an_empty_one_is_refused)
{
	struct hot_table zeros = {0};

	cr_expect_eq(hot_table_check(&zeros), HOT_E_LAYOUT);
	cr_expect_eq(hot_machine_size(&zeros), 0);
	REFUSE(HOT_E_EMPTY, t.nhotinlines, 0);
}

Test(table, an_index_beyond_its_array_is_refused)
{
	REFUSE(HOT_E_TABLE, hotinlines[0].alternatives, UINT32_MAX);
	REFUSE(HOT_E_TABLE, hotinlines[0].alternatives, table->t.nalternatives - 1);
	REFUSE(HOT_E_TABLE, hotinlines[0].nalternatives, 255);
	REFUSE(HOT_E_TABLE, alternatives[0].code, table->t.ncode - 4);
	REFUSE(HOT_E_TABLE, alternatives[0].code, UINT32_MAX);
	REFUSE(HOT_E_TABLE, alternatives[1].fixups, table->t.nfixups);
	REFUSE(HOT_E_TABLE, alternatives[1].nfixups, 255);
	REFUSE(HOT_E_TABLE, alternatives[0].condition, table->t.nconditions);
	REFUSE(HOT_E_TABLE, fixups[0].symbol, table->t.nsymbols);
	REFUSE(HOT_E_TABLE, fixups[0].offset, 2);
	REFUSE(HOT_E_TABLE, conditions[0], table->t.nfeatures);
	REFUSE(HOT_E_TABLE, conditions[0], HOT_OP_NOT - 1);
	REFUSE(HOT_E_TABLE, features[6].condition, table->t.nconditions);
	REFUSE(HOT_E_TABLE, features[0].kind, HOT_DERIVED + 1);
	REFUSE(HOT_E_TABLE, features[0].reg, 4);
	REFUSE(HOT_E_TABLE, features[0].bit, 32);
	REFUSE(HOT_E_TABLE, features[3].signature[12], 'x');
	REFUSE(HOT_E_TABLE, t.return_thunk, table->t.nsymbols);
	REFUSE(HOT_E_TABLE, t.nfeatures, HOT_FEATURES_MAX + 1);
}

Test(table, what_is_missing_or_of_a_wrong_size_is_refused)
{
	REFUSE(HOT_E_TABLE, t.features, NULL);
	REFUSE(HOT_E_TABLE, t.hotinlines, NULL);
	REFUSE(HOT_E_TABLE, t.alternatives, NULL);
	REFUSE(HOT_E_TABLE, t.fixups, NULL);
	REFUSE(HOT_E_TABLE, t.symbols, NULL);
	REFUSE(HOT_E_TABLE, t.conditions, NULL);
	REFUSE(HOT_E_TABLE, t.code, NULL);
	REFUSE(HOT_E_TABLE, t.entry, 1);
	REFUSE(HOT_E_TABLE, t.entry, 3);
	REFUSE(HOT_E_TABLE, t.entry, 5);
	REFUSE(HOT_E_TABLE, t.entry, 8);
	REFUSE(HOT_E_TABLE, hotinlines[0].nalternatives, 0);
	REFUSE(HOT_E_TABLE, hotinlines[0].size, 4);
	REFUSE(HOT_E_TABLE, hotinlines[0].size, 6);
	REFUSE(HOT_E_TABLE, hotinlines[0].size, HOT_SITE_MAX + 1);
	REFUSE(HOT_E_TABLE, hotinlines[0].name, NULL);
	REFUSE(HOT_E_TABLE, hotinlines[1].name, "count"); /* as the first: not in order */
	REFUSE(HOT_E_TABLE, alternatives[0].size, 6);
	REFUSE(HOT_E_TABLE, alternatives[0].text, NULL);
	REFUSE(HOT_E_TABLE, alternatives[0].when, NULL);
	REFUSE(HOT_E_TABLE, alternatives[0].tail, true);   /* without a fix-up */
	REFUSE(HOT_E_TABLE, alternatives[1].condition, 0); /* a baseline with a condition */
	REFUSE(HOT_E_TABLE, features[0].name, NULL);
	REFUSE(HOT_E_TABLE, features[0].source, NULL);
	REFUSE(HOT_E_TABLE, symbols[0], NULL);
	REFUSE(HOT_E_TABLE, conditions[table->t.nconditions - 1], 0); /* never ends */
	REFUSE(HOT_E_TABLE, conditions[table->t.nconditions - 1], HOT_OP_NOT);
	REFUSE(HOT_E_TABLE, conditions[table->t.nconditions - 1], HOT_OP_OR);
}

/* Of code that would fit a narrower one, too. */
Test(table, a_site_has_5_bytes_or_7_to_64)
{
	for (unsigned size = 0; size <= HOT_SITE_MAX + 2; size++) {
		bool good = size == 5 || (size >= 7 && size <= HOT_SITE_MAX);
		struct table *table = table_new();

		table_hotinline(table, "one", size);
		table_alternative(table, NULL, "90", false);
		if (good)
			cr_expect_eq(hot_table_check(&table->t), HOT_OK, "size %u", size);
		else
			refuse(table, HOT_E_TABLE, "a size");
	}
}

Test(table, there_are_512_features_at_most)
{
	static struct hot_feature features[HOT_FEATURES_MAX + 1];
	struct table *table = table_copy(table_common());

	for (unsigned i = 0; i <= HOT_FEATURES_MAX; i++)
		features[i] =
		    (struct hot_feature){.name = "up", .source = "boot", .kind = HOT_BOOT};
	table->t.features = features;
	table->t.nfeatures = HOT_FEATURES_MAX;
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	table->t.nfeatures++;
	refuse(table, HOT_E_TABLE, "a feature more");
	free(table);
}

/* HOT_NONE is none of them. Twins: one less. */
Test(table, an_index_that_means_none_is_not_one)
{
	struct table *table = table_copy(table_common());
	struct hotinline *many = calloc(HOT_NONE, sizeof(*many));
	char(*names)[6] = calloc(HOT_NONE, sizeof(*names));
	const char **symbols = calloc(HOT_NONE, sizeof(*symbols));

	for (unsigned i = 0; i < HOT_NONE; i++) {
		snprintf(names[i], sizeof(names[i]), "%05u", i);
		many[i] = table->hotinlines[0];
		many[i].name = symbols[i] = names[i];
	}
	table->t.hotinlines = many;
	table->t.nhotinlines = HOT_NONE - 1;
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	table->t.nhotinlines = HOT_NONE;
	cr_expect_eq(hot_table_check(&table->t), HOT_E_TABLE);
	table->t.nhotinlines = 1;
	table->t.symbols = symbols;
	table->t.nsymbols = HOT_NONE - 1;
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	table->t.nsymbols = HOT_NONE;
	cr_expect_eq(hot_table_check(&table->t), HOT_E_TABLE);
	free(symbols);
	free(names);
	free(many);
	free(table);
}

/* Four bytes hold a fix-up, but no jump to its symbol. Twin: code that is not a tail. */
Test(table, a_tail_that_is_shorter_than_a_branch_is_refused)
{
	struct table *table = table_copy(table_common());
	struct hot_alternative *tail = &table->alternatives[1];

	cr_assert(tail->tail && tail->nfixups == 1);
	tail->size = 4;
	table->fixups[tail->fixups].offset = 0;
	refuse(table, HOT_E_TABLE, "a tail of 4 bytes");
	tail->tail = false;
	cr_expect_eq(hot_table_check(&table->t), HOT_OK);
	free(table);
}

/* Whatever was in its memory: no address, no choice, nothing ready. */
Test(table, a_machine_begins_with_nothing)
{
	const struct hot_table *table = table_common();
	size_t size = hot_machine_size(table);
	uint8_t *memory = malloc(size);
	const uint8_t *rest;
	struct hot_machine *machine;

	memset(memory, 0xa5, size);
	machine = hot_machine_init(memory, table);
	cr_expect_eq(machine->table, table);
	cr_expect(!machine->decided);
	rest = (const uint8_t *)(machine + 1);
	for (size_t i = 0; i < size - sizeof(*machine); i++)
		cr_expect_eq(rest[i], 0, "byte %zu", i);
	cr_expect_eq(machine->chosen + table->nhotinlines, memory + size, "all of it is used");
	free(memory);
}

/* Twin: the same memory, aligned. */
Test(table, memory_that_a_machine_cannot_be_in_is_refused)
{
	const struct hot_table *table = table_common();
	uint8_t *memory = malloc(hot_machine_size(table) + 8);

	cr_expect_null(hot_machine_init(NULL, table));
	cr_expect_null(hot_machine_init(memory + 1, table));
	cr_expect_not_null(hot_machine_init(memory, table));
	free(memory);
}

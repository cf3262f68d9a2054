/* Patch tables made by hand; see table.h. */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/table.h"

#define NAME_MAX_LENGTH 64

static struct table *with_its_own_arrays(struct table *table)
{
	table->t.features = table->features;
	table->t.hotinlines = table->hotinlines;
	table->t.alternatives = table->alternatives;
	table->t.fixups = table->fixups;
	table->t.symbols = table->symbols;
	table->t.conditions = table->conditions;
	table->t.code = table->code;
	return table;
}

struct table *table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	cr_assert(table);
	table->t.layout = HOT_LAYOUT;
	table->t.fingerprint = 0x1234;
	table->t.return_thunk = HOT_NONE;
	return with_its_own_arrays(table);
}

struct table *table_copy(const struct hot_table *table)
{
	struct table *copy = malloc(sizeof(*copy));

	cr_assert(copy);
	memcpy(copy, table, sizeof(*copy)); /* the first member of a struct table */
	return with_its_own_arrays(copy);
}

unsigned table_feature(const struct hot_table *table, const char *name)
{
	for (unsigned i = 0; i < table->nfeatures; i++)
		if (!strcmp(table->features[i].name, name))
			return i;
	cr_assert_fail("no feature \"%s\"", name);
	return 0;
}

static struct hot_feature *add_feature(struct table *table, const char *name,
				       enum hot_feature_kind kind)
{
	struct hot_feature *feature = &table->features[table->t.nfeatures++];

	feature->name = name;
	feature->source = name;
	feature->kind = (uint8_t)kind;
	return feature;
}

unsigned table_cpuid(struct table *table, const char *name, uint32_t leaf, uint32_t subleaf,
		     unsigned reg, unsigned bit)
{
	struct hot_feature *feature = add_feature(table, name, HOT_CPUID);

	feature->leaf = leaf;
	feature->subleaf = subleaf;
	feature->reg = (uint8_t)reg;
	feature->bit = (uint8_t)bit;
	return table->t.nfeatures - 1u;
}

unsigned table_signature(struct table *table, const char *name, enum hot_feature_kind kind,
			 const char *signature)
{
	struct hot_feature *feature = add_feature(table, name, kind);

	strncpy(feature->signature, signature, sizeof(feature->signature) - 1);
	return table->t.nfeatures - 1u;
}

unsigned table_boot(struct table *table, const char *name)
{
	add_feature(table, name, HOT_BOOT);
	return table->t.nfeatures - 1u;
}

unsigned table_derived(struct table *table, const char *name, const char *condition)
{
	uint32_t program = table_condition(table, condition);

	add_feature(table, name, HOT_DERIVED)->condition = program;
	return table->t.nfeatures - 1u;
}

static uint16_t condition_word(const struct table *table, const char *word)
{
	switch (word[0]) {
	case '!': return HOT_OP_NOT;
	case '&': return HOT_OP_AND;
	case '|': return HOT_OP_OR;
	default: return (uint16_t)table_feature(&table->t, word);
	}
}

/* The next word of text into word; what follows it, or NULL where there was none. */
static const char *next_word(const char *text, char word[NAME_MAX_LENGTH])
{
	size_t length;

	text += strspn(text, " ");
	length = strcspn(text, " ");
	if (!length)
		return NULL;
	cr_assert(length < NAME_MAX_LENGTH);
	memcpy(word, text, length);
	word[length] = 0;
	return text + length;
}

uint32_t table_condition(struct table *table, const char *condition)
{
	uint32_t start = table->t.nconditions;
	char word[NAME_MAX_LENGTH];

	if (!condition)
		return HOT_ALWAYS;
	while ((condition = next_word(condition, word)))
		table->conditions[table->t.nconditions++] = condition_word(table, word);
	table->conditions[table->t.nconditions++] = HOT_OP_END;
	return start;
}

unsigned table_hotinline(struct table *table, const char *name, unsigned size)
{
	struct hotinline *hotinline = &table->hotinlines[table->t.nhotinlines++];

	hotinline->name = name;
	hotinline->size = (uint8_t)size;
	hotinline->alternatives = table->t.nalternatives;
	return table->t.nhotinlines - 1u;
}

unsigned table_symbol(struct table *table, const char *name)
{
	for (unsigned i = 0; i < table->t.nsymbols; i++)
		if (!strcmp(table->symbols[i], name))
			return i;
	table->symbols[table->t.nsymbols] = strdup(name);
	return table->t.nsymbols++;
}

/* A bytes_field that makes a fix-up; what the field holds must not matter to the engine. */
static uint32_t add_fixup(void *ctx, size_t offset, const char *name, int64_t addend)
{
	struct table *table = ctx;
	struct hot_fixup *fixup = &table->fixups[table->t.nfixups++];

	fixup->offset = (uint8_t)offset;
	fixup->symbol = (uint16_t)table_symbol(table, name);
	fixup->addend = (int32_t)addend;
	return 0;
}

/* What hotc would say of code that begins with a NOP of two bytes or more, or with a branch: that it
 * is the same after any prefix. Of other code these tables claim nothing, but for `rexed`. */
static uint8_t same_behind(const uint8_t *code, unsigned size)
{
	if (size >= 5 && (code[0] == 0xe8 || code[0] == 0xe9))
		return 0xff;
	if (size >= 3 && code[0] == 0x66 && code[1] == 0x0f)
		code++;
	return size >= 2 && ((code[0] == 0x66 && code[1] == 0x90) ||
			     (code[0] == 0x0f && code[1] == 0x1f))
		   ? 0xff
		   : 0;
}

static bool is_nop(const uint8_t *code, unsigned size)
{
	uint8_t pad[HOT_SITE_MAX];

	hot_arch_pad(pad, size);
	return !memcmp(code, pad, size);
}

void table_alternative(struct table *table, const char *condition, const char *code, bool tail)
{
	struct hotinline *hotinline = &table->hotinlines[table->t.nhotinlines - 1];
	struct hot_alternative *alternative = &table->alternatives[table->t.nalternatives++];
	uint8_t *bytes = table->code + table->t.ncode;

	hotinline->nalternatives++;
	alternative->text = code;
	alternative->when = condition ? condition : "";
	alternative->condition = table_condition(table, condition);
	alternative->code = table->t.ncode;
	alternative->fixups = table->t.nfixups;
	alternative->tail = tail;
	alternative->size = (uint8_t)bytes_parse(code, add_fixup, table, bytes, HOT_SITE_MAX);
	alternative->behind = same_behind(bytes, alternative->size);
	alternative->nop = is_nop(bytes, alternative->size);
	alternative->nfixups = (uint8_t)(table->t.nfixups - alternative->fixups);
	table->t.ncode += alternative->size;
}

static void add_common_features(struct table *t)
{
	table_cpuid(t, "smap", 7, 0, 1, 20);
	table_cpuid(t, "popcnt", 1, 0, 2, 23);
	table_cpuid(t, "erms", 7, 0, 1, 9);
	table_signature(t, "amd", HOT_VENDOR, "AuthenticAMD");
	table_signature(t, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	table_boot(t, "up");
	table_derived(t, "fast", "erms xen ! &");
}

static void add_narrow(struct table *t)
{
	table_hotinline(t, "count", 5);
	table_alternative(t, "popcnt", "f3 48 0f b8 c7", false);
	table_alternative(t, NULL, "e8 @count_soft-4", true);
	table_hotinline(t, "empty", 5);
	table_alternative(t, "up", "", false);
	table_alternative(t, NULL, "90", false);
	table_hotinline(t, "exact", 5);
	table_alternative(t, "up", "b8 2a 00 00 00", false);
	table_alternative(t, NULL, "b8 29 00 00 00", false);
	table_hotinline(t, "four", 5);
	table_alternative(t, "up", "48 0f 01 ca", false);
	table_alternative(t, NULL, "0f 1f 44 00 00", false);
	table_hotinline(t, "lead", 5);
	table_alternative(t, "up", "66 90 89 f8", false);
	table_alternative(t, NULL, "0f 1f 44 00 00", false);
	table_hotinline(t, "rexed", 5);
	table_alternative(t, "up", "0f 01 ca", false);
	t->alternatives[t->t.nalternatives - 1].behind = 1 << (HOT_ARCH_REX - 1);
	table_alternative(t, NULL, "0f 1f 44 00 00", false);
	table_hotinline(t, "two", 5);
	table_alternative(t, "up", "89 f8", false);
	table_alternative(t, NULL, "e8 @two_soft-4", true);
}

static void add_wide(struct table *t)
{
	table_hotinline(t, "wclean", 8);
	table_alternative(t, "fast", "66 0f ae 37", false);
	table_alternative(t, "erms", "66 0f ae 3f 0f 1f 40 00", false);
	table_alternative(t, NULL, "0f ae 3f", false);
	table_hotinline(t, "wfull", 7);
	table_alternative(t, "up", "48 c7 c0 2a 00 00 00", false);
	table_alternative(t, NULL, "b8 07 00 00 00", false);
	table_hotinline(t, "wlong", 64);
	table_alternative(t, "up",
			  "48 b8 11 11 11 11 11 11 11 11 48 b8 22 22 22 22 22 22 22 22"
			  "48 b8 33 33 33 33 33 33 33 33 48 b8 44 44 44 44 44 44 44 44"
			  "48 b8 55 55 55 55 55 55 55 55 48 b8 66 66 66 66 66 66 66 66 89 f8 89 f8",
			  false);
	table_alternative(t, NULL, "e8 @long_soft-4", true);
	table_hotinline(t, "wpair", 12);
	table_alternative(t, "up", "48 8d 05 @datum-4 e8 @pair_soft-4", true);
	table_alternative(t, "erms", "48 8b 05 @datum+4", false);
	table_alternative(t, NULL, "e8 @pair_soft-4", true);
	table_hotinline(t, "xsmap", 5);
	table_alternative(t, "smap", "0f 01 ca", false);
	table_alternative(t, NULL, "0f 1f 44 00 00", false);
}

const struct hot_table *table_common(void)
{
	static struct table *table;

	if (!table) {
		table = table_new();
		add_common_features(table);
		add_narrow(table);
		add_wide(table);
	}
	return &table->t;
}

void table_features(const struct hot_table *table, const char *text, struct hot_features *set)
{
	char word[NAME_MAX_LENGTH];

	memset(set, 0, sizeof(*set));
	while ((text = next_word(text, word))) {
		unsigned i = table_feature(table, word);

		set->set[i / 64] |= 1ul << i % 64;
	}
}

struct hot_machine *table_machine(const struct hot_table *table, const char *features)
{
	void *memory = malloc(hot_machine_size(table));
	struct hot_machine *machine;
	struct hot_features set;

	cr_assert(memory);
	memset(memory, 0xa5, hot_machine_size(table));
	machine = hot_machine_init(memory, table);
	for (unsigned i = 0; i < table->nhotinlines; i++)
		machine->stubs[i] = TABLE_STUBS + 0x100 * i;
	for (unsigned i = 0; i < table->nsymbols; i++)
		machine->symbols[i] = TABLE_SYMBOLS + 0x100 * i;
	if (features) {
		table_features(table, features, &set);
		hot_decide(machine, &set);
	}
	return machine;
}

uint64_t table_address(const struct hot_machine *machine, const char *name)
{
	unsigned hotinline = hot_find(machine->table, name);

	if (hotinline != HOT_NONE)
		return machine->stubs[hotinline];
	for (unsigned i = 0; i < machine->table->nsymbols; i++)
		if (!strcmp(machine->table->symbols[i], name))
			return machine->symbols[i];
	cr_assert_fail("no stub or symbol \"%s\"", name);
	return 0;
}

struct place {
	const struct hot_machine *machine;
	uint64_t at;
};

static uint32_t relative(void *ctx, size_t offset, const char *name, int64_t addend)
{
	const struct place *place = ctx;

	return (uint32_t)(table_address(place->machine, name) + (uint64_t)addend - place->at -
			  offset);
}

size_t table_bytes(const struct hot_machine *machine, const char *text, uint64_t at, uint8_t *out,
		   size_t size)
{
	struct place place = {machine, at};

	return bytes_parse(text, relative, &place, out, size);
}

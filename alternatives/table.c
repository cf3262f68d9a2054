/*
 * The patch table: is it one that this engine can read? And a machine for it, and names in it. What
 * hot_table_check() has found sound is trusted from then on; hot_machine_init() calls it.
 */
#include "alternatives/bytes.h"
#include "alternatives/hotinline.h"

/* -1, 0 or 1: which of two names comes first, in strcmp order. */
static int compare(const char *one, const char *other)
{
	const unsigned char *a = (const unsigned char *)one, *b = (const unsigned char *)other;

	while (*a && *a == *b)
		a++, b++;
	return (*a > *b) - (*a < *b);
}

static bool is_index(uint32_t condition, const struct hot_table *table)
{
	return condition < table->nconditions;
}

static bool features_are_sound(const struct hot_table *table)
{
	for (unsigned i = 0; i < table->nfeatures; i++) {
		const struct hot_feature *f = &table->features[i];

		if (!f->name || !f->source || f->kind > HOT_DERIVED || f->reg > 3 || f->bit > 31 ||
		    f->signature[sizeof f->signature - 1] ||
		    (f->kind == HOT_DERIVED && !is_index(f->condition, table)))
			return false;
	}
	return true;
}

/* The last program must end: then each does that begins in the array. */
static bool conditions_are_sound(const struct hot_table *table)
{
	for (uint32_t i = 0; i < table->nconditions; i++) {
		if (table->conditions[i] >= table->nfeatures && table->conditions[i] < HOT_OP_NOT)
			return false;
	}
	return !table->nconditions || table->conditions[table->nconditions - 1] == HOT_OP_END;
}

static bool alternative_is_sound(const struct hot_table *table, const struct hotinline *h,
				 const struct hot_alternative *a)
{
	if (!a->text || !a->when || a->size > h->size || a->code > table->ncode ||
	    a->size > table->ncode - a->code || a->fixups > table->nfixups ||
	    a->nfixups > table->nfixups - a->fixups || (a->tail && (a->size < 5 || !a->nfixups)))
		return false;
	for (unsigned i = 0; i < a->nfixups; i++) {
		const struct hot_fixup *fixup = &table->fixups[a->fixups + i];

		if (fixup->symbol >= table->nsymbols || fixup->offset + 4u > a->size)
			return false;
	}
	return true;
}

static bool hotinline_is_sound(const struct hot_table *table, const struct hotinline *h)
{
	uint32_t n = h->nalternatives;

	if (!h->name || !n || h->size < 5 || h->size == 6 || h->size > HOT_SITE_MAX ||
	    h->alternatives > table->nalternatives || n > table->nalternatives - h->alternatives)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct hot_alternative *a = &table->alternatives[h->alternatives + i];

		if (!alternative_is_sound(table, h, a) ||
		    (a->condition != HOT_ALWAYS && !is_index(a->condition, table)))
			return false;
	}
	return table->alternatives[h->alternatives + n - 1].condition == HOT_ALWAYS;
}

static bool hotinlines_are_sound(const struct hot_table *table)
{
	for (unsigned i = 0; i < table->nhotinlines; i++) {
		if (!hotinline_is_sound(table, &table->hotinlines[i]) ||
		    (i && compare(table->hotinlines[i - 1].name, table->hotinlines[i].name) >= 0))
			return false;
	}
	return true;
}

static bool arrays_are_there(const struct hot_table *table)
{
	return (table->features || !table->nfeatures) &&
	       (table->hotinlines || !table->nhotinlines) &&
	       (table->alternatives || !table->nalternatives) &&
	       (table->fixups || !table->nfixups) && (table->symbols || !table->nsymbols) &&
	       (table->conditions || !table->nconditions) && (table->code || !table->ncode) &&
	       table->nfeatures <= HOT_FEATURES_MAX && table->nhotinlines < HOT_NONE &&
	       table->nsymbols < HOT_NONE;
}

enum hot_reason hot_table_check(const struct hot_table *table)
{
	if (!table || table->layout != HOT_LAYOUT)
		return HOT_E_LAYOUT;
	if (!arrays_are_there(table) || (table->entry != 0 && table->entry != 4) ||
	    (table->return_thunk != HOT_NONE && table->return_thunk >= table->nsymbols))
		return HOT_E_TABLE;
	for (unsigned i = 0; i < table->nsymbols; i++) {
		if (!table->symbols[i])
			return HOT_E_TABLE;
	}
	if (!features_are_sound(table) || !conditions_are_sound(table) ||
	    !hotinlines_are_sound(table))
		return HOT_E_TABLE;
	return table->nhotinlines ? HOT_OK : HOT_E_EMPTY;
}

unsigned hot_find(const struct hot_table *table, const char *name)
{
	unsigned low = 0, high = table->nhotinlines;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = compare(name, table->hotinlines[middle].name);

		if (!order)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return HOT_NONE;
}

size_t hot_machine_size(const struct hot_table *table)
{
	if (!table || table->layout != HOT_LAYOUT)
		return 0;
	return sizeof(struct hot_machine) +
	       sizeof(uint64_t) * ((size_t)table->nhotinlines + table->nsymbols) +
	       table->nhotinlines * (2 * sizeof(struct hot_ready) + 1);
}

struct hot_machine *hot_machine_init(void *memory, const struct hot_table *table)
{
	struct hot_machine *machine = memory;

	if (!memory || (uintptr_t)memory % _Alignof(uint64_t) || hot_table_check(table) != HOT_OK)
		return NULL;
	hot_fill(memory, 0, hot_machine_size(table));
	machine->table = table;
	machine->stubs = (uint64_t *)(machine + 1);
	machine->symbols = machine->stubs + table->nhotinlines;
	machine->ready = (struct hot_ready *)(machine->symbols + table->nsymbols);
	machine->chosen = (uint8_t *)(machine->ready + 2 * (size_t)table->nhotinlines);
	return machine;
}

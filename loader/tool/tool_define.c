/*
 * What the OBJECTs of the host tool define for one another. krtld resolves a module against those
 * loaded before it; the tool knows all of them beforehand, chooses their addresses, and so can
 * answer for a later one: with --link. Without unix it finds here what alternatives refer to.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/tool/tool.h"

static unsigned rank_of(const struct elf64_sym *symbol, uint32_t section)
{
	if (section == KRTLD_IN_COMMON)
		return 2;
	return ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL ? 0 : 1;
}

/* Whether another OBJECT may see the symbol, at an address that can be known. */
static bool is_definition(const struct krtld_object *object, const struct elf64_sym *symbol,
			  uint32_t section)
{
	if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL || section == SHN_UNDEF ||
	    krtld_is_own(object, symbol))
		return false;
	return section >= object->nsections || krtld_is_loaded(&object->shdrs[section]);
}

static void add_definitions(struct tool *tool, unsigned object)
{
	const struct krtld_object *view = &tool->objects[object].view;

	for (uint32_t i = 1; i < view->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(view, i);
		uint32_t section = krtld_symbol_section(view, &symbol, i);

		if (!is_definition(view, &symbol, section))
			continue;
		tool->definitions[tool->ndefinitions++] = (struct definition){
		    .name = krtld_symbol_name(view, &symbol),
		    .value = section == KRTLD_IN_COMMON ? tool->objects[object].plan.commons[i]
							: symbol.st_value,
		    .size = symbol.st_size,
		    .align = symbol.st_value ? symbol.st_value : 1,
		    .object = object,
		    .section = section,
		    .rank = rank_of(&symbol, section)};
	}
}

static int by_name(const void *a, const void *b)
{
	const struct definition *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (!order)
		order = (x->rank > y->rank) - (x->rank < y->rank);
	return order ? order : (x->object > y->object) - (x->object < y->object);
}

/* Of several definitions the strong one counts, then the first weak one, then the largest COMMON. */
static void keep_best(struct tool *tool)
{
	size_t kept = 0;

	for (size_t i = 1; i < tool->ndefinitions; i++) {
		struct definition *best = &tool->definitions[kept];
		const struct definition *next = &tool->definitions[i];

		if (strcmp(best->name, next->name) != 0) {
			tool->definitions[++kept] = *next;
		} else if (best->rank == 2) {
			best->size = best->size > next->size ? best->size : next->size;
			best->align = best->align > next->align ? best->align : next->align;
		}
	}
	if (tool->ndefinitions)
		tool->ndefinitions = kept + 1;
}

void collect_definitions(struct tool *tool)
{
	size_t room = 0;

	for (unsigned i = 0; i < tool->nobjects; i++)
		room += tool->objects[i].view.ndefined;
	tool->definitions = claim(room, sizeof *tool->definitions);
	for (unsigned i = 0; i < tool->nobjects; i++)
		add_definitions(tool, i);
	qsort(tool->definitions, tool->ndefinitions, sizeof *tool->definitions, by_name);
	keep_best(tool);
}

static int find_name(const void *name, const void *definition)
{
	return strcmp(name, ((const struct definition *)definition)->name);
}

const struct definition *find_definition(const struct tool *tool, const char *name)
{
	if (!tool->ndefinitions)
		return NULL;
	return bsearch(name, tool->definitions, tool->ndefinitions, sizeof *tool->definitions,
		       find_name);
}

bool defines_stubs(const struct tool *tool)
{
	const struct hot_table *table = tool->krtld.machine->table;
	const struct krtld_object *view = &tool->objects[0].view;

	for (uint32_t i = 1; i < view->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(view, i);

		if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
		    krtld_symbol_section(view, &symbol, i) != SHN_UNDEF &&
		    hot_find(table, krtld_symbol_name(view, &symbol)) != HOT_NONE)
			return true;
	}
	return false;
}

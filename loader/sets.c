/*
 * Sets: sections whose name is a C identifier, and the symbols __start_NAME and __stop_NAME, which a
 * linker defines at their ends if an object refers to them and defines them nowhere. They are a
 * module's own: each module that has such a section has a set of its own, whatever others export.
 * Several sections of one name make one set, so they are put next to each other, in their order.
 * Called by object_symbols.c, place.c, resolve.c and the host tool.
 */
#include "loader/load.h"
#include "loader/object_parts.h"
#include "loader/report.h"
#include "loader/sets.h"
#include "loader/text.h"

/* The name of the set that a symbol is an end of; NULL: of none. */
static const char *set_of(const char *symbol, bool *stop)
{
	static const char start_prefix[] = "__start_", stop_prefix[] = "__stop_";
	size_t n = krtld_length(symbol);

	*stop =
	    n > sizeof stop_prefix - 1 && memcmp(symbol, stop_prefix, sizeof stop_prefix - 1) == 0;
	if (*stop)
		return symbol + sizeof stop_prefix - 1;
	return n > sizeof start_prefix - 1 &&
		       memcmp(symbol, start_prefix, sizeof start_prefix - 1) == 0
		   ? symbol + sizeof start_prefix - 1
		   : NULL;
}

static bool is_identifier(const char *name)
{
	for (const char *at = name; *at; at++) {
		bool letter =
		    (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';

		if (!letter && (at == name || *at < '0' || *at > '9'))
			return false;
	}
	return *name;
}

/* The next loaded section of that name after one; 0: none. */
static uint32_t next_of(const struct krtld_object *object, const char *name, uint32_t after)
{
	while (++after < object->nsections) {
		if (krtld_is_loaded(&object->shdrs[after]) &&
		    krtld_same(krtld_section_name(object, after), name))
			return after;
	}
	return 0;
}

bool krtld_is_set(const char *symbol)
{
	bool stop;
	const char *name = set_of(symbol, &stop);

	return name && is_identifier(name);
}

/* Chains the sections of one name, from the first on. */
static bool chain(const struct krtld_object *object, struct krtld_link *links, const char *name)
{
	uint32_t first = next_of(object, name, 0);

	if (!first || links[first].first)
		return true;
	for (uint32_t i = first, next; i; i = next) {
		next = next_of(object, name, i);
		links[i] = (struct krtld_link){first, next};
		if (krtld_kind_of(&object->shdrs[i]) != krtld_kind_of(&object->shdrs[first]))
			return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT, .section = name,
				      .what =
					  "sections of this name are one set (__start_), and yet "
					  "not all are writable, or not all executable",
				      .value = i);
	}
	return true;
}

bool krtld_find_sets(const struct krtld_object *object, struct krtld_layout *layout)
{
	if (!object->nsets)
		return true;
	layout->links = krtld_pool_alloc(object->krtld, object->name, &layout->pool,
					 object->nsections, sizeof *layout->links);
	if (!layout->links)
		return false;
	for (uint32_t i = 1; i < object->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(object, i);
		const char *name = krtld_symbol_name(object, &symbol);
		bool stop;

		if (krtld_symbol_section(object, &symbol, i) == SHN_UNDEF && krtld_is_set(name) &&
		    !chain(object, layout->links, set_of(name, &stop)))
			return false;
	}
	return true;
}

uint32_t krtld_next_placed(const struct krtld_object *object, const struct krtld_layout *layout,
			   uint32_t at)
{
	const struct krtld_link *links = layout->links;

	if (links && links[at].next)
		return links[at].next;
	if (links && links[at].first)
		at = links[at].first; /* go on where the set began */
	while (++at < object->nsections) {
		if (krtld_is_loaded(&object->shdrs[at]) &&
		    (!links || !links[at].first || links[at].first == at))
			return at;
	}
	return 0;
}

uint64_t krtld_placed_align(const struct krtld_object *object, const struct krtld_layout *layout,
			    uint32_t section)
{
	const struct krtld_link *links = layout->links;
	uint64_t align = object->shdrs[section].sh_addralign;

	if (links && links[section].first == section) {
		for (uint32_t i = links[section].next; i; i = links[i].next) {
			if (object->shdrs[i].sh_addralign > align)
				align = object->shdrs[i].sh_addralign;
		}
	}
	return align ? align : 1;
}

bool krtld_set_end(const struct krtld_load *load, const char *symbol, uint64_t *value)
{
	bool stop;
	const char *name = set_of(symbol, &stop);
	uint32_t i = krtld_is_set(symbol) ? next_of(load->object, name, 0) : 0;

	if (!i)
		return false;
	*value = load->module->sections[i].address;
	while (stop && i) {
		*value = load->module->sections[i].address + load->module->sections[i].size;
		i = load->layout.links[i].next;
	}
	return true;
}

/* Where a placement gives the addresses a set may have been torn apart. */
bool krtld_check_placed(const struct krtld_load *load)
{
	const struct krtld_link *links = load->layout.links;

	for (uint32_t i = 1; links && i < load->object->nsections; i++) {
		const struct krtld_section *section = &load->module->sections[i], *next;
		uint64_t gap;

		if (!links[i].next)
			continue;
		next = &load->module->sections[links[i].next];
		gap = next->address - (section->address + section->size);
		if (gap >= krtld_placed_align(load->object, &load->layout, links[i].next))
			return REFUSE_LOAD(load, KRTLD_E_FORMAT, .section = section->name,
					   .what =
					       "sections of this name are one set (__start_), and "
					       "are not next to each other, the second at",
					   .value = next->address);
	}
	return true;
}

/*
 * Sets: sections whose name is a C identifier, and the symbols __start_NAME and __stop_NAME, which a
 * linker defines at their ends if an object refers to them and defines them nowhere. They are a
 * module's own: each module that has such a section has a set of its own, whatever others export.
 * Several sections of one name make one set, so they are put next to each other, in their order.
 * Called by check_symbols.c, place.c, resolve.c and the host tool.
 */
#include "loader/load.h"

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
static uint32_t next_of(const struct krtld_module *module, const char *name, uint32_t after)
{
	while (++after < module->nsections) {
		if (krtld_is_loaded(&module->private->shdrs[after]) &&
		    krtld_same(module->sections[after].name, name))
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
static bool chain(struct krtld *krtld, struct krtld_module *module, const char *name)
{
	struct krtld_link *links = module->private->links;
	uint32_t first = next_of(module, name, 0);

	if (!first || links[first].first)
		return true;
	for (uint32_t i = first, next; i; i = next) {
		next = next_of(module, name, i);
		links[i] = (struct krtld_link){first, next};
		if (module->sections[i].kind != module->sections[first].kind)
			return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = name,
				      .what =
					  "sections of this name are one set (__start_), and yet "
					  "not all are writable, or not all executable",
				      .value = i);
	}
	return true;
}

bool krtld_check_sets(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	if (!own->nsets)
		return true;
	own->links = krtld_meta(krtld, module, module->nsections, sizeof *own->links);
	if (!own->links)
		return false;
	for (uint32_t i = 1; i < own->nsymbols; i++) {
		struct elf64_sym symbol = krtld_symbol(module, i);
		const char *name = krtld_symbol_name(module, &symbol);
		bool stop;

		if (krtld_is_undefined(module, &symbol, i) && krtld_is_set(name) &&
		    !chain(krtld, module, set_of(name, &stop)))
			return false;
	}
	return true;
}

uint32_t krtld_next_placed(const struct krtld_module *module, uint32_t at)
{
	const struct krtld_link *links = module->private->links;

	if (links && links[at].next)
		return links[at].next;
	if (links && links[at].first)
		at = links[at].first; /* go on where the set began */
	while (++at < module->nsections) {
		if (krtld_is_loaded(&module->private->shdrs[at]) &&
		    (!links || !links[at].first || links[at].first == at))
			return at;
	}
	return 0;
}

uint64_t krtld_placed_align(const struct krtld_module *module, uint32_t at)
{
	const struct krtld_link *links = module->private->links;
	uint64_t align = module->private->shdrs[at].sh_addralign;

	if (links && links[at].first == at) {
		for (uint32_t i = links[at].next; i; i = links[i].next) {
			if (module->private->shdrs[i].sh_addralign > align)
				align = module->private->shdrs[i].sh_addralign;
		}
	}
	return align ? align : 1;
}

bool krtld_set_end(const struct krtld_module *module, const char *symbol, uint64_t *value)
{
	bool stop;
	const char *name = set_of(symbol, &stop);
	uint32_t i = krtld_is_set(symbol) ? next_of(module, name, 0) : 0;

	if (!i)
		return false;
	*value = module->sections[i].address;
	while (stop && i) {
		*value = module->sections[i].address + module->sections[i].size;
		i = module->private->links[i].next;
	}
	return true;
}

/* Where addresses come from outside (ops->place) a set may have been torn apart. */
bool krtld_check_placed(struct krtld *krtld, const struct krtld_module *module)
{
	const struct krtld_link *links = module->private->links;

	for (uint32_t i = 1; links && i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i], *next;
		uint64_t gap;

		if (!links[i].next)
			continue;
		next = &module->sections[links[i].next];
		gap = next->address - (section->address + section->size);
		if (gap >= krtld_placed_align(module, links[i].next))
			return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = section->name,
				      .what =
					  "sections of this name are one set (__start_), and are "
					  "not next to each other, the second at",
				      .value = next->address);
	}
	return true;
}

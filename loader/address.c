/*
 * Symbols of loaded modules by address and by name: for stack traces, the prompt, the host tool, and
 * krtld's own messages. Without krtld_index() a look-up reads all symbols of a module, which needs no
 * memory and so works in a panic.
 */
#include "loader/module.h"
#include "loader/sort.h"
#include "loader/text.h"

/* Where a module's symbol is, and how well its name would describe that place. */
struct candidate {
	uint64_t address;
	uint64_t room; /* bytes from there to the end of its section */
	unsigned rank; /* 0: not at all */
};

static unsigned rank_of(const struct krtld_module *module, uint32_t index)
{
	return *krtld_name_of(module, index) ? module->private->symbols[index].rank : 0;
}

static bool in_region(const struct krtld_region *region, uint64_t address)
{
	return region->bytes && address - region->address < region->size;
}

/* A label at the very end of a section, such as a limit, is not in it. */
static struct candidate candidate_of(const struct krtld_module *module, uint32_t index)
{
	const struct krtld_symbol *symbol = &module->private->symbols[index];
	const struct krtld_section *section;
	uint64_t offset;

	if (symbol->section == KRTLD_IN_COMMON)
		return (struct candidate){symbol->value, symbol->size, rank_of(module, index)};
	if (symbol->section == KRTLD_IN_ABS)
		return (struct candidate){0, 0, 0};
	section = &module->sections[symbol->section];
	offset = symbol->value - section->address;
	if (!section->bytes || offset >= section->size)
		return (struct candidate){0, 0, 0};
	return (struct candidate){symbol->value, section->size - offset, rank_of(module, index)};
}

const char *krtld_locate(const struct krtld_module *module, uint64_t address, uint64_t *offset)
{
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];

		*offset = address - section->address;
		if (section->bytes && *offset < section->size)
			return section->name;
	}
	*offset = 0;
	return NULL;
}

static uint32_t search_all(const struct krtld_module *module, uint64_t address)
{
	struct candidate best = {0, 0, 0};
	uint32_t found = KRTLD_NO_SYMBOL;

	for (uint32_t i = 0; i < module->private->nsymbols; i++) {
		struct candidate candidate = candidate_of(module, i);
		uint64_t distance = address - candidate.address;

		if (!candidate.rank || distance >= candidate.room)
			continue;
		if (best.rank && distance > address - best.address)
			continue;
		if (best.rank && candidate.address == best.address && candidate.rank <= best.rank)
			continue;
		best = candidate;
		found = i;
	}
	return found;
}

static uint32_t search_index(const struct krtld_module *module, uint64_t address)
{
	const struct krtld_named *named = module->private->named;
	uint32_t low = 0, high = module->private->nnamed;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (named[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low ||
	    address - named[low - 1].address >= candidate_of(module, named[low - 1].symbol).room)
		return KRTLD_NO_SYMBOL;
	return named[low - 1].symbol;
}

bool krtld_nearest(const struct krtld_module *module, uint64_t address, const char **symbol,
		   uint64_t *offset, uint64_t *size)
{
	uint32_t index =
	    module->private->named ? search_index(module, address) : search_all(module, address);

	*symbol = NULL;
	*size = 0;
	if (index == KRTLD_NO_SYMBOL)
		return false;
	*symbol = krtld_name_of(module, index);
	*offset = address - candidate_of(module, index).address;
	*size = module->private->symbols[index].size;
	return true;
}

static uint64_t named_address(const void *element)
{
	return ((const struct krtld_named *)element)->address;
}

/* Of the symbols at one address keeps the best. */
static void keep_best(struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct krtld_named *named = own->named;
	uint32_t kept = 0;

	for (uint32_t i = 1; i < own->nnamed; i++) {
		if (named[i].address != named[kept].address)
			named[++kept] = named[i];
		else if (candidate_of(module, named[i].symbol).rank >
			 candidate_of(module, named[kept].symbol).rank)
			named[kept] = named[i];
	}
	if (own->nnamed)
		own->nnamed = kept + 1;
}

bool krtld_index(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	if (own->named)
		return true;
	own->named =
	    krtld_pool_alloc(krtld, module->name, &own->pool, own->nsymbols, sizeof *own->named);
	if (!own->named)
		return false;
	for (uint32_t i = 0; i < own->nsymbols; i++) {
		struct candidate candidate = candidate_of(module, i);

		if (candidate.rank)
			own->named[own->nnamed++] = (struct krtld_named){candidate.address, i};
	}
	krtld_sort(own->named, own->nnamed, sizeof *own->named, named_address);
	keep_best(module);
	return true;
}

const struct krtld_module *krtld_name(const struct krtld *krtld, uint64_t address,
				      const char **symbol, uint64_t *offset, uint64_t *size)
{
	*symbol = NULL;
	*offset = 0;
	*size = 0;
	for (const struct krtld_module *module = krtld->first; module; module = module->next) {
		if (krtld_nearest(module, address, symbol, offset, size))
			return module;
		if (krtld_locate(module, address, offset))
			return module;
		for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) { /* the GOT, and gaps */
			if (in_region(&module->regions[kind], address))
				return module;
		}
	}
	return NULL;
}

/* A global wins over a local of the same name. */
bool krtld_module_symbol(const struct krtld_module *module, const char *name, uint64_t *value)
{
	bool found = false;

	for (uint32_t i = 0; i < module->private->nsymbols; i++) {
		const struct krtld_symbol *symbol = &module->private->symbols[i];

		if (!symbol->rank || !krtld_same(krtld_name_of(module, i), name) ||
		    (found && !symbol->global))
			continue;
		*value = symbol->value;
		found = true;
		if (symbol->global)
			return true;
	}
	return found;
}

bool krtld_next_symbol(const struct krtld_module *module, uint32_t *position, const char **name,
		       uint64_t *value, uint64_t *size)
{
	const struct krtld_private *own = module->private;

	for (uint32_t i = (*position)++; i < own->nsymbols; i = (*position)++) {
		if (!rank_of(module, i))
			continue;
		*name = krtld_name_of(module, i);
		*value = own->symbols[i].value;
		*size = own->symbols[i].size;
		return true;
	}
	return false;
}

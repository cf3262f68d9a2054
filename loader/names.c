/*
 * Names for addresses and addresses for names, within loaded modules: for stack traces, the prompt,
 * the host tool, and krtld's own messages. Without krtld_index() a look-up reads the whole symbol
 * table of a module, which needs no memory and so works in a panic.
 */
#include "loader/load.h"

/* Where a module's symbol is, and how well its name would describe that place. */
struct candidate {
	uint64_t address;
	uint64_t room; /* bytes from there to the end of its section */
	unsigned rank; /* 0: not at all */
};

/* Functions and objects before labels, globals before locals. */
static unsigned rank_of(const struct krtld_module *module, const struct elf64_sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (type == STT_SECTION || type == STT_FILE || !*krtld_symbol_name(module, symbol))
		return 0;
	return 1 + (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL) +
	       2 * (type == STT_FUNC || type == STT_OBJECT);
}

static bool in_region(const struct krtld_region *region, uint64_t address)
{
	return region->bytes && address - region->address < region->size;
}

/* A COMMON symbol is in no section, and in the data unless another definition took its place. */
static struct candidate common_of(const struct krtld_module *module, uint32_t index,
				  const struct elf64_sym *symbol)
{
	uint64_t address = module->private->values[index].value;

	if (!in_region(&module->regions[KRTLD_DATA], address))
		return (struct candidate){0, 0, 0};
	return (struct candidate){address, symbol->st_size, rank_of(module, symbol)};
}

/* A label at the very end of a section, such as a limit, is not in it. */
static struct candidate candidate_of(const struct krtld_module *module, uint32_t index)
{
	struct elf64_sym symbol = krtld_symbol(module, index);
	uint32_t i = krtld_symbol_section(module, &symbol, index);
	const struct krtld_section *section = &module->sections[i < module->nsections ? i : 0];

	if (i == KRTLD_IN_COMMON)
		return common_of(module, index, &symbol);
	if (!section->bytes || symbol.st_value >= section->size)
		return (struct candidate){0, 0, 0};
	return (struct candidate){section->address + symbol.st_value,
				  section->size - symbol.st_value, rank_of(module, &symbol)};
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
	uint32_t found = 0;

	for (uint32_t i = 1; i < module->private->nsymbols; i++) {
		struct candidate candidate = candidate_of(module, i);
		uint64_t distance = address - candidate.address;

		if (!candidate.rank || distance >= candidate.room)
			continue;
		if (found && distance > address - best.address)
			continue;
		if (found && candidate.address == best.address && candidate.rank <= best.rank)
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
		return 0;
	return named[low - 1].symbol;
}

bool krtld_nearest(const struct krtld_module *module, uint64_t address, const char **symbol,
		   uint64_t *offset, uint64_t *size)
{
	uint32_t index =
	    module->private->named ? search_index(module, address) : search_all(module, address);
	struct elf64_sym found;

	*symbol = NULL;
	*size = 0;
	if (!index)
		return false;
	found = krtld_symbol(module, index);
	*symbol = krtld_symbol_name(module, &found);
	*offset = address - candidate_of(module, index).address;
	*size = found.st_size;
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
	own->named = krtld_meta(krtld, module, own->nsymbols, sizeof *own->named);
	if (!own->named)
		return false;
	for (uint32_t i = 1; i < own->nsymbols; i++) {
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

	for (uint32_t i = 1; i < module->private->nsymbols; i++) {
		struct elf64_sym symbol = krtld_symbol(module, i);

		if (krtld_is_undefined(module, &symbol, i) ||
		    (module->private->values[i].flags & KRTLD_ABSENT) ||
		    ELF64_ST_TYPE(symbol.st_info) == STT_FILE ||
		    !krtld_same(krtld_symbol_name(module, &symbol), name))
			continue;
		if (found && ELF64_ST_BIND(symbol.st_info) == STB_LOCAL)
			continue;
		*value = module->private->values[i].value;
		found = true;
		if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
			return true;
	}
	return found;
}

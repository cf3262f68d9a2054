/*
 * The fourth phase: every field gets its value. One loop, over relocations that check.c has found
 * sound and symbols that resolve.c has given a value; what a type means is its row (arch.h).
 * Whether the value fits is known before the field is written. Called by krtld.c.
 */
#include <string.h>

#include "loader/load.h"

/* Little-endian, at any alignment. */
static inline void store(uint8_t *field, uint64_t value, unsigned width)
{
	if (width == 4)
		memcpy(field, &value, 4);
	else if (width == 8)
		memcpy(field, &value, 8);
	else if (width == 2)
		memcpy(field, &value, 2);
	else if (width == 1)
		memcpy(field, &value, 1);
}

static void fill_got(struct krtld_module *module)
{
	const struct krtld_private *private = module->private;
	uint8_t *slots = module->regions[KRTLD_RODATA].bytes;

	for (uint32_t i = 0; private->nslots && i < private->nsymbols; i++) {
		uint32_t got = private->values[i].got;

		if (got)
			store(slots + private->got_offset + (got - 1) * KRTLD_SLOT,
			      private->values[i].value, KRTLD_SLOT);
	}
}

/* Z: the size of a symbol that another module defines is in that module. */
static uint64_t size_of(const struct krtld *krtld, const struct krtld_module *module,
			uint32_t index)
{
	struct elf64_sym symbol = krtld_symbol(module, index);
	const char *name = krtld_symbol_name(module, &symbol);

	if (symbol.st_shndx == SHN_UNDEF && *name)
		module = krtld_search(krtld, name, &index);
	return module ? krtld_symbol(module, index).st_size : symbol.st_size;
}

/* The formulas that involve neither P nor S alone. They are rare. */
static uint64_t compute_rare(const struct krtld *krtld, const struct krtld_module *module,
			     enum krtld_formula formula, const struct elf64_rela *rela,
			     uint64_t place)
{
	const struct krtld_private *private = module->private;
	const struct krtld_value *symbol = &private->values[ELF64_R_SYM(rela->r_info)];
	uint64_t addend = (uint64_t)rela->r_addend;
	uint64_t slot = private->slots + ((uint64_t)symbol->got - 1) * KRTLD_SLOT;

	switch (formula) {
	case KRTLD_S_A: return symbol->value + addend;
	case KRTLD_S_A_P: return symbol->value + addend - place;
	case KRTLD_G_A_P: return slot + addend - place;
	case KRTLD_G_A_GOT: return slot + addend - private->got;
	case KRTLD_S_A_GOT: return symbol->value + addend - private->got;
	case KRTLD_GOT_A_P: return private->got + addend - place;
	case KRTLD_Z_A: return size_of(krtld, module, ELF64_R_SYM(rela->r_info)) + addend;
	case KRTLD_NOTHING: break;
	}
	return 0;
}

static bool refuse(const struct krtld *krtld, const struct krtld_module *module,
		   const struct krtld_relocs *relocs, const struct elf64_rela *rela,
		   enum krtld_reason reason, uint64_t value)
{
	const struct krtld_row *row = &krtld_arch_rows[ELF64_R_TYPE(rela->r_info)];

	return krtld_refuse(
	    krtld,
	    &(struct krtld_error){
		.reason = reason,
		.module = module->name,
		.section = module->sections[relocs->target].name,
		.offset = rela->r_offset,
		.symbol = krtld_symbol_title(module, ELF64_R_SYM(rela->r_info)),
		.what = reason == KRTLD_E_RANGE ? row->range : "the symbol's section is not loaded",
		.type = row->name,
		.value = value});
}

static bool relocate_section(const struct krtld *krtld, struct krtld_module *module,
			     const struct krtld_relocs *relocs)
{
	const struct krtld_value *values = module->private->values;
	uint8_t *bytes = module->sections[relocs->target].bytes;
	uint64_t address = module->sections[relocs->target].address;
	uint32_t marked = 0;

	for (uint64_t i = 0; i < relocs->count; i++) {
		struct elf64_rela rela = krtld_rela(relocs, i);
		const struct krtld_row *row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
		const struct krtld_value *symbol = &values[ELF64_R_SYM(rela.r_info)];
		uint64_t place = address + rela.r_offset;
		uint64_t value = symbol->value + (uint64_t)rela.r_addend;

		if (row->formula == KRTLD_S_A_P)
			value -= place;
		else if (row->formula != KRTLD_S_A)
			value = compute_rare(krtld, module, row->formula, &rela, place);
		if (symbol->flags) {
			if (symbol->flags & KRTLD_ABSENT)
				return refuse(krtld, module, relocs, &rela, KRTLD_E_FORMAT, 0);
			marked++;
		}
		if (value + row->bias > row->limit)
			return refuse(krtld, module, relocs, &rela, KRTLD_E_RANGE, value);
		store(bytes + rela.r_offset, value, row->width);
	}
	module->private->marked[relocs->target] += marked;
	return true;
}

bool krtld_relocate(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *private = module->private;
	struct krtld_relocs relocs;

	private->marked = krtld_meta(krtld, module, module->nsections, sizeof *private->marked);
	if (!private->marked)
		return false;
	fill_got(module);
	for (uint32_t i = 0; krtld_next_relocs(module, &i, &relocs);) {
		if (!relocate_section(krtld, module, &relocs))
			return false;
	}
	return true;
}

/*
 * The fourth phase: every field gets its value. One loop, over relocations that check.c has found
 * sound and symbols that resolve.c has given a value; what a type means is its row (arch.h).
 * Whether the value fits is known before the field is written. Called by krtld.c.
 */
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
	const struct krtld_private *own = module->private;
	uint8_t *slots = module->regions[KRTLD_RODATA].bytes;

	for (uint32_t i = 0; own->nslots && i < own->nsymbols; i++) {
		uint32_t got = own->values[i].got;

		if (got)
			store(slots + own->got_offset + (got - 1) * KRTLD_SLOT,
			      own->values[i].value, KRTLD_SLOT);
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
			     const struct krtld_relocs *relocs, uint64_t i)
{
	const struct krtld_private *own = module->private;
	struct elf64_rela rela = krtld_rela(relocs, i);
	const struct krtld_value *symbol = &own->values[ELF64_R_SYM(rela.r_info)];
	uint64_t place = module->sections[relocs->target].address + rela.r_offset;
	uint64_t addend = (uint64_t)rela.r_addend;
	uint64_t slot = own->slots + ((uint64_t)symbol->got - 1) * KRTLD_SLOT;

	switch (krtld_arch_rows[ELF64_R_TYPE(rela.r_info)].formula) {
	case KRTLD_G_A_P: return slot + addend - place;
	case KRTLD_G_A_GOT: return slot + addend - own->got;
	case KRTLD_S_A_GOT: return symbol->value + addend - own->got;
	case KRTLD_GOT_A_P: return own->got + addend - place;
	case KRTLD_Z_A: return size_of(krtld, module, ELF64_R_SYM(rela.r_info)) + addend;
	default: return 0; /* no field */
	}
}

static bool refuse(const struct krtld *krtld, const struct krtld_module *module,
		   const struct krtld_relocs *relocs, uint64_t i, enum krtld_reason reason,
		   const char *what, uint64_t value)
{
	struct elf64_rela rela = krtld_rela(relocs, i);

	return REFUSE(krtld, module, reason, .section = module->sections[relocs->target].name,
		      .offset = rela.r_offset,
		      .symbol = krtld_symbol_title(module, ELF64_R_SYM(rela.r_info)), .what = what,
		      .type = krtld_arch_rows[ELF64_R_TYPE(rela.r_info)].name, .value = value);
}

static bool out_of_range(const struct krtld *krtld, const struct krtld_module *module,
			 const struct krtld_relocs *relocs, uint64_t i, uint64_t value)
{
	struct elf64_rela rela = krtld_rela(relocs, i);

	return refuse(krtld, module, relocs, i, KRTLD_E_RANGE,
		      krtld_arch_rows[ELF64_R_TYPE(rela.r_info)].range, value);
}

/* A symbol that is more than a value: a stub, something near one, or nowhere. */
static bool meet(struct krtld *krtld, struct krtld_module *module,
		 const struct krtld_relocs *relocs, uint64_t i)
{
	struct elf64_rela rela = krtld_rela(relocs, i);

	if (module->private->values[ELF64_R_SYM(rela.r_info)].flags & KRTLD_ABSENT)
		return refuse(krtld, module, relocs, i, KRTLD_E_FORMAT,
			      "the symbol's section is not loaded", 0);
	return krtld_note(krtld, module, relocs, i);
}

static bool relocate_section(struct krtld *krtld, struct krtld_module *module,
			     const struct krtld_relocs *relocs)
{
	const struct krtld_value *values = module->private->values;
	uint8_t *bytes = module->sections[relocs->target].bytes;
	uint64_t address = module->sections[relocs->target].address;

	for (uint64_t i = 0; i < relocs->count; i++) {
		struct elf64_rela rela = krtld_rela(relocs, i);
		const struct krtld_row *row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
		const struct krtld_value *symbol = &values[ELF64_R_SYM(rela.r_info)];
		uint64_t place = address + rela.r_offset;
		uint64_t value = symbol->value + (uint64_t)rela.r_addend - (place & row->minus_p);

		if (symbol->flags && !meet(krtld, module, relocs, i))
			return false;
		if (row->formula < KRTLD_S_A)
			value = compute_rare(krtld, module, relocs, i);
		if (value + row->bias > row->limit)
			return out_of_range(krtld, module, relocs, i, value);
		store(bytes + rela.r_offset, value, row->width);
	}
	return true;
}

bool krtld_relocate(struct krtld *krtld, struct krtld_module *module)
{
	const struct krtld_relocs *relocs;

	fill_got(module);
	for (uint32_t i = 0; (relocs = krtld_next_relocs(module, &i));) {
		if (!relocate_section(krtld, module, relocs) || !krtld_noted(krtld, module, i))
			return false;
	}
	return true;
}

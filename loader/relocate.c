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
			     enum krtld_formula formula, const struct elf64_rela *rela,
			     uint64_t place)
{
	const struct krtld_private *own = module->private;
	const struct krtld_value *symbol = &own->values[ELF64_R_SYM(rela->r_info)];
	uint64_t addend = (uint64_t)rela->r_addend;
	uint64_t slot = own->slots + ((uint64_t)symbol->got - 1) * KRTLD_SLOT;

	switch (formula) {
	case KRTLD_S_A: return symbol->value + addend;
	case KRTLD_S_A_P: return symbol->value + addend - place;
	case KRTLD_G_A_P: return slot + addend - place;
	case KRTLD_G_A_GOT: return slot + addend - own->got;
	case KRTLD_S_A_GOT: return symbol->value + addend - own->got;
	case KRTLD_GOT_A_P: return own->got + addend - place;
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

	return REFUSE(krtld, module, reason, .section = module->sections[relocs->target].name,
		      .offset = rela->r_offset,
		      .symbol = krtld_symbol_title(module, ELF64_R_SYM(rela->r_info)),
		      .what = reason == KRTLD_E_RANGE ? row->range
						      : "the symbol's section is not loaded",
		      .type = row->name, .value = value);
}

/* first: how many relocations there are in the sections before. */
static bool relocate_section(const struct krtld *krtld, struct krtld_module *module,
			     const struct krtld_relocs *relocs, uint64_t first)
{
	const struct krtld_value *values = module->private->values;
	uint64_t *marks = module->private->marks;
	uint8_t *bytes = module->sections[relocs->target].bytes;
	uint64_t address = module->sections[relocs->target].address;

	if (!bytes) /* an empty section: only relocations without a field can be in it */
		return true;
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
			marks[(first + i) / 64] |= (uint64_t)1 << (first + i) % 64;
		}
		if (value + row->bias > row->limit)
			return refuse(krtld, module, relocs, &rela, KRTLD_E_RANGE, value);
		store(bytes + rela.r_offset, value, row->width);
	}
	return true;
}

static size_t marks_size(const struct krtld_module *module)
{
	return (module->private->nrelocs / 64 + 1) * sizeof(uint64_t);
}

void krtld_drop_marks(struct krtld *krtld, struct krtld_module *module)
{
	if (module->private->marks)
		krtld_unscratch(krtld, module->private->marks, marks_size(module));
	module->private->marks = NULL;
}

bool krtld_relocate(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct krtld_relocs relocs;
	uint64_t first = 0;

	if (own->refers) {
		own->marks = krtld_scratch(krtld, module, marks_size(module));
		if (!own->marks)
			return false;
	}
	fill_got(module);
	for (uint32_t i = 0; krtld_next_relocs(module, &i, &relocs); first += relocs.count) {
		if (!relocate_section(krtld, module, &relocs, first))
			return false;
	}
	return true;
}

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

	if (krtld_is_undefined(module, &symbol, index) && *name)
		module = krtld_search(krtld, name, krtld_hash(name), &index);
	return module ? krtld_symbol(module, index).st_size : symbol.st_size;
}

static uint64_t compute(const struct krtld *krtld, const struct krtld_module *module,
			const struct krtld_relocs *relocs, const struct elf64_rela *rela)
{
	const struct krtld_private *own = module->private;
	const struct krtld_value *symbol = &own->values[ELF64_R_SYM(rela->r_info)];
	uint64_t place = module->sections[relocs->target].address + rela->r_offset;
	uint64_t addend = (uint64_t)rela->r_addend;
	uint64_t slot = own->slots + ((uint64_t)symbol->got - 1) * KRTLD_SLOT;

	switch ((enum krtld_formula)krtld_arch_rows[ELF64_R_TYPE(rela->r_info)].formula) {
	case KRTLD_NOTHING: break;
	case KRTLD_S_A: return symbol->value + addend;
	case KRTLD_S_A_P: return symbol->value + addend - place;
	case KRTLD_G_A_P: return slot + addend - place;
	case KRTLD_G_A_GOT: return slot + addend - own->got;
	case KRTLD_S_A_GOT: return symbol->value + addend - own->got;
	case KRTLD_GOT_A_P: return own->got + addend - place;
	case KRTLD_Z_A: return size_of(krtld, module, ELF64_R_SYM(rela->r_info)) + addend;
	}
	return 0;
}

static bool refuse(const struct krtld *krtld, const struct krtld_module *module,
		   const struct krtld_relocs *relocs, const struct elf64_rela *rela,
		   enum krtld_reason reason, const char *what, uint64_t value)
{
	return REFUSE(krtld, module, reason, .section = module->sections[relocs->target].name,
		      .offset = rela->r_offset,
		      .symbol = krtld_symbol_title(module, ELF64_R_SYM(rela->r_info)), .what = what,
		      .type = krtld_arch_rows[ELF64_R_TYPE(rela->r_info)].name, .value = value);
}

/* Relocations of symbols that are more than a value: a stub, something near one, or nowhere. They
 * are looked at together, because a loop that breaks off for each of them costs more than the look. */
struct queue {
	unsigned n;
	uint64_t numbers[KRTLD_QUEUE];
};

static bool look(struct krtld *krtld, struct krtld_module *module,
		 const struct krtld_relocs *relocs, struct queue *queue)
{
	unsigned n = queue->n;

	queue->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct elf64_rela rela = krtld_rela(relocs, queue->numbers[i]);

		if (module->private->values[ELF64_R_SYM(rela.r_info)].flags & KRTLD_ABSENT)
			return refuse(krtld, module, relocs, &rela, KRTLD_E_FORMAT,
				      "the symbol's section is not loaded", 0);
	}
	return n == 0 || krtld_note(krtld, module, relocs, queue->numbers, n);
}

/* Any relocation, number i of its section. */
static bool relocate_one(struct krtld *krtld, struct krtld_module *module,
			 const struct krtld_relocs *relocs, uint64_t i)
{
	const struct krtld_section *section = &module->sections[relocs->target];
	struct elf64_rela rela = krtld_rela(relocs, i);
	const struct krtld_row *row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
	uint64_t value = compute(krtld, module, relocs, &rela);

	if (value + row->bias > row->limit)
		return refuse(krtld, module, relocs, &rela, KRTLD_E_RANGE, row->range, value);
	if (row->width) /* without one the section may be empty, and have no bytes */
		store(section->bytes + rela.r_offset, value, row->width);
	return true;
}

/*
 * Nearly all of them: S + A or S + A - P, in 4 or 8 bytes, and the value in range. Stores those, from
 * number i on, until one is not such a one or the queue is full, and says which was not stored.
 */
static uint64_t store_usual(const struct krtld_relocs *relocs, uint64_t i,
			    const struct krtld_value *values, uint8_t *bytes, uint64_t address,
			    struct queue *queue)
{
	const struct krtld_relocs here = *relocs; /* no store can change it */
	unsigned n = queue->n;

	for (; i < here.count && n < KRTLD_QUEUE; i++) {
		struct elf64_rela rela = krtld_rela(&here, i);
		const struct krtld_row *row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
		const struct krtld_value *symbol = &values[ELF64_R_SYM(rela.r_info)];
		uint64_t place = address + rela.r_offset;
		uint64_t value = symbol->value + (uint64_t)rela.r_addend - (place & row->minus_p);

		if (value + row->bias > row->limit)
			break;
		if (row->usual == 4)
			memcpy(bytes + rela.r_offset, &value, 4);
		else if (row->usual == 8)
			memcpy(bytes + rela.r_offset, &value, 8);
		else
			break;
		queue->numbers[n] = i;
		n += symbol->flags != 0;
	}
	queue->n = n;
	return i;
}

static bool relocate_section(struct krtld *krtld, struct krtld_module *module,
			     const struct krtld_relocs *relocs)
{
	const struct krtld_section *section = &module->sections[relocs->target];
	const struct krtld_value *values = module->private->values;
	struct queue queue = {.n = 0};
	uint64_t i = 0;

	while ((i = store_usual(relocs, i, values, section->bytes, section->address, &queue)) <
	       relocs->count) {
		bool full = queue.n == KRTLD_QUEUE;

		if (!full && values[ELF64_R_SYM(krtld_rela(relocs, i).r_info)].flags)
			queue.numbers[queue.n++] = i;
		if (!look(krtld, module, relocs, &queue))
			return false;
		if (!full && !relocate_one(krtld, module, relocs, i++))
			return false;
	}
	return look(krtld, module, relocs, &queue);
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

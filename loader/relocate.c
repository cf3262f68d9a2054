/*
 * Every field gets its value: one loop over all relocations, in which each is checked, computed and
 * stored. What a type means is its row (arch.h). Index, type and offset are in range, and the value
 * fits, before a field is written; nothing else has been looked at before, so that a refusal may
 * leave some fields written. Nothing can reach them: the text is private until it is protected, and
 * a refusal frees it. Called by krtld.c.
 *
 * In passing the loop puts aside the relocations whose symbols are more than a value: a stub,
 * something near one, or nowhere. sites.c looks at those of a block together, while the text around
 * them is in the cache.
 */
#include "loader/load.h"
#include "loader/object_parts.h"
#include "loader/report.h"
#include "loader/text.h"

#define BLOCK 128 /* relocations */
#define RELA  sizeof(struct elf64_rela)

/* A section whose fields are being filled. */
struct section {
	const struct krtld_relocs *relocs;
	const struct krtld_value *values;
	uint64_t nsymbols;
	uint8_t *bytes;
	uint64_t address;
	uint64_t size;
	bool text;
};

/* How far it is. */
struct progress {
	uint64_t end; /* of the last field */
	bool ordered; /* no field has begun before the one before it ended */
	unsigned n;   /* relocations that are put aside */
	const uint8_t *aside[BLOCK];
};

/* ---- Any relocation ---- */

bool krtld_refuse_rela(const struct krtld_load *load, const struct krtld_relocs *relocs,
		       const struct elf64_rela *rela, struct krtld_error error)
{
	uint32_t type = ELF64_R_TYPE(rela->r_info), symbol = ELF64_R_SYM(rela->r_info);

	error.module = load->object->name;
	error.section = krtld_load_section(load, relocs->section);
	error.offset = rela->r_offset;
	if (symbol < load->object->nsymbols)
		error.symbol = krtld_symbol_title(load->object, symbol);
	if (type < KRTLD_TYPES)
		error.type = krtld_arch_rows[type].name;
	return krtld_refuse(load->krtld, &error);
}

#define BAD(load, relocs, rela, ...)                                                               \
	krtld_refuse_rela(load, relocs, rela, (struct krtld_error){.reason = __VA_ARGS__})

/* Whether symbol, type and field are in range, and the type is one that is supported. */
static bool check(const struct krtld_load *load, const struct krtld_relocs *relocs,
		  const struct elf64_rela *rela)
{
	uint64_t size = load->object->shdrs[relocs->section].sh_size;
	uint32_t type = ELF64_R_TYPE(rela->r_info), symbol = ELF64_R_SYM(rela->r_info);
	const struct krtld_row *row = &krtld_arch_rows[type < KRTLD_TYPES ? type : 0];

	if (symbol >= load->object->nsymbols)
		return BAD(load, relocs, rela, KRTLD_E_FORMAT,
			   .what = "the relocation's symbol is out of range", .value = symbol,
			   .limit = load->object->nsymbols ? load->object->nsymbols - 1 : 0);
	if (type >= KRTLD_TYPES || !row->name)
		return BAD(load, relocs, rela, KRTLD_E_TYPE,
			   .what = "the psABI has no such relocation type", .value = type);
	if (row->refused)
		return BAD(load, relocs, rela, KRTLD_E_TYPE, .what = row->refused);
	if (rela->r_offset > size || size - rela->r_offset < row->width)
		return BAD(load, relocs, rela, KRTLD_E_FORMAT,
			   .what = "the relocation's field lies outside its section (r_offset)",
			   .value = rela->r_offset,
			   .limit = size < row->width ? 0 : size - row->width);
	return true;
}

/* Z: the size of a symbol that another module defines is in that module. */
static bool size_of(struct krtld_load *load, uint32_t index, uint64_t *size)
{
	struct elf64_sym symbol = krtld_object_symbol(load->object, index);
	struct krtld_key key = krtld_key_of(krtld_symbol_name(load->object, &symbol));
	const struct krtld_entry *entry;

	*size = symbol.st_size;
	if (krtld_symbol_section(load->object, &symbol, index) != SHN_UNDEF || !key.length)
		return true;
	if (!krtld_count_names(load->object, &load->names, index, key.length))
		return false;
	entry = krtld_names_find(load->krtld, &key).symbol;
	if (entry)
		*size = entry->module->private->symbols[entry->symbol].size;
	return true;
}

/* False after a report. */
static bool compute(struct krtld_load *load, const struct krtld_relocs *relocs,
		    const struct elf64_rela *rela, uint64_t *value)
{
	const struct krtld_value *symbol = &load->values[ELF64_R_SYM(rela->r_info)];
	uint64_t place = load->module->sections[relocs->section].address + rela->r_offset;
	uint64_t addend = (uint64_t)rela->r_addend, size;
	uint64_t slot = load->first_slot + ((uint64_t)symbol->slot - 1) * KRTLD_SLOT;

	*value = 0;
	switch ((enum krtld_formula)krtld_arch_rows[ELF64_R_TYPE(rela->r_info)].formula) {
	case KRTLD_NOTHING: break;
	case KRTLD_S_A: *value = symbol->value + addend; break;
	case KRTLD_S_A_P: *value = symbol->value + addend - place; break;
	case KRTLD_G_A_P: *value = slot + addend - place; break;
	case KRTLD_G_A_GOT: *value = slot + addend - load->got; break;
	case KRTLD_S_A_GOT: *value = symbol->value + addend - load->got; break;
	case KRTLD_GOT_A_P: *value = load->got + addend - place; break;
	case KRTLD_Z_A:
		if (!size_of(load, ELF64_R_SYM(rela->r_info), &size))
			return false;
		*value = size + addend;
		break;
	}
	return true;
}

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

static bool uses_got(const struct krtld_row *row)
{
	return row->formula >= KRTLD_G_A_P && row->formula <= KRTLD_GOT_A_P;
}

bool krtld_report_undefined(struct krtld_load *load)
{
	const struct krtld_relocs *relocs;

	for (uint32_t i = 0; (relocs = krtld_next_relocs(load->object, &i));) {
		for (uint64_t j = 0; j < relocs->count; j++) {
			struct elf64_rela rela = krtld_rela(relocs->table + j * RELA);
			uint32_t symbol = ELF64_R_SYM(rela.r_info);

			if (symbol >= load->object->nsymbols ||
			    !(load->values[symbol].flags & KRTLD_UNDEFINED))
				continue;
			load->values[symbol].flags = 0;
			(void)REFUSE_LOAD(load, KRTLD_E_UNDEFINED,
					  .section = krtld_load_section(load, i),
					  .offset = rela.r_offset,
					  .symbol = krtld_symbol_title(load->object, symbol));
		}
	}
	return false;
}

bool krtld_check_target(struct krtld_load *load, const struct krtld_relocs *relocs,
			const struct elf64_rela *rela)
{
	unsigned flags = load->values[ELF64_R_SYM(rela->r_info)].flags;

	if (flags & KRTLD_UNDEFINED)
		return krtld_report_undefined(load);
	return !(flags & KRTLD_ABSENT) || BAD(load, relocs, rela, KRTLD_E_FORMAT,
					      .what = "the symbol's section is not loaded");
}

static __attribute__((noinline)) bool relocate_one(struct krtld_load *load,
						   const struct section *section,
						   struct progress *progress, const uint8_t *at)
{
	const struct krtld_relocs *relocs = section->relocs;
	struct elf64_rela rela = krtld_rela(at);
	const struct krtld_row *row;
	uint64_t value;

	if (!check(load, relocs, &rela) || !krtld_check_target(load, relocs, &rela))
		return false;
	row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
	if (uses_got(row) && !load->slots->numbers) {
		load->slots->missing = true;
		return false;
	}
	if (!compute(load, relocs, &rela, &value))
		return false;
	if (value + row->bias > row->limit)
		return BAD(load, relocs, &rela, KRTLD_E_RANGE, .what = row->range, .value = value);
	if (section->values[ELF64_R_SYM(rela.r_info)].flags)
		progress->aside[progress->n++] = at;
	if (!row->width) /* the section may be empty, and have no bytes */
		return true;
	store(section->bytes + rela.r_offset, value, row->width);
	progress->ordered &= !section->text || rela.r_offset >= progress->end;
	progress->end = rela.r_offset + row->width;
	return true;
}

/* ---- Nearly all of them ---- */

/* Which relocations a loop is for. */
struct usual {
	bool text;      /* of text: fields of 4 bytes, whose order counts */
	bool uniform;   /* of one type, and of its row: */
	bool relative;  /* S + A - P, else S + A */
	unsigned width; /* bytes; 0: 4 or 8 */
	uint32_t type;
	uint64_t bias;
	uint64_t limit;
};

/*
 * Stores S + A or S + A - P, in 4 or 8 bytes, from `at` on up to `stop` or the first relocation that
 * is unusual in any way; which that was it returns. Inlined with what is constant in `usual` it
 * becomes the loops below.
 */
static inline __attribute__((always_inline)) const uint8_t *
store_usual(const struct section *section, struct progress *progress, const uint8_t *at,
	    const uint8_t *stop, const struct usual usual)
{
	const struct section s = *section; /* no store can change it */
	const uint64_t last =
	    s.size - (usual.width ? usual.width : 8); /* where a field may begin */
	uint64_t end = progress->end, unordered = 0;
	const uint8_t **aside = progress->aside + progress->n;

	for (; at != stop; at += RELA) {
		struct elf64_rela rela = krtld_rela(at);
		uint32_t type = ELF64_R_TYPE(rela.r_info);
		const struct krtld_value *symbol;
		const struct krtld_row *row;
		uint64_t place, value;

		if (usual.uniform ? type != usual.type : type >= KRTLD_TYPES)
			break;
		if (ELF64_R_SYM(rela.r_info) >= s.nsymbols)
			break;
		if (rela.r_offset > last)
			break;
		row = &krtld_arch_rows[type];
		symbol = &s.values[ELF64_R_SYM(rela.r_info)];
		place = s.address + rela.r_offset;
		value = symbol->value + (uint64_t)rela.r_addend;
		value -= usual.uniform ? (usual.relative ? place : 0) : place & row->minus_p;
		if (usual.uniform ? value + usual.bias > usual.limit
				  : value + row->bias > row->limit)
			break;
		if (usual.width ? usual.uniform || row->usual == usual.width : row->usual == 4)
			memcpy(s.bytes + rela.r_offset, &value, usual.width ? usual.width : 4);
		else if (!usual.width && row->usual == 8)
			memcpy(s.bytes + rela.r_offset, &value, 8);
		else
			break;
		*aside = at;
		aside += symbol->flags != 0;
		if (usual.text) {
			unordered |= rela.r_offset < end;
			end = rela.r_offset + 4;
		}
	}
	progress->n = (unsigned)(aside - progress->aside);
	progress->end = end;
	progress->ordered &= !unordered;
	return at;
}

/* Sections of unwind tables, of pointers, and of what else is laid out by a program are of one type
 * from end to end. */
static __attribute__((noinline)) const uint8_t *store_uniform(const struct section *section,
							      struct progress *progress,
							      const uint8_t *at,
							      const uint8_t *stop)
{
	const uint32_t type = ELF64_R_TYPE(krtld_rela(at).r_info);
	const struct krtld_row *row = &krtld_arch_rows[type < KRTLD_TYPES ? type : 0];
	struct usual usual = {
	    .uniform = true, .type = type, .bias = row->bias, .limit = row->limit};

	if (section->size < row->usual)
		return at;
	if (row->usual == 4 && row->minus_p) {
		usual.width = 4;
		usual.relative = true;
		return store_usual(section, progress, at, stop, usual);
	}
	if (row->usual == 8 && !row->minus_p) {
		usual.width = 8;
		return store_usual(section, progress, at, stop, usual);
	}
	return at;
}

static __attribute__((noinline)) const uint8_t *store_text(const struct section *section,
							   struct progress *progress,
							   const uint8_t *at, const uint8_t *stop)
{
	return section->size < 4 ? at
				 : store_usual(section, progress, at, stop,
					       (struct usual){.text = true, .width = 4});
}

static __attribute__((noinline)) const uint8_t *store_mixed(const struct section *section,
							    struct progress *progress,
							    const uint8_t *at, const uint8_t *stop)
{
	return section->size < 8
		   ? at
		   : store_usual(section, progress, at, stop, (struct usual){.width = 0});
}

/* What was put aside. */
static bool look(struct krtld_load *load, const struct section *section, struct progress *progress)
{
	unsigned n = progress->n;

	progress->n = 0;
	return n == 0 || krtld_add_sites(load, section->relocs, progress->aside, n);
}

static bool relocate_section(struct krtld_load *load, const struct krtld_relocs *relocs)
{
	const struct krtld_section *placed = &load->module->sections[relocs->section];
	const struct section section = {
	    relocs,          load->values, load->object->nsymbols,    placed->bytes,
	    placed->address, placed->size, placed->kind == KRTLD_TEXT};
	struct progress progress = {.ordered = true};
	const uint8_t *at = relocs->table, *end = at + relocs->count * RELA;
	bool uniform = !section.text;

	while (at != end) {
		const uint8_t *stop = (size_t)(end - at) > BLOCK * RELA ? at + BLOCK * RELA : end;

		if (uniform)
			at = store_uniform(&section, &progress, at, stop);
		uniform &= at == stop;
		while (at != stop) {
			at = section.text ? store_text(&section, &progress, at, stop)
					  : store_mixed(&section, &progress, at, stop);
			if (at == stop)
				break;
			if (!look(load, &section, &progress) ||
			    !relocate_one(load, &section, &progress, at))
				return false;
			at += RELA;
		}
		if (!look(load, &section, &progress))
			return false;
	}
	return (progress.ordered || krtld_add_unordered(load, relocs)) &&
	       krtld_finish_section(load, relocs->section);
}

static void fill_got(const struct krtld_load *load)
{
	uint8_t *slots = load->module->regions[KRTLD_RODATA].bytes + load->layout.got;

	for (uint32_t i = 0; load->slots->n && i < load->object->nsymbols; i++) {
		if (load->values[i].slot)
			store(slots + (load->values[i].slot - 1) * KRTLD_SLOT,
			      load->values[i].value, KRTLD_SLOT);
	}
}

bool krtld_relocate(struct krtld_load *load)
{
	const struct krtld_relocs *relocs;

	fill_got(load);
	for (uint32_t i = 0; (relocs = krtld_next_relocs(load->object, &i));) {
		if (!relocate_section(load, relocs))
			return false;
	}
	return true;
}

uint32_t krtld_count_slots(const struct krtld_object *object, uint32_t *numbers, bool *wanted)
{
	const struct krtld_relocs *relocs;
	uint32_t n = 0;

	*wanted = object->names_got;
	for (uint32_t i = 0; (relocs = krtld_next_relocs(object, &i));) {
		for (uint64_t j = 0; j < relocs->count; j++) {
			struct elf64_rela rela = krtld_rela(relocs->table + j * RELA);
			uint32_t type = ELF64_R_TYPE(rela.r_info),
				 symbol = ELF64_R_SYM(rela.r_info);
			unsigned formula;

			if (type >= KRTLD_TYPES || symbol >= object->nsymbols ||
			    !uses_got(&krtld_arch_rows[type]))
				continue;
			*wanted = true;
			formula = krtld_arch_rows[type].formula;
			if ((formula == KRTLD_G_A_P || formula == KRTLD_G_A_GOT) &&
			    !numbers[symbol])
				numbers[symbol] = ++n;
		}
	}
	return n;
}

/*
 * The first phase, part 2: the symbol table and the relocations. Every symbol and every relocation
 * is looked at once. Afterwards each index, type and offset in them is in range, each type is one
 * that is supported, and the GOT has a slot for each symbol that needs one. Called by check.c.
 */
#include "loader/load.h"

static bool bad_section(const struct krtld *krtld, const struct krtld_module *module,
			uint32_t section, uint64_t offset, const char *what, uint64_t value)
{
	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = module->sections[section].name,
		      .offset = offset, .what = what, .value = value);
}

static bool is_table(const struct elf64_shdr *shdr, size_t size)
{
	return shdr->sh_entsize == size && shdr->sh_size % size == 0;
}

/* The names of symbols: a string table with NUL at both ends, or an empty one. */
static bool check_strings(struct krtld *krtld, struct krtld_module *module, uint32_t symtab)
{
	struct krtld_private *own = module->private;
	uint32_t link = own->shdrs[symtab].sh_link;
	const struct elf64_shdr *strings = &own->shdrs[link < module->nsections ? link : 0];

	if (strings->sh_type != SHT_STRTAB || strings->sh_size > UINT32_MAX)
		return bad_section(krtld, module, symtab, 0,
				   "the symbol table's sh_link is no string table", link);
	own->strings = (const char *)own->file + (strings->sh_size ? strings->sh_offset : 0);
	own->strings_size = (uint32_t)strings->sh_size;
	if (strings->sh_size && (own->strings[0] || own->strings[own->strings_size - 1]))
		return bad_section(krtld, module, link, 0,
				   "the string table has not NUL at both ends", 0);
	return true;
}

static bool find_symtab(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &own->shdrs[i];

		if (shdr->sh_type != SHT_SYMTAB)
			continue;
		if (own->symtab)
			return bad_section(krtld, module, i, 0, "a second symbol table", i);
		if (!is_table(shdr, sizeof(struct elf64_sym)) ||
		    shdr->sh_size / sizeof(struct elf64_sym) > UINT32_MAX)
			return bad_section(krtld, module, i, 0,
					   "the symbol table is no array of 24-byte symbols",
					   shdr->sh_entsize);
		own->symtab = i;
		own->nsymbols = (uint32_t)(shdr->sh_size / sizeof(struct elf64_sym));
		own->symbols = own->file + (own->nsymbols ? shdr->sh_offset : 0);
		if (shdr->sh_info > own->nsymbols)
			return bad_section(krtld, module, i, 0,
					   "the first global symbol is out of range (sh_info)",
					   shdr->sh_info);
		if (!check_strings(krtld, module, i))
			return false;
	}
	return true;
}

/* SHT_SYMTAB_SHNDX: the section indices that 16 bits cannot hold. */
static bool find_indices(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &own->shdrs[i];

		if (shdr->sh_type != SHT_SYMTAB_SHNDX)
			continue;
		if (own->indices || !own->symtab || shdr->sh_link != own->symtab ||
		    shdr->sh_size / sizeof(uint32_t) < own->nsymbols)
			return bad_section(krtld, module, i, 0,
					   "the section indices do not match the symbol table",
					   shdr->sh_size);
		own->indices = own->file + (shdr->sh_size ? shdr->sh_offset : 0);
	}
	return true;
}

static bool check_section_of(struct krtld *krtld, struct krtld_module *module,
			     const struct elf64_sym *symbol, uint32_t i)
{
	uint32_t section = krtld_symbol_section(module, symbol, i);
	bool extended = symbol->st_shndx == SHN_XINDEX;
	bool reserved = symbol->st_shndx >= SHN_LORESERVE && !extended;

	if (reserved && (section == KRTLD_IN_ABS || section == KRTLD_IN_COMMON))
		return true;
	if (reserved || section >= module->nsections || (extended && !module->private->indices))
		return bad_section(krtld, module, module->private->symtab,
				   (uint64_t)i * sizeof *symbol,
				   "the symbol's section is no section", section);
	return true;
}

/* The size of a COMMON symbol is in st_size, its alignment in st_value (gABI, "Symbol table"). */
static bool check_common(struct krtld *krtld, struct krtld_module *module,
			 const struct elf64_sym *symbol, uint64_t offset)
{
	struct krtld_private *own = module->private;
	uint64_t align = symbol->st_value ? symbol->st_value : 1;

	if ((align & (align - 1)) || align > KRTLD_ALIGN_MAX || symbol->st_size > INT32_MAX)
		return bad_section(krtld, module, own->symtab, offset,
				   "a COMMON symbol's alignment or size is out of range", align);
	if (krtld_same(krtld_symbol_name(module, symbol), "__gnu_lto_slim"))
		return bad_section(krtld, module, own->symtab, offset,
				   "GCC's intermediate language only, compile without -flto", 0);
	own->has_common = true;
	return true;
}

/*
 * Names may share bytes, one being another's end, which linkers make use of. Since each that others
 * may know is read in full, a file in which all of them share everything would take a time that grows
 * with its square.
 */
static bool count_name(struct krtld_private *own, const char *name)
{
	own->names += krtld_length(name);
	return own->names <= KRTLD_NAMES * (uint64_t)own->size;
}

static bool check_name(struct krtld *krtld, struct krtld_module *module,
		       const struct elf64_sym *symbol, uint64_t offset)
{
	struct krtld_private *own = module->private;

	if (symbol->st_name && symbol->st_name >= own->strings_size)
		return bad_section(krtld, module, own->symtab, offset,
				   "the symbol's name lies outside the string table",
				   symbol->st_name);
	if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL && symbol->st_shndx != SHN_UNDEF &&
	    symbol->st_shndx != SHN_XINDEX) /* which may hide SHN_UNDEF */
		return true;
	return count_name(own, krtld_symbol_name(module, symbol)) ||
	       bad_section(krtld, module, own->symtab, offset,
			   "the names of globals are longer than the file, four times over",
			   own->names);
}

/* What an undefined symbol is does not matter: relocations say what is wanted of it. */
static bool check_type(struct krtld *krtld, struct krtld_module *module,
		       const struct elf64_sym *symbol, uint64_t offset)
{
	struct krtld_error error = {.reason = KRTLD_E_TYPE,
				    .module = module->name,
				    .section = module->sections[module->private->symtab].name,
				    .offset = offset,
				    .symbol = krtld_symbol_name(module, symbol)};

	if (symbol->st_shndx == SHN_UNDEF)
		return true;
	switch (ELF64_ST_TYPE(symbol->st_info)) {
	case STT_TLS:
		error.type = "STT_TLS";
		error.what = "thread-local storage is not supported";
		return krtld_refuse(krtld, &error);
	case STT_GNU_IFUNC:
		error.type = "STT_GNU_IFUNC";
		error.what = "indirect functions (IFUNC) are not supported";
		return krtld_refuse(krtld, &error);
	default: return true;
	}
}

static bool check_symbol(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, i);
	uint64_t offset = (uint64_t)i * sizeof symbol;
	uint32_t section;

	if (!check_name(krtld, module, &symbol, offset) ||
	    !check_section_of(krtld, module, &symbol, i))
		return false;
	section = krtld_symbol_section(module, &symbol, i);
	if (section == KRTLD_IN_COMMON && !check_common(krtld, module, &symbol, offset))
		return false;
	if (!check_type(krtld, module, &symbol, offset))
		return false;
	if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL && section != SHN_UNDEF)
		own->room++;
	if (section == SHN_UNDEF &&
	    krtld_same(krtld_symbol_name(module, &symbol), "_GLOBAL_OFFSET_TABLE_"))
		own->got_wanted = true;
	return true;
}

/* Most symbols are somebody's local label in a section. */
static bool is_label(const struct krtld_module *module, uint32_t i)
{
	struct elf64_sym symbol = krtld_symbol(module, i);
	unsigned type = ELF64_ST_TYPE(symbol.st_info);

	return ELF64_ST_BIND(symbol.st_info) == STB_LOCAL && symbol.st_shndx != SHN_UNDEF &&
	       symbol.st_shndx < SHN_LORESERVE && symbol.st_shndx < module->nsections &&
	       symbol.st_name < module->private->strings_size && type != STT_TLS &&
	       type != STT_GNU_IFUNC;
}

bool krtld_check_symbols(struct krtld *krtld, struct krtld_module *module)
{
	if (!find_symtab(krtld, module) || !find_indices(krtld, module))
		return false;
	for (uint32_t i = 1; i < module->private->nsymbols; i++) {
		if (!is_label(module, i) && !check_symbol(krtld, module, i))
			return false;
	}
	return true;
}

static bool bad_reloc(struct krtld *krtld, struct krtld_module *module,
		      const struct krtld_relocs *relocs, uint64_t i, enum krtld_reason reason,
		      const char *what, uint64_t value)
{
	struct elf64_rela rela = krtld_rela(relocs, i);
	uint32_t type = ELF64_R_TYPE(rela.r_info);
	uint32_t symbol = ELF64_R_SYM(rela.r_info);
	bool known = type < krtld_arch_nrows;

	return REFUSE(
	    krtld, module, reason, .section = module->sections[relocs->target].name,
	    .offset = rela.r_offset,
	    .symbol =
		symbol < module->private->nsymbols ? krtld_symbol_title(module, symbol) : NULL,
	    .what = what, .type = known ? krtld_arch_rows[type].name : NULL, .value = value);
}

static bool uses_got(const struct krtld_row *row)
{
	return row->formula == KRTLD_G_A_P || row->formula == KRTLD_G_A_GOT ||
	       row->formula == KRTLD_S_A_GOT || row->formula == KRTLD_GOT_A_P;
}

/* Numbers the symbol's slot in the GOT, once. */
static void want_got(struct krtld_private *own, const struct krtld_row *row, uint32_t symbol)
{
	own->got_wanted = true;
	if (row->formula != KRTLD_G_A_P && row->formula != KRTLD_G_A_GOT)
		return;
	if (!own->values[symbol].got)
		own->values[symbol].got = ++own->nslots;
}

/* The size of another module's symbol is looked for by name, each time. */
static bool check_size_name(struct krtld *krtld, struct krtld_module *module, uint32_t index)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, index);

	return count_name(own, krtld_symbol_name(module, &symbol)) ||
	       bad_section(krtld, module, own->symtab, (uint64_t)index * sizeof symbol,
			   "the names of symbols whose size is wanted are longer than the file, "
			   "four times over",
			   own->names);
}

static bool check_reloc(struct krtld *krtld, struct krtld_module *module,
			const struct krtld_relocs *relocs, uint64_t i)
{
	struct elf64_rela rela = krtld_rela(relocs, i);
	uint64_t size = module->sections[relocs->target].size;
	uint32_t type = ELF64_R_TYPE(rela.r_info);
	uint32_t symbol = ELF64_R_SYM(rela.r_info);
	const struct krtld_row *row;

	if (symbol >= module->private->nsymbols)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_FORMAT,
				 "the relocation's symbol is out of range", symbol);
	if (type >= krtld_arch_nrows || !krtld_arch_rows[type].name)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_TYPE,
				 "the psABI has no such relocation type", type);
	row = &krtld_arch_rows[type];
	if (row->refused)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_TYPE, row->refused, 0);
	if (rela.r_offset > size || size - rela.r_offset < row->width)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_FORMAT,
				 "the relocation's field lies outside its section", size);
	if (uses_got(row))
		want_got(module->private, row, symbol);
	return row->formula != KRTLD_Z_A || check_size_name(krtld, module, symbol);
}

#define USUAL_MAX 8 /* bytes of the widest field that is usual */

/* Whether the fields of a section are in order, each clear of the one before it. */
struct order {
	uint64_t end; /* of the last one */
	bool kept;
};

/*
 * Nearly all relocations need no closer look, neither at GOT nor refusal: skips those, from number i
 * on. In passing it is found out whether the fields are in order, as every assembler leaves them,
 * for then sites.c need not look for relocations that write into each other's instructions.
 */
static uint64_t skip_usual(const struct krtld_relocs *relocs, uint64_t i, uint64_t size,
			   uint64_t nsymbols, struct order *order)
{
	const uint64_t nrows = krtld_arch_nrows;
	const uint64_t last = size - USUAL_MAX; /* where any of them fits */
	struct order now = *order;

	for (; size >= USUAL_MAX && i < relocs->count; i++) {
		struct elf64_rela rela = krtld_rela(relocs, i);
		uint64_t type = ELF64_R_TYPE(rela.r_info);

		if (type >= nrows || !krtld_arch_rows[type].usual ||
		    ELF64_R_SYM(rela.r_info) >= nsymbols || rela.r_offset > last)
			break;
		now.kept &= rela.r_offset >= now.end;
		now.end = rela.r_offset + krtld_arch_rows[type].usual;
	}
	*order = now;
	return i;
}

static bool check_section_relocs(struct krtld *krtld, struct krtld_module *module,
				 const struct krtld_relocs *relocs)
{
	struct krtld_private *own = module->private;
	uint64_t size = module->sections[relocs->target].size, i = 0;
	struct order order = {0, true};

	while ((i = skip_usual(relocs, i, size, own->nsymbols, &order)) < relocs->count) {
		struct elf64_rela rela = krtld_rela(relocs, i);
		const struct krtld_row *row;

		if (!check_reloc(krtld, module, relocs, i++))
			return false;
		row = &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)];
		if (!row->width) /* it writes nothing */
			continue;
		order.kept &= rela.r_offset >= order.end;
		order.end = rela.r_offset + row->width;
	}
	own->ordered &= order.kept;
	return true;
}

static bool check_rela_section(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_private *own = module->private;
	const struct elf64_shdr *shdr = &own->shdrs[i];
	struct krtld_relocs *relocs;

	if (shdr->sh_info >= module->nsections)
		return bad_section(krtld, module, i, 0,
				   "the relocated section is out of range (sh_info)",
				   shdr->sh_info);
	relocs = &own->relocs[shdr->sh_info];
	if (!krtld_is_loaded(&own->shdrs[shdr->sh_info]))
		return true;
	if (shdr->sh_type == SHT_REL)
		return bad_section(krtld, module, i, 0,
				   "relocations without addends (SHT_REL) are not supported", 0);
	if (!is_table(shdr, sizeof(struct elf64_rela)))
		return bad_section(krtld, module, i, 0,
				   "the section is no array of 24-byte relocations",
				   shdr->sh_entsize);
	if (!own->symtab || shdr->sh_link != own->symtab)
		return bad_section(krtld, module, i, 0,
				   "the relocations' sh_link is not the symbol table",
				   shdr->sh_link);
	if (!shdr->sh_size)
		return true;
	if (own->shdrs[shdr->sh_info].sh_type == SHT_NOBITS)
		return bad_section(krtld, module, i, 0,
				   "relocations for a section without contents (SHT_NOBITS)",
				   shdr->sh_info);
	if (relocs->count)
		return bad_section(krtld, module, i, 0,
				   "a second table of relocations for one section", shdr->sh_info);
	*relocs = (struct krtld_relocs){own->file + shdr->sh_offset,
					shdr->sh_size / sizeof(struct elf64_rela), shdr->sh_info};
	return true;
}

const struct krtld_relocs *krtld_next_relocs(const struct krtld_module *module, uint32_t *target)
{
	const struct krtld_private *own = module->private;

	while (++*target < module->nsections) {
		if (own->relocs[*target].count)
			return &own->relocs[*target];
	}
	return NULL;
}

bool krtld_check_relocs(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	const struct krtld_relocs *relocs;

	own->values = krtld_meta(krtld, module, own->nsymbols, sizeof *own->values);
	if (!own->values)
		return false;
	own->relocs = krtld_meta(krtld, module, module->nsections, sizeof *own->relocs);
	if (!own->relocs)
		return false;
	for (uint32_t i = 1; i < module->nsections; i++) {
		uint32_t type = own->shdrs[i].sh_type;

		if ((type == SHT_RELA || type == SHT_REL) && !check_rela_section(krtld, module, i))
			return false;
	}
	own->ordered = true;
	for (uint32_t i = 0; (relocs = krtld_next_relocs(module, &i));) {
		if (!check_section_relocs(krtld, module, relocs))
			return false;
	}
	return true;
}

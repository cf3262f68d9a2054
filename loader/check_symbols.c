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

/* Symbols and relocations are of one size. */
#define ITEM 24
_Static_assert(sizeof(struct elf64_sym) == ITEM && sizeof(struct elf64_rela) == ITEM, "ELF64");

static const char *table_fault(const struct elf64_shdr *shdr, uint64_t *value)
{
	*value = shdr->sh_entsize;
	if (shdr->sh_entsize != ITEM)
		return "the table's items are not of 24 bytes (sh_entsize)";
	*value = shdr->sh_size;
	return shdr->sh_size % ITEM ? "the table's size is not a multiple of 24 (sh_size)" : NULL;
}

/* The names of symbols: a string table with NUL at both ends, or an empty one. */
static bool check_strings(struct krtld *krtld, struct krtld_module *module, uint32_t symtab)
{
	struct krtld_private *own = module->private;
	uint32_t link = own->shdrs[symtab].sh_link;
	const struct elf64_shdr *strings = &own->shdrs[link < module->nsections ? link : 0];
	const char *fault = krtld_strings_fault(own, strings);

	if (fault)
		return bad_section(krtld, module, symtab, 0, fault, link);
	own->strings = (const char *)own->file + (strings->sh_size ? strings->sh_offset : 0);
	own->strings_size = (uint32_t)strings->sh_size;
	return true;
}

static bool find_symtab(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &own->shdrs[i];
		const char *fault;
		uint64_t value;

		if (shdr->sh_type != SHT_SYMTAB)
			continue;
		if (own->symtab)
			return bad_section(krtld, module, i, 0, "a second symbol table", i);
		fault = table_fault(shdr, &value);
		if (!fault && value / ITEM > UINT32_MAX)
			fault = "more symbols than 32 bits can count (sh_size)";
		if (fault)
			return bad_section(krtld, module, i, 0, fault, value);
		own->symtab = i;
		own->nsymbols = (uint32_t)(shdr->sh_size / ITEM);
		own->symbols = own->file + (own->nsymbols ? shdr->sh_offset : 0);
		if (shdr->sh_info > own->nsymbols)
			return REFUSE(krtld, module, KRTLD_E_FORMAT,
				      .section = module->sections[i].name,
				      .what = "the first global symbol is out of range (sh_info)",
				      .value = shdr->sh_info, .limit = own->nsymbols);
		if (!check_strings(krtld, module, i))
			return false;
	}
	return true;
}

static const char *indices_fault(const struct krtld_private *own, const struct elf64_shdr *shdr,
				 uint64_t *value)
{
	*value = 0;
	if (own->indices)
		return "a second table of section indices";
	*value = shdr->sh_link;
	if (!own->symtab || shdr->sh_link != own->symtab)
		return "the section indices' sh_link is not the symbol table";
	*value = shdr->sh_size;
	return shdr->sh_size / sizeof(uint32_t) < own->nsymbols
		   ? "there are fewer section indices than symbols (sh_size)"
		   : NULL;
}

/* SHT_SYMTAB_SHNDX: the section indices that 16 bits cannot hold. */
static bool find_indices(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &own->shdrs[i];
		const char *fault;
		uint64_t value;

		if (shdr->sh_type != SHT_SYMTAB_SHNDX)
			continue;
		fault = indices_fault(own, shdr, &value);
		if (fault)
			return bad_section(krtld, module, i, 0, fault, value);
		own->indices = own->file + (shdr->sh_size ? shdr->sh_offset : 0);
	}
	return true;
}

/* A symbol's fault: a message has its name where it has one, and its place in the table. */
static bool bad_symbol(struct krtld *krtld, struct krtld_module *module, uint32_t i,
		       const char *what, uint64_t value, uint64_t limit)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, i);
	bool named = symbol.st_name < own->strings_size;

	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = module->sections[own->symtab].name,
		      .offset = (uint64_t)i * ITEM,
		      .symbol = named ? krtld_symbol_name(module, &symbol) : NULL, .what = what,
		      .value = value, .limit = limit);
}

static bool check_section_of(struct krtld *krtld, struct krtld_module *module,
			     const struct elf64_sym *symbol, uint32_t i)
{
	uint32_t section = krtld_symbol_section(module, symbol, i);
	bool extended = symbol->st_shndx == SHN_XINDEX;

	if (extended && !module->private->indices)
		return bad_symbol(krtld, module, i,
				  "there is no table with the symbol's section (SHT_SYMTAB_SHNDX)",
				  symbol->st_shndx, 0);
	if (!extended && (section == KRTLD_IN_ABS || section == KRTLD_IN_COMMON))
		return true;
	if (!extended && section >= SHN_LORESERVE)
		return bad_symbol(krtld, module, i,
				  "the symbol's section is a reserved number (st_shndx)", section,
				  0);
	return section < module->nsections ||
	       bad_symbol(krtld, module, i, "the symbol's section is out of range (st_shndx)",
			  section, module->nsections - 1);
}

/* The size of a COMMON symbol is in st_size, its alignment in st_value (gABI, "Symbol table"). */
static bool check_common(struct krtld *krtld, struct krtld_module *module,
			 const struct elf64_sym *symbol, uint32_t i)
{
	uint64_t align = symbol->st_value ? symbol->st_value : 1;

	if (align & (align - 1))
		return bad_symbol(krtld, module, i,
				  "a COMMON symbol's alignment is not a power of two (st_value)",
				  align, 0);
	if (align > KRTLD_ALIGN_MAX)
		return bad_symbol(krtld, module, i,
				  "a COMMON symbol's alignment is too large (st_value)", align,
				  KRTLD_ALIGN_MAX);
	if (symbol->st_size > INT32_MAX)
		return bad_symbol(krtld, module, i, "a COMMON symbol is too large (st_size)",
				  symbol->st_size, INT32_MAX);
	if (krtld_same(krtld_symbol_name(module, symbol), "__gnu_lto_slim"))
		return bad_symbol(krtld, module, i,
				  "GCC's intermediate language only, compile without -flto", 0, 0);
	module->private->has_common = true;
	return true;
}

/*
 * Names may share bytes, one being another's end, which linkers make use of. Since each that others
 * may know is read in full, a file in which all of them share everything would take a time that grows
 * with its square.
 */
static bool count_name(struct krtld *krtld, struct krtld_module *module, uint32_t i,
		       const char *what)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, i);
	uint64_t limit = KRTLD_NAMES * (uint64_t)own->size;

	own->names += krtld_length(krtld_symbol_name(module, &symbol));
	return own->names <= limit || bad_symbol(krtld, module, i, what, own->names, limit);
}

static bool check_name(struct krtld *krtld, struct krtld_module *module,
		       const struct elf64_sym *symbol, uint32_t i)
{
	const struct krtld_private *own = module->private;

	if (symbol->st_name && symbol->st_name >= own->strings_size)
		return bad_symbol(krtld, module, i,
				  "the symbol's name lies outside the string table (st_name)",
				  symbol->st_name, own->strings_size);
	if (ELF64_ST_BIND(symbol->st_info) == STB_LOCAL && symbol->st_shndx != SHN_UNDEF &&
	    symbol->st_shndx != SHN_XINDEX) /* which may hide SHN_UNDEF */
		return true;
	return count_name(krtld, module, i,
			  "bytes of all names of globals, more than four for each of the file");
}

static bool is_binding(unsigned binding)
{
	return binding <= STB_WEAK || binding == STB_GNU_UNIQUE;
}

/* Types that need nothing of a loader. */
static bool is_plain_type(unsigned type)
{
	return type <= STT_COMMON;
}

/* What an undefined symbol is does not matter: relocations say what is wanted of it. */
static bool check_type(struct krtld *krtld, struct krtld_module *module,
		       const struct elf64_sym *symbol, uint32_t i)
{
	struct krtld_error error = {.reason = KRTLD_E_TYPE,
				    .module = module->name,
				    .section = module->sections[module->private->symtab].name,
				    .offset = (uint64_t)i * ITEM,
				    .symbol = krtld_symbol_name(module, symbol)};
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (is_plain_type(type) || krtld_symbol_section(module, symbol, i) == SHN_UNDEF)
		return true;
	switch (type) {
	case STT_TLS:
		error.type = "STT_TLS";
		error.what = "thread-local storage is not supported";
		break;
	case STT_GNU_IFUNC:
		error.type = "STT_GNU_IFUNC";
		error.what = "indirect functions (IFUNC) are not supported";
		break;
	default:
		error.what = "the symbol's type is not one of the gABI's (st_info)";
		error.value = type;
		break;
	}
	return krtld_refuse(krtld, &error);
}

static bool check_symbol(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, i);
	unsigned binding = ELF64_ST_BIND(symbol.st_info);
	uint32_t section;

	if (!check_name(krtld, module, &symbol, i) || !check_section_of(krtld, module, &symbol, i))
		return false;
	section = krtld_symbol_section(module, &symbol, i);
	if (!is_binding(binding))
		return bad_symbol(krtld, module, i,
				  "the symbol's binding is not one of the gABI's (st_info)",
				  binding, 0);
	if (binding == STB_LOCAL && section == SHN_UNDEF && symbol.st_name)
		return bad_symbol(krtld, module, i, "a local symbol that is undefined", 0, 0);
	if (section == KRTLD_IN_COMMON && !check_common(krtld, module, &symbol, i))
		return false;
	if (!check_type(krtld, module, &symbol, i))
		return false;
	if (binding != STB_LOCAL && section != SHN_UNDEF)
		own->room++;
	if (section == SHN_UNDEF && krtld_is_set(krtld_symbol_name(module, &symbol)) &&
	    ++own->nsets > KRTLD_SETS) /* each is looked for in all sections */
		return bad_symbol(krtld, module, i,
				  "number of symbols __start_NAME and __stop_NAME", own->nsets,
				  KRTLD_SETS);
	if (section == SHN_UNDEF &&
	    krtld_same(krtld_symbol_name(module, &symbol), "_GLOBAL_OFFSET_TABLE_"))
		own->got_wanted = true;
	return true;
}

/* Most symbols are somebody's local label in a section. */
static bool is_label(const struct krtld_module *module, uint32_t i)
{
	struct elf64_sym symbol = krtld_symbol(module, i);

	return ELF64_ST_BIND(symbol.st_info) == STB_LOCAL && symbol.st_shndx != SHN_UNDEF &&
	       symbol.st_shndx < SHN_LORESERVE && symbol.st_shndx < module->nsections &&
	       symbol.st_name < module->private->strings_size &&
	       is_plain_type(ELF64_ST_TYPE(symbol.st_info));
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
		      const char *what, uint64_t value, uint64_t limit)
{
	struct elf64_rela rela = krtld_rela(relocs, i);
	uint32_t type = ELF64_R_TYPE(rela.r_info);
	uint32_t symbol = ELF64_R_SYM(rela.r_info);
	bool known = type < krtld_arch_nrows;

	return REFUSE(krtld, module, reason, .section = module->sections[relocs->target].name,
		      .offset = rela.r_offset,
		      .symbol = symbol < module->private->nsymbols
				    ? krtld_symbol_title(module, symbol)
				    : NULL,
		      .what = what, .type = known ? krtld_arch_rows[type].name : NULL,
		      .value = value, .limit = limit);
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
				 "the relocation's symbol is out of range", symbol,
				 module->private->nsymbols ? module->private->nsymbols - 1 : 0);
	if (type >= krtld_arch_nrows || !krtld_arch_rows[type].name)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_TYPE,
				 "the psABI has no such relocation type", type, 0);
	row = &krtld_arch_rows[type];
	if (row->refused)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_TYPE, row->refused, 0, 0);
	if (rela.r_offset > size || size - rela.r_offset < row->width)
		return bad_reloc(krtld, module, relocs, i, KRTLD_E_FORMAT,
				 "the relocation's field lies outside its section (r_offset)",
				 rela.r_offset, size < row->width ? 0 : size - row->width);
	if (uses_got(row))
		want_got(module->private, row, symbol);
	/* The size of another module's symbol is looked for by name, each time. */
	return row->formula != KRTLD_Z_A ||
	       count_name(krtld, module, symbol,
			  "bytes of all names whose size is wanted, more than four for each of "
			  "the file");
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

static const char *rela_fault(const struct krtld_module *module, const struct elf64_shdr *shdr,
			      uint64_t *value)
{
	const struct krtld_private *own = module->private;
	const char *fault = table_fault(shdr, value);

	if (fault)
		return fault;
	*value = shdr->sh_link;
	if (!own->symtab || shdr->sh_link != own->symtab)
		return "the relocations' sh_link is not the symbol table";
	*value = shdr->sh_info;
	if (shdr->sh_size && own->shdrs[shdr->sh_info].sh_type == SHT_NOBITS)
		return "relocations for a section without contents (SHT_NOBITS)";
	return shdr->sh_size && own->relocs[shdr->sh_info].count
		   ? "a second table of relocations for one section"
		   : NULL;
}

static bool check_rela_section(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_private *own = module->private;
	const struct elf64_shdr *shdr = &own->shdrs[i];
	const char *fault;
	uint64_t value;

	if (shdr->sh_info >= module->nsections)
		return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = module->sections[i].name,
			      .what = "the relocated section is out of range (sh_info)",
			      .value = shdr->sh_info, .limit = module->nsections - 1);
	if (!shdr->sh_info && shdr->sh_size)
		return bad_section(krtld, module, i, 0,
				   "relocations that say of no section that it is theirs (sh_info)",
				   0);
	if (!krtld_is_loaded(&own->shdrs[shdr->sh_info]))
		return true;
	fault = rela_fault(module, shdr, &value);
	if (fault)
		return bad_section(krtld, module, i, 0, fault, value);
	if (shdr->sh_size)
		own->relocs[shdr->sh_info] = (struct krtld_relocs){
		    own->file + shdr->sh_offset, shdr->sh_size / ITEM, shdr->sh_info};
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
		if (own->shdrs[i].sh_type == SHT_RELA && !check_rela_section(krtld, module, i))
			return false;
	}
	own->ordered = true;
	for (uint32_t i = 0; (relocs = krtld_next_relocs(module, &i));) {
		if (!check_section_relocs(krtld, module, relocs))
			return false;
	}
	return true;
}

/*
 * Part 2 of reading an object: the symbol table. Every symbol is looked at once, but for its name,
 * which resolve.c reads. Called by object.c.
 */
#include "loader/object_parts.h"
#include "loader/report.h"
#include "loader/text.h"

static bool bad_section(const struct krtld_object *object, uint32_t section, uint64_t offset,
			const char *what, uint64_t value)
{
	return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
		      .section = krtld_section_name(object, section), .offset = offset,
		      .what = what, .value = value);
}

/* Symbols and relocations are of one size. */
#define ITEM 24
_Static_assert(sizeof(struct elf64_sym) == ITEM && sizeof(struct elf64_rela) == ITEM, "ELF64");

const char *krtld_table_fault(const struct elf64_shdr *shdr, uint64_t *value)
{
	*value = shdr->sh_entsize;
	if (shdr->sh_entsize != ITEM)
		return "the table's items are not of 24 bytes (sh_entsize)";
	*value = shdr->sh_size;
	return shdr->sh_size % ITEM ? "the table's size is not a multiple of 24 (sh_size)" : NULL;
}

/* The names of symbols: a string table with NUL at both ends, or an empty one. */
static bool check_strings(struct krtld_object *object, uint32_t symtab)
{
	uint32_t link = object->shdrs[symtab].sh_link;
	const struct elf64_shdr *strings = &object->shdrs[link < object->nsections ? link : 0];
	const char *fault = krtld_strings_fault(object, strings);

	if (fault)
		return bad_section(object, symtab, 0, fault, link);
	object->strings = (const char *)object->file + (strings->sh_size ? strings->sh_offset : 0);
	object->strings_size = (uint32_t)strings->sh_size;
	return true;
}

static bool find_symtab(struct krtld_object *object)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];
		const char *fault;
		uint64_t value;

		if (shdr->sh_type != SHT_SYMTAB)
			continue;
		if (object->symtab)
			return bad_section(object, i, 0, "a second symbol table", i);
		fault = krtld_table_fault(shdr, &value);
		if (!fault && value / ITEM > UINT32_MAX)
			fault = "more symbols than 32 bits can count (sh_size)";
		if (fault)
			return bad_section(object, i, 0, fault, value);
		object->symtab = i;
		object->nsymbols = (uint32_t)(shdr->sh_size / ITEM);
		object->symbols = object->file + (object->nsymbols ? shdr->sh_offset : 0);
		if (shdr->sh_info > object->nsymbols)
			return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
				      .section = krtld_section_name(object, i),
				      .what = "the first global symbol is out of range (sh_info)",
				      .value = shdr->sh_info, .limit = object->nsymbols);
		if (!check_strings(object, i))
			return false;
	}
	return true;
}

static const char *indices_fault(const struct krtld_object *object, const struct elf64_shdr *shdr,
				 uint64_t *value)
{
	*value = 0;
	if (object->indices)
		return "a second table of section indices";
	*value = shdr->sh_link;
	if (!object->symtab || shdr->sh_link != object->symtab)
		return "the section indices' sh_link is not the symbol table";
	*value = shdr->sh_size;
	return shdr->sh_size / sizeof(uint32_t) < object->nsymbols
		   ? "there are fewer section indices than symbols (sh_size)"
		   : NULL;
}

/* SHT_SYMTAB_SHNDX: the section indices that 16 bits cannot hold. */
static bool find_indices(struct krtld_object *object)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];
		const char *fault;
		uint64_t value;

		if (shdr->sh_type != SHT_SYMTAB_SHNDX)
			continue;
		fault = indices_fault(object, shdr, &value);
		if (fault)
			return bad_section(object, i, 0, fault, value);
		object->indices = object->file + (shdr->sh_size ? shdr->sh_offset : 0);
	}
	return true;
}

/* A symbol's fault: a message has its name where it has one, and its place in the table. */
static bool bad_symbol(const struct krtld_object *object, uint32_t i, const char *what,
		       uint64_t value, uint64_t limit)
{
	struct elf64_sym symbol = krtld_object_symbol(object, i);
	bool named = symbol.st_name < object->strings_size;

	return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
		      .section = krtld_section_name(object, object->symtab),
		      .offset = (uint64_t)i * ITEM,
		      .symbol = named ? krtld_symbol_name(object, &symbol) : NULL, .what = what,
		      .value = value, .limit = limit);
}

static bool check_section_of(struct krtld_object *object, const struct elf64_sym *symbol,
			     uint32_t i)
{
	uint32_t section = krtld_symbol_section(object, symbol, i);
	bool extended = symbol->st_shndx == SHN_XINDEX;

	if (extended && !object->indices)
		return bad_symbol(object, i,
				  "there is no table with the symbol's section (SHT_SYMTAB_SHNDX)",
				  symbol->st_shndx, 0);
	if (!extended && (section == KRTLD_IN_ABS || section == KRTLD_IN_COMMON))
		return true;
	if (!extended && section >= SHN_LORESERVE)
		return bad_symbol(object, i, "the symbol's section is a reserved number (st_shndx)",
				  section, 0);
	return section < object->nsections ||
	       bad_symbol(object, i, "the symbol's section is out of range (st_shndx)", section,
			  object->nsections - 1);
}

/* The size of a COMMON symbol is in st_size, its alignment in st_value (gABI, "Symbol table"). */
static bool check_common(struct krtld_object *object, const struct elf64_sym *symbol, uint32_t i)
{
	uint64_t align = symbol->st_value ? symbol->st_value : 1;

	if (align & (align - 1))
		return bad_symbol(object, i,
				  "a COMMON symbol's alignment is not a power of two (st_value)",
				  align, 0);
	if (align > KRTLD_ALIGN_MAX)
		return bad_symbol(object, i, "a COMMON symbol's alignment is too large (st_value)",
				  align, KRTLD_ALIGN_MAX);
	if (symbol->st_size > INT32_MAX)
		return bad_symbol(object, i, "a COMMON symbol is too large (st_size)",
				  symbol->st_size, INT32_MAX);
	if (krtld_same(krtld_symbol_name(object, symbol), "__gnu_lto_slim"))
		return bad_symbol(object, i,
				  "GCC's intermediate language only, compile without -flto", 0, 0);
	object->has_common = true;
	return true;
}

static bool check_name(const struct krtld_object *object, const struct elf64_sym *symbol,
		       uint32_t i)
{
	return !symbol->st_name || symbol->st_name < object->strings_size ||
	       bad_symbol(object, i, "the symbol's name lies outside the string table (st_name)",
			  symbol->st_name, object->strings_size);
}

bool krtld_count_names(const struct krtld_object *object, uint64_t *names, uint32_t symbol,
		       size_t length)
{
	uint64_t limit = KRTLD_NAMES * (uint64_t)object->size;

	*names += length;
	return *names <= limit ||
	       bad_symbol(object, symbol,
			  "bytes of all names of globals, more than four for each of the file",
			  *names, limit);
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
static bool check_type(struct krtld_object *object, const struct elf64_sym *symbol, uint32_t i)
{
	struct krtld_error error = {.reason = KRTLD_E_TYPE,
				    .module = object->name,
				    .section = krtld_section_name(object, object->symtab),
				    .offset = (uint64_t)i * ITEM,
				    .symbol = krtld_symbol_name(object, symbol)};
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (is_plain_type(type) || krtld_symbol_section(object, symbol, i) == SHN_UNDEF)
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
	return krtld_refuse(object->krtld, &error);
}

/* Names that a linker knows by itself. Each set is looked for in all sections. */
static bool check_undefined(struct krtld_object *object, const struct elf64_sym *symbol, uint32_t i)
{
	const char *name = krtld_symbol_name(object, symbol);

	if (name[0] != '_')
		return true;
	object->names_got |= krtld_same(name, KRTLD_GOT_NAME);
	if (!krtld_is_set(name))
		return true;
	if (++object->nsets > KRTLD_SETS)
		return bad_symbol(object, i, "number of symbols __start_NAME and __stop_NAME",
				  object->nsets, KRTLD_SETS);
	return krtld_count_names(object, &object->names, i, krtld_length(name));
}

static bool check_symbol(struct krtld_object *object, uint32_t i)
{
	struct elf64_sym symbol = krtld_object_symbol(object, i);
	unsigned binding = ELF64_ST_BIND(symbol.st_info);
	uint32_t section;

	if (!check_name(object, &symbol, i) || !check_section_of(object, &symbol, i))
		return false;
	section = krtld_symbol_section(object, &symbol, i);
	if (!is_binding(binding))
		return bad_symbol(object, i,
				  "the symbol's binding is not one of the gABI's (st_info)",
				  binding, 0);
	if (binding == STB_LOCAL && section == SHN_UNDEF && symbol.st_name)
		return bad_symbol(object, i, "a local symbol that is undefined", 0, 0);
	if (section == KRTLD_IN_COMMON && !check_common(object, &symbol, i))
		return false;
	if (!check_type(object, &symbol, i))
		return false;
	if (binding != STB_LOCAL && section != SHN_UNDEF)
		object->ndefined++;
	return section != SHN_UNDEF || check_undefined(object, &symbol, i);
}

/* Nearly all symbols are labels, functions and objects in a section. */
static inline bool is_usual(const struct krtld_object *object, const struct elf64_sym *symbol)
{
	return ELF64_ST_BIND(symbol->st_info) <= STB_WEAK &&
	       is_plain_type(ELF64_ST_TYPE(symbol->st_info)) && symbol->st_shndx != SHN_UNDEF &&
	       symbol->st_shndx < SHN_LORESERVE && symbol->st_shndx < object->nsections &&
	       symbol->st_name < object->strings_size;
}

bool krtld_check_symbols(struct krtld_object *object)
{
	if (!find_symtab(object) || !find_indices(object))
		return false;
	for (uint32_t i = 1; i < object->nsymbols; i++) {
		struct elf64_sym symbol;

		memcpy(&symbol, object->symbols + (size_t)i * ITEM, ITEM);
		if (is_usual(object, &symbol))
			object->ndefined += ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
		else if (!check_symbol(object, i))
			return false;
	}
	return true;
}

const char *krtld_symbol_title(const struct krtld_object *object, uint32_t index)
{
	struct elf64_sym symbol = krtld_object_symbol(object, index);
	uint32_t section = krtld_symbol_section(object, &symbol, index);

	if (!symbol.st_name && section < object->nsections)
		return krtld_section_name(object, section);
	return krtld_symbol_name(object, &symbol);
}

bool krtld_is_own(const struct krtld_object *object, const struct elf64_sym *symbol)
{
	const struct krtld *krtld = object->krtld;
	const char *name = krtld_symbol_name(object, symbol);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);

	if (visibility != STV_DEFAULT && visibility != STV_PROTECTED) /* gABI, st_other */
		return true;
	if (!*name || krtld_same(name, "_init") || krtld_same(name, "_fini"))
		return true;
	return krtld->ops->exported && !krtld->ops->exported(krtld->ctx, object->name, name);
}

/*
 * Part 1 of reading an object: the file and its sections; object_symbols.c does the symbol table.
 * Every offset, size, index, alignment and overlap in the file is looked at here, once, so that all
 * others can trust them. Called by krtld.c and the host tool.
 *
 * What krtld does not understand it refuses, if it could matter: a section that is loaded, and a
 * section that says something about one that is.
 *
 * No two sections may share bytes of the file. That is what keeps memory and time linear in the
 * size of the file: sixty thousand sections that all claim the whole of it would not be.
 */
#include "loader/object_parts.h"
#include "loader/report.h"
#include "loader/sort.h"

static bool bad(const struct krtld_object *object, uint64_t offset, const char *what,
		uint64_t value, uint64_t limit)
{
	return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT, .offset = offset, .what = what,
		      .value = value, .limit = limit);
}

static bool bad_section(const struct krtld_object *object, uint32_t section, const char *what,
			uint64_t value)
{
	return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
		      .section = krtld_section_name(object, section), .what = what, .value = value);
}

static bool has_bytes(const struct elf64_shdr *shdr)
{
	return shdr->sh_type != SHT_NULL && shdr->sh_type != SHT_NOBITS && shdr->sh_size;
}

static const char *wrong_header(const struct elf64_ehdr *ehdr, uint64_t *offset, uint64_t *found)
{
#define IS(field, right, phrase)                                                                   \
	do {                                                                                       \
		*offset = offsetof(struct elf64_ehdr, field);                                      \
		*found = ehdr->field;                                                              \
		if (ehdr->field != (right))                                                        \
			return phrase;                                                             \
	} while (0)
	IS(e_ident[EI_CLASS], ELFCLASS64, "not a 64-bit object (ELFCLASS64)");
	IS(e_ident[EI_DATA], ELFDATA2LSB, "not little-endian (ELFDATA2LSB)");
	IS(e_ident[EI_VERSION], EV_CURRENT, "unknown ELF version");
	IS(e_machine, krtld_arch_machine, "made for another processor (e_machine)");
	IS(e_type, ET_REL, "not a relocatable object (ET_REL): compile with -c, or link with -r");
	IS(e_version, EV_CURRENT, "unknown ELF version");
	IS(e_shentsize, sizeof(struct elf64_shdr), "wrong size of a section header (e_shentsize)");
#undef IS
	return NULL;
}

/* What people give instead of an object, by its first bytes, and what to do about it. */
static const struct {
	uint8_t length;
	char magic[8];
	const char *what;
} strangers[] = {
    {6,
     "\xfd"
     "7zXZ",
     "compressed by xz, not an object: decompress it with `xz -d'"},
    {2, "\x1f\x8b", "compressed by gzip, not an object: decompress it with `gzip -d'"},
    {4, "\x28\xb5\x2f\xfd", "compressed by zstd, not an object: decompress it with `zstd -d'"},
    {3, "BZh", "compressed by bzip2, not an object: decompress it with `bzip2 -d'"},
    {3, "\x5d\0\0", "compressed by lzma, not an object: decompress it with `xz -d'"},
    {4, "LZIP", "compressed by lzip, not an object: decompress it with `lzip -d'"},
    {4, "\x04\x22\x4d\x18", "compressed by lz4, not an object: decompress it with `lz4 -d'"},
    {4, "\x02\x21\x4c\x18", "compressed by lz4, not an object: decompress it with `lz4 -d'"},
    {4, "\x89LZO", "compressed by lzop, not an object: decompress it with `lzop -d'"},
    {2, "\x1f\x9d", "compressed by compress, not an object: decompress it with `gzip -d'"},
    {4, "PK\x03\x04", "a zip file, not an object: take its members out with `unzip'"},
    {6, "070701", "a cpio archive, not an object: take its members out with `cpio -i'"},
    {8, "!<arch>\n", "an archive, not an object: take its members out with `ar x'"},
    {8, "!<thin>\n", "a thin archive, not an object: name its members instead"},
    {4, "BC\xc0\xde", "LLVM bitcode, not machine code: compile without -flto"},
    {4, "\xde\xc0\x17\x0b", "LLVM bitcode, not machine code: compile without -flto"},
};

static const char *stranger(const uint8_t *file, size_t size)
{
	for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
		if (size >= strangers[i].length &&
		    memcmp(file, strangers[i].magic, strangers[i].length) == 0)
			return strangers[i].what;
	}
	return size ? "not an ELF file" : "the file is empty, expected an object";
}

static bool check_header(struct krtld_object *object, struct elf64_ehdr *ehdr)
{
	const char *what;
	uint64_t offset, found;

	if (object->size < 4 || memcmp(object->file, "\177ELF", 4) != 0)
		return bad(object, 0, stranger(object->file, object->size), 0, 0);
	if (object->size < sizeof *ehdr)
		return bad(object, 0, "the file is cut off inside the ELF header, size",
			   object->size, 0);
	memcpy(ehdr, object->file, sizeof *ehdr);
	what = wrong_header(ehdr, &offset, &found);
	if (what)
		return bad(object, offset, what, found, 0);
	if (!ehdr->e_shoff)
		return bad(object, offsetof(struct elf64_ehdr, e_shoff),
			   "the file has no sections (e_shoff is 0)", 0, 0);
	return true;
}

/* Where so many items end, or the last address if that is beyond it. */
static uint64_t end_of(uint64_t start, uint64_t count, uint64_t size)
{
	uint64_t bytes, end;

	return __builtin_mul_overflow(count, size, &bytes) ||
		       __builtin_add_overflow(start, bytes, &end)
		   ? UINT64_MAX
		   : end;
}

/*
 * Copies the section table. A count or an index that its 16 bits cannot hold is in section 0
 * (gABI, "ELF header", e_shnum and e_shstrndx).
 */
static bool copy_sections(struct krtld_object *object, const struct elf64_ehdr *ehdr,
			  uint32_t *names)
{
	uint64_t count = ehdr->e_shnum, end = end_of(ehdr->e_shoff, 1, sizeof *object->shdrs);
	struct elf64_shdr zero, *shdrs;

	if (end <= object->size) {
		memcpy(&zero, object->file + ehdr->e_shoff, sizeof zero);
		count = count ? count : zero.sh_size;
		end = end_of(ehdr->e_shoff, count, sizeof zero);
	}
	if (end > object->size)
		return bad(object, offsetof(struct elf64_ehdr, e_shoff),
			   "the file is cut off, its section table ends beyond it", end,
			   object->size);
	if (!count || count > KRTLD_SECTIONS_MAX)
		return bad(object, offsetof(struct elf64_ehdr, e_shnum),
			   "no number of sections (e_shnum)", count, KRTLD_SECTIONS_MAX);
	*names = ehdr->e_shstrndx == SHN_XINDEX ? zero.sh_link : ehdr->e_shstrndx;
	if (*names >= count)
		return bad(object, offsetof(struct elf64_ehdr, e_shstrndx),
			   "no such section (e_shstrndx)", *names, count - 1);
	shdrs = krtld_pool_alloc(object->krtld, object->name, &object->pool, count,
				 sizeof *shdrs + sizeof *object->relocs);
	if (!shdrs)
		return false;
	memcpy(shdrs, object->file + ehdr->e_shoff, count * sizeof zero);
	memset(shdrs, 0, sizeof zero);
	for (uint64_t i = 1; *names == SHN_UNDEF && i < count; i++)
		shdrs[i].sh_name = 0; /* there are no names */
	object->shdrs = shdrs;
	object->nsections = (uint32_t)count;
	return true;
}

static bool check_bounds(struct krtld_object *object, uint64_t table)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];
		uint64_t end = end_of(shdr->sh_offset, 1, shdr->sh_size);

		if (has_bytes(shdr) && end > object->size)
			return bad(object, table + i * sizeof *shdr,
				   "the file is cut off, this section's contents end beyond it",
				   end, object->size);
	}
	return true;
}

const char *krtld_strings_fault(const struct krtld_object *object, const struct elf64_shdr *shdr)
{
	const uint8_t *bytes;

	if (shdr->sh_type != SHT_STRTAB)
		return "the section with the names is not a string table";
	bytes = object->file + (shdr->sh_size ? shdr->sh_offset : 0);
	if (shdr->sh_size && bytes[0])
		return "the string table does not begin with NUL";
	if (shdr->sh_size && bytes[shdr->sh_size - 1])
		return "the string table does not end with NUL";
	return shdr->sh_size > UINT32_MAX ? "the string table is larger than 4 GiB" : NULL;
}

/* Whether each section's name is in the table of them. */
static bool name_sections(struct krtld_object *object, const struct elf64_ehdr *ehdr,
			  uint32_t names)
{
	const struct elf64_shdr *shdr = &object->shdrs[names];
	const char *fault;

	if (names == SHN_UNDEF)
		return true;
	fault = krtld_strings_fault(object, shdr);
	if (fault)
		return bad(object, offsetof(struct elf64_ehdr, e_shstrndx), fault, names, 0);
	for (uint32_t i = 1; i < object->nsections; i++) {
		if (object->shdrs[i].sh_name >= shdr->sh_size)
			return bad(object, ehdr->e_shoff + i * sizeof *shdr,
				   "the section's name lies outside the names (sh_name)",
				   object->shdrs[i].sh_name, shdr->sh_size);
	}
	object->section_names = (const char *)object->file + shdr->sh_offset;
	object->section_names_size = shdr->sh_size;
	return true;
}

/* A stretch of the file that a section or a header has to itself. */
struct extent {
	uint64_t start;
	uint64_t size;
	uint32_t section; /* index; 0: a header */
};

static uint64_t extent_start(const void *element)
{
	return ((const struct extent *)element)->start;
}

static bool check_extents(const struct krtld_object *object, struct extent *extents, uint32_t n)
{
	krtld_sort(extents, n, sizeof *extents, extent_start);
	for (uint32_t i = 1; i < n; i++) {
		const struct extent *before = &extents[i - 1];

		if (extents[i].start - before->start >= before->size)
			continue;
		if (!extents[i].section && !before->section)
			return bad(object, offsetof(struct elf64_ehdr, e_shoff),
				   "the section table overlaps the ELF header", extents[i].start,
				   0);
		return bad_section(
		    object, extents[i].section ? extents[i].section : before->section,
		    extents[i].section && before->section ? "another section has bytes of this one"
							  : "a header has bytes of this section",
		    extents[i].start);
	}
	return true;
}

static bool check_overlap(struct krtld_object *object, const struct elf64_ehdr *ehdr)
{
	struct krtld_pool pool = {NULL};
	struct extent *extents = krtld_pool_alloc(object->krtld, object->name, &pool,
						  object->nsections + 1ull, sizeof *extents);
	uint32_t n = 0;
	bool ok;

	if (!extents)
		return false;
	extents[n++] = (struct extent){0, sizeof *ehdr, 0};
	for (uint32_t i = 1; i < object->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];

		if (has_bytes(shdr))
			extents[n++] = (struct extent){shdr->sh_offset, shdr->sh_size, i};
	}
	extents[n++] =
	    (struct extent){ehdr->e_shoff, object->nsections * sizeof(struct elf64_shdr), 0};
	ok = check_extents(object, extents, n);
	krtld_pool_free(object->krtld, &pool);
	return ok;
}

/* What may be loaded as it is: nothing else has a meaning that a loader must know. */
static bool is_loadable(uint32_t type)
{
	return type == SHT_PROGBITS || type == SHT_NOBITS || type == SHT_NOTE ||
	       (type >= SHT_INIT_ARRAY && type <= SHT_PREINIT_ARRAY) || type == SHT_X86_64_UNWIND ||
	       type == SHT_SYMTAB || type == SHT_STRTAB || type == SHT_RELA;
}

static bool check_loaded(struct krtld_object *object, uint32_t i)
{
	const struct elf64_shdr *shdr = &object->shdrs[i];
	const uint64_t wx = SHF_WRITE | SHF_EXECINSTR;

	if (shdr->sh_flags & SHF_TLS)
		return REFUSE(object->krtld, object->name, KRTLD_E_TYPE,
			      .section = krtld_section_name(object, i),
			      .what = "thread-local storage (SHF_TLS) is not supported");
	if (!is_loadable(shdr->sh_type))
		return bad_section(object, i,
				   "a section to be loaded is of a type that krtld does not load "
				   "(sh_type)",
				   shdr->sh_type);
	if (shdr->sh_flags & SHF_OS_NONCONFORMING)
		return bad_section(object, i,
				   "the section wants what krtld does not know "
				   "(SHF_OS_NONCONFORMING)",
				   shdr->sh_flags);
	if (shdr->sh_flags & SHF_COMPRESSED)
		return bad_section(object, i,
				   "a section to be loaded is compressed (SHF_COMPRESSED)",
				   shdr->sh_flags);
	if ((shdr->sh_flags & wx) == wx)
		return bad_section(object, i, "the section is writable and executable",
				   shdr->sh_flags);
	if (shdr->sh_addralign & (shdr->sh_addralign - 1))
		return bad_section(object, i, "the alignment is not a power of two (sh_addralign)",
				   shdr->sh_addralign);
	if (shdr->sh_addralign > KRTLD_ALIGN_MAX)
		return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
			      .section = krtld_section_name(object, i),
			      .what = "the alignment is too large (sh_addralign)",
			      .value = shdr->sh_addralign, .limit = KRTLD_ALIGN_MAX);
	if ((shdr->sh_flags & SHF_EXECINSTR) && shdr->sh_size > UINT32_MAX)
		return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
			      .section = krtld_section_name(object, i),
			      .what = "too many bytes of text (sh_size)", .value = shdr->sh_size,
			      .limit = UINT32_MAX);
	return true;
}

/* A COMDAT group needs nothing of krtld, for one object holds each group once; the weak symbols
 * in it yield to those of an earlier module. */
static bool check_group(struct krtld_object *object, uint32_t i)
{
	const struct elf64_shdr *shdr = &object->shdrs[i];
	uint32_t member;

	if (!shdr->sh_size)
		return bad_section(object, i, "the group is empty, it lacks its flags", 0);
	if (shdr->sh_size % sizeof member)
		return bad_section(object, i, "the group's size is not a multiple of 4",
				   shdr->sh_size);
	if (!object->symtab || shdr->sh_link != object->symtab)
		return bad_section(object, i, "the group's sh_link is not the symbol table",
				   shdr->sh_link);
	if (shdr->sh_info >= object->nsymbols)
		return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
			      .section = krtld_section_name(object, i),
			      .what = "the group's symbol is out of range (sh_info)",
			      .value = shdr->sh_info,
			      .limit = object->nsymbols ? object->nsymbols - 1 : 0);
	for (uint64_t at = sizeof member; at < shdr->sh_size; at += sizeof member) {
		memcpy(&member, object->file + shdr->sh_offset + at, sizeof member);
		if (member >= object->nsections)
			return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
				      .section = krtld_section_name(object, i), .offset = at,
				      .what = "the group's member is not a section",
				      .value = member, .limit = object->nsections - 1);
	}
	return true;
}

/* Tables of relocations in forms that krtld does not read. */
static const struct {
	uint32_t type;
	const char *name;
	const char *why;
} foreign_tables[] = {
    {SHT_REL, "SHT_REL", "relocations without addends are not supported"},
    {SHT_CREL, "SHT_CREL", "compact relocations are not supported, assemble without --crel"},
    {SHT_RELR, "SHT_RELR", "relative relocations belong into a linked file, not into an object"},
    {SHT_ANDROID_REL, "SHT_ANDROID_REL", "packed relocations are not supported"},
    {SHT_ANDROID_RELA, "SHT_ANDROID_RELA", "packed relocations are not supported"},
    {SHT_ANDROID_RELR, "SHT_ANDROID_RELR",
     "relative relocations belong into a linked file, not into an object"},
};

/* The sections of these types say nothing about others that would have to be done to them. */
static bool is_harmless(uint32_t type)
{
	return type <= SHT_DYNSYM || (type >= SHT_INIT_ARRAY && type <= SHT_SYMTAB_SHNDX) ||
	       (type >= SHT_LLVM_FIRST && type <= SHT_LLVM_LAST) ||
	       (type >= SHT_GNU_FIRST && type <= SHT_GNU_LAST) || type == SHT_X86_64_UNWIND;
}

/* A section that may relocate a loaded one, in a way that krtld does not know. RELR names none: it
 * relocates all of them. */
static bool check_foreign(struct krtld_object *object, uint32_t i)
{
	const struct elf64_shdr *shdr = &object->shdrs[i];
	uint32_t target = shdr->sh_info < object->nsections ? shdr->sh_info : 0;
	bool loaded = krtld_is_loaded(&object->shdrs[target]);

	for (size_t f = 0; f < sizeof foreign_tables / sizeof foreign_tables[0]; f++) {
		if (shdr->sh_type != foreign_tables[f].type)
			continue;
		return (target && !loaded) || (!target && !shdr->sh_size) ||
		       REFUSE(object->krtld, object->name, KRTLD_E_TYPE,
			      .section = krtld_section_name(object, i),
			      .symbol = krtld_section_name(object, target),
			      .type = foreign_tables[f].name, .what = foreign_tables[f].why);
	}
	if (is_harmless(shdr->sh_type) || (target && !loaded) ||
	    (!target && !(shdr->sh_flags & SHF_INFO_LINK)))
		return true;
	return REFUSE(object->krtld, object->name, KRTLD_E_TYPE,
		      .section = krtld_section_name(object, i),
		      .symbol = krtld_section_name(object, target),
		      .what = "a section of unknown type says something about it, as tables of "
			      "relocations do (sh_info)",
		      .value = shdr->sh_type);
}

static bool check_links(struct krtld_object *object)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];

		if (shdr->sh_type == SHT_GROUP && !check_group(object, i))
			return false;
		if ((shdr->sh_flags & SHF_LINK_ORDER) && shdr->sh_link >= object->nsections)
			return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
				      .section = krtld_section_name(object, i),
				      .what = "the section that comes first is out of range "
					      "(SHF_LINK_ORDER, sh_link)",
				      .value = shdr->sh_link, .limit = object->nsections - 1);
		if (!check_foreign(object, i))
			return false;
	}
	return true;
}

static bool check_sections(struct krtld_object *object)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		if (krtld_is_loaded(&object->shdrs[i]) && !check_loaded(object, i))
			return false;
	}
	return true;
}

/* ---- Tables of relocations; what is in them relocate.c looks at, one by one ---- */

static const char *rela_fault(const struct krtld_object *object, const struct krtld_relocs *relocs,
			      const struct elf64_shdr *shdr, uint64_t *value)
{
	const char *fault = krtld_table_fault(shdr, value);

	if (fault)
		return fault;
	*value = shdr->sh_link;
	if (!object->symtab || shdr->sh_link != object->symtab)
		return "the relocations' sh_link is not the symbol table";
	*value = shdr->sh_info;
	if (shdr->sh_size && object->shdrs[shdr->sh_info].sh_type == SHT_NOBITS)
		return "relocations for a section without contents (SHT_NOBITS)";
	return shdr->sh_size && relocs[shdr->sh_info].count
		   ? "a second table of relocations for one section"
		   : NULL;
}

static bool add_table(const struct krtld_object *object, struct krtld_relocs *relocs, uint32_t i)
{
	const struct elf64_shdr *shdr = &object->shdrs[i];
	const char *fault;
	uint64_t value;

	if (shdr->sh_info >= object->nsections)
		return REFUSE(object->krtld, object->name, KRTLD_E_FORMAT,
			      .section = krtld_section_name(object, i),
			      .what = "the relocated section is out of range (sh_info)",
			      .value = shdr->sh_info, .limit = object->nsections - 1);
	if (!shdr->sh_info && shdr->sh_size)
		return bad_section(
		    object, i, "relocations that say of no section that it is theirs (sh_info)", 0);
	if (!krtld_is_loaded(&object->shdrs[shdr->sh_info]))
		return true;
	fault = rela_fault(object, relocs, shdr, &value);
	if (fault)
		return bad_section(object, i, fault, value);
	if (shdr->sh_size)
		relocs[shdr->sh_info] =
		    (struct krtld_relocs){object->file + shdr->sh_offset,
					  shdr->sh_size / sizeof(struct elf64_rela), shdr->sh_info};
	return true;
}

static bool check_tables(struct krtld_object *object)
{
	/* There is room after the section headers. */
	struct krtld_relocs *relocs = (struct krtld_relocs *)(object->shdrs + object->nsections);

	for (uint32_t i = 1; i < object->nsections; i++) {
		if (object->shdrs[i].sh_type == SHT_RELA && !add_table(object, relocs, i))
			return false;
	}
	object->relocs = relocs;
	return true;
}

const struct krtld_relocs *krtld_next_relocs(const struct krtld_object *object, uint32_t *section)
{
	while (++*section < object->nsections) {
		if (object->relocs[*section].count)
			return &object->relocs[*section];
	}
	return NULL;
}

static bool check(struct krtld_object *object)
{
	struct elf64_ehdr ehdr;
	uint32_t names = SHN_UNDEF;

	return check_header(object, &ehdr) && copy_sections(object, &ehdr, &names) &&
	       check_bounds(object, ehdr.e_shoff) && name_sections(object, &ehdr, names) &&
	       check_overlap(object, &ehdr) && check_sections(object) &&
	       krtld_check_symbols(object) && check_links(object) && check_tables(object);
}

bool krtld_object_open(const struct krtld *krtld, struct krtld_object *object, const char *name,
		       const void *file, size_t size)
{
	*object = (struct krtld_object){.krtld = krtld,
					.name = name,
					.file = file,
					.size = size,
					.section_names = "",
					.strings = ""};
	if (check(object))
		return true;
	krtld_object_close(object);
	return false;
}

void krtld_object_close(struct krtld_object *object)
{
	krtld_pool_free(object->krtld, &object->pool);
}

/*
 * The first phase: is this an object that krtld can load? Every offset, size, index, alignment and
 * overlap in the file is looked at here, once, so that the phases behind it can trust them all.
 * Part 1, the file and its sections; check_symbols.c does what the sections hold. Called by
 * krtld.c and the host tool.
 *
 * No two sections may share bytes of the file. That is what keeps memory and time linear in the
 * size of the file: sixty thousand sections that all claim the whole of it would not be.
 */
#include "loader/load.h"

#define SECTIONS_MAX 0x7fffffffu

static bool bad(const struct krtld *krtld, const struct krtld_module *module, uint64_t offset,
		const char *what, uint64_t value)
{
	return REFUSE(krtld, module, KRTLD_E_FORMAT, .offset = offset, .what = what,
		      .value = value);
}

static bool bad_section(const struct krtld *krtld, const struct krtld_module *module,
			uint32_t section, const char *what, uint64_t value)
{
	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = module->sections[section].name,
		      .what = what, .value = value);
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

static bool check_header(struct krtld *krtld, struct krtld_module *module, struct elf64_ehdr *ehdr)
{
	const struct krtld_private *own = module->private;
	const char *what;
	uint64_t offset, found;

	if (own->size < 4 || memcmp(own->file, "\177ELF", 4) != 0)
		return bad(krtld, module, 0, "not an ELF file", 0);
	if (own->size < sizeof *ehdr)
		return bad(krtld, module, 0, "the file ends inside the ELF header", own->size);
	memcpy(ehdr, own->file, sizeof *ehdr);
	what = wrong_header(ehdr, &offset, &found);
	if (what)
		return bad(krtld, module, offset, what, found);
	if (!ehdr->e_shoff)
		return bad(krtld, module, offsetof(struct elf64_ehdr, e_shoff),
			   "the file has no sections (e_shoff is 0)", 0);
	return true;
}

/*
 * Copies the section table. A count or an index that its 16 bits cannot hold is in section 0
 * (gABI, "ELF header", e_shnum and e_shstrndx).
 */
static bool copy_sections(struct krtld *krtld, struct krtld_module *module,
			  const struct elf64_ehdr *ehdr, uint32_t *names)
{
	struct krtld_private *own = module->private;
	uint64_t room, count = ehdr->e_shnum;
	struct elf64_shdr zero;

	if (ehdr->e_shoff > own->size || own->size - ehdr->e_shoff < sizeof zero)
		return bad(krtld, module, offsetof(struct elf64_ehdr, e_shoff),
			   "the section table lies outside the file", ehdr->e_shoff);
	memcpy(&zero, own->file + ehdr->e_shoff, sizeof zero);
	room = (own->size - ehdr->e_shoff) / sizeof zero;
	if (!count)
		count = zero.sh_size;
	if (!count || count > room || count > SECTIONS_MAX)
		return bad(krtld, module, offsetof(struct elf64_ehdr, e_shnum),
			   "the section table lies outside the file", count);
	*names = ehdr->e_shstrndx == SHN_XINDEX ? zero.sh_link : ehdr->e_shstrndx;
	if (*names >= count)
		return bad(krtld, module, offsetof(struct elf64_ehdr, e_shstrndx),
			   "no such section (e_shstrndx)", *names);
	own->shdrs = krtld_meta(krtld, module, count, sizeof *own->shdrs);
	if (!own->shdrs)
		return false;
	module->sections = krtld_meta(krtld, module, count, sizeof *module->sections);
	if (!module->sections)
		return false;
	memcpy(own->shdrs, own->file + ehdr->e_shoff, count * sizeof zero);
	memset(own->shdrs, 0, sizeof zero);
	module->nsections = (uint32_t)count;
	for (uint32_t i = 0; i < module->nsections; i++)
		module->sections[i].name = own->nameless;
	return true;
}

static bool check_bounds(struct krtld *krtld, struct krtld_module *module, uint64_t table)
{
	const struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &own->shdrs[i];

		if (!has_bytes(shdr))
			continue;
		if (shdr->sh_offset > own->size || shdr->sh_size > own->size - shdr->sh_offset)
			return bad(krtld, module, table + i * sizeof *shdr,
				   "the section's contents lie outside the file", i);
	}
	return true;
}

/* A string table in which every name ends: the gABI wants NUL at both ends. */
static bool is_string_table(const struct krtld_module *module, uint32_t index)
{
	const struct elf64_shdr *shdr = &module->private->shdrs[index];
	const uint8_t *bytes;

	if (shdr->sh_type != SHT_STRTAB || !shdr->sh_size || shdr->sh_size > UINT32_MAX)
		return false;
	bytes = module->private->file + shdr->sh_offset;
	return !bytes[0] && !bytes[shdr->sh_size - 1];
}

static bool name_sections(struct krtld *krtld, struct krtld_module *module, uint32_t names)
{
	const struct krtld_private *own = module->private;
	const char *strings;

	if (names == SHN_UNDEF)
		return true;
	if (!is_string_table(module, names))
		return bad(krtld, module, offsetof(struct elf64_ehdr, e_shstrndx),
			   "the section names are no string table with NUL at both ends", names);
	strings = (const char *)own->file + own->shdrs[names].sh_offset;
	for (uint32_t i = 1; i < module->nsections; i++) {
		if (own->shdrs[i].sh_name >= own->shdrs[names].sh_size)
			return bad(krtld, module, own->shdrs[names].sh_offset,
				   "a section's name lies outside the names", i);
		module->sections[i].name = strings + own->shdrs[i].sh_name;
	}
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

static bool check_extents(const struct krtld *krtld, const struct krtld_module *module,
			  struct extent *extents, uint32_t n)
{
	krtld_sort(extents, n, sizeof *extents, extent_start);
	for (uint32_t i = 1; i < n; i++) {
		const struct extent *before = &extents[i - 1];

		if (extents[i].start - before->start >= before->size)
			continue;
		if (!extents[i].section && !before->section)
			return bad(krtld, module, offsetof(struct elf64_ehdr, e_shoff),
				   "the section table overlaps the ELF header", extents[i].start);
		return bad_section(
		    krtld, module, extents[i].section ? extents[i].section : before->section,
		    "another section or a header has bytes of this one", extents[i].start);
	}
	return true;
}

static bool check_overlap(struct krtld *krtld, struct krtld_module *module,
			  const struct elf64_ehdr *ehdr)
{
	size_t size = (module->nsections + 1) * sizeof(struct extent);
	struct extent *extents = krtld_scratch(krtld, module, size);
	uint32_t n = 0;
	bool ok;

	if (!extents)
		return false;
	extents[n++] = (struct extent){0, sizeof *ehdr, 0};
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &module->private->shdrs[i];

		if (has_bytes(shdr))
			extents[n++] = (struct extent){shdr->sh_offset, shdr->sh_size, i};
	}
	extents[n++] =
	    (struct extent){ehdr->e_shoff, module->nsections * sizeof(struct elf64_shdr), 0};
	ok = check_extents(krtld, module, extents, n);
	krtld_unscratch(krtld, extents, size);
	return ok;
}

static enum krtld_kind kind_of(const struct elf64_shdr *shdr)
{
	if (shdr->sh_flags & SHF_EXECINSTR)
		return KRTLD_TEXT;
	return shdr->sh_flags & SHF_WRITE ? KRTLD_DATA : KRTLD_RODATA;
}

static bool check_loaded(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	const struct elf64_shdr *shdr = &module->private->shdrs[i];
	const uint64_t wx = SHF_WRITE | SHF_EXECINSTR;

	if (shdr->sh_flags & SHF_TLS)
		return REFUSE(krtld, module, KRTLD_E_TYPE, .section = module->sections[i].name,
			      .what = "thread-local storage (SHF_TLS) is not supported");
	if (shdr->sh_flags & SHF_COMPRESSED)
		return bad_section(krtld, module, i,
				   "a section to be loaded is compressed (SHF_COMPRESSED)",
				   shdr->sh_flags);
	if ((shdr->sh_flags & wx) == wx)
		return bad_section(krtld, module, i, "the section is writable and executable",
				   shdr->sh_flags);
	if ((shdr->sh_addralign & (shdr->sh_addralign - 1)) || shdr->sh_addralign > KRTLD_ALIGN_MAX)
		return bad_section(krtld, module, i,
				   "the alignment is no power of two up to 2 MiB (sh_addralign)",
				   shdr->sh_addralign);
	if ((shdr->sh_flags & SHF_EXECINSTR) && shdr->sh_size > UINT32_MAX)
		return bad_section(krtld, module, i, "more than 4 GiB of text", shdr->sh_size);
	module->sections[i].size = shdr->sh_size;
	module->sections[i].kind = (uint8_t)kind_of(shdr);
	return true;
}

/* A COMDAT group needs nothing of krtld, for one object holds each group once; the weak symbols
 * in it yield to those of an earlier module. */
static bool check_group(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	const struct elf64_shdr *shdr = &module->private->shdrs[i];
	uint32_t member;

	if (shdr->sh_size % sizeof member || !shdr->sh_size)
		return bad_section(krtld, module, i, "a group's size is no multiple of 4",
				   shdr->sh_size);
	for (uint64_t at = sizeof member; at < shdr->sh_size; at += sizeof member) {
		memcpy(&member, module->private->file + shdr->sh_offset + at, sizeof member);
		if (member >= module->nsections)
			return bad_section(krtld, module, i, "a group's member is no section",
					   member);
	}
	return true;
}

static bool check_sections(struct krtld *krtld, struct krtld_module *module)
{
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &module->private->shdrs[i];

		if (krtld_is_loaded(shdr) && !check_loaded(krtld, module, i))
			return false;
		if (shdr->sh_type == SHT_GROUP && !check_group(krtld, module, i))
			return false;
	}
	return true;
}

bool krtld_check(struct krtld *krtld, struct krtld_module *module)
{
	struct elf64_ehdr ehdr;
	uint32_t names = SHN_UNDEF;

	return check_header(krtld, module, &ehdr) && copy_sections(krtld, module, &ehdr, &names) &&
	       check_bounds(krtld, module, ehdr.e_shoff) && name_sections(krtld, module, names) &&
	       check_overlap(krtld, module, &ehdr) && check_sections(krtld, module) &&
	       krtld_check_symbols(krtld, module) && krtld_check_relocs(krtld, module);
}

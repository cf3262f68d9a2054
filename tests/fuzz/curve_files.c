/* Objects crafted to be slow to load; see curve.h. The format is the gABI's, chapters 4 and 5. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/fuzz/curve.h"

#define LCG(x) ((x)*1664525u + 1013904223u)

/* An object in the making. Section 1 is the symbol table, 2 the names; the others follow. */
struct making {
	uint8_t *bytes; /* of the file, behind the header */
	size_t size, room;
	Elf64_Shdr *sections;
	uint32_t nsections;
	Elf64_Sym *symbols;
	uint32_t nsymbols;
	char *names;
	size_t names_size;
};
enum { SYMTAB = 1, STRTAB, FIRST };

static void *grown(void *array, uint64_t n, size_t item)
{
	/* At each power of two there is no room for the next. */
	if (n & (n - 1))
		return array;
	array = realloc(array, (n ? 2 * n : 1) * item);
	cr_assert(array, "memory");
	return array;
}

static size_t append(struct making *m, const void *bytes, size_t size)
{
	size_t at = (m->size + 7) / 8 * 8;

	if (at + size > m->room) {
		m->room = 2 * (at + size);
		m->bytes = realloc(m->bytes, m->room);
		cr_assert(m->bytes, "memory");
	}
	memset(m->bytes + m->size, 0, at - m->size);
	memcpy(m->bytes + at, bytes, size);
	m->size = at + size;
	return sizeof(Elf64_Ehdr) + at;
}

static uint32_t section(struct making *m, uint32_t type, uint64_t flags, const void *bytes,
			size_t size)
{
	m->sections = grown(m->sections, m->nsections, sizeof(*m->sections));
	m->sections[m->nsections] = (Elf64_Shdr){.sh_type = type,
						 .sh_flags = flags,
						 .sh_size = size,
						 .sh_addralign = 1,
						 .sh_offset = append(m, bytes, size)};
	return m->nsections++;
}

/* A section of zeros, or of one byte over and over. */
static uint32_t filled(struct making *m, uint64_t flags, uint8_t byte, size_t size)
{
	void *bytes = malloc(size + !size);
	uint32_t index;

	cr_assert(bytes, "memory");
	memset(bytes, byte, size);
	index = section(m, SHT_PROGBITS, SHF_ALLOC | flags, bytes, size);
	free(bytes);
	return index;
}

/* The relocations of a section; those are the caller's to free. */
static uint32_t relocs(struct making *m, uint32_t target, const Elf64_Rela *relas, size_t n)
{
	uint32_t index = section(m, SHT_RELA, 0, relas, n * sizeof(*relas));

	m->sections[index].sh_link = SYMTAB;
	m->sections[index].sh_info = target;
	m->sections[index].sh_entsize = sizeof(*relas);
	return index;
}

static uint32_t name(struct making *m, const char *text)
{
	size_t length = strlen(text) + 1;

	m->names = realloc(m->names, 2 * (m->names_size + length));
	memcpy(m->names + m->names_size, text, length);
	m->names_size += length;
	return (uint32_t)(m->names_size - length);
}

static uint32_t symbol(struct making *m, uint32_t st_name, unsigned bind, uint16_t where)
{
	m->symbols = grown(m->symbols, m->nsymbols, sizeof(*m->symbols));
	m->symbols[m->nsymbols] = (Elf64_Sym){.st_name = st_name,
					      .st_info = (uint8_t)ELF64_ST_INFO(bind, STT_NOTYPE),
					      .st_shndx = where,
					      .st_value = where == SHN_COMMON,
					      .st_size = where == SHN_COMMON};
	return m->nsymbols++;
}

static struct making start(void)
{
	struct making m = {.nsections = 0};

	section(&m, SHT_NULL, 0, "", 0);
	section(&m, SHT_SYMTAB, 0, "", 0);
	section(&m, SHT_STRTAB, 0, "", 0);
	symbol(&m, name(&m, ""), STB_LOCAL, SHN_UNDEF);
	return m;
}

static struct image finish(struct making *m)
{
	Elf64_Ehdr header = {.e_type = ET_REL,
			     .e_machine = EM_X86_64,
			     .e_version = EV_CURRENT,
			     .e_ehsize = sizeof(header),
			     .e_shentsize = sizeof(Elf64_Shdr)};
	Elf64_Shdr *symtab = &m->sections[SYMTAB], *strtab = &m->sections[STRTAB];
	struct image image;

	symtab->sh_link = STRTAB;
	symtab->sh_entsize = sizeof(Elf64_Sym);
	symtab->sh_size = m->nsymbols * sizeof(Elf64_Sym);
	symtab->sh_offset = append(m, m->symbols, symtab->sh_size);
	strtab->sh_size = m->names_size;
	strtab->sh_offset = append(m, m->names, m->names_size);
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	m->sections[0].sh_size = m->nsections; /* where e_shnum is 0 */
	header.e_shoff = append(m, m->sections, m->nsections * sizeof(Elf64_Shdr));
	image.size = sizeof(header) + m->size;
	image.bytes = malloc(image.size);
	memcpy(image.bytes, &header, sizeof(header));
	memcpy(image.bytes + sizeof(header), m->bytes, m->size);
	free(m->bytes);
	free(m->sections);
	free(m->symbols);
	free(m->names);
	return image;
}

static struct crafted alone(struct making *m)
{
	return (struct crafted){.file = finish(m)};
}

/* ---- Sections ---- */

static struct crafted many_sections(uint32_t n)
{
	struct making m = start();

	for (uint32_t i = 0; i < n; i++)
		filled(&m, i % 2 ? SHF_WRITE : SHF_EXECINSTR, 0, i % 3);
	return alone(&m);
}

/* All of them claim the same bytes. */
static struct crafted overlapping_sections(uint32_t n)
{
	struct making m = start();

	filled(&m, 0, 0, 64ul * n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = filled(&m, 0, 0, 1);

		m.sections[index].sh_offset = m.sections[FIRST].sh_offset;
		m.sections[index].sh_size = 64ul * n;
	}
	return alone(&m);
}

/* Sections that are written in the file from its end to its beginning. */
static struct crafted backward_sections(uint32_t n)
{
	struct making m = start();

	filled(&m, 0, 0, 8ul * n);
	m.sections[FIRST].sh_type = SHT_NULL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = filled(&m, 0, 0, 1);

		m.sections[index].sh_offset = m.sections[FIRST].sh_offset + 8ul * (n - i - 1);
	}
	return alone(&m);
}

static struct crafted huge_group(uint32_t n)
{
	struct making m = start();
	uint32_t *members = calloc(n, sizeof(*members));

	for (uint32_t i = 0; i < n; i++)
		members[i] = i % 4;
	section(&m, SHT_GROUP, 0, members, n * sizeof(*members));
	free(members);
	return alone(&m);
}

/* ---- Symbols ---- */

/* Locals of one name; extended: their sections are in a table of their own. */
static struct making locals(uint32_t n, uint16_t where)
{
	struct making m = start();
	uint32_t same = name(&m, "the_same_name");

	filled(&m, SHF_EXECINSTR, 0xcc, 16);
	for (uint32_t i = 0; i < n; i++)
		symbol(&m, same, STB_LOCAL, where);
	return m;
}

static struct crafted many_locals(uint32_t n)
{
	struct making m = locals(n, FIRST);

	return alone(&m);
}

static struct crafted extended_indices(uint32_t n)
{
	struct making m = locals(n, SHN_XINDEX);
	uint32_t *indices = calloc(n + 1, sizeof(*indices));
	uint32_t index;

	for (uint32_t i = 1; i <= n; i++)
		indices[i] = FIRST;
	index = section(&m, SHT_SYMTAB_SHNDX, 0, indices, (n + 1) * sizeof(*indices));
	m.sections[index].sh_link = SYMTAB;
	free(indices);
	return alone(&m);
}

/* Something that exports one name, so that names are looked for at all. */
static struct image exporter(const char *text)
{
	struct making m = start();

	filled(&m, SHF_WRITE, 0, 16);
	symbol(&m, name(&m, text), STB_GLOBAL, FIRST);
	return finish(&m);
}

static char *long_name(uint32_t n)
{
	char *text = malloc(n + 1ul);

	memset(text, 'a', n);
	text[n] = '\0';
	return text;
}

/* Names that are each other's ends, as long as they may be. */
static struct crafted suffixes(uint32_t n)
{
	struct making m = start();
	char *text = long_name(64);
	uint32_t at = name(&m, text);

	filled(&m, SHF_WRITE, 0, 16);
	for (uint32_t i = 0; i < n; i++)
		symbol(&m, at + i % 8, STB_WEAK, SHN_UNDEF);
	free(text);
	return (struct crafted){finish(&m), exporter("x")};
}

/* Undefined symbols, n of them, that share one name of 8 n bytes. */
static struct crafted shared_name(uint32_t n, unsigned bind)
{
	struct making m = start();
	char *text = long_name(8 * n);
	uint32_t at = name(&m, text);

	for (uint32_t i = 0; i < n; i++)
		symbol(&m, at, bind, SHN_UNDEF);
	free(text);
	return (struct crafted){finish(&m), exporter("x")};
}

static struct crafted shared_local_name(uint32_t n)
{
	return shared_name(n, STB_LOCAL);
}

static struct crafted shared_global_name(uint32_t n)
{
	return shared_name(n, STB_WEAK);
}

static struct crafted undefined(uint32_t n, unsigned bind)
{
	struct making m = start();
	Elf64_Rela *relas = calloc(n, sizeof(*relas));
	char text[32];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "nobody_%u", i);
		relas[i] = (Elf64_Rela){
		    0, ELF64_R_INFO((uint64_t)symbol(&m, name(&m, text), bind, SHN_UNDEF), 1), 0};
	}
	relocs(&m, filled(&m, SHF_WRITE, 0, 8), relas, n);
	free(relas);
	return (struct crafted){finish(&m), exporter("x")};
}

static struct crafted weak_undefined(uint32_t n)
{
	return undefined(n, STB_WEAK);
}

static struct crafted all_missing(uint32_t n)
{
	return undefined(n, STB_GLOBAL);
}

static struct crafted common_symbols(uint32_t n)
{
	struct making m = start();
	char text[32];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "common_%u", i);
		symbol(&m, name(&m, text), STB_GLOBAL, SHN_COMMON);
	}
	return alone(&m);
}

/* ---- Names with one hash ---- */

/*
 * Name i of many with the same hash (loader/names.c): two words of eight bytes. The first is any, and
 * the second takes the hash, which a word is xored into and which is multiplied by an odd number, to
 * one state for all of them. Some first words would need a second one with a NUL in it.
 */
static void colliding_name(uint32_t i, char text[17])
{
	for (uint32_t salt = 0;; salt++) {
		uint64_t first, second, hash;
		bool nul = false;

		for (unsigned k = 0; k < 4; k++) {
			text[k] = (char)('0' + (salt >> 6 * k) % 64);
			text[4 + k] = (char)('0' + (i >> 6 * k) % 64);
		}
		memcpy(&first, text, 8);
		hash = first * 0x9e3779b97f4a7c15;
		second = (hash << 5 | hash >> 59) ^ 0x5555555555555555;
		memcpy(text + 8, &second, 8);
		text[16] = '\0';
		for (unsigned k = 0; k < 16; k++)
			nul |= !text[k];
		if (!nul)
			return;
	}
}

static struct image colliding(uint32_t n, unsigned bind, uint16_t where)
{
	struct making m = start();
	char text[17];

	filled(&m, SHF_WRITE, 0, 16);
	for (uint32_t i = 0; i < n; i++) {
		colliding_name(i, text);
		symbol(&m, name(&m, text), bind, where);
	}
	return finish(&m);
}

static struct crafted colliding_exports(uint32_t n)
{
	return (struct crafted){.file = colliding(n, STB_GLOBAL, FIRST)};
}

/* They are looked for in a module that has as many of them as a module may. */
static struct crafted colliding_undefined(uint32_t n)
{
	return (struct crafted){colliding(n, STB_WEAK, SHN_UNDEF),
				colliding(60, STB_GLOBAL, FIRST)};
}

/* ---- Relocations ---- */

enum order { ASCENDING, DESCENDING, SHUFFLED, ONE_PLACE };

/* Calls of a hotinline, each 8 bytes from the next. kind: of relocation. */
static struct crafted calls(uint32_t n, enum order order, uint32_t kind, int64_t addend)
{
	struct making m = start();
	Elf64_Rela *relas = calloc(n, sizeof(*relas));
	uint32_t stub = symbol(&m, name(&m, "count"), STB_GLOBAL, SHN_UNDEF), state = 1;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = order == DESCENDING ? n - 1 - i : order == ONE_PLACE ? 0 : i;

		relas[i] = (Elf64_Rela){8ul * at + 1, ELF64_R_INFO((uint64_t)stub, kind), addend};
	}
	for (uint32_t i = n; order == SHUFFLED && i > 1; i--) {
		uint32_t j = (state = LCG(state)) % i;
		Elf64_Rela kept = relas[j];

		relas[j] = relas[i - 1];
		relas[i - 1] = kept;
	}
	relocs(&m, filled(&m, SHF_EXECINSTR, 0xe8, 8ul * n), relas, n);
	free(relas);
	return alone(&m);
}

static struct crafted calls_in_order(uint32_t n)
{
	return calls(n, ASCENDING, R_X86_64_PLT32, -4);
}

static struct crafted calls_descending(uint32_t n)
{
	return calls(n, DESCENDING, R_X86_64_PLT32, -4);
}

static struct crafted calls_shuffled(uint32_t n)
{
	return calls(n, SHUFFLED, R_X86_64_PLT32, -4);
}

static struct crafted calls_at_one_place(uint32_t n)
{
	return calls(n, ONE_PLACE, R_X86_64_PLT32, -4);
}

static struct crafted references_descending(uint32_t n)
{
	return calls(n, DESCENDING, R_X86_64_PC32, 0);
}

static struct crafted references_at_one_place(uint32_t n)
{
	return calls(n, ONE_PLACE, R_X86_64_PC32, 0);
}

/* One text with n calls, whose relocations are in sections of one relocation each. */
static struct crafted calls_in_many_tables(uint32_t n)
{
	struct making m = start();
	uint32_t stub = symbol(&m, name(&m, "count"), STB_GLOBAL, SHN_UNDEF);
	uint32_t text = filled(&m, SHF_EXECINSTR, 0xe8, 8ul * n);

	for (uint32_t i = 0; i < n; i++) {
		Elf64_Rela rela = {8ul * (n - 1 - i) + 1,
				   ELF64_R_INFO((uint64_t)stub, R_X86_64_PLT32), -4};

		relocs(&m, text, &rela, 1);
	}
	return alone(&m);
}

/* As many texts as calls. */
static struct crafted calls_in_many_texts(uint32_t n)
{
	struct making m = start();
	uint32_t stub = symbol(&m, name(&m, "count"), STB_GLOBAL, SHN_UNDEF);
	Elf64_Rela rela = {1, ELF64_R_INFO((uint64_t)stub, R_X86_64_PLT32), -4};

	for (uint32_t i = 0; i < n; i++)
		relocs(&m, filled(&m, SHF_EXECINSTR, 0xe8, 8), &rela, 1);
	return alone(&m);
}

static struct crafted got_slots(uint32_t n)
{
	struct making m = locals(n, FIRST);
	Elf64_Rela *relas = calloc(n, sizeof(*relas));

	for (uint32_t i = 0; i < n; i++)
		relas[i] = (Elf64_Rela){0, ELF64_R_INFO((uint64_t)i + 1, R_X86_64_GOTPCREL), -4};
	relocs(&m, FIRST, relas, n);
	free(relas);
	return alone(&m);
}

/* The size of a symbol with a name of 8 n bytes, which is another module's, n times. */
static struct crafted sizes_by_name(uint32_t n)
{
	struct making m = start();
	char *text = long_name(8 * n);
	Elf64_Rela *relas = calloc(n, sizeof(*relas));
	uint64_t its = symbol(&m, name(&m, text), STB_GLOBAL, SHN_UNDEF);
	struct crafted crafted;

	for (uint32_t i = 0; i < n; i++)
		relas[i] = (Elf64_Rela){0, ELF64_R_INFO(its, R_X86_64_SIZE64), 0};
	relocs(&m, filled(&m, SHF_WRITE, 0, 8), relas, n);
	crafted = (struct crafted){finish(&m), exporter(text)};
	free(text);
	free(relas);
	return crafted;
}

const struct craft crafts[] = {
    {"sections", "sections of no, one and two bytes", many_sections},
    {"overlapping", "sections that all claim the same bytes", overlapping_sections},
    {"backward", "sections in descending order of their contents", backward_sections},
    {"group", "members of one group", huge_group},
    {"locals", "local symbols of one name", many_locals},
    {"extended", "symbols with SHT_SYMTAB_SHNDX", extended_indices},
    {"suffixes", "undefined symbols whose names share their ends", suffixes},
    {"shared-local", "undefined local symbols with one name of 8 n bytes", shared_local_name},
    {"shared-weak", "undefined weak symbols with one name of 8 n bytes", shared_global_name},
    {"weak", "undefined weak symbols", weak_undefined},
    {"missing", "undefined symbols, each reported", all_missing},
    {"common", "COMMON symbols", common_symbols},
    {"colliding", "globals whose names have one hash", colliding_exports},
    {"colliding-undefined", "references to names with one hash", colliding_undefined},
    {"calls", "sites in ascending order", calls_in_order},
    {"calls-down", "sites in descending order", calls_descending},
    {"calls-shuffled", "sites in random order", calls_shuffled},
    {"calls-one", "sites at one place", calls_at_one_place},
    {"references-down", "references that are no sites, in descending order", references_descending},
    {"references-one", "references that are no sites, at one place", references_at_one_place},
    {"tables", "sites of one text, each in a table of relocations of its own",
     calls_in_many_tables},
    {"texts", "sites, each in a text of its own", calls_in_many_texts},
    {"got", "symbols with a slot in the GOT", got_slots},
    {"sizes", "R_X86_64_SIZE64 of a symbol with a name of 8 n bytes", sizes_by_name},
};
const unsigned ncrafts = sizeof(crafts) / sizeof(crafts[0]);

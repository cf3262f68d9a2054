/* ET_REL objects made in memory; see object.h. The format is the gABI's, chapters 4 and 5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/object.h"

#define SECTIONS 64
#define SYMBOLS  512
#define RELAS    2048
#define CODE     4096 /* bytes of a section given as text */

struct section {
	char name[64];
	uint32_t type, link, info;
	uint64_t flags, align, size, entsize;
	uint8_t *bytes;
};

struct symbol {
	const char *name;
	Elf64_Sym elf;
	unsigned index; /* in the file: locals come first */
};

struct rela {
	unsigned section, symbol;
	uint32_t type;
	uint64_t offset;
	int64_t addend;
};

struct object {
	struct section sections[SECTIONS];
	struct symbol symbols[SYMBOLS];
	struct rela relas[RELAS];
	unsigned nsections, nsymbols, nrelas;
};

struct object *object_new(void)
{
	struct object *object = calloc(1, sizeof(*object));

	cr_assert(object);
	object->nsections = object->nsymbols = 1;
	object->symbols[0].name = "";
	return object;
}

unsigned object_section(struct object *object, const char *name, uint32_t type, uint64_t flags,
			uint64_t align, const void *bytes, size_t size)
{
	struct section *section = &object->sections[object->nsections];

	cr_assert(object->nsections < SECTIONS && strlen(name) < sizeof(section->name));
	strcpy(section->name, name);
	section->type = type;
	section->flags = flags;
	section->align = align;
	section->size = size;
	if (bytes) {
		section->bytes = malloc(size + !size);
		memcpy(section->bytes, bytes, size);
	}
	return object->nsections++;
}

static unsigned from_hex(struct object *object, const char *name, uint64_t flags, uint64_t align,
			 const char *hex)
{
	uint8_t bytes[CODE];
	size_t size = bytes_hex(hex, bytes, sizeof(bytes));

	return object_section(object, name, SHT_PROGBITS, SHF_ALLOC | flags, align, bytes, size);
}

unsigned object_text(struct object *object, const char *name, const char *hex)
{
	return from_hex(object, name, SHF_EXECINSTR, 16, hex);
}

unsigned object_rodata(struct object *object, const char *name, const char *hex)
{
	return from_hex(object, name, 0, 8, hex);
}

unsigned object_data(struct object *object, const char *name, const char *hex)
{
	return from_hex(object, name, SHF_WRITE, 8, hex);
}

unsigned object_bss(struct object *object, const char *name, size_t size)
{
	return object_section(object, name, SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 8, NULL, size);
}

unsigned object_symbol(struct object *object, const char *name, unsigned bind, unsigned type,
		       unsigned section, uint64_t value, uint64_t size)
{
	struct symbol *symbol = &object->symbols[object->nsymbols];

	cr_assert(object->nsymbols < SYMBOLS);
	symbol->name = name;
	symbol->elf.st_info = ELF64_ST_INFO(bind, type);
	symbol->elf.st_shndx = (uint16_t)section;
	symbol->elf.st_value = value;
	symbol->elf.st_size = size;
	return object->nsymbols++;
}

unsigned object_global(struct object *object, const char *name, unsigned section, uint64_t value)
{
	return object_symbol(object, name, STB_GLOBAL, STT_NOTYPE, section, value, 0);
}

unsigned object_local(struct object *object, const char *name, unsigned section, uint64_t value)
{
	return object_symbol(object, name, STB_LOCAL, STT_NOTYPE, section, value, 0);
}

unsigned object_weak(struct object *object, const char *name, unsigned section, uint64_t value)
{
	return object_symbol(object, name, STB_WEAK, STT_NOTYPE, section, value, 0);
}

unsigned object_undefined(struct object *object, const char *name)
{
	return object_global(object, name, SHN_UNDEF, 0);
}

unsigned object_section_symbol(struct object *object, unsigned section)
{
	return object_symbol(object, "", STB_LOCAL, STT_SECTION, section, 0, 0);
}

void object_rela(struct object *object, unsigned section, uint64_t offset, uint32_t type,
		 unsigned symbol, int64_t addend)
{
	cr_assert(object->nrelas < RELAS);
	object->relas[object->nrelas++] = (struct rela){section, symbol, type, offset, addend};
}

/* ---- Layout ---- */

static uint32_t add_string(struct section *strings, const char *text)
{
	size_t length = strlen(text) + 1;
	uint32_t at = (uint32_t)strings->size;

	if (!*text)
		return 0;
	strings->bytes = realloc(strings->bytes, strings->size + length);
	memcpy(strings->bytes + strings->size, text, length);
	strings->size += length;
	return at;
}

static struct section string_table(const char *name)
{
	struct section section = {.type = SHT_STRTAB, .align = 1, .size = 1};

	strcpy(section.name, name);
	section.bytes = calloc(1, 1);
	return section;
}

/* Locals first, as the gABI demands; info becomes the index of the first other. */
static struct section symbol_table(struct object *o, struct section *strings)
{
	struct section table = {.name = ".symtab", .type = SHT_SYMTAB, .align = 8};
	unsigned n = 0;

	table.entsize = sizeof(Elf64_Sym);
	table.size = o->nsymbols * sizeof(Elf64_Sym);
	table.bytes = malloc(table.size);
	for (unsigned locals = 2; locals-- > 0;) {
		for (unsigned i = 0; i < o->nsymbols; i++) {
			struct symbol *symbol = &o->symbols[i];

			if ((ELF64_ST_BIND(symbol->elf.st_info) == STB_LOCAL) != locals)
				continue;
			symbol->index = n++;
			symbol->elf.st_name = add_string(strings, symbol->name);
			memcpy(table.bytes + symbol->index * sizeof(Elf64_Sym), &symbol->elf,
			       sizeof(Elf64_Sym));
		}
		if (locals)
			table.info = n;
	}
	return table;
}

static struct section rela_table(const struct object *o, unsigned target)
{
	struct section table = {.type = SHT_RELA, .align = 8, .entsize = sizeof(Elf64_Rela)};

	snprintf(table.name, sizeof(table.name), ".rela%.58s", o->sections[target].name);
	table.info = target;
	table.flags = SHF_INFO_LINK;
	table.bytes = malloc(o->nrelas * sizeof(Elf64_Rela) + 1);
	for (unsigned i = 0; i < o->nrelas; i++) {
		const struct rela *rela = &o->relas[i];
		Elf64_Rela elf = {
		    rela->offset,
		    ELF64_R_INFO((uint64_t)o->symbols[rela->symbol].index, rela->type),
		    rela->addend};

		if (rela->section != target)
			continue;
		memcpy(table.bytes + table.size, &elf, sizeof(elf));
		table.size += sizeof(elf);
	}
	return table;
}

/* The tables that follow from what the object was given. */
static void add_tables(struct object *o)
{
	unsigned given = o->nsections, symtab;
	struct section strings = string_table(".strtab");

	cr_assert(2 * given + 3 <= SECTIONS);
	o->sections[o->nsections] = symbol_table(o, &strings);
	symtab = o->nsections++;
	o->sections[symtab].link = o->nsections;
	o->sections[o->nsections++] = strings;
	for (unsigned i = 1; i < given; i++) {
		struct section table = rela_table(o, i);

		if (o->sections[i].type == SHT_GROUP)
			o->sections[i].link = symtab;
		if (!table.size)
			continue;
		table.link = symtab;
		o->sections[o->nsections++] = table;
	}
	o->sections[o->nsections++] = string_table(".shstrtab");
}

/* Offsets of all contents; returns where the section headers begin. */
static uint64_t lay_out(const struct object *o, Elf64_Shdr *headers, struct section *names)
{
	uint64_t at = sizeof(Elf64_Ehdr);

	for (unsigned i = 1; i < o->nsections; i++) {
		const struct section *s = &o->sections[i];
		uint64_t align = s->align ? s->align : 1;

		headers[i].sh_name = add_string(names, s->name);
		at = (at + align - 1) / align * align;
		headers[i] = (Elf64_Shdr){.sh_name = headers[i].sh_name,
					  .sh_type = s->type,
					  .sh_flags = s->flags,
					  .sh_offset = at,
					  .sh_size = s == names ? names->size : s->size,
					  .sh_link = s->link,
					  .sh_info = s->info,
					  .sh_addralign = s->align,
					  .sh_entsize = s->entsize};
		if (s->type != SHT_NOBITS)
			at += headers[i].sh_size;
	}
	return (at + 7) / 8 * 8;
}

struct image object_image(const struct object *object)
{
	struct object *o = malloc(sizeof(*o));
	Elf64_Shdr headers[SECTIONS] = {{0}};
	struct image image;
	uint64_t table;
	Elf64_Ehdr header = {.e_type = ET_REL,
			     .e_machine = EM_X86_64,
			     .e_version = EV_CURRENT,
			     .e_ehsize = sizeof(Elf64_Ehdr),
			     .e_shentsize = sizeof(Elf64_Shdr)};

	*o = *object;
	add_tables(o);
	table = lay_out(o, headers, &o->sections[o->nsections - 1]);
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	header.e_shoff = table;
	header.e_shnum = (uint16_t)o->nsections;
	header.e_shstrndx = (uint16_t)(o->nsections - 1);
	image.size = table + o->nsections * sizeof(Elf64_Shdr);
	image.bytes = calloc(1, image.size);
	memcpy(image.bytes, &header, sizeof(header));
	memcpy(image.bytes + table, headers, o->nsections * sizeof(Elf64_Shdr));
	for (unsigned i = 1; i < o->nsections; i++)
		if (o->sections[i].bytes && headers[i].sh_size)
			memcpy(image.bytes + headers[i].sh_offset, o->sections[i].bytes,
			       headers[i].sh_size);
	free(o);
	return image;
}

/*
 * Mutation of object files, field by field, record by record, section by section; see mutate.h.
 * Nothing is assumed of the file: what does not lie in it is left alone.
 */
#include <stdbool.h>
#include <string.h>

#include "tests/fuzz/elffile.h"
#include "tests/fuzz/mutate.h"

/* An object in the making. */
struct making {
	uint8_t *bytes;
	size_t size, room;
	uint64_t *state;
	struct elffile file; /* the same, opened anew before each step */
};

uint32_t mutate_random(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32) % n;
}

static uint32_t any(const struct making *m, uint32_t n)
{
	return mutate_random(m->state, n);
}

/* ---- Records: headers, symbols, relocations ---- */

struct field {
	uint8_t offset, width;
};
#define FIELD(type, name)                                                                          \
	{                                                                                          \
		offsetof(type, name), sizeof(((type *)0)->name)                                    \
	}

static const struct field header_fields[] = {
    FIELD(Elf64_Ehdr, e_shoff), FIELD(Elf64_Ehdr, e_shnum),     FIELD(Elf64_Ehdr, e_shstrndx),
    FIELD(Elf64_Ehdr, e_flags), FIELD(Elf64_Ehdr, e_shentsize), FIELD(Elf64_Ehdr, e_flags)};
static const struct field section_fields[] = {
    FIELD(Elf64_Shdr, sh_name),   FIELD(Elf64_Shdr, sh_type),      FIELD(Elf64_Shdr, sh_flags),
    FIELD(Elf64_Shdr, sh_offset), FIELD(Elf64_Shdr, sh_size),      FIELD(Elf64_Shdr, sh_link),
    FIELD(Elf64_Shdr, sh_info),   FIELD(Elf64_Shdr, sh_addralign), FIELD(Elf64_Shdr, sh_entsize)};
static const struct field symbol_fields[] = {FIELD(Elf64_Sym, st_name),  FIELD(Elf64_Sym, st_info),
					     FIELD(Elf64_Sym, st_other), FIELD(Elf64_Sym, st_shndx),
					     FIELD(Elf64_Sym, st_value), FIELD(Elf64_Sym, st_size)};
static const struct field rela_fields[] = {
    FIELD(Elf64_Rela, r_offset), {8, 4}, {12, 4}, FIELD(Elf64_Rela, r_addend)};
static const struct field word_fields[] = {{0, 4}};

/* A table of records of one size. */
struct table {
	uint64_t at;
	uint32_t count;
	uint8_t size; /* bytes of a record */
	uint8_t nfields;
	const struct field *fields;
	uint32_t section; /* index; 0: it is the table of sections */
};
#define FIELDS(list) .nfields = sizeof(list) / sizeof((list)[0]), .fields = (list)

static struct table table_of(const struct making *m, uint32_t index)
{
	Elf64_Shdr section = elffile_section(&m->file, index);
	struct table t = {.at = section.sh_offset, .section = index};

	if (section.sh_type == SHT_SYMTAB)
		t = (struct table){.at = t.at, .size = 24, .section = index, FIELDS(symbol_fields)};
	else if (section.sh_type == SHT_RELA)
		t = (struct table){.at = t.at, .size = 24, .section = index, FIELDS(rela_fields)};
	else if (section.sh_type == SHT_GROUP || section.sh_type == SHT_SYMTAB_SHNDX)
		t = (struct table){.at = t.at, .size = 4, .section = index, FIELDS(word_fields)};
	if (t.size)
		t.count = (uint32_t)elffile_records(&m->file, &section, t.size);
	return t;
}

static struct table sections_table(const struct making *m)
{
	return (struct table){
	    .at = m->file.table, .count = m->file.count, .size = 64, FIELDS(section_fields)};
}

/* One of the file's tables that is not empty, or one that is. */
static struct table any_table(const struct making *m)
{
	for (unsigned tries = 0; m->file.count && tries < 8; tries++) {
		struct table t = table_of(m, any(m, m->file.count));

		if (t.count)
			return t;
		if (tries == 2 && any(m, 2))
			break;
	}
	return sections_table(m);
}

/* A section of that type; 0: a few tries have found none. */
static uint32_t any_section(const struct making *m, uint32_t type)
{
	for (unsigned tries = 0; m->file.count && tries < 32; tries++) {
		uint32_t i = any(m, m->file.count);

		if (elffile_section(&m->file, i).sh_type == type)
			return i;
	}
	return 0;
}

/* ---- Values ---- */

static uint64_t get(const struct making *m, uint64_t at, unsigned width)
{
	uint64_t value = 0;

	if (at <= m->size && width <= m->size - at)
		memcpy(&value, m->bytes + at, width);
	return value;
}

static void put(const struct making *m, uint64_t at, uint64_t value, unsigned width)
{
	if (at <= m->size && width <= m->size - at)
		memcpy(m->bytes + at, &value, width);
}

static uint64_t interesting(const struct making *m)
{
	static const uint64_t values[] = {0,
					  1,
					  2,
					  3,
					  4,
					  8,
					  16,
					  24,
					  0x7f,
					  0x80,
					  0xff,
					  0xfff,
					  0x1000,
					  0xff00,
					  0xff02,
					  0xfff1,
					  0xfff2,
					  0xffff,
					  0x10000,
					  0x200000,
					  0x7fffffff,
					  0x80000000,
					  0xfffffff8,
					  0xffffffff,
					  1ull << 32,
					  1ull << 62,
					  INT64_MAX,
					  1ull << 63,
					  UINT64_MAX - 63,
					  UINT64_MAX - 3,
					  UINT64_MAX};

	return values[any(m, sizeof(values) / sizeof(values[0]))];
}

static uint64_t new_value(const struct making *m, uint64_t old)
{
	switch (any(m, 8)) {
	case 0: return interesting(m);
	case 1: return old + 1;
	case 2: return old - 1;
	case 3: return old ^ 1ull << any(m, 64);
	case 4: return old + any(m, 64) - 32;
	case 5: return any(m, m->file.count + 2); /* a section, or a small number */
	case 6: return any(m, (uint32_t)m->size + 2);
	default: return any(m, 64);
	}
}

/* ---- Steps ---- */

static void change_header(struct making *m)
{
	struct field f = header_fields[any(m, sizeof(header_fields) / sizeof(header_fields[0]))];

	put(m, f.offset, new_value(m, get(m, f.offset, f.width)), f.width);
}

static void change_field(struct making *m)
{
	struct table t = any_table(m);
	uint64_t at;
	struct field f;

	if (!t.count)
		return;
	f = t.fields[any(m, t.nfields)];
	at = t.at + (uint64_t)any(m, t.count) * t.size + f.offset;
	put(m, at, new_value(m, get(m, at, f.width)), f.width);
}

/* A field takes the value that it has in another record. */
static void copy_field(struct making *m)
{
	struct table t = any_table(m);
	struct field f;
	uint64_t value;

	if (!t.count)
		return;
	f = t.fields[any(m, t.nfields)];
	value = get(m, t.at + (uint64_t)any(m, t.count) * t.size + f.offset, f.width);
	put(m, t.at + (uint64_t)any(m, t.count) * t.size + f.offset, value, f.width);
}

/* Two records change places, or one is copied over the other. */
static void move_record(struct making *m)
{
	struct table t = any_table(m);
	uint8_t kept[64];
	uint64_t from, to;

	if (!t.count)
		return;
	from = t.at + (uint64_t)any(m, t.count) * t.size;
	to = t.at + (uint64_t)any(m, t.count) * t.size;
	memcpy(kept, m->bytes + to, t.size);
	memmove(m->bytes + to, m->bytes + from, t.size);
	if (any(m, 2))
		memcpy(m->bytes + from, kept, t.size);
}

/* Everything that begins at or behind that offset moves by n bytes. */
static void fix_offsets(struct making *m, uint64_t at, int64_t n)
{
	uint64_t table = m->file.table;

	if (table >= at)
		put(m, offsetof(Elf64_Ehdr, e_shoff), table += (uint64_t)n, 8);
	for (uint32_t i = 0; i < m->file.count; i++) {
		uint64_t field = table + i * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_offset);

		if (get(m, field, 8) >= at)
			put(m, field, get(m, field, 8) + (uint64_t)n, 8);
	}
	m->file = elffile_open(m->bytes, m->size);
}

static bool insert(struct making *m, uint64_t at, const void *bytes, size_t n)
{
	if (at > m->size || n > m->room - m->size)
		return false;
	memmove(m->bytes + at + n, m->bytes + at, m->size - at);
	memcpy(m->bytes + at, bytes, n);
	m->size += n;
	fix_offsets(m, at, (int64_t)n);
	return true;
}

static void remove_bytes(struct making *m, uint64_t at, size_t n)
{
	if (at > m->size || n > m->size - at)
		return;
	memmove(m->bytes + at, m->bytes + at + n, m->size - at - n);
	m->size -= n;
	fix_offsets(m, at + 1, -(int64_t)n);
}

static void resize_section(struct making *m, uint32_t index, int64_t n)
{
	uint64_t field =
	    m->file.table + (uint64_t)index * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_size);

	put(m, field, get(m, field, 8) + (uint64_t)n, 8);
}

/* One record more, the copy of another; or one less. */
static void grow_table(struct making *m)
{
	struct table t = any_table(m);
	uint8_t record[64];
	bool grows = any(m, 3);
	uint64_t at;

	if (!t.count)
		return;
	memcpy(record, m->bytes + t.at + (uint64_t)any(m, t.count) * t.size, t.size);
	at = t.at + (uint64_t)t.count * t.size;
	if (grows && !insert(m, at, record, t.size))
		return;
	if (!grows)
		remove_bytes(m, at - t.size, t.size);
	if (t.section)
		resize_section(m, t.section, grows ? t.size : -(int64_t)t.size);
	else
		put(m, offsetof(Elf64_Ehdr, e_shnum), t.count + (grows ? 1u : 0xffffu), 2);
}

static const char *any_name(const struct making *m)
{
	static const char *const names[] = {
	    "count",          "empty",     "exact",  "four",      "lead",
	    "rexed",          "two",       "wclean", "wfull",     "wlong",
	    "wpair",          "xsmap",     "_init",  "_fini",     "count_soft",
	    "two_soft",       "long_soft", "datum",  "pair_soft", "_GLOBAL_OFFSET_TABLE_",
	    "__gnu_lto_slim", "twice",     "hook",   "",          "a"};

	return names[any(m, sizeof(names) / sizeof(names[0]))];
}

/* A symbol gets a name that means something: a new one at the end of the strings. */
static void rename_symbol(struct making *m)
{
	uint32_t symtab = any_section(m, SHT_SYMTAB);
	Elf64_Shdr table = elffile_section(&m->file, symtab);
	Elf64_Shdr strings = elffile_section(&m->file, table.sh_link);
	uint64_t count = elffile_records(&m->file, &table, sizeof(Elf64_Sym));
	const char *name = any_name(m);

	if (!symtab || !count || strings.sh_type != SHT_STRTAB)
		return;
	if (!insert(m, strings.sh_offset + strings.sh_size, name, strlen(name) + 1))
		return;
	resize_section(m, table.sh_link, (int64_t)strlen(name) + 1);
	table = elffile_section(&m->file, symtab);
	put(m, table.sh_offset + any(m, (uint32_t)count) * sizeof(Elf64_Sym), strings.sh_size, 4);
}

/* A relocation becomes one of a call: type, addend, and the opcode before its field. */
static void make_call(struct making *m)
{
	static const uint8_t opcodes[] = {0xe8, 0xe9, 0x84, 0x05, 0x2e, 0x66};
	Elf64_Shdr relocs = elffile_section(&m->file, any_section(m, SHT_RELA));
	uint32_t count = (uint32_t)elffile_records(&m->file, &relocs, sizeof(Elf64_Rela));
	Elf64_Shdr target = elffile_section(&m->file, relocs.sh_info);
	uint64_t at;

	if (relocs.sh_type != SHT_RELA || !count)
		return;
	at = relocs.sh_offset + (uint64_t)any(m, count) * sizeof(Elf64_Rela);
	put(m, at + 8, any(m, 2) ? R_X86_64_PLT32 : R_X86_64_PC32, 4);
	put(m, at + 16, (uint64_t)-4, 8);
	at = target.sh_offset + get(m, at, 8);
	put(m, at - 1, opcodes[any(m, 2) ? any(m, 2) : any(m, sizeof(opcodes))], 1);
	if (!any(m, 4))
		put(m, at - 2, (uint8_t[]){0x26, 0x64, 0x66, 0x67, 0xf2, 0x48, 0x90}[any(m, 7)], 1);
	if (!any(m, 4))
		put(m, at + 4, 0x9036, 2); /* the mark of 7 bytes */
}

/* Two fields come to lie next to, or over, one another. */
static void crowd_relocs(struct making *m)
{
	Elf64_Shdr relocs = elffile_section(&m->file, any_section(m, SHT_RELA));
	uint32_t count = (uint32_t)elffile_records(&m->file, &relocs, sizeof(Elf64_Rela));
	uint64_t value;

	if (relocs.sh_type != SHT_RELA || !count)
		return;
	value = get(m, relocs.sh_offset + any(m, count) * sizeof(Elf64_Rela), 8);
	put(m, relocs.sh_offset + any(m, count) * sizeof(Elf64_Rela), value + any(m, 17) - 8, 8);
}

/* A section lies where another one does, or a little beside it. */
static void crowd_sections(struct making *m)
{
	uint64_t table = m->file.table + offsetof(Elf64_Shdr, sh_offset);
	uint64_t value;

	if (!m->file.count)
		return;
	value = get(m, table + any(m, m->file.count) * sizeof(Elf64_Shdr), 8);
	put(m, table + any(m, m->file.count) * sizeof(Elf64_Shdr), value + any(m, 9) - 4, 8);
}

/* libFuzzer changes the contents of one section, whose size stays. */
static void change_contents(struct making *m)
{
	Elf64_Shdr section = elffile_section(&m->file, any(m, m->file.count + 1));
	uint64_t size = elffile_records(&m->file, &section, 1);

	if (size && section.sh_type != SHT_NOBITS)
		LLVMFuzzerMutate(m->bytes + section.sh_offset, size, size);
}

static void cut(struct making *m)
{
	if (!any(m, 8))
		m->size = any(m, (uint32_t)m->size) + 1u;
}

static void change_anything(struct making *m)
{
	m->size = LLVMFuzzerMutate(m->bytes, m->size, m->room);
}

/* An object is far more often interesting while it is still whole. */
static void step(struct making *m)
{
	static void (*const steps[])(struct making *) = {change_field,
							 change_field,
							 change_field,
							 copy_field,
							 copy_field,
							 move_record,
							 grow_table,
							 grow_table,
							 rename_symbol,
							 rename_symbol,
							 make_call,
							 make_call,
							 crowd_relocs,
							 change_contents,
							 change_contents,
							 crowd_sections,
							 change_header,
							 change_header,
							 cut,
							 change_anything};

	m->file = elffile_open(m->bytes, m->size);
	steps[any(m, sizeof(steps) / sizeof(steps[0]))](m);
}

size_t mutate_object(uint8_t *bytes, size_t size, size_t room, uint64_t *state)
{
	struct making m = {.bytes = bytes, .size = size, .room = room, .state = state};

	if (!size)
		return LLVMFuzzerMutate(bytes, size, room);
	for (unsigned n = 1 + any(&m, 4); n && m.size; n--)
		step(&m);
	return m.size ? m.size : size;
}

/* The contents of one section of the other object come into this one: instead of a section's of the
 * same type, or behind everything, as one more section. */
size_t mutate_cross(uint8_t *bytes, size_t size, size_t room, const uint8_t *other,
		    size_t other_size, uint64_t *state)
{
	struct making m = {.bytes = bytes,
			   .size = size,
			   .room = room,
			   .state = state,
			   .file = elffile_open(bytes, size)};
	struct elffile from = elffile_open(other, other_size);
	Elf64_Shdr theirs = elffile_section(&from, any(&m, from.count + 1));
	uint64_t n = elffile_records(&from, &theirs, 1);
	uint32_t index = any_section(&m, theirs.sh_type);
	Elf64_Shdr mine = elffile_section(&m.file, index);

	if (!index || !n || theirs.sh_type == SHT_NOBITS)
		return size;
	remove_bytes(&m, mine.sh_offset, elffile_records(&m.file, &mine, 1));
	if (insert(&m, mine.sh_offset, other + theirs.sh_offset, n))
		put(&m, m.file.table + index * sizeof(mine) + offsetof(Elf64_Shdr, sh_size), n, 8);
	return m.size;
}

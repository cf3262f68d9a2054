/*
 * Reading an object file without krtld's help, for the rules in check.c and the mutator. Fields are
 * copied out, since the file may be at any address; what lies outside of the file reads as zeros.
 */
#ifndef HOTINLINE_TESTS_FUZZ_ELFFILE_H
#define HOTINLINE_TESTS_FUZZ_ELFFILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct elffile {
	const uint8_t *bytes;
	size_t size;
	uint64_t table; /* offset of the section headers */
	uint32_t count; /* of them that lie in the file */
};

/* Copies size bytes at that offset. False: they are not all in the file, and *to is zeroed. */
static inline bool elffile_copy(const struct elffile *file, uint64_t at, void *to, size_t size)
{
	memset(to, 0, size);
	if (at > file->size || size > file->size - at)
		return false;
	memcpy(to, file->bytes + at, size);
	return true;
}

static inline Elf64_Shdr elffile_section(const struct elffile *file, uint32_t index)
{
	Elf64_Shdr section;

	elffile_copy(file, file->table + (uint64_t)index * sizeof(section), &section,
		     sizeof(section));
	return section;
}

static inline struct elffile elffile_open(const uint8_t *bytes, size_t size)
{
	struct elffile file = {.bytes = bytes, .size = size};
	Elf64_Ehdr header;
	Elf64_Shdr zero;
	uint64_t room, count;

	if (!elffile_copy(&file, 0, &header, sizeof(header)) || header.e_shoff >= size)
		return file;
	file.table = header.e_shoff;
	zero = elffile_section(&file, 0);
	room = (size - file.table) / sizeof(zero);
	count = header.e_shnum ? header.e_shnum : zero.sh_size;
	file.count = (uint32_t)(count < room ? count : room);
	return file;
}

/* Of a section's records of that size, how many lie in the file. */
static inline uint64_t elffile_records(const struct elffile *file, const Elf64_Shdr *section,
				       size_t size)
{
	uint64_t room = section->sh_offset < file->size ? file->size - section->sh_offset : 0;

	return (section->sh_size < room ? section->sh_size : room) / size;
}

static inline Elf64_Sym elffile_symbol(const struct elffile *file, const Elf64_Shdr *table,
				       uint64_t index)
{
	Elf64_Sym symbol;

	elffile_copy(file, table->sh_offset + index * sizeof(symbol), &symbol, sizeof(symbol));
	return symbol;
}

static inline Elf64_Rela elffile_rela(const struct elffile *file, const Elf64_Shdr *table,
				      uint64_t index)
{
	Elf64_Rela rela;

	elffile_copy(file, table->sh_offset + index * sizeof(rela), &rela, sizeof(rela));
	return rela;
}

#endif

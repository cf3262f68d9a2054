/*
 * What krtld is measured against: a plain loop over relocations, the floor below any of them, and
 * reading the object once.
 */
#include <string.h>

#include "tests/bench/subject.h"

enum { NONE = 0, ABS64 = 1, PC32 = 2, PLT32 = 4, ABS32 = 10, ABS32S = 11, PC64 = 24 };

static bool in_section(const struct piece *piece, uint64_t offset, unsigned width)
{
	return piece->size >= width && offset <= piece->size - width;
}

static inline bool plain_one(const struct subject *subject, const struct piece *piece,
			     const struct elf64_rela *rela)
{
	uint64_t index = rela->r_info >> 32, offset = rela->r_offset, value;
	uint8_t *field = piece->to + offset;

	if (index >= subject->nsymbols)
		return false;
	value = subject->symbols[index].st_value + (uint64_t)rela->r_addend;
	switch ((uint32_t)rela->r_info) {
	case NONE: return true;
	case PC64: value -= piece->address + offset; /* fall through */
	case ABS64:
		if (!in_section(piece, offset, 8))
			return false;
		memcpy(field, &value, 8);
		return true;
	case ABS32:
		if (!in_section(piece, offset, 4) || value != (uint32_t)value)
			return false;
		memcpy(field, &value, 4);
		return true;
	case PC32:
	case PLT32: value -= piece->address + offset; /* fall through */
	case ABS32S:
		if (!in_section(piece, offset, 4) || (int64_t)value != (int32_t)value)
			return false;
		memcpy(field, &value, 4);
		return true;
	default: return false;
	}
}

/* As the module loaders of kernels do it: a switch over the type, the symbol by its index, whether
 * index, field and value are in range, and the store. */
bool plain_relocate(const struct subject *subject)
{
	const struct subject own = *subject; /* which no store can change */

	for (uint32_t i = 0; i < subject->npieces; i++) {
		const struct piece piece = subject->pieces[i];
		const struct elf64_rela *relas = (const void *)piece.relocs.table;

		for (uint64_t j = 0; j < piece.relocs.count; j++) {
			if (!plain_one(&own, &piece, &relas[j]))
				return false;
		}
	}
	return true;
}

/* The floor: nothing is decided and nothing is computed. It reads 8 bytes for a field of 4, and 12
 * for one of 8. */
void store_words(const struct subject *subject)
{
	uint8_t *bytes = subject->bytes;

	for (size_t i = 0; i < subject->nwords32; i++)
		memcpy(bytes + subject->words32[i].offset, &subject->words32[i].word, 4);
	for (size_t i = 0; i < subject->nwords64; i++)
		memcpy(bytes + subject->words64[i].offset, subject->words64[i].words, 8);
}

/* A line of the caches, in vectors of whatever width the processor has. */
typedef uint64_t line __attribute__((vector_size(64)));

/* The sum of the file's words, in two halves so that no addition waits for the one before. */
uint64_t read_once(const struct subject *subject)
{
	const line *lines = (const void *)subject->file;
	line even = {0}, odd = {0};

	for (size_t i = 0; i + 1 < subject->size / sizeof *lines; i += 2) {
		even += lines[i];
		odd += lines[i + 1];
	}
	even += odd;
	return even[0] + even[1] + even[2] + even[3] + even[4] + even[5] + even[6] + even[7];
}

/* Every word of every relocation, added up: whoever relocates has to read them. */
uint64_t read_relocs(const struct subject *subject)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < subject->npieces; i++) {
		const struct krtld_relocs *relocs = &subject->pieces[i].relocs;
		const struct elf64_rela *relas = (const void *)relocs->table;

		for (uint64_t j = 0; j < relocs->count; j++)
			sum += relas[j].r_offset ^ relas[j].r_info ^ (uint64_t)relas[j].r_addend;
	}
	return sum;
}

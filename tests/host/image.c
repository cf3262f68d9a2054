/* The fields of an object's file in memory; see object.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/object.h"

struct image image_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct image image;
	long size;

	cr_assert(file, "cannot open %s: `make build/tests/host-tests` builds it", path);
	cr_assert(!fseek(file, 0, SEEK_END));
	size = ftell(file);
	rewind(file);
	image.size = (size_t)size;
	image.bytes = malloc(image.size);
	cr_assert_eq(fread(image.bytes, 1, image.size, file), image.size, "reading %s", path);
	fclose(file);
	return image;
}

struct image image_copy(const struct image *image, size_t size)
{
	struct image copy = {malloc(size + !size), size};

	memcpy(copy.bytes, image->bytes, size < image->size ? size : image->size);
	return copy;
}

void image_free(struct image *image)
{
	free(image->bytes);
	image->bytes = NULL;
}

Elf64_Ehdr *image_header(const struct image *image)
{
	return (Elf64_Ehdr *)image->bytes;
}

static Elf64_Shdr *headers(const struct image *image)
{
	return (Elf64_Shdr *)(image->bytes + image_header(image)->e_shoff);
}

unsigned image_section_index(const struct image *image, const char *name)
{
	const Elf64_Ehdr *header = image_header(image);
	const uint8_t *names = image->bytes + headers(image)[header->e_shstrndx].sh_offset;

	for (unsigned i = 1; i < header->e_shnum; i++)
		if (!strcmp((const char *)names + headers(image)[i].sh_name, name))
			return i;
	cr_assert_fail("no section %s", name);
	return 0;
}

Elf64_Shdr *image_section(const struct image *image, const char *name)
{
	return &headers(image)[image_section_index(image, name)];
}

Elf64_Sym *image_symbol_if_any(const struct image *image, const char *name)
{
	const Elf64_Shdr *table = image_section(image, ".symtab");
	const uint8_t *names = image->bytes + headers(image)[table->sh_link].sh_offset;
	Elf64_Sym *symbols = (Elf64_Sym *)(image->bytes + table->sh_offset);

	for (size_t i = 1; i < table->sh_size / sizeof(*symbols); i++)
		if (!strcmp((const char *)names + symbols[i].st_name, name))
			return &symbols[i];
	return NULL;
}

Elf64_Sym *image_symbol(const struct image *image, const char *name)
{
	Elf64_Sym *symbol = image_symbol_if_any(image, name);

	cr_assert(symbol, "no symbol %s", name);
	return symbol;
}

Elf64_Rela *image_rela(const struct image *image, const char *section, unsigned n)
{
	char name[80];

	snprintf(name, sizeof(name), ".rela%s", section);
	return (Elf64_Rela *)(image->bytes + image_section(image, name)->sh_offset) + n;
}

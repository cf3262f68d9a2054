/*
 * ET_REL objects made in memory, so that each of their fields can be made wrong. An object is put
 * together from sections, symbols and relocations; object_image() lays the file out; then the
 * image_…() functions lead to the fields of it. Used by the suites of krtld.
 */
#ifndef HOTINLINE_TESTS_HOST_OBJECT_H
#define HOTINLINE_TESTS_HOST_OBJECT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

struct object;

struct object *object_new(void);

/* Each returns the section's index, which is the order of these calls, from 1. */
unsigned object_section(struct object *object, const char *name, uint32_t type, uint64_t flags,
			uint64_t align, const void *bytes, size_t size);
/* Bytes as of bytes_hex(): executable; read-only; writable. */
unsigned object_text(struct object *object, const char *name, const char *hex);
unsigned object_rodata(struct object *object, const char *name, const char *hex);
unsigned object_data(struct object *object, const char *name, const char *hex);
unsigned object_bss(struct object *object, const char *name, size_t size);

/* Each returns a handle for object_rela(), whatever index the symbol gets in the file. */
unsigned object_symbol(struct object *object, const char *name, unsigned bind, unsigned type,
		       unsigned section, uint64_t value, uint64_t size);
unsigned object_global(struct object *object, const char *name, unsigned section, uint64_t value);
unsigned object_local(struct object *object, const char *name, unsigned section, uint64_t value);
unsigned object_weak(struct object *object, const char *name, unsigned section, uint64_t value);
unsigned object_undefined(struct object *object, const char *name);
unsigned object_section_symbol(struct object *object, unsigned section);

void object_rela(struct object *object, unsigned section, uint64_t offset, uint32_t type,
		 unsigned symbol, int64_t addend);

/* A file in memory of exactly that size, so that AddressSanitizer finds what reads beyond. */
struct image {
	uint8_t *bytes;
	size_t size;
};

/* Lays the file out: header, contents, relocations, symbols, strings, section headers. */
struct image object_image(const struct object *object);

/* A file from the disk, whole. The test fails where there is none. */
struct image image_read(const char *path);

/* The same, cut or copied to a memory of its own. */
struct image image_copy(const struct image *image, size_t size);
void image_free(struct image *image);

Elf64_Ehdr *image_header(const struct image *image);
Elf64_Shdr *image_section(const struct image *image, const char *name);
unsigned image_section_index(const struct image *image, const char *name);
Elf64_Sym *image_symbol(const struct image *image, const char *name);
/* The same; NULL: there is none. */
Elf64_Sym *image_symbol_if_any(const struct image *image, const char *name);
/* The n-th relocation of that section, from 0. */
Elf64_Rela *image_rela(const struct image *image, const char *section, unsigned n);

#endif

/*
 * An object file (ET_REL, ELF64) as krtld reads it: looked at once, in full, and constant after
 * that; and how it will lie in memory. For krtld, and for host programs that choose addresses before
 * they load (placement.h).
 */
#ifndef HOTINLINE_LOADER_OBJECT_H
#define HOTINLINE_LOADER_OBJECT_H

#include "alternatives/memory.h"
#include "loader/arch.h"
#include "loader/elf64.h"
#include "loader/memory.h"
#include "loader/placement.h"

#define KRTLD_ALIGN_MAX    0x200000 /* bytes; a large page. More would be a wrong file */
#define KRTLD_GOT_NAME     "_GLOBAL_OFFSET_TABLE_"
#define KRTLD_NAMES        4 /* bytes of names of globals, per byte of the file, at most */
#define KRTLD_SETS         4096 /* symbols __start_NAME and __stop_NAME that an object refers to, at most */

/* The section that a symbol is in: its index, SHN_UNDEF, or one of these. */
#define KRTLD_IN_ABS       0xffffffu
#define KRTLD_IN_COMMON    0xfffffeu
#define KRTLD_SECTIONS_MAX 0xfffff0u /* sections of an object, at most */

/* The relocations of one loaded section. */
struct krtld_relocs {
	const uint8_t *table; /* of struct elf64_rela, at any alignment */
	uint64_t count;
	uint32_t section; /* index: whose fields they are */
};

struct krtld_object {
	const struct krtld *krtld; /* whose ops are asked */
	const char *name;          /* of the module, for messages */
	const uint8_t *file;
	size_t size;
	struct krtld_pool pool;            /* the two arrays below */
	const struct elf64_shdr *shdrs;    /* [nsections], an aligned copy; [0] is all zeros */
	const struct krtld_relocs *relocs; /* [nsections] by section; count 0: it has none */
	const char *section_names;         /* a string table; "" if there is none */
	const uint8_t *symbols;            /* the symbol table, at any alignment */
	const uint8_t *indices;            /* SHT_SYMTAB_SHNDX, or NULL */
	const char *strings;               /* names of symbols */
	uint64_t section_names_size;
	uint32_t strings_size;
	uint32_t nsections;
	uint32_t nsymbols;
	uint32_t symtab;   /* index of the symbol table; 0: there is none */
	uint32_t ndefined; /* symbols that are defined and not local */
	uint32_t nsets;    /* undefined symbols that might be ends of sets */
	uint64_t names;    /* bytes of the names of those */
	bool has_common;   /* some symbol is COMMON */
	bool names_got;    /* _GLOBAL_OFFSET_TABLE_ is among the undefined symbols */
};

/*
 * Looks at everything in the file but the relocations themselves. Afterwards every offset, size,
 * index and alignment in it is in range, and the readers below need not ask. name and file must stay
 * as they are until it is closed. False after a report, and then it is closed.
 */
bool krtld_object_open(const struct krtld *krtld, struct krtld_object *object, const char *name,
		       const void *file, size_t size) __attribute__((warn_unused_result));
void krtld_object_close(struct krtld_object *object);

/* Whether memory holds the section's contents. */
static inline bool krtld_is_loaded(const struct elf64_shdr *shdr)
{
	return shdr->sh_type != SHT_NULL && (shdr->sh_flags & SHF_ALLOC);
}

/* Of a loaded section. */
static inline enum krtld_kind krtld_kind_of(const struct elf64_shdr *shdr)
{
	if (shdr->sh_flags & SHF_EXECINSTR)
		return KRTLD_TEXT;
	return shdr->sh_flags & SHF_WRITE ? KRTLD_DATA : KRTLD_RODATA;
}

static inline const char *krtld_section_name(const struct krtld_object *object, uint32_t section)
{
	return object->section_names + object->shdrs[section].sh_name;
}

static inline struct elf64_sym krtld_object_symbol(const struct krtld_object *object,
						   uint32_t index)
{
	struct elf64_sym symbol = {0, 0, 0, 0, 0, 0};

	if (index) /* the first is all zeros, whatever the file says (gABI, STN_UNDEF) */
		memcpy(&symbol, object->symbols + (size_t)index * sizeof symbol, sizeof symbol);
	return symbol;
}

/* The section it is defined in, SHN_XINDEX resolved. */
static inline uint32_t krtld_symbol_section(const struct krtld_object *object,
					    const struct elf64_sym *symbol, uint32_t index)
{
	uint32_t section = symbol->st_shndx;

	if (section == SHN_XINDEX && object->indices) {
		memcpy(&section, object->indices + (size_t)index * sizeof section, sizeof section);
		return section;
	}
	if (section == SHN_ABS)
		return KRTLD_IN_ABS;
	if (section == SHN_COMMON || section == krtld_arch_common)
		return KRTLD_IN_COMMON;
	return section;
}

static inline const char *krtld_symbol_name(const struct krtld_object *object,
					    const struct elf64_sym *symbol)
{
	return symbol->st_name ? object->strings + symbol->st_name : "";
}

/* For messages: a section symbol has its section's name. */
const char *krtld_symbol_title(const struct krtld_object *object, uint32_t index);

/* Whether no other module may see a global, whatever its name: hidden, _init, _fini, without a name,
 * or not exported as ops has it. */
bool krtld_is_own(const struct krtld_object *object, const struct elf64_sym *symbol);

static inline struct elf64_rela krtld_rela(const uint8_t *at)
{
	struct elf64_rela rela;

	/* Word by word, so that a loop has them in registers and the struct nowhere. */
	memcpy(&rela.r_offset, at, 8);
	memcpy(&rela.r_info, at + 8, 8);
	memcpy(&rela.r_addend, at + 16, 8);
	return rela;
}

/* The next section that has relocations: *section, which moves on; start with 0. NULL: no more. */
const struct krtld_relocs *krtld_next_relocs(const struct krtld_object *object, uint32_t *section);

/* ---- Layout: where things are in their regions, before those have addresses (place.c) ---- */

/* A section's place in its set: the set's first section and the next one, by index (sets.c). */
struct krtld_link {
	uint32_t first; /* 0: in no set */
	uint32_t next;  /* 0: it is the last */
};

struct krtld_layout {
	struct krtld_pool pool; /* the arrays below */
	struct {
		uint64_t size; /* bytes */
		uint64_t align;
	} regions[KRTLD_REGIONS];
	uint64_t *sections; /* [nsections] offset of each loaded section in its region */
	uint64_t *commons;  /* [nsymbols] of each COMMON symbol in the data; NULL: there are none */
	struct krtld_link *links; /* [nsections]; NULL: there are no sets */
	uint64_t got;             /* offset of the GOT's first slot in the read-only data */
};

/* nslots: of the GOT. False after a report, and then nothing of it is left. */
bool krtld_layout_make(const struct krtld_object *object, uint32_t nslots,
		       struct krtld_layout *layout) __attribute__((warn_unused_result));
void krtld_layout_drop(const struct krtld_object *object, struct krtld_layout *layout);

/* The loaded sections in the order of memory: the one after `at`, from 0; 0: no more. */
uint32_t krtld_next_placed(const struct krtld_object *object, const struct krtld_layout *layout,
			   uint32_t at);

/* Slots that the object's relocations need in the GOT: one for each symbol that is referred to
 * through it. *wanted: whether the GOT must have an address, slots or not. numbers: [nsymbols], zeroed
 * before; becomes the number of each symbol's slot from 1, 0 for none. */
uint32_t krtld_count_slots(const struct krtld_object *object, uint32_t *numbers, bool *wanted);

#endif

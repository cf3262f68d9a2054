/*
 * What the files of krtld share among themselves. A phase is a function that takes the krtld and
 * the module, and returns false after its report; krtld.c calls them in order. The host tool calls
 * the first two as well. Private to loader/.
 */
#ifndef HOTINLINE_LOADER_LOAD_H
#define HOTINLINE_LOADER_LOAD_H

#include "alternatives/bytes.h"
#include "alternatives/memory.h"
#include "loader/arch.h"
#include "loader/elf64.h"
#include "loader/krtld.h"

#define KRTLD_ALIGN_MAX 0x200000 /* bytes; a large page. More would be a wrong file */
#define KRTLD_QUEUE                                                                                \
	64                /* relocations that are looked at together: as many as a
				    first-level cache holds with the text around them */
#define KRTLD_SLOT      8 /* bytes of a GOT slot */
#define KRTLD_SETS      4096 /* symbols __start_NAME and __stop_NAME that an object refers to, at most */
#define KRTLD_NAMES     4 /* bytes of names of globals, per byte of the file, at most */

/* What a relocation must know of a symbol besides its value. Nearly always 0: one test. */
#define KRTLD_IS_STUB   0x1 /* it is the stub of `hotinline`, by name */
#define KRTLD_NEAR_STUB 0x2 /* it is something else in a section that holds stubs */
#define KRTLD_ABSENT    0x4 /* its section is not loaded */
#define KRTLD_UNDEFINED 0x8 /* nobody defines it */

/* A symbol, as a relocation sees it. */
struct krtld_value {
	uint64_t value;     /* S */
	uint32_t got;       /* number of its GOT slot, from 1; 0: none */
	uint16_t hotinline; /* index, or HOT_NONE */
	uint16_t flags;     /* KRTLD_IS_STUB … */
};
_Static_assert(sizeof(struct krtld_value) == 16, "four to a cache line");

/* The relocations of one allocated section. */
struct krtld_relocs {
	const uint8_t *table; /* in the file, of any alignment */
	uint64_t count;
	uint32_t target; /* section index */
};

/* A global of the module, in its hash table. */
struct krtld_export {
	uint32_t symbol; /* index */
	uint32_t hash;
	uint32_t next; /* number of the next in its chain, from 1; 0: none */
};

/* A section's place in its set: the set's first section and the next one, by index. */
struct krtld_link {
	uint32_t first; /* 0: in no set */
	uint32_t next;  /* 0: it is the last */
};

/* Where a stub is. */
struct krtld_stub {
	uint64_t address;
	uint32_t section;   /* index */
	uint16_t hotinline; /* index */
};

/* A symbol in the index that krtld_index() makes. */
struct krtld_named {
	uint64_t address;
	uint32_t symbol; /* index */
};

/* Memory of kind KRTLD_META, in a list so that it can be freed in one place. */
struct krtld_meta {
	struct krtld_meta *next;
	size_t size; /* bytes, this header included */
};

/* Something of which there will be as many as are found. */
struct krtld_pile {
	void *items;
	uint32_t n;
	uint32_t room; /* items that memory holds */
};

/* What relocate.c comes across and sites.c makes of it, until the numbers are known. */
struct krtld_found {
	struct krtld_pile sites;
	struct krtld_pile references;
	struct krtld_pile texts;
	uint32_t shared_out; /* sites that one of the texts has */
	bool indirect;       /* there are sites that call through the GOT, and must be relaxed */
};

/*
 * What a module is made of. Neither this nor any other structure that lives as long as a module
 * points into krtld's own code or constants: a boot program may load unix and hand the lot over to
 * the krtld inside of it.
 */
struct krtld_private {
	struct krtld_meta *metas;
	const uint8_t *file;
	size_t size;
	struct elf64_shdr *shdrs; /* [nsections], an aligned copy */
	const uint8_t *symbols;   /* the symbol table, in the file, of any alignment */
	uint32_t nsymbols;
	uint32_t symtab;        /* its section's index; 0: none */
	const uint8_t *indices; /* SHT_SYMTAB_SHNDX, or NULL */
	const char *strings;    /* names of symbols */
	uint32_t strings_size;
	uint64_t names;              /* bytes of the names of globals, as often as they are used */
	struct krtld_value *values;  /* [nsymbols] */
	struct krtld_relocs *relocs; /* [nsections] by target; count 0: none */
	uint64_t got;                /* address of the GOT: what _GLOBAL_OFFSET_TABLE_ stands for */
	uint64_t slots;              /* address of its first slot */
	uint64_t got_offset;         /* of that slot in the read-only data */
	uint32_t nslots;
	uint32_t nundefined;      /* symbols that nobody defines, used or not */
	uint32_t nsets;           /* undefined symbols that might be ends of sets */
	struct krtld_link *links; /* if there are: [nsections] */
	bool has_common;          /* some symbol is COMMON */
	bool got_wanted;          /* the GOT needs an address, slots or not */
	bool linked;              /* in krtld's list, and counted as a user of what it needs */
	bool started;             /* its _init has run, or it has none: its _fini may */
	bool constructed;         /* its constructors have run, or it has none */
	bool running;             /* one of its own functions has not returned */
	uint64_t *functions;      /* its constructors, then its destructors, as they are called */
	uint64_t nconstructors;
	uint64_t ndestructors;
	bool is_unix;                 /* it defines the stubs */
	struct krtld_stub *stubs;     /* if so: [nhotinlines], sorted by address */
	uint8_t *holds_stubs;         /* if so: [nsections], whether there is a stub in it */
	uint64_t *machine_before;     /* if so: the machine's stubs and symbols before it came */
	bool refers;                  /* to a stub, somehow: there may be sites */
	bool ordered;                 /* in each section the fields of relocations are in order, and
				     none overlaps another */
	struct krtld_found found;     /* until they are collected */
	struct krtld_export *exports; /* [nexports] */
	uint32_t *buckets;            /* [nbuckets] number of an export, from 1 */
	uint32_t nexports;
	uint32_t room;               /* exports there may be at most: globals that it defines */
	uint32_t nbuckets;           /* a power of two */
	struct krtld_module **needs; /* [nneeds] the modules whose symbols it uses */
	uint32_t nneeds;
	uint32_t holds;                 /* of its users those that krtld_hold() counted */
	struct krtld_module *needed_by; /* the last that put this module on its list of needs */
	struct krtld_named *named;      /* [nnamed], made by krtld_index() */
	uint32_t nnamed;
	char nameless[1]; /* "" */
};

/* ---- krtld.c ---- */
/* A module with nothing in it but names and file. NULL after a report. */
struct krtld_module *krtld_create(struct krtld *krtld, const char *name, const void *file,
				  size_t size);
/* Undoes every phase that was done, and frees the module. */
void krtld_destroy(struct krtld *krtld, struct krtld_module *module);
/* Zeroed memory for n items that lives as long as the module. NULL after a report. */
void *krtld_meta(struct krtld *krtld, struct krtld_module *module, uint64_t n, size_t item);
/* Zeroed memory for the length of a phase. NULL after a report. */
void *krtld_scratch(struct krtld *krtld, const struct krtld_module *module, size_t size);
void krtld_unscratch(struct krtld *krtld, void *memory, size_t size);
/* Reports, and returns false. */
bool krtld_refuse(const struct krtld *krtld, const struct krtld_error *error);

/* The same, with the fields of the error written out: REFUSE(krtld, module, reason, .what = …). */
#define REFUSE(krtld, what_module, ...)                                                            \
	krtld_refuse(krtld,                                                                        \
		     &(struct krtld_error){.module = (what_module)->name, .reason = __VA_ARGS__})

/* Whether it is unix, or would be, and comes before the decision: the kernel patches and starts it. */
bool krtld_is_early(const struct krtld *krtld, const struct krtld_module *module);

/* ---- start.c ---- */
/* Finds constructors and destructors, and whether krtld may call them. */
bool krtld_find_functions(struct krtld *krtld, struct krtld_module *module);
/* Runs constructors and _init. */
bool krtld_begin(struct krtld *krtld, struct krtld_module *module);
/* Runs _fini and destructors, of what has begun. False after a report: the module must stay. */
bool krtld_end(struct krtld *krtld, struct krtld_module *module);

/* ---- check.c ---- */
bool krtld_check(struct krtld *krtld, struct krtld_module *module);
/* What is wrong with a section as a table of names, as a phrase; NULL: nothing. */
const char *krtld_strings_fault(const struct krtld_private *own, const struct elf64_shdr *shdr);
/* Whether memory holds the section's contents. */
static inline bool krtld_is_loaded(const struct elf64_shdr *shdr)
{
	return shdr->sh_type != SHT_NULL && (shdr->sh_flags & SHF_ALLOC);
}

/* ---- check_symbols.c ---- */
bool krtld_check_symbols(struct krtld *krtld, struct krtld_module *module);
bool krtld_check_relocs(struct krtld *krtld, struct krtld_module *module);
/* The next loaded section that has relocations: *target, which moves on; start with 0. NULL: no
 * more. */
const struct krtld_relocs *krtld_next_relocs(const struct krtld_module *module, uint32_t *target);

/* ---- symbol.c: reading the symbol table ---- */
static inline struct elf64_sym krtld_symbol(const struct krtld_module *module, uint32_t index)
{
	struct elf64_sym symbol = {0, 0, 0, 0, 0, 0};

	if (index) /* the first is all zeros, whatever the file says (gABI, STN_UNDEF) */
		memcpy(&symbol, module->private->symbols + (size_t)index * sizeof symbol,
		       sizeof symbol);
	return symbol;
}
static inline struct elf64_rela krtld_rela(const struct krtld_relocs *relocs, uint64_t i)
{
	const uint8_t *at = relocs->table + i * sizeof(struct elf64_rela);
	struct elf64_rela rela;

	/* Word by word, so that a loop has them in registers and the struct nowhere. */
	memcpy(&rela.r_offset, at, 8);
	memcpy(&rela.r_info, at + 8, 8);
	memcpy(&rela.r_addend, at + 16, 8);
	return rela;
}
/* The section it is defined in, SHN_XINDEX resolved; SHN_UNDEF, SHN_ABS, SHN_COMMON as they are. */
#define KRTLD_IN_ABS    0xffffffffu
#define KRTLD_IN_COMMON 0xfffffffeu
static inline uint32_t krtld_symbol_section(const struct krtld_module *module,
					    const struct elf64_sym *symbol, uint32_t index)
{
	uint32_t section = symbol->st_shndx;

	if (section == SHN_XINDEX && module->private->indices) {
		memcpy(&section, module->private->indices + (size_t)index * sizeof section,
		       sizeof section);
		return section;
	}
	if (section == SHN_ABS)
		return KRTLD_IN_ABS;
	if (section == SHN_COMMON || section == krtld_arch_common)
		return KRTLD_IN_COMMON;
	return section;
}
static inline bool krtld_is_undefined(const struct krtld_module *module,
				      const struct elf64_sym *symbol, uint32_t index)
{
	return krtld_symbol_section(module, symbol, index) == SHN_UNDEF;
}
static inline const char *krtld_symbol_name(const struct krtld_module *module,
					    const struct elf64_sym *symbol)
{
	const struct krtld_private *own = module->private;

	return symbol->st_name ? own->strings + symbol->st_name : own->nameless;
}
/* For messages: a section symbol has its section's name. */
const char *krtld_symbol_title(const struct krtld_module *module, uint32_t index);
bool krtld_same(const char *a, const char *b);
size_t krtld_length(const char *text);

/* ---- pile.c ---- */
/* Makes room for n more items, at most KRTLD_QUEUE, of that many bytes; the caller counts them.
 * False after a report. */
bool krtld_make_room(struct krtld *krtld, const struct krtld_module *module,
		     struct krtld_pile *pile, uint32_t n, size_t size);
/* The items of a pile in an array of just that size that lives as long as the module. NULL after a
 * report. */
void *krtld_settle(struct krtld *krtld, struct krtld_module *module, const struct krtld_pile *pile,
		   size_t size);
void krtld_drop_pile(struct krtld *krtld, struct krtld_pile *pile, size_t size);

/* ---- sets.c: __start_NAME and __stop_NAME ---- */
/* Whether a symbol has such a name. */
bool krtld_is_set(const char *symbol);
bool krtld_check_sets(struct krtld *krtld, struct krtld_module *module);
/* The loaded sections in the order of memory, in which those of a set are neighbours: the one after
 * `at`, from 0; 0: no more. And its alignment there. */
uint32_t krtld_next_placed(const struct krtld_module *module, uint32_t at);
uint64_t krtld_placed_align(const struct krtld_module *module, uint32_t at);
bool krtld_check_placed(struct krtld *krtld, const struct krtld_module *module);
/* The value of a symbol that is an end of a set of the module's. False: it is none. */
bool krtld_set_end(const struct krtld_module *module, const char *symbol, uint64_t *value);

/* ---- place.c ---- */
/* A region, before it has an address. */
struct krtld_plan {
	uint64_t size; /* bytes */
	uint64_t align;
};
/* How large each region will be. A section's address is then its offset in its region, until the
 * region has one, and a COMMON symbol's value likewise. False: larger than 64 bits hold. */
bool krtld_plan(struct krtld_module *module, struct krtld_plan plans[KRTLD_REGIONS]);
bool krtld_place(struct krtld *krtld, struct krtld_module *module);
void krtld_unplace(struct krtld *krtld, struct krtld_module *module);

/* ---- resolve.c ---- */
bool krtld_resolve(struct krtld *krtld, struct krtld_module *module);

/* ---- exports.c ---- */
/* Of a name, for the two functions that take it, so that it is read once. */
uint32_t krtld_hash(const char *name);
/* Memory for the module's table. */
bool krtld_export_room(struct krtld *krtld, struct krtld_module *module);
/* Whether no other module may see the global: hidden, _init, _fini, without a name, or not exported
 * as ops has it. */
bool krtld_is_own(const struct krtld *krtld, const struct krtld_module *module,
		  const struct elf64_sym *symbol);
/* Adds a symbol that is not its own. False after a report: the module defines that name already. */
bool krtld_export(struct krtld *krtld, struct krtld_module *module, uint32_t symbol, uint32_t hash);
/* The symbol's index in one module's table; 0: not there. */
uint32_t krtld_exported(const struct krtld_module *module, const char *name);
/* Where a name is defined: the module, and the symbol's index in it. NULL: nowhere. */
struct krtld_module *krtld_search(const struct krtld *krtld, const char *name, uint32_t hash,
				  uint32_t *symbol);

/* ---- stubs.c ---- */
/* A global that the module defines has a hotinline's name: that makes it unix, or is refused. */
bool krtld_define_stub(struct krtld *krtld, struct krtld_module *module, uint32_t symbol,
		       unsigned hotinline);
/* If it is unix: addresses of all stubs and fix-up symbols go to the machine. */
bool krtld_take_stubs(struct krtld *krtld, struct krtld_module *module);
void krtld_drop_stubs(struct krtld *krtld, struct krtld_module *module);
/* The hotinline whose stub's body, in this module, holds that address, or HOT_NONE. */
unsigned krtld_stub_at(const struct krtld *krtld, const struct krtld_module *module,
		       uint64_t address);

/* ---- relocate.c ---- */
bool krtld_relocate(struct krtld *krtld, struct krtld_module *module);

/* ---- sites.c ---- */
/* Looks at n relocations of a section, at most KRTLD_QUEUE, whose symbols are or might be stubs. */
bool krtld_note(struct krtld *krtld, struct krtld_module *module, const struct krtld_relocs *relocs,
		const uint64_t *numbers, unsigned n);
/* All of a section's relocations were noted. */
bool krtld_noted(struct krtld *krtld, struct krtld_module *module, uint32_t section);
bool krtld_collect(struct krtld *krtld, struct krtld_module *module);
void krtld_drop_found(struct krtld *krtld, struct krtld_module *module);

/* ---- names.c ---- */
/* The name of the section that holds an address, and the offset in it; NULL: none does. */
const char *krtld_locate(const struct krtld_module *module, uint64_t address, uint64_t *offset);
/* As krtld_name(), in one module; false: no symbol. */
bool krtld_nearest(const struct krtld_module *module, uint64_t address, const char **symbol,
		   uint64_t *offset, uint64_t *size);

/* ---- sort.c ---- */
/* Sorts n elements of at most 64 bytes by key, in place, in n log n steps at worst. */
void krtld_sort(void *array, size_t n, size_t size, uint64_t (*key)(const void *element));

#endif

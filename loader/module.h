/*
 * What stays of a module once it is loaded, and nothing else. Private to loader/.
 *
 * Neither this nor any other structure that lives as long as a module points into krtld's own code
 * or constants, or into the file: a boot program may load unix and hand the lot over to the krtld
 * inside of it, and the file may be freed.
 */
#ifndef HOTINLINE_LOADER_MODULE_H
#define HOTINLINE_LOADER_MODULE_H

#include "loader/names.h"
#include "loader/object.h"

/* A symbol that has a name and a value: all but those of sections, files, what is not loaded, and
 * what the module does not define. */
struct krtld_symbol {
	uint64_t value; /* its address, unless it is absolute */
	uint64_t size;
	uint32_t name;         /* offset in the module's names */
	uint32_t section : 24; /* index, or KRTLD_IN_ABS, KRTLD_IN_COMMON */
	uint32_t rank : 3; /* how well it names an address: functions and objects, globals first */
	uint32_t global : 1;
};
_Static_assert(sizeof(struct krtld_symbol) == 24, "as in the file");

/* A symbol in the index that krtld_index() makes. */
struct krtld_named {
	uint64_t address;
	uint32_t symbol; /* index */
};

struct krtld_private {
	struct krtld_pool pool; /* all arrays here but for the vectors; and the module itself */
	struct krtld_module *previous; /* loaded before this one */
	const char *names;             /* of symbols and sections; begins with a NUL */
	struct krtld_symbol *symbols;  /* [nsymbols] in the order of the file */
	uint32_t nsymbols;
	uint32_t nexports;
	struct krtld_entry *exports; /* [nexports] in the table of names */
	struct krtld_entry entry;    /* the module's own name there, once it is linked */
	struct krtld_vector needs;   /* of struct krtld_module *: those whose symbols it uses */
	struct krtld_vector sites, references, texts; /* what the public structure points to */
	uint64_t needed_in;  /* number of the load that found last that it needs this module */
	uint32_t holds;      /* of its users those that krtld_hold() counted */
	uint32_t nslots;     /* of its GOT */
	uint64_t got_offset; /* of the first of them in the read-only data */
	uint64_t *functions; /* its constructors, then its destructors, as they are called */
	uint64_t nconstructors;
	uint64_t ndestructors;
	uint64_t
	    *machine_before; /* unix: the machine's stubs and symbols before it came; or NULL */
	struct krtld_named *named; /* [nnamed], made by krtld_index() */
	uint32_t nnamed;
	bool linked;      /* in krtld's list, and counted as a user of what it needs */
	bool started;     /* its _init has run, or it has none: its _fini may */
	bool constructed; /* its constructors have run, or it has none */
	bool running;     /* one of its own functions has not returned */
};

static inline const char *krtld_name_of(const struct krtld_module *module, uint32_t symbol)
{
	return module->private->names + module->private->symbols[symbol].name;
}

/* ---- address.c ---- */
/* The name of the section that holds an address, and the offset in it; NULL: none does. */
const char *krtld_locate(const struct krtld_module *module, uint64_t address, uint64_t *offset);
/* As krtld_name(), in one module; false: no symbol. */
bool krtld_nearest(const struct krtld_module *module, uint64_t address, const char **symbol,
		   uint64_t *offset, uint64_t *size);

/* ---- start.c ---- */
/* Whether it is unix, or would be, and comes before the decision: the kernel patches and starts it. */
bool krtld_is_early(const struct krtld *krtld, const struct krtld_module *module);
/* Finds constructors and destructors, and whether krtld may call them. */
bool krtld_find_functions(struct krtld *krtld, struct krtld_module *module,
			  const struct krtld_object *object);
/* Runs constructors and _init. */
bool krtld_begin(struct krtld *krtld, struct krtld_module *module);
/* Runs _fini and destructors, of what has begun. False after a report: the module must stay. */
bool krtld_end(struct krtld *krtld, struct krtld_module *module);

#endif

/*
 * One load: what krtld_load() needs while it runs, on its stack, and nothing afterwards. A phase is a
 * function that takes it, and returns false after its report; krtld.c calls them in order. Private to
 * loader/.
 */
#ifndef HOTINLINE_LOADER_LOAD_H
#define HOTINLINE_LOADER_LOAD_H

#include "loader/module.h"

/* What a relocation must know of a symbol besides its value. Nearly always 0: one test. */
#define KRTLD_IS_STUB   0x1 /* it is the stub of `hotinline`, by name */
#define KRTLD_NEAR_STUB 0x2 /* it is something else in a section that holds stubs */
#define KRTLD_ABSENT    0x4 /* its section is not loaded */
#define KRTLD_UNDEFINED 0x8 /* no module defines it */

/* A symbol of the object, as a relocation sees it. */
struct krtld_value {
	uint64_t value;     /* S */
	uint32_t slot;      /* number of its GOT slot, from 1; 0: none */
	uint16_t hotinline; /* index, or HOT_NONE */
	uint16_t flags;     /* KRTLD_IS_STUB … */
};
_Static_assert(sizeof(struct krtld_value) == 16, "four to a cache line");

/* Where a stub is. */
struct krtld_stub {
	uint64_t address;
	uint32_t section;   /* index */
	uint16_t hotinline; /* index */
};

/*
 * The slots of the GOT. Objects of kernels seldom have one, and to find out takes a look at every
 * relocation: a load counts on none until it meets a relocation that needs it, and starts again.
 */
struct krtld_slots {
	struct krtld_pool pool;
	uint32_t *numbers; /* [object->nsymbols] from 1, 0 for none; NULL: not counted yet */
	uint32_t n;
	bool wanted;  /* the GOT must have an address, slots or not */
	bool missing; /* the load has met such a relocation, and there are no numbers */
};

struct krtld_load {
	struct krtld *krtld;
	const struct krtld_placement *placement;
	const struct krtld_object *object;
	struct krtld_slots *slots;
	struct krtld_layout layout;
	struct krtld_module *module; /* in the making */
	struct krtld_pool pool;      /* all arrays here */
	struct krtld_value *values;  /* [object->nsymbols] */
	uint64_t names;              /* bytes of names that were read */
	uint64_t got;                /* address of the GOT: what _GLOBAL_OFFSET_TABLE_ stands for */
	uint64_t first_slot;         /* address */
	uint32_t first_site; /* of the section that is being relocated, in the module's sites */
	uint32_t first_reference; /* likewise */
	struct krtld_stub
	    *stubs;        /* [nhotinlines] if it is unix, else NULL; sorted once all are known */
	bool *holds_stubs; /* [nsections] whether there is a stub in it; likewise */
	bool refers;       /* to a stub, somehow: there may be sites */
	bool relaxes;      /* some sites call through the GOT, and become direct at the end */
};

/* REFUSE() with the load's krtld and module. */
#define REFUSE_LOAD(load, ...) REFUSE((load)->krtld, (load)->object->name, __VA_ARGS__)

static inline const char *krtld_load_section(const struct krtld_load *load, uint32_t section)
{
	return krtld_section_name(load->object, section);
}

/* ---- place.c ---- */
bool krtld_place(struct krtld_load *load);
void krtld_unplace(struct krtld *krtld, struct krtld_module *module);
/* ---- sets.c ---- */
bool krtld_check_placed(const struct krtld_load *load);
/* The value of a symbol that is an end of a set of the module's. False: it is not one. */
bool krtld_set_end(const struct krtld_load *load, const char *symbol, uint64_t *value);
/* ---- resolve.c ---- */
bool krtld_resolve(struct krtld_load *load);
/* ---- unix.c ---- */
/* A global that the object defines has a hotinline's name: that makes it unix, or is refused. */
bool krtld_define_stub(struct krtld_load *load, uint32_t symbol, unsigned hotinline);
/* If it is unix: addresses of all stubs and fix-up symbols go to the machine. */
bool krtld_take_stubs(struct krtld_load *load);
void krtld_drop_stubs(struct krtld *krtld, struct krtld_module *module);
/* The hotinline whose stub, in this object, holds that address; or HOT_NONE. */
unsigned krtld_stub_at(const struct krtld_load *load, uint64_t address);
/* The stubs in a section: the first of load->stubs, and *n of them. */
const struct krtld_stub *krtld_stubs_in(const struct krtld_load *load, uint32_t section,
					uint32_t *n);
/* ---- relocate.c ---- */
bool krtld_relocate(struct krtld_load *load);
/* Reports an error of a relocation, which may be one that has not been looked at; its place, symbol
 * and type are filled in. Returns false. */
bool krtld_refuse_rela(const struct krtld_load *load, const struct krtld_relocs *relocs,
		       const struct elf64_rela *rela, struct krtld_error error);
/* Reports each symbol that a relocation wants and no module defines. Returns false. */
bool krtld_report_undefined(struct krtld_load *load);
/* Whether the relocation's symbol is somewhere. False after a report. */
bool krtld_check_target(struct krtld_load *load, const struct krtld_relocs *relocs,
			const struct elf64_rela *rela);
/* ---- sites.c ---- */
/*
 * Looks at n relocations of a section whose symbols are more than a value, and adds the sites and
 * references that they are. at: pointers into the section's table, whose fields are in order.
 */
bool krtld_add_sites(struct krtld_load *load, const struct krtld_relocs *relocs,
		     const uint8_t *const *at, unsigned n);
/* The same for all of a section whose fields are not in order, when all of them have their values. */
bool krtld_add_unordered(struct krtld_load *load, const struct krtld_relocs *relocs);
/* All of a section's sites have been added. */
bool krtld_finish_section(struct krtld_load *load, uint32_t section);
/* All sections' have. */
bool krtld_finish_sites(struct krtld_load *load);

#endif

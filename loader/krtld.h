/*
 * krtld: takes an ET_REL ELF64 object and makes a running module of it. The theory is at the top
 * of krtld.c. Freestanding C11: everything it needs of the world comes in as a struct krtld_ops,
 * and from the linker memcpy, memset and memcmp, which a compiler may call, too. They may be clients
 * of hotinlines: unlike the engine, krtld never runs between the first and the last write of a
 * do_hotinlines() of the text that holds them. It loads unix before the caller patches it, and
 * patches a module, before anything of it runs, with the engine alone.
 * Used by the boot program and the kernel (kernel/), the host tool (loader/tool.c), and the tests.
 */
#ifndef HOTINLINE_LOADER_KRTLD_H
#define HOTINLINE_LOADER_KRTLD_H

#include "alternatives/hotinline.h"

/* What a piece of a module's memory is for, and so how it is protected in the end. */
enum krtld_kind {
	KRTLD_TEXT,   /* SHF_EXECINSTR: read and execute */
	KRTLD_RODATA, /* read */
	KRTLD_DATA,   /* SHF_WRITE: read and write */
	KRTLD_META,   /* krtld's own tables; never at a module's address */
};
#define KRTLD_REGIONS 3 /* text, rodata, data: one allocation each */

/* A region of a loaded module. bytes stay a readable view of it for as long as it is loaded. */
struct krtld_region {
	uint8_t *bytes;   /* where it can be read; and written, until it is protected */
	uint64_t address; /* where it runs */
	size_t size;      /* bytes; 0: the module has no such region */
};

/* An allocated section. */
struct krtld_section {
	const char *name;
	uint8_t *bytes;   /* inside its region; NULL: not loaded, or its region is empty */
	uint64_t address; /* where it runs */
	uint64_t size;    /* bytes */
	uint8_t kind;     /* enum krtld_kind */
};

/* Why a reference to a stub is not a site. */
enum krtld_plain {
	KRTLD_PLAIN_DATA,    /* the section is not executable: a pointer in data */
	KRTLD_PLAIN_TYPE,    /* not a branch's relocation: an address taken, a GOT slot */
	KRTLD_PLAIN_ADDEND,  /* the addend is not -4: somewhere inside the stub */
	KRTLD_PLAIN_OPCODE,  /* the byte before the field is neither e8 nor e9: jcc, lea, … */
	KRTLD_PLAIN_SECTION, /* by section symbol and addend, not by name */
	KRTLD_PLAIN_REACH,   /* a call through the GOT, and the stub out of reach of a direct one */
};

/* A reference to a stub that is not a site: it works, through the stub. */
struct krtld_reference {
	uint64_t address;   /* of the field */
	uint32_t type;      /* R_X86_64_… */
	uint16_t hotinline; /* index */
	uint8_t reason;     /* enum krtld_plain */
};

struct krtld_module {
	struct krtld_module *next; /* loaded after this one */
	const char *name;
	struct krtld_region regions[KRTLD_REGIONS];
	struct krtld_section *sections; /* [nsections], by index in the object; [0] is empty */
	uint32_t nsections;
	uint32_t ntexts;
	struct hot_text *texts; /* the pieces of text that have sites, sorted by address */
	struct hot_site *sites; /* all of them, in one array: texts[] point into it */
	uint32_t nsites;
	uint32_t nreferences;
	struct krtld_reference *references; /* sorted by address */
	uint32_t users; /* loaded modules that refer to a symbol of this one, and krtld_hold()s */
	struct krtld_private *private; /* krtld.c's own */
};

enum krtld_reason {
	KRTLD_OK,
	KRTLD_E_MEMORY, /* alloc failed */
	KRTLD_E_FORMAT, /* not an ET_REL ELF64 object of this machine, or a field of it is wrong */
	KRTLD_E_TYPE,   /* a relocation type that is not supported, or is refused (TLS, IFUNC) */
	KRTLD_E_RANGE,  /* the value does not fit the field */
	KRTLD_E_UNDEFINED, /* a symbol that nobody defines; one report for each */
	KRTLD_E_DUPLICATE, /* a global that a loaded module exports already; the name of a module */
	KRTLD_E_STUB,      /* a module defines a stub's name; or unix lacks a stub */
	KRTLD_E_UNDECIDED, /* a second module before hot_decide() */
	KRTLD_E_HOTINLINE, /* do_hotinlines() refused: see hot */
	KRTLD_E_PROTECT,   /* protect failed */
	KRTLD_E_START, /* _init returned another value than 0; a function that must not be called */
	KRTLD_E_BUSY,  /* unload of a module in use */
};

/* What was refused, where and why. Strings are there while it is reported, and no longer. */
struct krtld_error {
	enum krtld_reason reason;
	const char *module;
	const char *section; /* name, or NULL; of a bad symbol the symbol table's */
	uint64_t offset;     /* in the section; in the file where there is no section */
	const char *symbol;  /* or NULL */
	const char *what;    /* a phrase; of KRTLD_E_DUPLICATE the module that was first; or NULL */
	const char *type;    /* name of the relocation's or section's type, or NULL */
	uint64_t value; /* what does not fit or was found; bytes, users, _init's result; or 0. Of
			   KRTLD_E_DUPLICATE the bytes of a COMMON symbol that the first has not */
	uint64_t limit; /* what value may be at most, where that is a number; or 0 */
	struct hot_error hot;
};

/* "OBJECT: section+0xoffset: what, why"; at most size bytes with the NUL. Returns line. */
const char *krtld_error_line(const struct krtld_error *error, const struct hot_table *table,
			     char *line, size_t size);

struct krtld_ops {
	/*
	 * Memory, zeroed, size > 0. *address: where it will run (for KRTLD_META ignored). NULL: none.
	 * Text, rodata and data of one module must be within 2 GiB of each other and of unix.
	 */
	void *(*alloc)(void *ctx, enum krtld_kind kind, size_t size, size_t align,
		       uint64_t *address);
	void (*free)(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size);
	/* Makes a region's final protection true, and its instructions visible to the core. */
	bool (*protect)(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			size_t size);
	/* Optional. A symbol that no module defines: undefined in this one, or weak or COMMON, which
	 * give way. */
	bool (*external)(void *ctx, const char *name, uint64_t *value);
	/*
	 * Optional: without it no _init and no _fini runs, and a module with constructors or destructors
	 * is refused. Calls the function at that address, which is in the module's own text; 0 is
	 * success. Of constructors and destructors the result does not count: they return nothing.
	 *
	 * The function may load, unload, hold and release modules. Its own module it cannot unload
	 * (KRTLD_E_BUSY). Whoever walks the list of modules must not keep a pointer to the next one
	 * across krtld_load() and krtld_unload(): the function may have unloaded it.
	 */
	int (*start)(void *ctx, uint64_t address);
	/* Each refusal, as it is found: one for a load that fails, but with KRTLD_E_UNDEFINED one for
	 * each symbol. */
	void (*report)(void *ctx, const struct krtld_error *error);
	/* Optional, for kernels that list what a module offers to others, or what it does not: asked for
	 * each global that a module defines and that its visibility would let others see. False: it is
	 * the module's own, as a hidden one is. Without it all of them are exported. */
	bool (*exported)(void *ctx, const char *module, const char *name);
};

/*
 * The loaded modules. Zero it, then set the first three.
 *
 * Who may call what: krtld takes no lock. krtld_load(), krtld_start(), krtld_unload() and
 * krtld_index() change what is loaded, krtld_hold() and krtld_release() a count: one of these at a
 * time, under one lock of the caller's, not from an interrupt. What they call (krtld_ops) may not call
 * them again, but for `start`. krtld_find(), krtld_lookup(), krtld_module_symbol(),
 * krtld_next_symbol() and krtld_name() only read: any number of them at a time, also from an
 * interrupt or a debugger, while none of the others runs. A debugger or a panic that has stopped all
 * CPUs in the middle of one of those may still walk the list of modules and call krtld_name(): a
 * module is linked whole, and last.
 */
struct krtld {
	const struct krtld_ops *ops;
	void *ctx;                   /* handed back to each of ops */
	struct hot_machine *machine; /* NULL: no hotinlines at all */
	struct krtld_module *first;  /* unix */
	struct krtld_module *last;
	struct krtld_names *names; /* krtld's own: all names that modules export, and their own */
};

/*
 * Loads an object: check, place, resolve, relocate, find sites, do_hotinlines, protect, start. name
 * and file may be freed once it returns. Returns NULL after a report; then nothing of it is left. In one case a refused module cannot go, because others use it
 * already: those that its _init has loaded or let hold it before it failed. Then it is returned all
 * the same, after two reports (KRTLD_E_START, KRTLD_E_BUSY): loaded, not started, to be unloaded when
 * its users are gone.
 *
 * The first module may come before hot_decide(): it is unix, its sites are collected but left to
 * the kernel's own do_hotinlines(), and it is not started: see krtld_start(). If it defines one stub
 * it must define them all, and every symbol of a fix-up, hidden or not; their addresses go into the
 * machine. A first module that defines none is refused before hot_decide(), unless the machine knows
 * the stubs. A kernel that krtld has not loaded fills in machine->stubs and machine->symbols itself,
 * and has its own text patched (hot_add_stubs()). A stub that is known already may be defined by no
 * other module.
 */
struct krtld_module *krtld_load(struct krtld *krtld, const char *name, const void *file,
				size_t size) __attribute__((warn_unused_result));

/*
 * Runs what krtld_load() leaves to the kernel where unix comes before hot_decide(): its constructors,
 * and its _init if it has one. Call it once unix is patched; until then no second module is loaded
 * if there are constructors. True if they have run already. False after a report.
 */
bool krtld_start(struct krtld *krtld, struct krtld_module *module)
    __attribute__((warn_unused_result));

/*
 * Runs _fini, then the destructors, and frees the module. False after a report, and then it is still
 * there: it is in use, one of its own functions has not returned, or its _fini refused. If a user
 * has come while its _fini ran it stays as well, though it is stopped; a later call only frees it.
 */
bool krtld_unload(struct krtld *krtld, struct krtld_module *module)
    __attribute__((warn_unused_result));

/*
 * Keeps a module from being unloaded until it is released as many times: its code is in use. False
 * of krtld_release(): it is not held, and nothing has changed; modules that refer to it hold it still.
 */
void krtld_hold(struct krtld_module *module);
bool krtld_release(struct krtld_module *module) __attribute__((warn_unused_result));

struct krtld_module *krtld_find(const struct krtld *krtld, const char *name);

/* The value of a global that some module exports: not of hidden ones, _init and _fini. */
bool krtld_lookup(const struct krtld *krtld, const char *name, uint64_t *value)
    __attribute__((warn_unused_result));

/* A global or local symbol of one module. */
bool krtld_module_symbol(const struct krtld_module *module, const char *name, uint64_t *value)
    __attribute__((warn_unused_result));

/* The symbols of a module, global and local: the one at *position, which moves on; start with 0.
 * False: no more. */
bool krtld_next_symbol(const struct krtld_module *module, uint32_t *position, const char **name,
		       uint64_t *value, uint64_t *size) __attribute__((warn_unused_result));

/* Names an address: the module it is in, and the nearest symbol at or below it in its section.
 * NULL: in no module. *symbol is NULL where there is none; *size is 0 where it is unknown. */
const struct krtld_module *krtld_name(const struct krtld *krtld, uint64_t address,
				      const char **symbol, uint64_t *offset, uint64_t *size);

/* Makes krtld_name() fast for a module with many symbols, for 16 bytes a symbol. Optional: false,
 * after a report, only means that it stays as it was. */
bool krtld_index(struct krtld *krtld, struct krtld_module *module);

/* "call", "jmp", "stub"; and why a reference is no site, as a phrase. */
const char *krtld_form_text(enum hot_form form);
const char *krtld_plain_text(enum krtld_plain reason);

#endif

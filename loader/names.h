/*
 * One table for all names: of the symbols that modules export, of the stubs, and of the modules
 * themselves. A module owns its entries; the table only links them. Private to loader/.
 */
#ifndef HOTINLINE_LOADER_NAMES_H
#define HOTINLINE_LOADER_NAMES_H

#include "loader/memory.h"

/* A name that was read once: what look-ups need of it. */
struct krtld_key {
	const char *text;
	uint32_t length;
	uint32_t hash;
};

/* text: a string that ends before `end`; up to there bytes may be read. */
struct krtld_key krtld_key(const char *text, const char *end);
/* Of a string of which no more is known. */
struct krtld_key krtld_key_of(const char *text);

#define KRTLD_NO_SYMBOL UINT32_MAX

struct krtld_entry {
	struct krtld_entry *next; /* in its chain */
	const char *name;
	struct krtld_module *module; /* whose it is; NULL: a stub's name */
	uint32_t length;             /* of the name */
	uint32_t hash;
	uint32_t
	    symbol; /* index among the module's symbols; KRTLD_NO_SYMBOL: the module's own name */
	uint16_t hotinline; /* of a stub's name */
};

struct krtld_buckets {
	struct krtld_entry **chains; /* [n] */
	uint32_t n;                  /* a power of two; 0: there are none */
	struct krtld_pool pool;      /* the array */
};

struct krtld_names {
	struct krtld_buckets buckets;
	struct krtld_buckets before; /* that a load has replaced, until it is known how it ends */
	uint32_t nentries;
	uint64_t loads;         /* so far, refused ones included: each has a number of its own */
	struct krtld_pool pool; /* this structure, and the stubs' entries and names */
};

/* What a name stands for. */
struct krtld_found {
	struct krtld_entry *symbol; /* what some module exports under it, or NULL */
	struct krtld_entry *module; /* the module of that name, or NULL */
	unsigned hotinline;         /* of the stub of that name, or HOT_NONE */
};

/* Makes the table, if there is none, with the names of the machine's stubs; and room for so many
 * more entries. False after a report. */
bool krtld_names_grow(struct krtld *krtld, const char *module, uint32_t nentries);
/* How a load has ended: what it has made for its names stays, or is undone. */
void krtld_names_keep(struct krtld *krtld);
void krtld_names_undo(struct krtld *krtld);
/* Frees the table. No module is loaded. */
void krtld_names_free(struct krtld *krtld);

/* Has the processor fetch what a look-up will read. */
void krtld_names_prefetch(const struct krtld *krtld, const struct krtld_key *key);
struct krtld_found krtld_names_find(const struct krtld *krtld, const struct krtld_key *key);

/* Links an entry, for which there is room. False: KRTLD_CHAIN_MAX of its module's share its chain. */
bool krtld_names_add(struct krtld *krtld, struct krtld_entry *entry);
void krtld_names_remove(struct krtld *krtld, struct krtld_entry *entry);

#define KRTLD_CHAIN_MAX 64 /* entries of one module in a chain */

#endif

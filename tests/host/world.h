/*
 * Everything around krtld, made of fakes: memory that counts and fails on demand, protection, a
 * start, external symbols, and a report that keeps what it is told. Used by the suites of krtld.
 */
#ifndef HOTINLINE_TESTS_HOST_WORLD_H
#define HOTINLINE_TESTS_HOST_WORLD_H

#include "loader/placement.h"
#include "tests/host/object.h"
#include "tests/host/table.h"

#define WORLD_BLOCKS  256
#define WORLD_REPORTS 64
#define WORLD_LINE    512
#define WORLD_TEXT    0xffffffff81000000ul /* where the first text of an empty world runs */

struct world_block {
	enum krtld_kind kind;
	uint8_t *bytes;
	uint64_t address;
	size_t size;
	bool is_protected;
	void *real; /* to give back: where the mapping that runs begins, or NULL */
};

struct world_symbol {
	const char *name;
	uint64_t value;
};

struct world {
	struct krtld krtld;
	struct krtld_ops ops;
	struct hot_machine *machine;
	bool runs;             /* memory is executable, below 2 GiB, and addresses are true */
	struct hot_text stubs; /* if so: the text of all stubs */

	struct world_block blocks[WORLD_BLOCKS]; /* those that are allocated now */
	unsigned nblocks;
	unsigned allocs;           /* calls so far */
	unsigned fail_alloc;       /* the n-th call from now fails, from 1; 0: none */
	bool exhausted;            /* … and so does every call after it */
	bool places_once;          /* an address that was given is never given again */
	uint64_t ends[KRTLD_META]; /* of each kind: where the last block that was given ends */
	unsigned protects, fail_protect;
	unsigned starts;
	int start_result;
	uint64_t started[16];

	struct world_symbol externals[64];
	unsigned nexternals;
	uint64_t places[64]; /* address wanted for section i of the module `placed` */
	const char *placed;
	bool unpatched; /* loads leave every site on its stub */
	uint8_t *refused_file;
	char *refused_name; /* of the last load, if it was refused: reports point into them */

	struct krtld_error reports[WORLD_REPORTS];
	char lines[WORLD_REPORTS][WORLD_LINE];
	unsigned nreports;
};

/*
 * A world whose machine uses the common table and knows all stubs and symbols, which are externals
 * as well. features: as of table_machine().
 */
struct world *world_new(const char *features);

/* The same with a table of one's own, or without any hotinlines (NULL). */
struct world *world_with(const struct hot_table *table, const char *features);

/* An undecided world whose memory runs, with stubs and helpers that do what they say. */
struct world *world_that_runs(void);

/* Decides for these features, and patches the stubs and whatever is loaded: call, patch, call again. */
void world_decide(struct world *world, const char *features);

void world_external(struct world *world, const char *name, uint64_t value);

/* krtld_load_at() as `placed` and `unpatched` say, of a copy that is overwritten and freed when the
 * load is done. */
struct krtld_module *world_try(struct world *world, const char *name, const struct image *image);

/* The same that must succeed; the test fails with the reports otherwise. */
struct krtld_module *world_load(struct world *world, const char *name, const struct image *image);
struct krtld_module *world_load_object(struct world *world, const char *name,
				       const struct object *object);

/*
 * krtld_load() that must fail for that reason (KRTLD_OK: for any), and leave nothing: no memory, no
 * user more, no module. Returns the first report, valid until the next load.
 */
const struct krtld_error *world_refuse(struct world *world, const char *name,
				       const struct image *image, enum krtld_reason reason);
const struct krtld_error *world_refuse_object(struct world *world, const char *name,
					      const struct object *object,
					      enum krtld_reason reason);

/* krtld_unload() that must succeed. */
void world_unload(struct world *world, struct krtld_module *module);

/* Nothing is loaded, and no memory is held. */
void world_expect_empty(const struct world *world);

/* One number for all that a load may change: memory, modules, users, bytes of loaded text. */
uint64_t world_state(const struct world *world);

/* Bytes of a loaded section, and its address; the test fails where it is not loaded. */
const struct krtld_section *world_section(const struct krtld_module *module, const char *name);

/* Value of a symbol of a module; the test fails where it has none. */
uint64_t world_symbol(const struct krtld_module *module, const char *name);

#endif

/*
 * The benchmark of relocation: an object under test, the memory it is loaded into, and those who
 * contend. Shared by the files of build/bench/relocation: relocation.c, subject.c, contenders.c and
 * hotinlines.c.
 */
#ifndef HOTINLINE_TESTS_BENCH_SUBJECT_H
#define HOTINLINE_TESTS_BENCH_SUBJECT_H

#include "loader/load.h"
#include "loader/report.h"

extern const struct hot_table bench_table;

/* Memory that was touched before: an allocation moves a pointer. It is zero where it is free. */
struct arena {
	uint8_t *bytes;
	size_t size; /* bytes */
	size_t used;
	size_t kept; /* of these, what stays: unix, and the table of names */
};

/* Kernels have their modules in the last 2 GiB; nothing of what is loaded here ever runs. */
#define BENCH_ADDRESS 0xffffffff80000000u

/* The contents of a loaded section, and where the simple contenders put it. */
struct piece {
	const uint8_t *from;
	uint8_t *to;
	size_t size;
	uint64_t address;
	struct krtld_relocs relocs; /* count 0: it has none */
};

/* Precomputed stores, by width of field. offset: bytes from subject.bytes. */
struct word32 {
	uint32_t offset;
	uint32_t word;
};
struct word64 {
	uint32_t offset;
	uint32_t words[2]; /* so that it takes 12 bytes */
};

struct subject {
	const char *name;
	uint8_t *file;
	size_t size;
	struct arena arena;
	struct krtld krtld;
	uint64_t nrelocs;
	uint32_t nsites;
	/* What the simple contenders work on. */
	struct piece *pieces;
	uint32_t npieces;
	struct elf64_sym *symbols; /* each with its final value, as a kernel's loader has them */
	uint32_t nsymbols;
	uint8_t *bytes; /* of all pieces */
	size_t bytes_size;
	struct word32 *words32;
	size_t nwords32;
	struct word64 *words64;
	size_t nwords64;
};

/* ---- subject.c: these end the program with a message if they cannot ---- */
_Noreturn void give_up(const char *what, const char *why);
/* Reads the object, loads its unix from that folder, and prepares what the simple contenders need. */
void subject_open(struct subject *subject, const char *folder, const char *path);
void subject_close(struct subject *subject);
/* Frees and zeroes all but unix. */
void arena_reset(struct arena *arena);
/* Every section's contents as they are in the file. */
void fill_pieces(const struct subject *subject);

/* ---- phases.c ---- */
/* The time that krtld's phases took, in ticks of a clock; while clock is NULL they are not timed. */
enum phase {
	PHASE_CHECK,
	PHASE_PLACE,
	PHASE_RESOLVE,
	PHASE_RELOCATE,
	PHASE_FINISH,
	PHASE_PATCH,
	PHASES
};
struct phases {
	uint64_t (*clock)(void);
	uint64_t spent[PHASES];
	void (*before_relocate)(
	    const struct krtld_load *load); /* is shown each load, if not NULL */
};
extern struct phases phases;

/* ---- contenders.c ---- */
/* False: a relocation is out of range, or of a type that modules of a kernel do not have. */
bool plain_relocate(const struct subject *subject);
void store_words(const struct subject *subject);
uint64_t read_once(const struct subject *subject);
uint64_t read_relocs(const struct subject *subject);

#endif

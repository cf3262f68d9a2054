/*
 * What the files of the debugger share among themselves. mdb.c reads a command and finds it in the
 * tables of mdb_command.c; mdb_trap.c stops the system for it.
 */
#ifndef HOTINLINE_KERNEL_MDB_H
#define HOTINLINE_KERNEL_MDB_H

#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

/* What to do when a command is done. */
enum mdb_next {
	MDB_STAY,
	MDB_CONTINUE,
	MDB_STEP,
	MDB_QUIT,
};

/* The debugger, from its prompt's first line to its last. */
struct mdb {
	struct frame *frame; /* where the system is stopped; NULL: it runs, this is `mdb -k` */
	const char *why;     /* it is stopped */
	bool quiet;          /* it may load a module: nothing was interrupted half-way */
	uint64_t dot;        /* the address that is meant where none is given */
	bool dot_set;
	enum mdb_next next;
};

/* A command as it was typed: ADDRESS,COUNT::NAME ARGUMENT… */
#define MDB_WORDS 4
struct mdb_call {
	struct mdb *mdb;
	const char *what;      /* the text of the address, for messages; "" */
	uint64_t address;      /* or dot */
	bool has_address;      /* one was given, or there is a dot */
	bool given;            /* one was given */
	uint64_t count;        /* 1 if none was given */
	unsigned argc;         /* arguments behind the name */
	char *argv[MDB_WORDS]; /* argv[0] is the first of them */
};

struct mdb_command {
	const char *name; /* with its ::, : or $ */
	const char *usage;
	const char *help;
	void (*run)(struct mdb_call *call);
	unsigned max;       /* arguments */
	bool needs_address; /* given, or dot */
	bool needs_frame;   /* the system is stopped */
};

/* mdb.c */
void mdb_session(struct mdb *mdb);
bool mdb_expression(struct mdb *mdb, const char *text, uint64_t *value);

/* mdb_command.c */
extern const struct mdb_command mdb_commands[];
extern const unsigned mdb_ncommands;
const struct mdb_command *mdb_find(const char *name);

/* mdb_complete.c */
void mdb_complete(struct completion *completion);

/* mdb_dis.c */
void mdb_dis(struct mdb_call *call);
const char *mdb_dis_name(void);
unsigned mdb_decode(uint64_t address, char *text, size_t size);
const char *mdb_name(uint64_t address, char *line, size_t size);
const struct hot_site *mdb_site(uint64_t address, const struct hot_text **text);

/* mdb_format.c */
void mdb_format(struct mdb_call *call, const char *format);
void mdb_formats_help(void);

/* mdb_break.c */
void mdb_break_add(struct mdb_call *call);
void mdb_break_delete(struct mdb_call *call);
void mdb_break_list(struct mdb_call *call);
bool mdb_break_at(uint64_t address);

/* mdb_trap.c */
void mdb_registers(struct mdb_call *call);

#endif

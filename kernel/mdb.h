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
	MDB_OVER, /* one instruction; of a call, all that it calls */
	MDB_OUT,  /* up to the caller of this function */
	MDB_QUIT,
};

/* The debugger, from its prompt's first line to its last. */
struct mdb {
	struct frame *frame; /* where the system is stopped; NULL: it runs, this is `mdb -k` */
	const char *why;     /* it is stopped */
	uint64_t dot;        /* the address that is meant where none is given */
	bool dot_set;
	enum mdb_next next;
};

/* What the CPU's single step was for. */
enum mdb_step {
	MDB_STEP_NONE,
	MDB_STEP_ONE,  /* the debugger wants to see */
	MDB_STEP_PASS, /* off a breakpoint, to go on freely */
	MDB_STEP_CALL, /* into what is called, to go on until it returns */
};

/* A breakpoint that was met. */
enum mdb_met {
	MDB_MET_NONE,
	MDB_MET_BREAK,
	MDB_MET_UNTIL, /* the debugger's own */
	MDB_MET_OTHER, /* the debugger's own, but not on the stack that it is for */
};

/* A command as it was typed: ADDRESS,COUNT::NAME ARGUMENT… */
#define MDB_WORDS 4
struct mdb_call {
	struct mdb *mdb;
	const char *what;      /* the text of the address, for messages; "" */
	uint64_t address;      /* or dot */
	bool has_address;      /* one was given, or there is a dot */
	bool given;            /* one was given */
	bool counted;          /* a count was given */
	uint64_t count;        /* 1 if none was given */
	unsigned argc;         /* arguments after the name */
	char *argv[MDB_WORDS]; /* argv[0] is the first of them */
};

/* An address in front of a command. */
enum mdb_address {
	MDB_NO_ADDRESS,
	MDB_MAY_ADDRESS,
	MDB_ADDRESS, /* given, or dot */
};

struct mdb_command {
	const char *name; /* with its ::, : or $ */
	const char *usage;
	const char *help;
	void (*run)(struct mdb_call *call);
	unsigned max; /* arguments */
	enum mdb_address address;
	bool needs_frame; /* the system is stopped */
};

/* mdb.c */
void mdb_session(struct mdb *mdb);
bool mdb_number(const char *text, uint64_t *value);

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
size_t mdb_instruction(uint64_t address);
void mdb_show_instruction(uint64_t address);
const char *mdb_name(uint64_t address, char *line, size_t size);
const struct hot_site *mdb_site(uint64_t address, const struct hot_text **text);

/* mdb_format.c */
void mdb_format(struct mdb_call *call, const char *letters);
void mdb_format_value(struct mdb_call *call, const char *letters);
void mdb_formats_help(void);

/* mdb_break.c */
void mdb_break_remove(void);
void mdb_break_insert(void); /* none of them while they are lifted */
void mdb_break_add(struct mdb_call *call);
void mdb_break_delete(struct mdb_call *call);
void mdb_break_list(struct mdb_call *call);
bool mdb_break_at(uint64_t address);
bool mdb_break_any(void);
bool mdb_break_busy(void);
void mdb_break_until(uint64_t address, uint64_t rsp);
void mdb_break_forget_until(void);
bool mdb_break_until_near(uint64_t address);
enum mdb_met mdb_break_met(const struct frame *frame);
const char *mdb_break_refusal(uint64_t address);

/* mdb_register.c */
void mdb_registers(struct mdb_call *call);
bool mdb_register(const struct frame *frame, const char *name, uint64_t *value);

/* mdb_stack.c */
void mdb_stack(struct mdb_call *call);
void mdb_stack_frames(struct mdb_call *call);
const char *mdb_return_address(const struct frame *frame, uint64_t *address, uint64_t *slot);

/* mdb_step.c */
void mdb_step(struct mdb_call *call);
void mdb_step_over(struct mdb_call *call);
void mdb_step_out(struct mdb_call *call);
void mdb_continue(struct mdb_call *call);
bool mdb_step_go(struct frame *frame, enum mdb_next next);
enum mdb_step mdb_step_done(struct frame *frame);

/* mdb_whatis.c */
void mdb_whatis(struct mdb_call *call);

#endif

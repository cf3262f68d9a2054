/*
 * The debugger, for people who know mdb: reads a line, ADDRESS,COUNT::COMMAND ARGUMENT…, and runs the
 * command. It is the same for `mdb -k` at the prompt, while the system runs, and for kmdb
 * (mdb_trap.c), while it is stopped. Numbers in addresses are hexadecimal, or decimal behind 0t, as
 * in mdb.
 */
#include "hotinline.h"
#include "kernel/mdb.h"

static struct line_editor editor = {.complete = mdb_complete};

/* ---- Expressions ---- */

static bool parse_value(const char *text, uint64_t *value)
{
	if (text[0] == '0' && (text[1] == 't' || text[1] == 'T'))
		return parse_number(text + 2, value) && text[2] >= '0' && text[2] <= '9' &&
		       text[3] != 'x';
	return parse_hex(text, value);
}

/* A register of the system that is stopped: <rip. */
static bool register_value(const struct mdb *mdb, const char *name, uint64_t *value)
{
	static const char *const names[] = {
	    "r15", "r14", "r13", "r12", "r11", "r10", "r9",  "r8", "rdi",    "rsi", "rbp",
	    "rbx", "rdx", "rcx", "rax", NULL,  NULL,  "rip", "cs", "rflags", "rsp", "ss"};

	for (unsigned i = 0; mdb->frame && i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && strcmp(names[i], name) == 0) {
			*value = ((const uint64_t *)mdb->frame)[i];
			return true;
		}
	return false;
}

/* [MODULE`]SYMBOL, a number, `.` or <REGISTER. */
static bool parse_term(struct mdb *mdb, char *text, uint64_t *value)
{
	char *quote = strchr(text, '`');

	if (strcmp(text, ".") == 0) {
		*value = mdb->dot;
		return mdb->dot_set;
	}
	if (text[0] == '<')
		return register_value(mdb, text + 1, value);
	if (quote)
		*quote = ':';
	return name_lookup(text, value) || parse_value(text, value);
}

/* TERM, TERM+NUMBER or TERM-NUMBER. False: it is no such thing. */
bool mdb_expression(struct mdb *mdb, const char *text, uint64_t *value)
{
	char term[LINE_ROOM];
	uint64_t offset = 0;
	char *sign;
	bool minus;

	ksnprintf(term, sizeof(term), "%s", text);
	sign = strchr(term, '+');
	if (!sign)
		sign = strchr(term, '-');
	minus = sign && *sign == '-';
	if (sign) {
		*sign = '\0';
		if (!parse_value(sign + 1, &offset))
			return false;
	}
	if (!parse_term(mdb, term, value))
		return false;
	*value += minus ? -offset : offset;
	return true;
}

/* ---- Lines ---- */

/* Where the command begins in a line: at ::, $, / or =, or at its last colon. NULL: nowhere. */
static char *find_verb(char *line)
{
	char *last = NULL;

	for (char *at = line; *at; at++) {
		if ((at[0] == ':' && at[1] == ':') || *at == '$' || *at == '/' || *at == '=')
			return at;
		if (*at == ':')
			last = at;
	}
	return last;
}

static char *skip_blanks(char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

/* Cuts the rest of a line at its blanks. False: there are too many words. */
static bool split(struct mdb_call *call, char *at)
{
	for (at = skip_blanks(at); *at; at = skip_blanks(at)) {
		if (call->argc == MDB_WORDS)
			return false;
		call->argv[call->argc++] = at;
		while (*at && *at != ' ')
			at++;
		if (*at)
			*at++ = '\0';
	}
	return true;
}

/* ADDRESS,COUNT in front of a command. */
static bool parse_address(struct mdb *mdb, char *text, struct mdb_call *call)
{
	char *comma = strchr(text, ',');

	if (comma) {
		*comma = '\0';
		if (!parse_number(comma + 1, &call->count) || !call->count) {
			kprintf("mdb: the count is a number, not %s\n", comma + 1);
			return false;
		}
	}
	call->what = text;
	call->given = *text;
	call->address = mdb->dot;
	call->has_address = mdb->dot_set;
	if (!*text)
		return true;
	if (!mdb_expression(mdb, text, &call->address)) {
		kprintf("mdb: %s: no symbol, and no hexadecimal number\n", text);
		return false;
	}
	call->has_address = true;
	mdb->dot = call->address;
	mdb->dot_set = true;
	return true;
}

static void run_command(struct mdb_call *call, const char *name)
{
	const struct mdb_command *command = mdb_find(name);

	if (!command)
		kprintf("mdb: %s: no such command; ::help lists them\n", name);
	else if (call->argc > command->max)
		kprintf("usage: %s%s%s\n", command->needs_address ? "ADDR" : "", command->name,
			command->usage);
	else if (command->needs_frame && !call->mdb->frame)
		kprintf("mdb: %s: the system runs; only where it is stopped (boot argument -k, or "
			"a breakpoint)\n",
			name);
	else if (command->needs_address && !call->has_address)
		kprintf("mdb: %s: needs an address in front of it: ADDR%s\n", name, name);
	else
		command->run(call);
}

/* A lone address becomes dot, and is shown. */
static void show_value(const struct mdb_call *call)
{
	char line[96];

	kprintf("%lx\t%s\n", call->address, mdb_name(call->address, line, sizeof(line)));
}

/* Cuts a command's name off what is behind it, which is returned. */
static char *take_name(char *at, char *name, size_t size)
{
	size_t n = 0;

	for (; *at && *at != ' '; at++)
		if (n + 1 < size)
			name[n++] = *at;
	name[n] = '\0';
	return at;
}

static void run_line(struct mdb *mdb, char *line)
{
	struct mdb_call call = {.mdb = mdb, .count = 1};
	char name[32], *at, *arguments;

	line = skip_blanks(line);
	if (!*line)
		return;
	at = find_verb(line);
	if (!at)
		at = line + strlen(line);
	arguments = take_name(at, name, sizeof(name));
	if (!split(&call, arguments)) {
		kprintf("mdb: a command has at most %u arguments\n", MDB_WORDS);
		return;
	}
	*at = '\0';
	for (; at > line && at[-1] == ' '; at--)
		at[-1] = '\0';
	if (!parse_address(mdb, line, &call))
		return;
	if (!*name || *name == '=')
		show_value(&call);
	else if (*name == '/')
		mdb_format(&call, name + 1);
	else
		run_command(&call, name);
}

/* ---- Sessions ---- */

static void say_why(const struct mdb *mdb)
{
	char line[96];

	kprintf("kmdb: %s at %s\n", mdb->why, mdb_name(mdb->dot, line, sizeof(line)));
}

/* Reads and runs commands until one of them ends it, or Ctrl-D does in `mdb -k`. */
void mdb_session(struct mdb *mdb)
{
	char line[LINE_ROOM];

	msgbuf_pause(true);
	if (mdb->frame)
		say_why(mdb);
	editor.prompt = mdb->frame ? "[0]> " : "> ";
	while (mdb->next == MDB_STAY) {
		if (line_read(&editor, line)) {
			run_line(mdb, line);
		} else {
			kprintf("\n");
			mdb->next = mdb->frame ? MDB_STAY : MDB_QUIT;
		}
	}
	msgbuf_pause(false);
}

void mdb_shell(const char *command)
{
	struct mdb mdb = {.quiet = true};
	char line[LINE_ROOM];

	mdb_break_lift();
	if (!command) {
		mdb_session(&mdb);
	} else if (ksnprintf(line, sizeof(line), "%s", command) < (int)sizeof(line)) {
		msgbuf_pause(true);
		run_line(&mdb, line);
		msgbuf_pause(false);
	} else {
		kprintf("mdb: the command is longer than %u characters\n", LINE_ROOM - 1);
	}
	mdb_break_arm();
}

/*
 * The debugger, for people who know mdb: reads a line, ADDRESS,COUNT::COMMAND ARGUMENT…, and runs the
 * command. It is the same for `mdb -k` at the prompt, while the system runs, and for kmdb
 * (mdb_trap.c), while it is stopped. Every number that is typed is hexadecimal, or decimal after 0t,
 * as in mdb. What is printed: addresses in columns have 16 digits; numbers in a format, and those
 * of $r, look as mdb's; in a sentence a hexadecimal number begins with 0x.
 */
#include "hotinline.h"
#include "kernel/mdb.h"

static struct line_editor editor = {.complete = mdb_complete};

/* ---- Expressions ---- */

bool mdb_number(const char *text, uint64_t *value)
{
	if (text[0] == '0' && (text[1] == 't' || text[1] == 'T'))
		return text[2] >= '0' && text[2] <= '9' && (text[3] | 0x20) != 'x' &&
		       parse_number(text + 2, value);
	return parse_hex(text, value);
}

/* [MODULE`]SYMBOL, a number, `.` or <REGISTER. Each of these returns what is wrong, or NULL. */
static const char *parse_term(const struct mdb *mdb, char *text, uint64_t *value)
{
	char *quote = strchr(text, '`');

	if (strcmp(text, ".") == 0) {
		*value = mdb->dot;
		return mdb->dot_set ? NULL : "no address was given before";
	}
	if (text[0] == '<') {
		if (!mdb->frame)
			return "the system runs, and its registers with it; they have values where "
			       "it is stopped (mdb -K, a breakpoint, the boot argument -kd)";
		return mdb_register(mdb->frame, text + 1, value)
			   ? NULL
			   : "no such register; $r lists them";
	}
	if (quote)
		*quote = ':';
	return *text && (name_lookup(text, value) || mdb_number(text, value))
		   ? NULL
		   : "no symbol, and no hexadecimal number";
}

static char *trim(char *s)
{
	size_t n;

	while (*s == ' ')
		s++;
	for (n = strlen(s); n && s[n - 1] == ' '; n--)
		s[n - 1] = '\0';
	return s;
}

/* TERM, or several with + and - between them. */
static const char *parse_expression(const struct mdb *mdb, const char *text, uint64_t *value)
{
	char copy[LINE_ROOM], *at = copy, sign = '+';

	ksnprintf(copy, sizeof(copy), "%s", text);
	*value = 0;
	while (sign) {
		char *end = at, next;
		const char *why;
		uint64_t term = 0;

		while (*end && *end != '+' && *end != '-')
			end++;
		next = *end;
		*end = '\0';
		at = trim(at);
		why = at == end && end == copy && next == '-' ? NULL : parse_term(mdb, at, &term);
		if (why)
			return why;
		*value += sign == '-' ? -term : term;
		sign = next;
		at = end + 1;
	}
	return NULL;
}

/* ---- Lines ---- */

/* What mdb understands and this does not, or NULL. */
static const char *unsupported(const char *line)
{
	for (; *line; line++)
		switch (*line) {
		case '|': return "`|`: there are no pipes here; give each command its address";
		case '!': return "`!`: there is no shell here";
		case '>': return "`>`: registers are read here, not set";
		}
	return NULL;
}

/* Where the command begins in a line: at ::, $, /, ? or =, or at its last colon. NULL: nowhere. */
static char *find_verb(char *line)
{
	char *last = NULL;

	for (char *at = line; *at; at++) {
		if ((at[0] == ':' && at[1] == ':') || strchr("$/?=", *at))
			return at;
		if (*at == ':')
			last = at;
	}
	return last;
}

/* Cuts the rest of a line at its blanks. False: there are too many words. */
static bool split(struct mdb_call *call, char *at)
{
	for (;;) {
		while (*at == ' ')
			at++;
		if (!*at)
			return true;
		if (call->argc == MDB_WORDS)
			return false;
		call->argv[call->argc++] = at;
		while (*at && *at != ' ')
			at++;
		if (*at)
			*at++ = '\0';
	}
}

/* ADDRESS,COUNT in front of a command. */
static bool parse_address(struct mdb *mdb, char *text, struct mdb_call *call)
{
	char *comma = strchr(text, ',');
	const char *why = NULL;

	if (comma) {
		*comma++ = '\0';
		comma = trim(comma);
		call->counted = true;
		if (parse_expression(mdb, comma, &call->count) || !call->count) {
			kprintf("mdb: the count is a number, not %s\n", comma);
			return false;
		}
	}
	call->what = trim(text);
	call->given = *call->what;
	call->address = mdb->dot;
	call->has_address = mdb->dot_set;
	if (!call->given)
		return true;
	why = parse_expression(mdb, call->what, &call->address);
	if (why) {
		kprintf("mdb: %s: %s\n", call->what, why);
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
		kprintf("usage: %s%s%s\n", command->address == MDB_ADDRESS ? "ADDR" : "",
			command->name, command->usage);
	else if (command->needs_frame && !call->mdb->frame)
		kprintf("mdb: %s: the system runs; only where it is stopped (mdb -K, a breakpoint, "
			"the boot argument -kd)\n",
			name);
	else if (command->address == MDB_ADDRESS && !call->has_address)
		kprintf("mdb: %s: needs an address in front of it: ADDR%s\n", name, name);
	else if (command->address == MDB_NO_ADDRESS && call->given)
		kprintf("mdb: %s: takes no address in front of it\n", name);
	else if (call->counted)
		kprintf("mdb: %s: takes no count\n", name);
	else
		command->run(call);
}

/* A lone address becomes dot, and is shown. */
static void show_value(const struct mdb_call *call)
{
	char line[96];

	kprintf("%lx\t%s\n", call->address, mdb_name(call->address, line, sizeof(line)));
}

/* Cuts a command's name off what comes after it, which is returned. */
static char *take_name(char *at, char *name, size_t size)
{
	size_t n = 0;

	for (; *at && *at != ' '; at++)
		if (n + 1 < size)
			name[n++] = *at;
	name[n] = '\0';
	return at;
}

static void run_verb(struct mdb_call *call, const char *name)
{
	bool format = *name && strchr("/?=", *name);

	if (format && call->argc)
		kprintf("mdb: %s takes nothing after it, not %s\n", name, call->argv[0]);
	else if (!call->has_address && (format || !*name))
		kprintf("mdb: %s: needs an address in front of it\n", *name ? name : ",COUNT");
	else if (call->counted && (!*name || *name == '='))
		kprintf("mdb: %s: takes no count\n", *name ? name : "an address alone");
	else if (!*name || strcmp(name, "=") == 0)
		show_value(call);
	else if (*name == '=')
		mdb_format_value(call, name + 1);
	else if (format)
		mdb_format(call, name + 1);
	else
		run_command(call, name);
}

static void run_line(struct mdb *mdb, char *line)
{
	struct mdb_call call = {.mdb = mdb, .count = 1};
	const char *why = unsupported(line);
	char name[32], *at, *arguments;

	line = trim(line);
	if (!*line)
		return;
	if (why) {
		kprintf("mdb: %s\n", why);
		return;
	}
	at = find_verb(line);
	if (!at)
		at = line + strlen(line);
	arguments = take_name(at, name, sizeof(name));
	if (!split(&call, arguments)) {
		kprintf("mdb: a command has at most %u arguments\n", MDB_WORDS);
		return;
	}
	*at = '\0';
	if (parse_address(mdb, line, &call))
		run_verb(&call, name);
}

/* ---- Sessions ---- */

static void say_why(const struct mdb *mdb)
{
	char line[96];

	kprintf("kmdb: %s at %s\n", mdb->why, mdb_name(mdb->dot, line, sizeof(line)));
	mdb_show_instruction(mdb->dot);
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
	struct mdb mdb = {0};
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

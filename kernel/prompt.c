/*
 * The prompt: reads a line from the console (line.c), and runs the command. main.c ends here.
 */
#include "kernel/defs.h"

#define WORDS_MAX 8

struct command {
	const char *name;
	const char *arguments;
	const char *help;
	unsigned min, max;                       /* how many arguments */
	bool (*run)(unsigned argc, char **argv); /* false: wrong use */
};

/* A loaded module of that name; NULL after a message. */
static const struct krtld_module *find_module(const char *command, const char *name)
{
	const struct krtld_module *module = krtld_find(&krtld, name);

	if (!module)
		kprintf("%s: no module %s is loaded; modinfo lists what is\n", command, name);
	return module;
}

static bool run_modinfo(unsigned argc, char **argv)
{
	const struct krtld_module *module = argc > 1 ? find_module(argv[0], argv[1]) : NULL;

	if (module)
		module_show(module);
	else if (argc == 1)
		modules_list();
	return true;
}

static bool run_modload(unsigned argc, char **argv)
{
	(void)argc;
	module_load(argv[1]);
	return true;
}

static bool run_modunload(unsigned argc, char **argv)
{
	(void)argc;
	module_unload(argv[1]);
	return true;
}

static bool run_features(unsigned argc, char **argv)
{
	(void)argc, (void)argv;
	features_list();
	return true;
}

static bool run_hotinlines(unsigned argc, char **argv)
{
	bool verify = argc > 1 && strcmp(argv[1], "-v") == 0;
	const char *module = argc > 1u + verify ? argv[1 + verify] : NULL;

	if (argc > 2u + verify)
		return false;
	if (module && !find_module(argv[0], module))
		return true;
	mdb_break_lift();
	if (!sites_list(module, verify))
		verdict_fail("live text is not what the features demand");
	mdb_break_arm();
	return true;
}

static bool run_dump(unsigned argc, char **argv)
{
	uint64_t address, size = 64;

	if (!name_lookup(argv[1], &address))
		kprintf("dump: %s is no address and no symbol of a module\n", argv[1]);
	else if (argc > 2 && (!parse_number(argv[2], &size) || !size || size > DUMP_MAX))
		kprintf("dump: the length is a number from 1 to %u, not %s\n", DUMP_MAX, argv[2]);
	else
		dump(address, size);
	return true;
}

static bool run_sym(unsigned argc, char **argv)
{
	uint64_t address;

	for (unsigned i = 1; i < argc; i++) {
		if (name_lookup(argv[i], &address))
			name_show(address);
		else
			kprintf("sym: %s is no address and no symbol of a module\n", argv[i]);
	}
	return true;
}

static bool run_mdb(unsigned argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "-k") == 0)
		mdb_shell(NULL);
	else if (argc == 2 && strcmp(argv[1], "-K") == 0)
		mdb_enter(NULL, "asked for by mdb -K");
	else if (argc == 4 && strcmp(argv[1], "-k") == 0 && strcmp(argv[2], "-c") == 0)
		mdb_shell(argv[3]);
	else
		return false;
	return true;
}

static bool run_poweroff(unsigned argc, char **argv)
{
	(void)argc, (void)argv;
	verdict_poweroff();
}

static bool run_help(unsigned argc, char **argv);

static const struct command commands[] = {
    {"dump", "ADDR|SYMBOL[+OFFSET] [LENGTH]",
     "show memory; MODULE:SYMBOL names a symbol of one module", 1, 2, run_dump},
    {"features", "", "what the machine has: name, yes or no, as declared, and who decided", 0, 0,
     run_features},
    {"help", "[COMMAND]", "this list", 0, 1, run_help},
    {"hotinlines", "[-v] [MODULE]",
     "every site: address, name, form, hotinline, condition, chosen alternative, bytes before\n"
     "and now; -v compares live text with the table again",
     0, 2, run_hotinlines},
    {"mdb", "-k [-c 'COMMAND'] | -K",
     "the debugger: -k looks at the system while it runs (-c: one command, and back); -K stops\n"
     "it. ::help lists the debugger's commands",
     1, 3, run_mdb},
    {"modinfo", "[MODULE]",
     "what is loaded, and what the archive has; or the sections of one module: index, address,\n"
     "size and name, as krtld --layout takes them",
     0, 1, run_modinfo},
    {"modload", "MODULE", "load a module from the archive", 1, 1, run_modload},
    {"modunload", "MODULE", "unload a module that is not in use", 1, 1, run_modunload},
    {"poweroff", "", "end, with the verdict", 0, 0, run_poweroff},
    {"sym", "ADDR|SYMBOL...", "names to addresses and back, with the symbol's size", 1,
     WORDS_MAX - 1, run_sym},
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (unsigned i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void no_command(const char *name)
{
	kprintf("%s: no such command; help lists them\n", name);
}

static bool run_help(unsigned argc, char **argv)
{
	const struct command *command;

	if (argc > 1) {
		command = find_command(argv[1]);
		if (command)
			kprintf("%s %s\n%s\n", command->name, command->arguments, command->help);
		else
			no_command(argv[1]);
		return true;
	}
	for (unsigned i = 0; i < NCOMMANDS; i++)
		kprintf("%-10s %s\n", commands[i].name, commands[i].arguments);
	kprintf("help COMMAND says more. ");
	arguments_help();
	return true;
}

/* The end of the word that starts there: a blank that is in no quotes, which are taken out. */
static char *end_of_word(char *from)
{
	char *to = from, quote = '\0';

	for (; *from && (quote || *from != ' '); from++) {
		if (*from == quote)
			quote = '\0';
		else if (!quote && (*from == '\'' || *from == '"'))
			quote = *from;
		else
			*to++ = *from;
	}
	if (to != from)
		*to = '\0';
	return from;
}

/* Cuts a line at its blanks. Returns the number of words, more than WORDS_MAX if there are. */
static unsigned split(char *line, char **words)
{
	unsigned n = 0;

	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line)
			return n;
		if (n++ < WORDS_MAX)
			words[n - 1] = line;
		line = end_of_word(line);
		if (*line)
			*line++ = '\0';
	}
}

static void run(char *line)
{
	char *words[WORDS_MAX];
	unsigned n = split(line, words);
	const struct command *command;

	if (n > WORDS_MAX) {
		kprintf("a command has at most %u words\n", WORDS_MAX);
		return;
	}
	if (!n)
		return;
	command = find_command(words[0]);
	if (!command) {
		if (!program_run(n, words))
			no_command(words[0]);
		return;
	}
	if (n - 1 < command->min || n - 1 > command->max || !command->run(n, words))
		kprintf("usage: %s %s\n", command->name, command->arguments);
}

/* What Tab offers: commands; after one that takes a module, modules; else symbols. */
static void complete(struct completion *completion)
{
	completion->suffix = ' ';
	if (completion->word == completion->line)
		for (unsigned i = 0; i < NCOMMANDS; i++)
			line_offer(completion, commands[i].name);
	else if (strncmp(completion->line, "mod", 3) == 0)
		modules_offer(completion);
	else if (strncmp(completion->line, "hotinlines ", 11) == 0)
		mdb_offer_modules(completion, "");
	else if (strncmp(completion->line, "help ", 5) == 0)
		for (unsigned i = 0; i < NCOMMANDS; i++)
			line_offer(completion, commands[i].name);
	else if (strncmp(completion->line, "dump ", 5) == 0 ||
		 strncmp(completion->line, "sym ", 4) == 0)
		mdb_offer_symbols(completion);
}

void prompt(void)
{
	static struct line_editor editor = {.prompt = "hotinline> ", .complete = complete};
	char line[LINE_ROOM];

	for (;;)
		if (line_read(&editor, line))
			run(line);
		else
			kprintf("\nCtrl-D: `poweroff` ends it\n");
}

/*
 * The boot arguments that unix knows: one table, from which `help` is printed and every word of the
 * line is checked. A word that is not known, or whose value means nothing, is named in a warning and
 * has no effect. main.c hands the line over; who wants an argument asks boot_argument().
 *
 * Besides the table there are the features (features.c), and the arguments of modules: MODULE.NAME,
 * which the module asks for.
 */
#include "hottable.h"
#include "kernel/defs.h"

static const char *cmdline = "";

static bool is_empty(const char *value)
{
	return !*value;
}

static bool is_stop(const char *value)
{
	return !*value || strcmp(value, "early") == 0;
}

static bool is_count(const char *value)
{
	return strcmp(value, "count") == 0;
}

static bool is_hz(const char *value)
{
	uint64_t hz;

	return parse_number(value, &hz) && hz && hz <= TIMER_HZ_MAX;
}

static const struct argument {
	const char *name;
	const char *form; /* how it is written */
	const char *help;
	bool (*valid)(const char *value); /* others have no effect */
} arguments[] = {
    {"-k", "-k", "a panic enters the debugger", is_empty},
    {"-kd", "-kd", "the same, and stop at boot once unix is patched; -kd=early: before", is_stop},
    {"nmi", "nmi=count", "count non-maskable interrupts: no panic", is_count},
    {"nokaslr", "nokaslr", "put unix at a fixed address", is_empty},
    {"timer", "timer=HZ", "how often the timer interrupts, 1 to 20000 (250)", is_hz},
    {"timing", "timing", "print what booting cost", is_empty},
};
_Static_assert(TIMER_HZ_MAX == 20000, "the text above says so");

#define NARGUMENTS (sizeof(arguments) / sizeof(arguments[0]))

static const struct argument *find(const char *name)
{
	for (unsigned i = 0; i < NARGUMENTS; i++)
		if (strcmp(arguments[i].name, name) == 0)
			return &arguments[i];
	return NULL;
}

static const struct hot_feature *find_feature(const char *name)
{
	for (unsigned i = 0; i < hot_table.nfeatures; i++)
		if (strcmp(hot_table.features[i].name, name) == 0)
			return &hot_table.features[i];
	return NULL;
}

/* The last argument of that name, if its value means something. */
bool boot_argument(const char *name, char *value, size_t size)
{
	const struct argument *argument = find(name);

	return args_find(cmdline, name, value, size) && (!argument || argument->valid(value));
}

void arguments_help(void)
{
	kprintf("boot arguments:\n");
	for (unsigned i = 0; i < NARGUMENTS; i++)
		kprintf("  %-18s %s\n", arguments[i].form, arguments[i].help);
	kprintf("  disable_FEATURE=1  take a feature for absent, whatever the CPU says\n"
		"  FEATURE=1          decide that a feature declared `boot` holds (up=1: one CPU "
		"only)\n"
		"  MODULE.NAME=VALUE  for a module, which asks for it when it is loaded\n");
}

/* ---- Checks ---- */

static void warn_unknown(const char *word)
{
	kprintf("warning: boot argument %s: not known; known are", word);
	for (unsigned i = 0; i < NARGUMENTS; i++)
		kprintf(" %s,", arguments[i].form);
	for (unsigned i = 0; i < hot_table.nfeatures; i++)
		if (hot_table.features[i].kind == HOT_BOOT)
			kprintf(" %s=1,", hot_table.features[i].name);
	kprintf(" disable_FEATURE=1, MODULE.NAME=VALUE\n");
}

static void check_disable(const char *word, const char *name, const char *value)
{
	if (!find_feature(name + 8))
		kprintf("warning: boot argument %s: no feature %s; `features` lists them\n", word,
			name + 8);
	else if (strcmp(value, "1") != 0 && strcmp(value, "0") != 0)
		kprintf("warning: boot argument %s: only %s=1 has an effect\n", word, name);
}

static void check_feature(const char *word, const struct hot_feature *feature, const char *value)
{
	if (feature->kind != HOT_BOOT)
		kprintf("warning: boot argument %s: %s is decided by `%s`; only disable_%s=1 has "
			"an effect\n",
			word, feature->name, feature->source, feature->name);
	else if (strcmp(value, "1") != 0)
		kprintf("warning: boot argument %s: only %s=1 and disable_%s=1 have an effect\n",
			word, feature->name, feature->name);
	else if (feature_disabled(NULL, feature->name))
		kprintf("warning: boot argument %s: disable_%s=1 is given, too, and counts\n", word,
			feature->name);
}

static void check_module(const char *word, char *name, char *dot)
{
	*dot = '\0';
	if (!module_in_archive(name))
		kprintf("warning: boot argument %s: no module %s in the boot archive\n", word,
			name);
	*dot = '.';
}

/* Of two that contradict each other the last counts. end: where this one ends in the line. */
static void check_again(const char *word, const char *name, const char *value, size_t end)
{
	char other[ARG_MAX], first[ARG_MAX] = "";
	size_t length = strlen(name), position = 0;

	while (args_next(cmdline, &position, other, sizeof(other)) && position < end)
		if (strncmp(other, name, length) == 0 && (other[length] == '=' || !other[length]) &&
		    strcmp(other + length + (other[length] == '='), value) != 0)
			memcpy(first, other, sizeof(first));
	if (*first)
		kprintf("warning: boot argument %s: %s is given, too; the last counts\n", word,
			first);
}

static void check(const char *word, size_t end)
{
	char name[ARG_MAX], *equals, *dot;
	const char *value = "";
	const struct argument *argument;
	const struct hot_feature *feature;

	ksnprintf(name, sizeof(name), "%s", word);
	equals = strchr(name, '=');
	if (equals) {
		*equals = '\0';
		value = equals + 1;
	}
	argument = find(name);
	feature = find_feature(name);
	dot = strchr(name, '.');
	if (argument && !argument->valid(value))
		kprintf("warning: boot argument %s: only %s has an effect: %s\n", word,
			argument->form, argument->help);
	else if (feature)
		check_feature(word, feature, value);
	else if (strncmp(name, "disable_", 8) == 0)
		check_disable(word, name, value);
	else if (dot)
		check_module(word, name, dot);
	else if (!argument)
		warn_unknown(word);
	check_again(word, name, value, end);
}

/* modules_init() comes first: the archive says which modules there are. */
void arguments_init(const struct bootinfo *info)
{
	char word[ARG_MAX];

	cmdline = info->cmdline;
	for (size_t position = 0; args_next(cmdline, &position, word, sizeof(word));)
		check(word, position);
}

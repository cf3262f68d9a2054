/*
 * The boot arguments: words of the form NAME or NAME=VALUE. Read by the boot program for `nokaslr`
 * and by features.c for the rest.
 */
#include "kernel/defs.h"

/* The word at *position, which moves on; start with 0. What does not fit is cut. False: no more. */
bool args_next(const char *cmdline, size_t *position, char *word, size_t size)
{
	size_t n = 0;

	while (cmdline[*position] == ' ' || cmdline[*position] == '\t')
		++*position;
	if (!cmdline[*position])
		return false;
	for (; cmdline[*position] && cmdline[*position] != ' ' && cmdline[*position] != '\t';
	     ++*position)
		if (n + 1 < size)
			word[n++] = cmdline[*position];
	word[n] = '\0';
	return true;
}

/* The value of the last argument of that name, "" where it has none. False: no such argument. */
bool args_find(const char *cmdline, const char *name, char *value, size_t size)
{
	char word[ARG_MAX];
	bool found = false;

	for (size_t position = 0; args_next(cmdline, &position, word, sizeof(word));) {
		char *equals = strchr(word, '=');

		if (equals)
			*equals = '\0';
		if (strcmp(word, name) != 0)
			continue;
		found = true;
		ksnprintf(value, size, "%s", equals ? equals + 1 : "");
	}
	return found;
}

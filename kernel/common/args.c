/*
 * The boot arguments: words of the form NAME or NAME=VALUE, separated by blanks. Taken over by the
 * boot program, which reads `nokaslr`; the rest is for arguments.c. What is lost at the end of a line
 * may be what makes the machine safe, so no line and no word is ever cut: what does not fit is a
 * panic.
 */
#include "kernel/defs.h"

#define SHOWN 24 /* characters of a word that is too long */

static bool is_blank(char c)
{
	return c > '\0' && c <= ' ';
}

/* The word at *position, which moves on; start with 0. False: no more. size: ARG_MAX at least. */
bool args_next(const char *cmdline, size_t *position, char *word, size_t size)
{
	size_t n = 0;

	while (is_blank(cmdline[*position]))
		++*position;
	if (!cmdline[*position])
		return false;
	for (; cmdline[*position] && !is_blank(cmdline[*position]); ++*position)
		if (n + 1 < size)
			word[n++] = cmdline[*position];
	word[n] = '\0';
	return true;
}

/* Copies a line of n bytes, whole and into CMDLINE_MAX bytes; or panics. */
void args_take(char *cmdline, const char *line, size_t n)
{
	size_t length;

	if (n >= CMDLINE_MAX)
		panic("the boot arguments are %lu characters, and at most %lu are taken: shorten "
		      "them",
		      n, CMDLINE_MAX - 1ul);
	memcpy(cmdline, line, n);
	cmdline[n] = '\0';
	for (const char *word = cmdline; *word; word += length) {
		length = 0;
		while (word[length] && !is_blank(word[length]))
			length++;
		if (length >= ARG_MAX) {
			cmdline[word - cmdline + SHOWN] = '\0';
			panic("the boot argument %s... is %lu characters, and at most %lu are "
			      "taken: shorten it",
			      word, length, ARG_MAX - 1ul);
		}
		length += !length;
	}
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

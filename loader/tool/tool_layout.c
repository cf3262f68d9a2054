/*
 * The layout file of the host tool: addresses, one item a line, further columns ignored.
 *
 *	section INDEX ADDRESS    where that section of the object goes
 *	symbol ADDRESS NAME      the value of a symbol that no OBJECT defines; or of a stub, of a
 *	                         symbol that an alternative refers to, of _GLOBAL_OFFSET_TABLE_
 *	object PATH              the section lines below are about that OBJECT; before the first
 *	                         such line they are about the first OBJECT
 *
 * Addresses are hexadecimal, with or without 0x; `#` starts a comment. What the tool prints without
 * further options is such a file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/tool/tool.h"

#define WORDS     3
#define SEPARATOR " \t\r\v\f"

/* A line under work. */
struct where {
	struct tool *tool;
	unsigned line;
	unsigned object; /* which one section lines are about */
};

static bool wrong(const struct where *where, const char *what, const char *word, const char *why)
{
	complain("%s:%u: %s `%s', %s", where->tool->layout.path, where->line, what, word, why);
	return false;
}

static bool parse_number(const char *word, int base, uint64_t *value)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", word[0]))
		return false;
	errno = 0;
	*value = strtoull(word, &end, base);
	return !*end && !errno;
}

static bool parse_address(const struct where *where, const char *word, uint64_t *address)
{
	return parse_number(word, 16, address) ||
	       wrong(where, "bad address", word, "expected up to 16 hexadecimal digits");
}

static bool parse_section(const struct where *where, char *words[WORDS])
{
	struct layout *layout = &where->tool->layout;
	struct layout_section *section = &layout->sections[layout->nsections];
	uint64_t index;

	if (!parse_number(words[1], 10, &index) || !index || index > UINT32_MAX)
		return wrong(where, "bad section index", words[1],
			     "expected a decimal number from 1");
	section->section = (uint32_t)index;
	section->object = where->object;
	section->line = where->line;
	layout->nsections++;
	return parse_address(where, words[2], &section->address);
}

static bool parse_symbol(const struct where *where, char *words[WORDS])
{
	struct layout *layout = &where->tool->layout;
	struct layout_symbol *symbol = &layout->symbols[layout->nsymbols++];

	symbol->name = words[2];
	symbol->line = where->line;
	return parse_address(where, words[1], &symbol->address);
}

static bool parse_object(struct where *where, const char *path)
{
	for (unsigned i = 0; i < where->tool->nobjects; i++) {
		if (strcmp(where->tool->objects[i].path, path) == 0) {
			where->object = i;
			return true;
		}
	}
	return wrong(where, "no such object", path, "expected a path of the command line");
}

static bool parse_line(struct where *where, char *line)
{
	char *words[WORDS] = {NULL, NULL, NULL};
	char *rest = line;
	unsigned n = 0;

	line[strcspn(line, "#")] = '\0';
	while (n < WORDS && (words[n] = strtok_r(rest, SEPARATOR, &rest)))
		n++;
	if (!n)
		return true;
	if (strcmp(words[0], "object") == 0 && n >= 2)
		return parse_object(where, words[1]);
	if (strcmp(words[0], "section") == 0 && n >= 3)
		return parse_section(where, words);
	if (strcmp(words[0], "symbol") == 0 && n >= 3)
		return parse_symbol(where, words);
	return wrong(where, "bad item", words[0],
		     "expected `section INDEX ADDRESS', `symbol ADDRESS NAME' or `object PATH'");
}

static int by_name(const void *a, const void *b)
{
	const struct layout_symbol *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* A name may be given twice if the address is the same. */
static bool check_symbols(struct tool *tool)
{
	struct layout *layout = &tool->layout;

	qsort(layout->symbols, layout->nsymbols, sizeof *layout->symbols, by_name);
	for (size_t i = 1; i < layout->nsymbols; i++) {
		const struct layout_symbol *symbol = &layout->symbols[i];
		const struct where where = {tool, symbol->line, 0};

		if (strcmp(symbol[-1].name, symbol->name) == 0 &&
		    symbol[-1].address != symbol->address)
			return wrong(&where, "symbol", symbol->name,
				     "has another address further up");
	}
	return true;
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	while ((text = strchr(text, '\n'))) {
		text++;
		lines++;
	}
	return lines;
}

int read_layout(struct tool *tool, const char *path)
{
	struct layout *layout = &tool->layout;
	struct where where = {tool, 0, 0};
	uint8_t *bytes;
	size_t size, lines;
	bool ok = true;

	if (!read_file(path, &bytes, &size))
		return EXIT_USE;
	layout->path = path;
	layout->text = (char *)bytes;
	if (strlen(layout->text) != size) {
		complain("%s: a NUL byte at 0x%zx, expected text", path, strlen(layout->text));
		return EXIT_USE;
	}
	lines = count_lines(layout->text);
	layout->sections = claim(lines, sizeof *layout->sections);
	layout->symbols = claim(lines, sizeof *layout->symbols);
	for (char *line = layout->text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		where.line++;
		ok = parse_line(&where, line) && ok;
	}
	return ok && check_symbols(tool) ? EXIT_LOADED : EXIT_USE;
}

static int find_name(const void *name, const void *symbol)
{
	return strcmp(name, ((const struct layout_symbol *)symbol)->name);
}

const struct layout_symbol *layout_symbol(const struct layout *layout, const char *name)
{
	if (!layout->nsymbols)
		return NULL;
	return bsearch(name, layout->symbols, layout->nsymbols, sizeof *layout->symbols, find_name);
}

/*
 * The debugger's ADDRESS/FORMAT: memory as numbers, text, names or instructions; and
 * ADDRESS=FORMAT: the number itself. mdb users know the letters.
 */
#include "kernel/mdb.h"

#define COUNT_MAX  4096u
#define STRING_MAX 256u /* bytes */

enum kind {
	HEXADECIMAL,
	SIGNED,
	UNSIGNED,
	SYMBOL,
	TEXT, /* this one and the next are of memory only */
	CODE,
};

static const struct format {
	char letter;
	uint8_t size; /* bytes of an item; 0: as many as it has */
	uint8_t kind; /* enum kind */
	const char *help;
} formats[] = {
    {'B', 1, HEXADECIMAL, "1 byte, hexadecimal"},
    {'x', 2, HEXADECIMAL, "2 bytes, hexadecimal"},
    {'X', 4, HEXADECIMAL, "4 bytes, hexadecimal"},
    {'J', 8, HEXADECIMAL, "8 bytes, hexadecimal"},
    {'K', 8, HEXADECIMAL, "8 bytes, hexadecimal: a pointer"},
    {'V', 1, UNSIGNED, "1 byte, decimal"},
    {'d', 2, SIGNED, "2 bytes, decimal with a sign"},
    {'u', 2, UNSIGNED, "2 bytes, decimal"},
    {'D', 4, SIGNED, "4 bytes, decimal with a sign"},
    {'U', 4, UNSIGNED, "4 bytes, decimal"},
    {'e', 8, SIGNED, "8 bytes, decimal with a sign"},
    {'E', 8, UNSIGNED, "8 bytes, decimal"},
    {'p', 8, SYMBOL, "8 bytes, as a symbol"},
    {'s', 0, TEXT, "text, up to a NUL"},
    {'i', 0, CODE, "an instruction"},
};

#define NFORMATS (sizeof(formats) / sizeof(formats[0]))

void mdb_formats_help(void)
{
	for (unsigned i = 0; i < NFORMATS; i++) {
		char letter = formats[i].letter;

		if (formats[i].kind < TEXT)
			kprintf("  /%c  =%c  %s\n", letter, letter, formats[i].help);
		else
			kprintf("  /%c      %s\n", letter, formats[i].help);
	}
}

/* NULL after a message. */
static const struct format *find_format(char verb, const char *letters)
{
	if (verb != '=' && *letters && strchr("vwWZ", *letters)) {
		kprintf("mdb: %c%s: that writes memory, and this debugger only reads it\n", verb,
			letters);
		return NULL;
	}
	for (unsigned i = 0; i < NFORMATS; i++)
		if (letters[0] == formats[i].letter && !letters[1] &&
		    (verb != '=' || formats[i].kind < TEXT))
			return &formats[i];
	if (*letters >= '0' && *letters <= '9')
		kprintf("mdb: %c%s: the count comes first: ADDR,COUNT%cFORMAT\n", verb, letters,
			verb);
	else
		kprintf("mdb: %c%s: no such format; there are\n", verb, letters);
	mdb_formats_help();
	return NULL;
}

static void print_number(const struct format *format, uint64_t value)
{
	unsigned unused = 64 - 8 * format->size; /* bits */
	char line[96];

	value = value << unused >> unused;
	if (format->kind == SIGNED)
		kprintf("%ld", (int64_t)(value << unused) >> unused);
	else if (format->kind == UNSIGNED)
		kprintf("%lu", value);
	else if (format->kind == SYMBOL)
		kprintf("%s", mdb_name(value, line, sizeof(line)));
	else
		kprintf("%lx", value);
}

/* Text, as far as it can be read. Returns how many bytes it takes with its NUL; 0: none. */
static size_t print_string(uint64_t address)
{
	size_t n = 0;
	char c;

	for (; n < STRING_MAX && peek(address + n, &c, 1) == 1; n++) {
		if (!c)
			return n + 1;
		kprintf("%c", c >= ' ' && c <= '~' ? c : '.');
	}
	return n;
}

/* One item, in a line of its own. Returns its size; 0: nothing is mapped. */
static size_t print_item(const struct format *format, uint64_t address)
{
	uint64_t value = 0;
	size_t n = format->size;
	char line[96];

	if (peek(address, &value, n ? n : 1) != (n ? n : 1))
		return 0;
	kprintf("%s:\t", mdb_name(address, line, sizeof(line)));
	if (n)
		print_number(format, value);
	else
		n = format->kind == TEXT ? print_string(address) : mdb_instruction(address);
	kprintf("\n");
	return n;
}

/* ADDRESS,COUNT/LETTER */
void mdb_format(struct mdb_call *call, const char *letters)
{
	const struct format *format = find_format('/', letters);
	uint64_t at = call->address;

	if (!format)
		return;
	if (call->count > COUNT_MAX) {
		kprintf("mdb: the count is at most 0t%u\n", COUNT_MAX);
		return;
	}
	for (uint64_t i = 0; i < call->count; i++) {
		size_t n = print_item(format, at);

		if (!n) {
			kprintf("mdb: nothing is mapped at 0x%lx\n", at);
			return;
		}
		at += n;
	}
}

/* EXPRESSION=LETTER. The blanks are mdb's: sixteen columns. */
void mdb_format_value(struct mdb_call *call, const char *letters)
{
	const struct format *format = find_format('=', letters);

	if (!format)
		return;
	kprintf("%16s", "");
	print_number(format, call->address);
	kprintf("\n");
}

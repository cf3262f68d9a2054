/*
 * The debugger's ADDRESS/FORMAT: memory as numbers, text, names or instructions. mdb users know the
 * letters.
 */
#include "kernel/mdb.h"

#define COUNT_MAX  4096u
#define STRING_MAX 256u /* bytes */

static const struct format {
	char letter;
	uint8_t size; /* bytes of an item; 0: see print_item() */
	const char *help;
} formats[] = {
    {'B', 1, "1 byte, hexadecimal"},      {'x', 2, "2 bytes, hexadecimal"},
    {'X', 4, "4 bytes, hexadecimal"},     {'J', 8, "8 bytes, hexadecimal"},
    {'D', 4, "4 bytes, signed decimal"},  {'E', 8, "8 bytes, unsigned decimal"},
    {'p', 8, "8 bytes, a symbol's name"}, {'s', 0, "text, up to a NUL"},
    {'i', 0, "an instruction"},
};

#define NFORMATS (sizeof(formats) / sizeof(formats[0]))

void mdb_formats_help(void)
{
	for (unsigned i = 0; i < NFORMATS; i++)
		kprintf("  ADDR[,COUNT]/%c   %s\n", formats[i].letter, formats[i].help);
}

static void print_number(char letter, uint64_t value)
{
	char line[96];

	if (letter == 'D')
		kprintf("%d", (int)(int32_t)value);
	else if (letter == 'E')
		kprintf("%lu", value);
	else if (letter == 'p')
		kprintf("0x%lx %s", value, mdb_name(value, line, sizeof(line)));
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

static size_t print_instruction(uint64_t address)
{
	char text[160];
	uint8_t byte;
	size_t n = mdb_decode(address, text, sizeof(text));

	if (!n && peek(address, &byte, 1) != 1)
		return 0;
	if (n)
		kprintf("%s", text);
	else
		kprintf("%02x", byte);
	return n ? n : 1;
}

/* One item, in a line of its own. Returns its size; 0: nothing is mapped. */
static size_t print_item(const struct format *format, uint64_t address)
{
	uint64_t value = 0;
	size_t n = format->size;
	char line[96];
	uint8_t byte;

	if (peek(address, n ? (void *)&value : &byte, n ? n : 1) != (n ? n : 1))
		return 0;
	kprintf("%s:\t", mdb_name(address, line, sizeof(line)));
	if (n)
		print_number(format->letter, value);
	else
		n = format->letter == 's' ? print_string(address) : print_instruction(address);
	kprintf("\n");
	return n;
}

void mdb_format(struct mdb_call *call, const char *letters)
{
	const struct format *format = NULL;
	uint64_t at = call->address;

	for (unsigned i = 0; i < NFORMATS; i++)
		if (letters[0] == formats[i].letter && !letters[1])
			format = &formats[i];
	if (!format) {
		kprintf("mdb: /%s: no such format; there are\n", letters);
		mdb_formats_help();
		return;
	}
	if (call->count > COUNT_MAX) {
		kprintf("mdb: the count is at most %u\n", COUNT_MAX);
		return;
	}
	for (uint64_t i = 0; i < call->count; i++) {
		size_t n = print_item(format, at);

		if (!n) {
			kprintf("mdb: nothing is mapped at %lx\n", at);
			return;
		}
		at += n;
	}
}

/*
 * Messages: what was refused, where and why, in one line. There is no printf here, and no memory to
 * allocate. Called by whoever implements krtld_ops.report.
 */
#include "loader/krtld.h"
#include "loader/text.h"

/* A line under construction: what does not fit is cut off, and a name cannot break it. */
struct line {
	char *text;
	size_t size; /* bytes, with room for the NUL */
	size_t length;
};

static void put_some(struct line *line, const char *text, size_t most)
{
	for (; text && *text && most && line->length + 1 < line->size; text++, most--) {
		bool control = (uint8_t)*text < ' ' || *text == 0x7f;

		line->text[line->length++] = control ? '?' : *text;
	}
}

static void put(struct line *line, const char *text)
{
	put_some(line, text, SIZE_MAX);
}

#define NAME_MIN 64 /* bytes of a name that are shown in any case */

/* A name of the object's: a long one is cut, so that there is room left for what is said of it. */
static void put_name(struct line *line, const char *name)
{
	size_t most = line->size / 4 < NAME_MIN ? NAME_MIN : line->size / 4;

	put_some(line, name, most);
	put(line, name && krtld_length(name) > most ? "..." : "");
}

static void put_hex(struct line *line, uint64_t value)
{
	char digits[sizeof "0x" + 16];
	size_t i = sizeof digits - 1;

	digits[i] = '\0';
	do {
		digits[--i] = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	} while (value);
	put(line, "0x");
	put(line, digits + i);
}

static void put_bytes(struct line *line, const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char pair[] = {' ', "0123456789abcdef"[bytes[i] >> 4],
			       "0123456789abcdef"[bytes[i] & 0xf], '\0'};

		put(line, pair);
	}
}

static void put_quoted(struct line *line, const char *name)
{
	put(line, "`");
	put_name(line, name);
	put(line, "'");
}

static void put_place(struct line *line, const struct krtld_error *error)
{
	put_name(line, error->module ? error->module : "?");
	put(line, ": ");
	if (error->section || error->offset) {
		put_name(line, error->section ? error->section : "file");
		put(line, "+");
		put_hex(line, error->offset);
		put(line, ": ");
	}
}

/* The relocation that an error is about: "R_X86_64_PC32 against `f'". */
static void put_reloc(struct line *line, const struct krtld_error *error)
{
	if (error->type) {
		put(line, error->type);
		put(line, " ");
	}
	if (error->symbol && *error->symbol) {
		put(line, error->type ? "against " : "symbol ");
		put_quoted(line, error->symbol);
		put(line, " ");
	}
}

static void put_found(struct line *line, const struct krtld_error *error)
{
	if (error->type || (error->symbol && *error->symbol)) {
		put_reloc(line, error);
		put(line, "refused, ");
	}
	put(line, error->what);
	if (error->value || error->limit) {
		put(line, ", found ");
		put_hex(line, error->value);
	}
	if (error->limit) {
		put(line, ", limit ");
		put_hex(line, error->limit);
	}
}

static void put_range(struct line *line, const struct krtld_error *error)
{
	put_reloc(line, error);
	put(line, "overflows, the value ");
	put_hex(line, error->value);
	put(line, " does not fit its field (");
	put(line, error->what);
	put(line, ")");
}

static void put_duplicate(struct line *line, const struct krtld_error *error)
{
	if (!error->symbol) {
		put(line, "loaded already, unload it first");
		return;
	}
	put(line, "symbol ");
	put_quoted(line, error->symbol);
	put(line, " is defined twice, first in ");
	put_name(line, error->what);
	if (error->value) {
		put(line, ", which has not the size and alignment of this COMMON symbol, found ");
		put_hex(line, error->value);
	} else if (error->what != error->module) {
		put(line, "; hide it where it is a module's own: static, or -fvisibility=hidden");
	}
}

static void put_stub(struct line *line, const struct krtld_error *error)
{
	put(line, "symbol ");
	put_quoted(line, error->symbol);
	put(line, " refused, ");
	put(line, error->what);
}

static void put_hot(struct line *line, const struct krtld_error *error,
		    const struct hot_table *table)
{
	const struct hot_error *hot = &error->hot;

	put(line, "hotinline ");
	if (table && hot->hotinline < table->nhotinlines)
		put_quoted(line, table->hotinlines[hot->hotinline].name);
	if (error->symbol) {
		put(line, " in ");
		put_quoted(line, error->symbol);
	}
	put(line, " refused, ");
	put(line, hot_reason_text(hot->reason));
	if (table && hot->symbol < table->nsymbols) {
		put(line, " ");
		put_quoted(line, table->symbols[hot->symbol]);
	}
	if (hot->reason == HOT_E_OLD_BYTES || hot->reason == HOT_E_VERIFY) {
		put(line, ", expected");
		put_bytes(line, hot->expected, hot->size);
		put(line, ", found");
		put_bytes(line, hot->found, hot->size);
	}
}

static void put_start(struct line *line, const struct krtld_error *error)
{
	if (error->symbol) {
		put_quoted(line, error->symbol);
		put(line, " refused, ");
	}
	put(line, error->what ? error->what : "it returned");
	if (error->value) {
		put(line, " ");
		put_hex(line, error->value);
	}
}

static void put_what(struct line *line, const struct krtld_error *error,
		     const struct hot_table *table)
{
	switch (error->reason) {
	case KRTLD_OK: put(line, "no error"); break;
	case KRTLD_E_MEMORY:
		put(line, "no memory for ");
		put(line, error->what ? error->what : "krtld's own tables");
		put(line, ", bytes wanted: ");
		put_hex(line, error->value);
		break;
	case KRTLD_E_FORMAT:
	case KRTLD_E_TYPE: put_found(line, error); break;
	case KRTLD_E_RANGE: put_range(line, error); break;
	case KRTLD_E_UNDEFINED:
		put(line, "symbol ");
		put_quoted(line, error->symbol);
		put(line, " is undefined, no loaded module defines it");
		break;
	case KRTLD_E_DUPLICATE: put_duplicate(line, error); break;
	case KRTLD_E_STUB: put_stub(line, error); break;
	case KRTLD_E_UNDECIDED:
		put(line, "too early, the machine's features are not decided yet");
		break;
	case KRTLD_E_HOTINLINE: put_hot(line, error, table); break;
	case KRTLD_E_PROTECT:
		put(line, "memory cannot be protected, at ");
		put_hex(line, error->value);
		break;
	case KRTLD_E_START: put_start(line, error); break;
	case KRTLD_E_BUSY:
		put(line, "in use, ");
		put(line, error->what ? error->what : "number of users: ");
		if (!error->what)
			put_hex(line, error->value);
		break;
	}
}

const char *krtld_error_line(const struct krtld_error *error, const struct hot_table *table,
			     char *text, size_t size)
{
	struct line line = {text, size, 0};

	if (!size)
		return text;
	put_place(&line, error);
	put_what(&line, error, table);
	text[line.length] = '\0';
	return text;
}

const char *krtld_form_text(enum hot_form form)
{
	switch (form) {
	case HOT_CALL: return "call";
	case HOT_JMP: return "jmp";
	case HOT_STUB: return "stub";
	}
	return "?";
}

const char *krtld_plain_text(enum krtld_plain reason)
{
	switch (reason) {
	case KRTLD_PLAIN_DATA: return "a pointer in data, not in executable text";
	case KRTLD_PLAIN_TYPE: return "not a branch's relocation: an address, or through the GOT";
	case KRTLD_PLAIN_ADDEND: return "the addend is not -4: somewhere inside the stub";
	case KRTLD_PLAIN_OPCODE: return "neither a direct call (e8) nor a direct jmp (e9)";
	case KRTLD_PLAIN_REACH: return "through the GOT, and a direct call does not reach the stub";
	case KRTLD_PLAIN_SECTION: return "by section and addend, not by the stub's name";
	}
	return "?";
}

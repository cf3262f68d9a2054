/* Hexadecimal text, dumps and comparisons for the tests; see bytes.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"

static unsigned nibble(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0')
					 : (unsigned)(tolower((unsigned char)c) - 'a' + 10);
}

/* "@NAME+N": stores the field, returns what follows it in the text. */
static const char *parse_field(const char *text, bytes_field field, void *ctx, uint8_t *out,
			       size_t offset)
{
	char name[64];
	size_t length = strcspn(text, "+- ");
	char *end;
	int64_t addend;

	cr_assert(length < sizeof(name) && field, "a field in \"%s\"", text);
	memcpy(name, text, length);
	name[length] = 0;
	addend = strtoll(text + length, &end, 0);
	bytes_put(out + offset, 4, field(ctx, offset, name, addend));
	return end;
}

size_t bytes_parse(const char *text, bytes_field field, void *ctx, uint8_t *out, size_t size)
{
	size_t n = 0;

	while (*text) {
		if (*text == ' ') {
			text++;
			continue;
		}
		cr_assert(n + (*text == '@' ? 4 : 1) <= size, "too many bytes in \"%s\"", text);
		if (*text == '@') {
			text = parse_field(text + 1, field, ctx, out, n);
			n += 4;
			continue;
		}
		cr_assert(isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]),
			  "not hexadecimal: \"%s\"", text);
		out[n++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
		text += 2;
	}
	return n;
}

size_t bytes_hex(const char *text, uint8_t *out, size_t size)
{
	return bytes_parse(text, NULL, NULL, out, size);
}

const char *bytes_dump(const uint8_t *bytes, size_t n, char text[BYTES_TEXT])
{
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < n && used + 4 < BYTES_TEXT; i++)
		used += (size_t)snprintf(text + used, BYTES_TEXT - used, "%s%02x", i ? " " : "",
					 bytes[i]);
	return text;
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

void bytes_expect(const char *what, const uint8_t *got, const uint8_t *want, size_t n)
{
	char one[BYTES_TEXT], two[BYTES_TEXT];
	size_t at = first_difference(got, want, n);

	cr_expect(at == n, "%s: differs at byte %zu of %zu\n  got  %s\n  want %s", what, at, n,
		  bytes_dump(got, n, one), bytes_dump(want, n, two));
}

void bytes_assert(const char *what, const uint8_t *got, const uint8_t *want, size_t n)
{
	char one[BYTES_TEXT], two[BYTES_TEXT];
	size_t at = first_difference(got, want, n);

	cr_assert(at == n, "%s: differs at byte %zu of %zu\n  got  %s\n  want %s", what, at, n,
		  bytes_dump(got, n, one), bytes_dump(want, n, two));
}

uint64_t bytes_get(const uint8_t *bytes, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

void bytes_put(uint8_t *bytes, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

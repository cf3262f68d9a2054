/*
 * Bytes in tests: written as hexadecimal text, compared, and printed when they differ. Used by
 * every suite of tests/host.
 */
#ifndef HOTINLINE_TESTS_HOST_BYTES_H
#define HOTINLINE_TESTS_HOST_BYTES_H

#include <stddef.h>
#include <stdint.h>

#define BYTES_TEXT 1024 /* characters of a dump, with its NUL */

/* What to store in a field that the text calls "@NAME+N", `offset` bytes from the first byte. */
typedef uint32_t (*bytes_field)(void *ctx, size_t offset, const char *name, int64_t addend);

/*
 * Reads "0f 01 ca", with or without blanks. "@NAME+N" or "@NAME-N" is a 32-bit field whose value
 * the function tells. out: room for size bytes. Returns their number.
 */
size_t bytes_parse(const char *text, bytes_field field, void *ctx, uint8_t *out, size_t size);

/* The same where there is no such field. */
size_t bytes_hex(const char *text, uint8_t *out, size_t size);

/* "0f 01 ca", in a buffer of the caller's. Returns it. */
const char *bytes_dump(const uint8_t *bytes, size_t n, char text[BYTES_TEXT]);

/* Fails the test, and prints both, where got and want differ. */
void bytes_expect(const char *what, const uint8_t *got, const uint8_t *want, size_t n);
void bytes_assert(const char *what, const uint8_t *got, const uint8_t *want, size_t n);

/* Little-endian values anywhere, as the relocator stores them. width: 1, 2, 4 or 8 bytes. */
uint64_t bytes_get(const uint8_t *bytes, unsigned width);
void bytes_put(uint8_t *bytes, unsigned width, uint64_t value);

#endif

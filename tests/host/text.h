/*
 * A piece of text with sites, as a relocator leaves it, for the tests of do_hotinlines() and
 * hot_verify().
 */
#ifndef HOTINLINE_TESTS_HOST_TEXT_H
#define HOTINLINE_TESTS_HOST_TEXT_H

#include "tests/host/table.h"

#define TEXT_SITES 64
#define TEXT_RUNS  0xffffffff80001000ul /* where it runs */
#define TEXT_FILL  0xcc                 /* what stands between the sites */

struct text {
	struct hot_text text;
	struct hot_machine *machine;
	struct hot_site sites[TEXT_SITES];
	uint8_t *before; /* a copy of its bytes as they were when text_seal() was called */
};

/* A text of that many bytes, exactly, so that AddressSanitizer finds what goes beyond. */
struct text *text_new(struct hot_machine *machine, uint32_t size);

/* The next site, with the bytes that a relocator leaves there. Returns it. */
struct hot_site *text_site(struct text *text, uint32_t offset, const char *hotinline,
			   enum hot_form form, unsigned flags);

/* A site as of text_site(). */
struct text_row {
	uint32_t offset;
	const char *hotinline;
	enum hot_form form;
	unsigned flags;
};

/* Sites in order of their offsets, and text_seal(). Calls lead to the stubs that are among them. */
void text_rows(struct text *text, const struct text_row *rows, unsigned n);

/* Its bytes are as they must be before patching: remembers them. */
void text_seal(struct text *text);

/* Fails where one byte of it differs from the copy. */
void text_expect_unchanged(const struct text *text, const char *what);

/* do_hotinlines() on this text alone must refuse it for that reason, without a write: what it is
 * given is a copy in memory that cannot be written. */
struct hot_error text_expect_refusal(const struct text *text, enum hot_reason reason);

/* … must patch it; then bytes at offset are what text says (see table_bytes()). */
void text_patch(const struct text *text);
void text_expect(const struct text *text, uint32_t offset, const char *bytes);

#endif

/* A piece of text with sites; see text.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/text.h"

#define PAGE 4096ul

struct text *text_new(struct hot_machine *machine, uint32_t size)
{
	struct text *text = calloc(1, sizeof(*text));

	text->machine = machine;
	text->text.address = TEXT_RUNS;
	text->text.bytes = malloc(size);
	text->text.size = size;
	text->text.sites = text->sites;
	text->before = malloc(size);
	memset(text->text.bytes, TEXT_FILL, size);
	return text;
}

struct hot_site *text_site(struct text *text, uint32_t offset, const char *hotinline,
			   enum hot_form form, unsigned flags)
{
	struct hot_site *site = &text->sites[text->text.nsites];
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;
	unsigned size;

	cr_assert(text->text.nsites < TEXT_SITES);
	*site = (struct hot_site){offset, (uint16_t)hot_find(text->machine->table, hotinline),
				  (uint8_t)form, (uint8_t)flags};
	text->text.nsites++;
	if (form == HOT_STUB) /* then this is where the stub is */
		text->machine->stubs[site->hotinline] = text->text.address + offset;
	size = hot_site_bytes(text->machine, &text->text, site, HOT_BEFORE, bytes, &error);
	cr_assert(size, "%s: %s", hotinline, hot_reason_text(error.reason));
	memcpy(text->text.bytes + offset, bytes, size);
	return site;
}

void text_rows(struct text *text, const struct text_row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned hotinline = hot_find(text->machine->table, rows[i].hotinline);

		if (rows[i].form == HOT_STUB)
			text->machine->stubs[hotinline] = text->text.address + rows[i].offset;
	}
	for (unsigned i = 0; i < n; i++)
		text_site(text, rows[i].offset, rows[i].hotinline, rows[i].form, rows[i].flags);
	text_seal(text);
}

void text_seal(struct text *text)
{
	memcpy(text->before, text->text.bytes, text->text.size);
}

void text_expect_unchanged(const struct text *text, const char *what)
{
	bytes_expect(what, text->text.bytes, text->before, text->text.size);
}

/* A copy that cannot be written, and behind whose end nothing can be read. */
static uint8_t *sealed_copy(const struct hot_text *text, void **mapping, size_t *size)
{
	size_t room = (text->size + PAGE - 1) / PAGE * PAGE;
	uint8_t *pages;

	*size = room + PAGE;
	pages = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert(pages != MAP_FAILED);
	memcpy(pages + room - text->size, text->bytes, text->size);
	cr_assert(!mprotect(pages, room + !room, PROT_READ));
	cr_assert(!mprotect(pages + room, PAGE, PROT_NONE));
	*mapping = pages;
	return pages + room - text->size;
}

struct hot_error text_expect_refusal(const struct text *text, enum hot_reason reason)
{
	struct hot_text sealed = text->text;
	struct hot_error error;
	void *mapping;
	size_t size;

	memset(&error, 0xa5, sizeof(error));
	sealed.bytes = sealed_copy(&text->text, &mapping, &size);
	cr_expect(!do_hotinlines(text->machine, &sealed, 1, &error), "it was not refused");
	cr_expect_eq(error.reason, reason, "refused because \"%s\", not \"%s\"",
		     hot_reason_text(error.reason), hot_reason_text(reason));
	bytes_expect("a refusal has written", sealed.bytes, text->before, text->text.size);
	munmap(mapping, size);
	return error;
}

void text_patch(const struct text *text)
{
	struct hot_error error;

	cr_assert(do_hotinlines(text->machine, &text->text, 1, &error), "refused at %lx: %s",
		  error.address, hot_reason_text(error.reason));
	cr_expect(hot_verify(text->machine, &text->text, 1, HOT_NOW, &error));
}

void text_expect(const struct text *text, uint32_t offset, const char *bytes)
{
	uint8_t want[HOT_BYTES_MAX];
	size_t size =
	    table_bytes(text->machine, bytes, text->text.address + offset, want, sizeof(want));

	bytes_expect(bytes, text->text.bytes + offset, want, size);
}

/*
 * Reads memory that may not be there, without a fault: page by page, after a look at the page
 * tables, and through a window where the page is a user's. For the prompt.
 */
#include "hotinline.h"
#include "kernel/defs.h"

#define DUMP_LINE 16 /* bytes */

static void copy_user(void *to, const void *from, size_t n)
{
	smap_disable();
	copy_bytes(to, from, n);
	smap_enable();
}

/* Copies up to n bytes, as far as pages are mapped. Returns how many. */
size_t peek(uint64_t address, void *to, size_t n)
{
	size_t done = 0;
	bool user;

	while (done < n && paging_lookup(address + done, NULL, &user)) {
		size_t chunk = PAGE_SIZE - ((address + done) & PAGE_MASK);

		if (chunk > n - done)
			chunk = n - done;
		if (user)
			copy_user((char *)to + done, (const char *)address + done, chunk);
		else
			copy_bytes((char *)to + done, (const char *)address + done, chunk);
		done += chunk;
	}
	return done;
}

void print_bytes(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		kprintf(" %02x", bytes[i]);
}

static void dump_line(uint64_t address, const uint8_t *bytes, size_t n)
{
	kprintf("%016lx ", address);
	print_bytes(bytes, n);
	for (size_t i = n; i < DUMP_LINE; i++)
		kprintf("   ");
	kprintf("  |");
	for (size_t i = 0; i < n; i++)
		kprintf("%c", bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.');
	kprintf("|\n");
}

/* Prints n bytes of memory, 16 a line, up to the first page that is not mapped. */
bool dump(uint64_t address, size_t n)
{
	for (size_t done = 0; done < n; done += DUMP_LINE) {
		size_t want = n - done < DUMP_LINE ? n - done : DUMP_LINE, got;
		uint8_t bytes[DUMP_LINE];

		got = peek(address + done, bytes, want);
		if (got)
			dump_line(address + done, bytes, got);
		if (got == want)
			continue;
		kprintf("dump: nothing is mapped at 0x%lx\n", address + done + got);
		return false;
	}
	return true;
}

/*
 * The kernel's address space: 64 MiB somewhere in the top 2 GiB, handed out in pages, lowest
 * first, with an unmapped page after each piece. What is not writable here is not writable
 * through the physmap either. Used by memory.c for krtld, and for the stack of unix.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define KAS_PAGES (KAS_SIZE / PAGE_SIZE)

struct kas kas;

/* Makes all page tables now, so that loading a module takes only the module's pages. */
bool kas_init(uint64_t base)
{
	kas.base = base;
	return paging_prepare(base & ~(512 * PAGE_SIZE - 1), KAS_SIZE + 512 * PAGE_SIZE);
}

static size_t page_count(size_t size)
{
	return size / PAGE_SIZE + (size % PAGE_SIZE != 0); /* without a wrap, for any size */
}

static bool taken(size_t page)
{
	return kas.used[page / 64] >> page % 64 & 1;
}

/* Other threads do the same: the timer must not come in between. */
static void mark(size_t page, size_t n, bool take)
{
	bool on = interrupts_off();

	for (; n; page++, n--) {
		uint64_t bit = 1ul << page % 64;

		if (take)
			kas.used[page / 64] |= bit;
		else
			kas.used[page / 64] &= ~bit;
	}
	interrupts_restore(on);
}

/* n free pages and one after them, marked as taken; 0: there are none. */
static uint64_t find(size_t n, size_t align)
{
	size_t found = 0;

	for (size_t i = 0; i < KAS_PAGES; i++) {
		uint64_t start = kas.base + (i - found) * PAGE_SIZE;

		if (taken(i) || start & (align - 1)) {
			found = 0;
		} else if (++found == n + 1) {
			mark(i - n, n + 1, true);
			return start;
		}
	}
	return 0;
}

/* The same; 0 after a message. */
static uint64_t reserve(size_t n, size_t align)
{
	bool on = interrupts_off();
	uint64_t start = find(n, align);
	size_t used = 0;

	interrupts_restore(on);
	if (start)
		return start;
	for (size_t page = 0; page < KAS_PAGES; page++)
		used += taken(page);
	kprintf("kas: no %lu pages in a row, aligned to 0x%lx: %lu of %lu pages of kernel "
		"addresses are in use, the limit is KAS_SIZE\n",
		n, align, used, KAS_PAGES);
	return 0;
}

static size_t page_index(uint64_t address)
{
	return (address - kas.base) / PAGE_SIZE;
}

/* Unmaps n pages, and gives them back if they are not an alias's. */
static void release(uint64_t start, size_t n, bool alias)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t physical;

		if (!paging_lookup(start + i * PAGE_SIZE, &physical, NULL))
			continue;
		paging_unmap(start + i * PAGE_SIZE);
		if (alias)
			continue;
		paging_protect(PHYSMAP + physical, PROT_RW);
		page_free(physical);
	}
}

void *kas_alloc(size_t size, size_t align)
{
	size_t n = page_count(size);
	uint64_t start = reserve(n, align);

	for (size_t i = 0; start && i < n; i++) {
		uint64_t page = page_alloc();

		if (page && paging_map(start + i * PAGE_SIZE, page, PROT_RW))
			continue;
		kas_free((void *)start, size);
		return NULL;
	}
	return (void *)start;
}

void kas_protect(const void *address, size_t size, enum prot prot)
{
	uint64_t start = (uint64_t)address;

	for (size_t i = 0; i < page_count(size); i++) {
		uint64_t physical;

		if (!paging_lookup(start + i * PAGE_SIZE, &physical, NULL))
			continue;
		paging_protect(start + i * PAGE_SIZE, prot);
		paging_protect(PHYSMAP + physical, prot == PROT_RW ? PROT_RW : PROT_R);
	}
}

void kas_free(void *address, size_t size)
{
	size_t n = page_count(size);

	release((uint64_t)address, n, false);
	mark(page_index((uint64_t)address), n + 1, false);
}

/* The offset in the page is kept. NULL: no room, or a page of it is not mapped. */
void *kas_alias(const void *address, size_t size)
{
	uint64_t skip = (uint64_t)address & PAGE_MASK, from = (uint64_t)address - skip;
	size_t n = page_count(size + skip);
	uint64_t start = reserve(n, PAGE_SIZE);

	for (size_t i = 0; start && i < n; i++) {
		uint64_t physical;

		if (paging_lookup(from + i * PAGE_SIZE, &physical, NULL) &&
		    paging_map(start + i * PAGE_SIZE, physical, PROT_RW))
			continue;
		kas_unalias((void *)start, n * PAGE_SIZE);
		return NULL;
	}
	return start ? (void *)(start + skip) : NULL;
}

void kas_unalias(void *alias, size_t size)
{
	uint64_t skip = (uint64_t)alias & PAGE_MASK, start = (uint64_t)alias - skip;
	size_t n = page_count(size + skip);

	release(start, n, true);
	mark(page_index(start), n + 1, false);
}

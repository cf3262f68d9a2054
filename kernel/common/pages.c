/*
 * Physical memory, a page at a time: first those that were never used, in order, and before them
 * those that came back. The boot program fills in the range; unix takes its state over.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

struct pages pages;
uint64_t physmap_base;

static uint64_t take(void)
{
	uint64_t page = pages.freed;

	if (page) {
		pages.freed = *(uint64_t *)physmap(page);
	} else if (pages.next < pages.end) {
		page = pages.next;
		pages.next += PAGE_SIZE;
	} else {
		return 0;
	}
	pages.nfree--;
	return page;
}

/* Eight bytes at a time: an emulator takes each for itself. */
static void zero(void *page)
{
	uint64_t n = PAGE_SIZE / 8;

	asm volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0) : "memory");
}

uint64_t page_alloc(void)
{
	bool on = interrupts_off();
	uint64_t page = take();

	interrupts_restore(on);
	if (!page)
		return 0;
	zero(physmap(page));
	return page;
}

void page_free(uint64_t physical)
{
	bool on = interrupts_off();

	*(uint64_t *)physmap(physical) = pages.freed;
	pages.freed = physical;
	pages.nfree++;
	interrupts_restore(on);
}

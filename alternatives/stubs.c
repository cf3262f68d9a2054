/*
 * The bodies of stubs are sites, too: what refers to a stub without being a site, a pointer or a
 * conditional jump, must reach the chosen code. krtld finds these sites itself; here they are made
 * for a kernel that finds its sites in another way, and do_hotinlines() asks here whether all are
 * there.
 */
#include "alternatives/arch.h"

/* The text that holds an address; NULL: none. */
static const struct hot_text *text_at(const struct hot_text *texts, unsigned ntexts,
				      uint64_t address)
{
	unsigned low = 0, high = ntexts;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (address - texts[middle].address < texts[middle].size)
			return &texts[middle];
		if (texts[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool has_stub(const struct hot_text *text, uint64_t address, unsigned hotinline)
{
	uint32_t low = 0, high = text->nsites;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct hot_site *site = &text->sites[middle];

		if (text->address + site->offset == address)
			return site->form == HOT_STUB && site->hotinline == hotinline;
		if (text->address + site->offset < address)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

unsigned hot_uncovered(const struct hot_machine *machine, const struct hot_text *texts,
		       unsigned ntexts)
{
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		uint64_t stub = machine->stubs[i];
		const struct hot_text *text = stub ? text_at(texts, ntexts, stub) : NULL;

		if (text && !has_stub(text, stub + machine->table->entry, i))
			return i;
	}
	return HOT_NONE;
}

/* Lets the site at `root` sink in a heap of n whose largest offset is on top. */
static void sink(struct hot_site *sites, uint32_t root, uint32_t n)
{
	struct hot_site site = sites[root];

	for (uint64_t child = 2ull * root + 1; child < n; child = 2ull * root + 1) {
		if (child + 1 < n && sites[child + 1].offset > sites[child].offset)
			child++;
		if (sites[child].offset <= site.offset)
			break;
		sites[root] = sites[child];
		root = (uint32_t)child;
	}
	sites[root] = site;
}

static void sort(struct hot_site *sites, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sink(sites, i, n);
	for (uint32_t last = n; last-- > 1;) {
		struct hot_site site = sites[0];

		sites[0] = sites[last];
		sites[last] = site;
		sink(sites, 0, last);
	}
}

uint32_t hot_add_stubs(const struct hot_machine *machine, const struct hot_text *text,
		       struct hot_site *sites, uint32_t n, uint32_t room)
{
	uint32_t all = n;

	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		uint64_t offset = machine->stubs[i] - text->address;

		if (!machine->stubs[i] || offset >= text->size)
			continue;
		if (all < room) {
			sites[all] = (struct hot_site){(uint32_t)offset + machine->table->entry,
						       (uint16_t)i, HOT_STUB, 0};
		}
		all++;
	}
	if (all <= room)
		sort(sites, all);
	return all;
}

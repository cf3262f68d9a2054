/*
 * Page tables of four levels and 4 KiB pages (Intel SDM vol. 3A, 4.5). The boot program makes them,
 * unix carries on with the same. Used by kas.c, by the boot program for the physmap, and by
 * all that must know whether an address is mapped.
 */
#include "kernel/defs.h"
#include "kernel/arch/amd64/amd64.h"

#define PTE_P       (1ul << 0)
#define PTE_W       (1ul << 1)
#define PTE_U       (1ul << 2)
#define PTE_PS      (1ul << 7)
#define PTE_NX      (1ul << 63)
#define PTE_ADDRESS 0x000ffffffffff000ul

static uint64_t paging_root; /* of the high half, which all have in common */
static uint64_t paging_low;  /* of the low half: the current thread's */

/* Reserved, and so a fault, on a CPU that has no NX. */
static uint64_t paging_nx;

void paging_init(uint64_t root)
{
	paging_root = paging_low = root;
	paging_nx = rdmsr(EFER) & EFER_NXE ? PTE_NX : 0;
}

/* Changes to other page tables, whose high half must be the same. */
void paging_use(uint64_t root)
{
	paging_low = root;
	write_cr3(root);
}

static uint64_t prot_bits(enum prot prot)
{
	switch (prot) {
	case PROT_R: return PTE_P | paging_nx;
	case PROT_RW: return PTE_P | PTE_W | paging_nx;
	case PROT_RX: return PTE_P;
	case PROT_USER_R: return PTE_P | PTE_U | paging_nx;
	case PROT_USER_RW: return PTE_P | PTE_W | PTE_U | paging_nx;
	case PROT_USER_RX: return PTE_P | PTE_U;
	}
	return 0;
}

/* The last-level descriptor of that address; NULL: there is no table (or, with make, no memory).
 * Users may reach what the last level lets them: tables of the low half have PTE_U. */
static uint64_t *walk(uint64_t address, bool make)
{
	uint64_t *table = physmap(address < PHYSMAP ? paging_low : paging_root);

	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *up = &table[address >> shift & 511];

		if (!(*up & PTE_P)) {
			uint64_t page = make ? page_alloc() : 0;

			if (!page)
				return NULL;
			*up = page | PTE_P | PTE_W | (address < PHYSMAP ? PTE_U : 0);
		} else if (*up & PTE_PS) {
			return NULL;
		}
		table = physmap(*up & PTE_ADDRESS);
	}
	return &table[address >> 12 & 511];
}

/* The first page from that address on that is mapped, in the low half; end, if there is none before
 * it. What has no table is passed over at once. */
uint64_t paging_next(uint64_t address, uint64_t end)
{
	while (address < end) {
		uint64_t entry = ((uint64_t *)physmap(paging_low))[address >> 39 & 511];
		int shift = 39;

		while (entry & PTE_P && shift > 12) {
			shift -= 9;
			entry = ((uint64_t *)physmap(entry & PTE_ADDRESS))[address >> shift & 511];
		}
		if (entry & PTE_P)
			return address;
		address = (address | ((1ul << shift) - 1)) + 1;
	}
	return end;
}

/* n pages in a row: one walk for each table. What was not mapped is in no TLB (Intel SDM vol. 3A,
 * 4.10.2.3), and needs no invlpg. */
bool paging_map_pages(uint64_t address, uint64_t physical, size_t n, enum prot prot)
{
	uint64_t bits = prot_bits(prot), *pte = NULL;

	for (; n; n--, pte++, address += PAGE_SIZE, physical += PAGE_SIZE) {
		bool was_mapped;

		if (!pte || !(address >> 12 & 511))
			pte = walk(address, true);
		if (!pte)
			return false;
		was_mapped = *pte & PTE_P;
		*pte = physical | bits;
		if (was_mapped)
			invlpg(address);
	}
	return true;
}

bool paging_map(uint64_t address, uint64_t physical, enum prot prot)
{
	return paging_map_pages(address, physical, 1, prot);
}

bool paging_prepare(uint64_t address, uint64_t size)
{
	for (uint64_t at = address; at < address + size; at += 512 * PAGE_SIZE)
		if (!walk(at, true))
			return false;
	return true;
}

void paging_protect(uint64_t address, enum prot prot)
{
	uint64_t *pte = walk(address, false);

	if (!pte || !(*pte & PTE_P))
		return;
	*pte = (*pte & PTE_ADDRESS) | prot_bits(prot);
	invlpg(address);
}

void paging_unmap(uint64_t address)
{
	uint64_t *pte = walk(address, false);

	if (pte)
		*pte = 0;
	invlpg(address);
}

/* New page tables with an empty low half. 0: no memory. */
uint64_t paging_new(void)
{
	uint64_t root = page_alloc();

	if (root)
		memcpy((uint64_t *)physmap(root) + 256, (uint64_t *)physmap(paging_root) + 256,
		       256 * sizeof(uint64_t));
	return root;
}

/* Frees a table of the low half, with the pages below it. level 1 is the last. */
static void free_table(uint64_t physical, unsigned level, unsigned nentries)
{
	const uint64_t *table = physmap(physical);

	for (unsigned i = 0; i < nentries; i++) {
		if (!(table[i] & PTE_P))
			continue;
		if (level > 1)
			free_table(table[i] & PTE_ADDRESS, level - 1, 512);
		else
			page_free(table[i] & PTE_ADDRESS);
	}
	page_free(physical);
}

/* All of what paging_new() began; not while it is in use. */
void paging_free(uint64_t root)
{
	free_table(root, 4, 256);
}

/* Whether the address is mapped; physical and user may be NULL. */
bool paging_lookup(uint64_t address, uint64_t *physical, bool *user)
{
	bool canonical = (uint64_t)((int64_t)(address << 16) >> 16) == address;
	const uint64_t *pte = canonical ? walk(address, false) : NULL;

	if (!pte || !(*pte & PTE_P))
		return false;
	if (physical)
		*physical = (*pte & PTE_ADDRESS) | (address & PAGE_MASK);
	if (user)
		*user = *pte & PTE_U;
	return true;
}

/* Unmaps what the boot program ran in: all of the low half. */
void paging_drop_low(void)
{
	uint64_t *table = physmap(paging_root);

	for (unsigned i = 0; i < 256; i++)
		table[i] = 0;
	write_cr3(read_cr3());
}

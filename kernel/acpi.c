/*
 * Counts the machine's CPUs in the ACPI tables (ACPI 6.4: 5.2.5 RSDP, 5.2.7 RSDT, 5.2.8 XSDT,
 * 5.2.12 MADT). Used by features.c and cpus.c. A table that makes no sense means "unknown".
 */
#include "kernel/defs.h"

#define MADT_LOCAL_APIC   0
#define MADT_LOCAL_X2APIC 9
#define APIC_ENABLED      1

struct table {
	char signature[4];
	uint32_t size;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
};
_Static_assert(sizeof(struct table) == 36, "ACPI 6.4, table 5.4");

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t size;
	uint64_t xsdt;
} __attribute__((packed));

/* Physical memory that need not be RAM; mapped, to read, where the physmap has nothing. */
static const void *map(uint64_t physical, uint64_t size)
{
	for (uint64_t at = physical & ~PAGE_MASK; at < physical + size; at += PAGE_SIZE)
		if (!paging_lookup(PHYSMAP + at, NULL, NULL) &&
		    !paging_map(PHYSMAP + at, at, PROT_R))
			return NULL;
	return physmap(physical);
}

static const struct table *map_table(uint64_t physical)
{
	const struct table *table = map(physical, sizeof(*table));

	return table && table->size >= sizeof(*table) ? map(physical, table->size) : NULL;
}

/* The table of that signature; width: bytes of an address in the root table. */
static const struct table *find(const struct table *root, const char *signature, unsigned width)
{
	const uint8_t *at = (const uint8_t *)(root + 1), *end = (const uint8_t *)root + root->size;

	for (; at + width <= end; at += width) {
		const struct table *table;
		uint64_t physical = 0;

		memcpy(&physical, at, width);
		table = map_table(physical);
		if (table && memcmp(table->signature, signature, 4) == 0)
			return table;
	}
	return NULL;
}

/* Local APICs that are enabled, with their numbers as far as there is room for them. Of each
 * structure the first bytes are type and size. */
static unsigned list(const struct table *madt, uint32_t *ids, unsigned max)
{
	const uint8_t *at = (const uint8_t *)(madt + 1) + 8,
		      *end = (const uint8_t *)madt + madt->size;
	unsigned n = 0;

	for (; at + 2 <= end && at[1] >= 2 && at + at[1] <= end; at += at[1]) {
		bool wide = at[0] == MADT_LOCAL_X2APIC && at[1] >= 16 && at[8] & APIC_ENABLED;

		if (!wide && !(at[0] == MADT_LOCAL_APIC && at[1] >= 8 && at[4] & APIC_ENABLED))
			continue;
		if (n < max)
			ids[n] = at[3];
		if (n < max && wide)
			memcpy(&ids[n], at + 4, 4);
		n++;
	}
	return n;
}

unsigned acpi_count_cpus(uint64_t physical)
{
	return acpi_cpus(physical, NULL, 0);
}

/* How many there are, even if more than max; 0: unknown. */
unsigned acpi_cpus(uint64_t physical, uint32_t *ids, unsigned max)
{
	const struct rsdp *rsdp = physical ? map(physical, sizeof(*rsdp)) : NULL;
	const struct table *root, *madt;
	bool wide;

	if (!rsdp || memcmp(rsdp->signature, "RSD PTR ", 8) != 0)
		return 0;
	wide = rsdp->revision >= 2 && rsdp->xsdt;
	root = map_table(wide ? rsdp->xsdt : rsdp->rsdt);
	madt = root ? find(root, "APIC", wide ? 8 : 4) : NULL;
	return madt ? list(madt, ids, max) : 0;
}

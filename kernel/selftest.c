/*
 * A few checks right after patching: each hotinline that unix has does what its declaration says,
 * whichever alternative was chosen, and the windows onto user memory open and close. main.c calls
 * it; a check that fails decides the verdict of the run.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define SIZE  100 /* bytes: odd numbers of everything that a copy might do at once */
#define GUARD 0xee

static unsigned nchecks;

static void check(bool ok, const char *what)
{
	nchecks++;
	if (!ok)
		verdict_fail(what);
}

static bool all_are(const uint8_t *bytes, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void check_memory(void)
{
	uint8_t from[SIZE], to[SIZE];

	for (unsigned i = 0; i < SIZE; i++)
		from[i] = (uint8_t)i;
	fill_bytes(to, GUARD, SIZE);
	check(all_are(to, SIZE, GUARD), "fill_bytes fills all of it");
	copy_bytes(to + 1, from + 1, SIZE - 2);
	check(memcmp(to + 1, from + 1, SIZE - 2) == 0, "copy_bytes copies all of it");
	check(to[0] == GUARD && to[SIZE - 1] == GUARD, "copy_bytes copies no more than that");
}

/* The page stays mapped: modules and tests try their windows on it. */
static void check_window(void)
{
	uint8_t *user = (uint8_t *)PROBE_PAGE, line[16];
	uint64_t page = page_alloc(), flags;

	if (!page || !paging_map(PROBE_PAGE, page, PROT_USER_RW))
		panic("no memory for the probe page");
	smap_disable();
	fill_bytes(user, 0x5a, PAGE_SIZE);
	copy_bytes(line, user, sizeof(line));
	smap_enable();
	flags = read_flags();
	check(all_are(line, sizeof(line), 0x5a), "a window opens onto user memory");
	check(!(flags & EFLAGS_AC), "a window that is closed leaves AC clear");
	check(all_are(physmap(page), PAGE_SIZE, 0x5a), "user memory is what was written to it");
}

static void check_cpu(void)
{
	uint64_t base = read_fsbase(), then = timestamp(), counter = UINT32_MAX;

	write_fsbase(PHYSMAP);
	check(read_fsbase() == PHYSMAP, "write_fsbase sets what read_fsbase reads");
	write_fsbase(base);
	check(timestamp() > then, "timestamp goes up");
	check(popcount64(0x8000000000000001) == 2 && popcount64(UINT64_MAX) == 64 &&
		  popcount64(0) == 0,
	      "popcount64 counts bits");
	atomic_increment(&counter);
	check(counter == 1ul << 32, "atomic_increment carries into the high half");
}

unsigned selftest(void)
{
	check_memory();
	check_window();
	check_cpu();
	return nchecks;
}

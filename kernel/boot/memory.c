/*
 * Chooses the RAM that the kernel uses: the largest piece that neither the boot program nor the
 * archive is in. Called by pvh.c and multiboot2.c for each piece that the machine says it has; UEFI
 * cuts the low megabytes up, so the piece after the boot program may be a small one.
 */
#include "kernel/boot/boot.h"

extern uint8_t boot_end[]; /* boot.ld */

static void keep(struct machine_info *machine, uint64_t start, uint64_t end)
{
	start = (start + PAGE_MASK) & ~PAGE_MASK;
	end &= ~PAGE_MASK;
	if (start >= end || end - start <= machine->ram_end - machine->ram_start)
		return;
	machine->ram_start = start;
	machine->ram_end = end;
}

/* A piece of RAM. machine->archive must be known. */
void memory_add(struct machine_info *machine, uint64_t start, uint64_t size)
{
	uint64_t end = start + size, archive_end = machine->archive + machine->archive_size;

	if (start < (uint64_t)boot_end)
		start = (uint64_t)boot_end;
	if (end > PHYSMAP_MAX)
		end = PHYSMAP_MAX;
	if (machine->archive < end && archive_end > start) {
		keep(machine, start, machine->archive);
		keep(machine, archive_end, end);
	} else {
		keep(machine, start, end);
	}
}

/* What the files of the boot program use of each other. */
#ifndef HOTINLINE_KERNEL_BOOT_H
#define HOTINLINE_KERNEL_BOOT_H

#include "kernel/defs.h"

/* What the machine's firmware says, copied out of its tables. Addresses are physical. */
struct machine_info {
	uint64_t ram_start; /* free RAM: from here .. */
	uint64_t ram_end;   /* .. to here */
	uint64_t archive;
	uint64_t archive_size;
	uint64_t rsdp;
	char cmdline[CMDLINE_MAX];
};

/* memory.c */
void memory_add(struct machine_info *machine, uint64_t start, uint64_t size);

/* pvh.c */
void pvh_read(uint64_t start_info, struct machine_info *machine);

/* multiboot2.c */
#define MULTIBOOT2_MAGIC 0x36d76289u
void multiboot2_read(uint64_t boot_info, struct machine_info *machine);

/* entry.asm */
extern uint64_t boot_root[512];
void boot_enter(const struct bootinfo *info, uint64_t entry, uint64_t stack)
    __attribute__((noreturn));

extern volatile uint32_t boot_nmis; /* non-maskable interrupts so far */

/* What the CPU, and entry.asm after it, push at an exception. */
struct boot_frame {
	uint64_t vector, error;
	uint64_t rip, cs, flags, rsp, ss;
};

/* boot.c: called by entry.asm. magic: MULTIBOOT2_MAGIC, or 0 for PVH */
void boot_main(uint64_t start_info, uint32_t magic) __attribute__((noreturn));
void boot_trap(const struct boot_frame *frame) __attribute__((noreturn));

#endif

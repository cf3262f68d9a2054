/*
 * Reads the PVH start info (Xen public/arch-x86/hvm/start_info.h): command line, boot archive,
 * memory map. Called by boot.c while physical addresses are also virtual ones.
 */
#include "kernel/boot/boot.h"

#define START_INFO_MAGIC 0x336ec578
#define MEMORY_RAM       1

struct start_info {
	uint32_t magic;
	uint32_t version; /* 1 has the memory map */
	uint32_t flags;
	uint32_t nmodules;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memory;
	uint32_t nmemory;
	uint32_t reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "fixed by the PVH ABI");

struct start_module {
	uint64_t address;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};
_Static_assert(sizeof(struct start_module) == 32, "fixed by the PVH ABI");

struct start_memory {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};
_Static_assert(sizeof(struct start_memory) == 24, "fixed by the PVH ABI");

void pvh_read(uint64_t start_info, struct machine_info *machine)
{
	const struct start_info *info = physmap(start_info);
	const struct start_memory *memory;
	const struct start_module *modules;

	if (info->magic != START_INFO_MAGIC || info->version < 1)
		panic("no PVH start info with a memory map: boot with QEMU's -kernel");
	if (info->cmdline)
		args_take(machine->cmdline, physmap(info->cmdline), strlen(physmap(info->cmdline)));
	if (info->nmodules < 1)
		panic("no boot archive: give QEMU -initrd build/boot.cpio");
	if (info->nmodules > 1)
		panic("%u boot modules, and only one is taken, the boot archive", info->nmodules);
	modules = physmap(info->modules);
	machine->archive = modules[0].address;
	machine->archive_size = modules[0].size;
	machine->rsdp = info->rsdp;
	memory = physmap(info->memory);
	for (uint32_t i = 0; i < info->nmemory; i++)
		if (memory[i].type == MEMORY_RAM)
			memory_add(machine, memory[i].address, memory[i].size);
}

/*
 * Reads what a multiboot2 loader, GRUB, tells (Multiboot2 specification 2.0, 3.6): command line,
 * boot archive, memory map, ACPI's root. Called by boot.c while physical addresses are also virtual
 * ones; nothing of it is looked at later.
 */
#include "kernel/boot/boot.h"

#define MEMORY_RAM 1
#define RSDP_MAX   36 /* bytes: ACPI 6.4, 5.2.5.3 */

enum tag_type {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_MODULE = 3,
	TAG_MEMORY = 6,
	TAG_RSDP_OLD = 14,
	TAG_RSDP = 15,
};

struct tag {
	uint32_t type;
	uint32_t size; /* with this header; the next tag begins at a multiple of 8 */
};
_Static_assert(sizeof(struct tag) == 8, "fixed by multiboot2");

struct tag_module {
	struct tag tag;
	uint32_t start, end;
};
_Static_assert(sizeof(struct tag_module) == 16, "fixed by multiboot2");

struct tag_memory {
	struct tag tag;
	uint32_t item_size;
	uint32_t version;
};
_Static_assert(sizeof(struct tag_memory) == 16, "fixed by multiboot2");

struct memory_item {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};
_Static_assert(sizeof(struct memory_item) == 24, "fixed by multiboot2");

/* The loader's copy of ACPI's root pointer is in memory that is used again: this one stays. */
static uint8_t rsdp[RSDP_MAX] __attribute__((aligned(8)));

static const struct tag *after(const struct tag *tag)
{
	return (const struct tag *)((uint64_t)tag + ((tag->size + 7) & ~7u));
}

/* The first tag of that type, from one on; NULL: there is none. */
static const struct tag *find_from(const struct tag *tag, enum tag_type type)
{
	while (tag->type != TAG_END && tag->type != type)
		tag = after(tag);
	return tag->type == type ? tag : NULL;
}

static const struct tag *find(uint64_t boot_info, enum tag_type type)
{
	return find_from(physmap(boot_info + 8), type);
}

static void read_cmdline(const struct tag *tag, struct machine_info *machine)
{
	const char *line = (const char *)(tag + 1);
	size_t n = 0;

	while (n < tag->size - sizeof(*tag) && line[n])
		n++;
	args_take(machine->cmdline, line, n);
}

static void read_memory(const struct tag *tag, struct machine_info *machine)
{
	const struct tag_memory *map = (const struct tag_memory *)tag;
	uint64_t end = (uint64_t)tag + tag->size;

	for (uint64_t at = (uint64_t)(map + 1); at < end; at += map->item_size) {
		const struct memory_item *item = (const struct memory_item *)at;

		if (item->type == MEMORY_RAM)
			memory_add(machine, item->address, item->size);
	}
}

static void read_rsdp(uint64_t boot_info, struct machine_info *machine)
{
	const struct tag *tag = find(boot_info, TAG_RSDP);
	size_t size;

	if (!tag)
		tag = find(boot_info, TAG_RSDP_OLD);
	if (!tag)
		return;
	size = tag->size - sizeof(*tag);
	memcpy(rsdp, tag + 1, size < RSDP_MAX ? size : RSDP_MAX);
	machine->rsdp = (uint64_t)rsdp;
}

void multiboot2_read(uint64_t boot_info, struct machine_info *machine)
{
	const struct tag *cmdline = find(boot_info, TAG_CMDLINE);
	const struct tag *module = find(boot_info, TAG_MODULE);
	const struct tag *memory = find(boot_info, TAG_MEMORY);

	if (cmdline)
		read_cmdline(cmdline, machine);
	if (!module)
		panic("no boot archive: GRUB's menu must load it with module2");
	if (find_from(after(module), TAG_MODULE))
		panic("several boot modules, and only one is taken, the boot archive");
	machine->archive = ((const struct tag_module *)module)->start;
	machine->archive_size = ((const struct tag_module *)module)->end - machine->archive;
	if (!memory)
		panic("the boot loader gives no memory map");
	read_memory(memory, machine);
	read_rsdp(boot_info, machine);
}

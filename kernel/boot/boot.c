/*
 * The boot program, in C: makes the page tables, finds unix in the boot archive, has krtld load it
 * at a random address, and jumps there. entry.asm calls boot_main() in long mode.
 */
#include <stdarg.h>

#include "hottable.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/boot/boot.h"

/* Leaves as much again free above the kernel's address space: nothing wraps around. */
#define KAS_SLOTS (((2ul << 30) - 2 * KAS_SIZE) / PAGE_SIZE)

/* unix reads it at this address after the boot program's own memory is gone: on pages of kas. */
static struct bootinfo *info;

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kprintf("panic[boot]: ");
	vkprintf(format, args);
	kprintf("\n");
	va_end(args);
	verdict_exit(VERDICT_PANIC);
}

/* An exception, here or in unix before it has handlers of its own. */
void boot_trap(const struct boot_frame *frame)
{
	const struct krtld_module *module = NULL;
	const char *symbol = NULL;
	uint64_t offset, size;
	static bool again;

	if (again)
		verdict_exit(VERDICT_PANIC);
	again = true;
	if (info)
		module = krtld_name(&info->krtld, frame->rip, &symbol, &offset, &size);
	kprintf("panic[boot]: %s %s at 0x%lx", trap_mnemonic(frame->vector),
		trap_name(frame->vector), frame->rip);
	if (module && symbol)
		kprintf(" (%s:%s+0x%lx)", module->name, symbol, offset);
	kprintf(", error 0x%lx, cr2 0x%lx, rsp 0x%lx\n", frame->error, read_cr2(), frame->rsp);
	verdict_exit(VERDICT_PANIC);
}

static void map_physical(uint64_t start, uint64_t end)
{
	start &= ~PAGE_MASK;
	if (start < end && !paging_map_pages(PHYSMAP + start, start,
					     (end - start + PAGE_MASK) / PAGE_SIZE, PROT_RW))
		panic("no memory for page tables: give QEMU more than -m 16M");
}

/* All RAM below PHYSMAP_MAX, and the archive wherever it is. */
static void memory_init(const struct machine_info *machine)
{
	pages.next = machine->ram_start;
	pages.end = machine->ram_end;
	pages.nfree = (pages.end - pages.next) / PAGE_SIZE;
	paging_init((uint64_t)boot_root);
	map_physical(0, machine->ram_end);
	map_physical(machine->archive, machine->archive + machine->archive_size);
	physmap_base = PHYSMAP;
}

/* RDRAND where the CPU has it (Intel SDM vol. 1, 7.3.17: try ten times), else the time. */
static uint64_t random_number(void)
{
	uint32_t regs[4];
	uint64_t value = 0;
	bool ok = false;

	cpuid(1, 0, regs);
	if (regs[2] >> 30 & 1)
		for (unsigned i = 0; i < 10 && !ok; i++)
			asm volatile("rdrand %0" : "=r"(value), "=@ccc"(ok));
	return ok ? value : rdtsc() * 0x9e3779b97f4a7c15 >> 20;
}

static uint64_t choose_base(const char *cmdline)
{
	char value[ARG_MAX];

	if (args_find(cmdline, "nokaslr", value, sizeof(value)) && !*value)
		return KAS_BASE;
	return KAS_BASE + random_number() % KAS_SLOTS * PAGE_SIZE;
}

static void report(void *ctx, const struct krtld_error *error)
{
	char line[512];

	(void)ctx;
	kprintf("krtld: %s\n", krtld_error_line(error, &hot_table, line, sizeof(line)));
}

static const struct krtld_ops boot_ops = {
    .alloc = memory_alloc,
    .free = memory_free,
    .protect = memory_protect,
    .report = report,
};

static void *allocate(size_t size)
{
	void *memory = kas_alloc(size, PAGE_SIZE);

	if (!memory)
		panic("no memory: give QEMU a larger -m");
	return memory;
}

static void check_archive(void)
{
	static char why[2048];

	if (!cpio_check(&info->archive, why, sizeof(why)))
		panic("the boot archive %s", why);
}

/* Loads unix, and returns the address of its unix_main(). Its sites stay as they are, because no one
 * has decided yet. */
static uint64_t load_unix(void)
{
	struct krtld *loader = &info->krtld;
	struct archive file;
	uint64_t entry;

	check_archive();
	if (!cpio_find(&info->archive, info->unix_name, &file)) {
		size_t position = 0;
		const char *first = cpio_list(&info->archive, &position);

		panic("no %s in the boot archive; its first member is %s", info->unix_name,
		      first ? first : "missing, too");
	}
	loader->ops = &boot_ops;
	loader->machine = hot_machine_init(allocate(hot_machine_size(&hot_table)), &hot_table);
	if (!loader->machine)
		panic("%s", hot_reason_text(hot_table_check(&hot_table)));
	info->times.krtld = rdtsc();
	if (!krtld_load(loader, info->unix_name, file.bytes, file.size))
		panic("krtld refused %s", info->unix_name);
	info->times.krtld = rdtsc() - info->times.krtld;
	if (!krtld_lookup(loader, "unix_main", &entry))
		panic("%s has no unix_main", info->unix_name);
	return entry;
}

void boot_main(uint64_t start_info, uint32_t magic)
{
	static struct machine_info machine;
	uint64_t entry, stack, started = rdtsc();

	serial_init();
	if (magic == MULTIBOOT2_MAGIC)
		multiboot2_read(start_info, &machine);
	else
		pvh_read(start_info, &machine);
	if (!machine.ram_end)
		panic("the memory map has no RAM after the boot program");
	memory_init(&machine);
	if (!kas_init(choose_base(machine.cmdline)))
		panic("no memory for page tables: give QEMU more than -m 16M");

	info = allocate(sizeof(*info));
	ksnprintf(info->unix_name, sizeof(info->unix_name), "unix");
	memcpy(info->cmdline, machine.cmdline, CMDLINE_MAX);
	info->archive.bytes = physmap(machine.archive);
	info->archive.size = machine.archive_size;
	info->rsdp = machine.rsdp;
	info->times.started = started;
	info->root = (uint64_t)boot_root;
	info->nmis = (uint64_t)&boot_nmis;

	entry = load_unix();
	stack = (uint64_t)allocate(STACK_SIZE) + STACK_SIZE;
	info->pages = pages;
	info->kas = kas;
	boot_enter(info, entry, stack);
}

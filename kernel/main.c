/*
 * unix, from its first function on. The boot program (boot/boot.c) has loaded it and calls
 * unix_main() with interrupts off.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

struct boot_times boot_times;

static void memory_init(const struct bootinfo *info)
{
	pages = info->pages;
	kas = info->kas;
	physmap_base = PHYSMAP;
	paging_init(info->root);
}

static void banner(unsigned nchecks)
{
	const struct krtld_module *self = krtld.first;
	char brand[64];

	kprintf("hotinline on %s\n", cpu_brand(brand, sizeof(brand)));
	kprintf("unix at %lx, %u sites patched, SMAP %s, %u self-tests done\n",
		self->regions[KRTLD_TEXT].address, self->nsites, cpu_smap_enabled() ? "on" : "off",
		nchecks);
	features_print();
	cpus_print();
	kprintf("`help` lists the commands.\n");
}

/* QEMU's `-icount shift=0` makes instructions of them. */
static void timing(void)
{
	uint64_t all = rdtsc() - boot_times.started;
	char value[ARG_MAX];

	if (boot_argument("timing", value, sizeof(value)))
		kprintf("timing: boot %lu, of it krtld %lu, do_hotinlines %lu, wait %lu, modules "
			"%lu\n",
			all, boot_times.krtld, boot_times.patch, boot_times.wait,
			boot_times.modules);
}

void unix_main(struct bootinfo *info)
{
	unsigned nchecks;

	boot_times = info->times;
	memory_init(info);       /* pages and page tables, as the boot program left them */
	modules_init(info);      /* krtld, with unix as its first module */
	thread_init(info->root); /* this is a thread, too */
	traps_init(info);        /* from here on an exception is a panic that says where */
	paging_drop_low();       /* and the boot program is out of reach */
	cpu_init();              /* SMEP, UMIP, FSGSBASE: what needs no patching */
	arguments_init(info);    /* what is asked for, and what of it makes no sense */
	features_init(info);     /* read the CPU's features once, and decide */
	modules_boot();          /* the disassembler and the tracer: there at the first stop, too */
	mdb_start("early");      /* boot argument -kd=early: stop before unix is patched */
	startup_smap();          /* patch unix; CR4.SMAP after that, never before */
	traps_patched();         /* the entry code is complete: NMIs may use it, too */
	unix_start();            /* its constructors, which may use all of that */
	mdb_start("");           /* boot argument -kd: stop, now that it is patched */
	nchecks = selftest();    /* what was chosen works; the windows open and close */
	syscall_init();          /* the way in for users, and back */
	apic_init();             /* the timer and the clock */
	cpus_park(info);         /* the other CPUs, with the same control registers */
	thread_start();          /* from here on others may have their turn */
	banner(nchecks);         /* what this machine is, in a few lines */
	timing();                /* and what it took to come here, if asked */
	prompt();                /* look around; poweroff ends it */
}

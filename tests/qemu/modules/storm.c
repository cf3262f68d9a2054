/*
 * /dev/storm: does in windows onto a program's memory what may happen in any window: an NMI, a
 * switch to another thread, a fault. user/storm.c calls it, and has it load and unload modules
 * meanwhile. STORM_LEAK is the canary: a window that is closed by another function than opened it.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"
#include "tests/qemu/storm.h"

#define DELIVER_NMI 0x400 /* interrupt command: Intel SDM vol. 3A, 10.6.1 */

void storm_open(void) __attribute__((noinline));
void storm_close(void) __attribute__((noinline));

static bool is_open(void)
{
	return read_flags() & EFLAGS_AC || !cpu_smap_enabled();
}

static void send_nmi(void)
{
	uint64_t before = traps_nmis();

	apic_command(apic_id(), DELIVER_NMI);
	while (traps_nmis() == before)
		asm volatile("pause");
}

/* Whether the window was open all the time, and what was written in it is there. Always inline, so
 * that what happens is called directly: observe.py follows calls. */
static inline __attribute__((always_inline)) bool hold(volatile uint64_t *word,
						       void (*happens)(void))
{
	uint64_t old;
	bool ok;

	smap_disable();
	old = *word;
	*word = ~old;
	happens();
	ok = is_open() && *word == ~old;
	*word = old;
	smap_enable();
	return ok;
}

static long in_window(enum storm_command command, uint64_t address)
{
	struct label label;
	bool ok;

	if (!user_range(address, sizeof(uint64_t)) || on_fault(&label))
		return -EFAULT;
	ok = command == STORM_NMI ? hold((uint64_t *)address, send_nmi)
				  : hold((uint64_t *)address, thread_yield);
	no_fault();
	return ok ? 0 : -EIO;
}

static long load_or_unload(uint64_t n)
{
	static const char *const names[] = {"usercopy", "ring", "counters"};
	const char *name = names[n / 2 % 3];

	if (krtld_find(&krtld, name))
		return module_unload(name) ? 0 : -EBUSY;
	return module_load(name) ? 0 : -EIO;
}

void storm_open(void)
{
	smap_disable();
}

void storm_close(void)
{
	smap_enable();
}

static long leak(const volatile uint64_t *word)
{
	storm_open();
	(void)*word;
	storm_close();
	return 0;
}

static long storm_ioctl(unsigned command, uint64_t argument)
{
	switch ((enum storm_command)command) {
	case STORM_NMI:
	case STORM_YIELD: return in_window(command, argument);
	case STORM_MODULE: return load_or_unload(argument);
	case STORM_LEAK: return leak((const uint64_t *)argument);
	case STORM_NMIS: return (long)traps_nmis();
	}
	return -ENOTTY;
}

static struct device device = {.name = "storm", .ioctl = storm_ioctl};

int _init(void)
{
	return device_register(&device);
}

int _fini(void)
{
	return device_unregister(&device);
}

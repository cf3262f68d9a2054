/*
 * /dev/storm: does in windows onto a program's memory what may happen in any window: an NMI, a
 * switch to another thread, a fault. user/storm.c calls it, and has it load and unload modules
 * meanwhile. STORM_LEAK is the canary: a window that is closed by another function than opened it.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"
#include "tests/qemu/storm.h"

#define APIC_COMMAND 0x300 /* Intel SDM vol. 3A, 10.6.1 */
#define DELIVER_NMI  0x400

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

/* 0: the window was open all the time, and what was written in it is there. Always inline, so that
 * what happens is called directly: observe.py follows calls. */
static inline __attribute__((always_inline)) long in_window(volatile uint64_t *word,
							    void (*happens)(void))
{
	struct label label;
	uint64_t old;
	bool ok;

	if (!user_range((uint64_t)word, sizeof(*word)) || on_fault(&label))
		return -EFAULT;
	smap_disable();
	old = *word;
	*word = ~old;
	happens();
	ok = is_open() && *word == ~old;
	*word = old;
	smap_enable();
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
	case STORM_NMI: return in_window((uint64_t *)argument, send_nmi);
	case STORM_YIELD: return in_window((uint64_t *)argument, thread_yield);
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

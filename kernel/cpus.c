/*
 * The machine's other CPUs: each is brought up with the control registers of the first, so that
 * SMAP, SMEP and the rest hold on all of them, and rests from then on. main.c calls cpus_park() once
 * the first CPU is as it shall be. The way: Intel SDM vol. 3A, 8.4.4.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define PARK_PAGE     0x8000ul /* physical, below 1 MiB; park.asm */
#define CPUS_MAX      64
#define COMMAND_INIT  0x4500 /* assert */
#define COMMAND_START 0x4600 /* and the page's number */
#define MICROSECOND   1000ul
#define INIT_WAIT     (10000 * MICROSECOND)
#define START_WAIT    (200 * MICROSECOND)
#define ANSWER_WAIT   (30000000 * MICROSECOND) /* an emulated CPU may have to wait for a busy host */

/* park.asm */
extern const uint8_t park_start[];
extern const uint64_t park_size;
struct park {
	uint64_t cr0, cr3, cr4, efer;
	uint64_t stack; /* its own */
	uint64_t rest;  /* cpu_rest() */
};

extern volatile uint64_t nmi_rest; /* trap_entry.asm */
void cpu_rest_trap(void) __attribute__((noreturn));

static volatile uint64_t answer;
static unsigned nparked, nmissing;
static bool started; /* the others, if there are any */

/* The other CPUs, in the order in which they were started. cr4 is 0 of one that did not answer. */
static struct {
	uint32_t id;
	uint64_t cr4;
} others[CPUS_MAX];

static bool wait(uint64_t nanoseconds)
{
	uint64_t end = time_now() + nanoseconds;

	while (!answer && time_now() < end)
		asm volatile("pause");
	return answer;
}

/* Where the others go: off the page that they began in, before they say that they are up. */
static void __attribute__((noreturn)) cpu_rest(void)
{
	segments_rest();
	answer = read_cr4(); /* not 0 */
	for (;;)
		asm volatile("cli; hlt");
}

void cpu_rest_trap(void)
{
	panic("cpu: an exception on a CPU at rest");
}

uint64_t cpus_nmis(void)
{
	return nmi_rest;
}

static bool start(uint32_t id)
{
	answer = 0;
	apic_command(id, COMMAND_INIT);
	wait(INIT_WAIT);
	apic_command(id, COMMAND_START | PARK_PAGE / PAGE_SIZE);
	if (wait(START_WAIT))
		return true;
	apic_command(id, COMMAND_START | PARK_PAGE / PAGE_SIZE);
	return wait(ANSWER_WAIT);
}

static void fill(uint8_t *page, uint64_t stack)
{
	struct park park = {.cr0 = read_cr0(),
			    .cr3 = read_cr3(),
			    .cr4 = read_cr4(),
			    .efer = rdmsr(EFER),
			    .stack = stack,
			    .rest = (uint64_t)cpu_rest};

	memcpy(page, park_start, park_size);
	memcpy(page + park_size - sizeof(park), &park, sizeof(park));
}

static void park(const uint32_t *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *stack;

		if (ids[i] == apic_id())
			continue;
		others[nparked + nmissing].id = ids[i];
		stack = kas_alloc(PAGE_SIZE, PAGE_SIZE);
		if (!stack)
			panic("no memory for another CPU: give QEMU a larger -m");
		fill(physmap(PARK_PAGE), (uint64_t)stack + PAGE_SIZE);
		if (!start(ids[i])) {
			kprintf("cpu: the one with APIC number %u does not answer\n", ids[i]);
			nmissing++;
			continue;
		}
		others[nparked + nmissing].cr4 = answer;
		nparked++;
		if (answer != read_cr4())
			panic("cpu: cr4 is %lx on the one with APIC number %u", answer, ids[i]);
	}
}

/* What the page held is put back: it may be the firmware's. */
void cpus_park(const struct bootinfo *info)
{
	static uint8_t saved[PAGE_SIZE];
	uint32_t ids[CPUS_MAX];
	unsigned n = acpi_cpus(info->rsdp, ids, CPUS_MAX);

	started = true;
	if (n > CPUS_MAX)
		n = CPUS_MAX;
	if (n < 2)
		return;
	if (!paging_lookup(PHYSMAP + PARK_PAGE, NULL, NULL) ||
	    !paging_map(PARK_PAGE, PARK_PAGE, PROT_RX)) {
		kprintf("cpu: no memory for the others to begin in\n");
		return;
	}
	memcpy(saved, physmap(PARK_PAGE), PAGE_SIZE);
	park(ids, n);
	if (nmissing)
		return; /* who comes late still finds its way */
	memcpy(physmap(PARK_PAGE), saved, PAGE_SIZE);
	paging_unmap(PARK_PAGE);
}

void cpus_print(void)
{
	if (nparked || nmissing)
		kprintf("%u other CPUs at rest, with the same cr4\n", nparked);
}

/* For the debugger, at any time: this CPU's number is that of CPUID, which needs no set-up. */
void cpus_list(void)
{
	uint32_t regs[4];

	cpuid(1, 0, regs);
	kprintf("%3s %4s %-8s %8s %-16s %s\n", "ID", "APIC", "STATE", "CR4", "THREAD", "NAME");
	kprintf("%3u %4x %-8s %8lx %016lx %s\n", 0, regs[1] >> 24, "running", read_cr4(),
		(uint64_t)current, current->name);
	for (unsigned i = 0; i < nparked + nmissing; i++)
		kprintf("%3u %4x %-8s %8lx %-16s %s\n", i + 1, others[i].id,
			others[i].cr4 ? "at rest" : "silent", others[i].cr4, "-", "-");
	if (!started)
		kprintf("the other CPUs, if there are any, are not started yet\n");
}

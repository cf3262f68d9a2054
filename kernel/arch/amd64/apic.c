/*
 * The local interrupt controller (Intel SDM vol. 3A, 10) and its timer, the only device that
 * interrupts; and the clock, which is the time stamp counter. Both are measured against the PC's
 * 8254 timer, which q35, microvm and every PC have. main.c calls apic_init(), traps.c the rest.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define APIC_BASE_MSR 0x1bu
#define APIC_X2       (1ul << 10)
#define APIC_ON       (1ul << 11)
#define X2_FIRST      0x800u /* the register at offset n is MSR X2_FIRST + n / 16 */
#define APIC_ADDRESS  0xffffffffff000ul
#define APIC_ID       0x20
#define TASK_PRIORITY 0x80
#define END           0xb0
#define SPURIOUS      0xf0
#define COMMAND       0x300
#define COMMAND_HIGH  0x310
#define LVT_TIMER     0x320
#define LVT_LINT0     0x350
#define LVT_LINT1     0x360
#define TIMER_START   0x380
#define TIMER_NOW     0x390
#define TIMER_DIVIDE  0x3e0
#define DIVIDE_BY_16  3
#define ENABLED       0x100
#define MASKED        0x10000
#define PERIODIC      0x20000
#define DELIVER_NMI   0x400
#define COMMAND_BUSY  0x1000
#define PIT_CHANNEL_0 0x40
#define PIT_COMMAND   0x43
#define PIT_RATE      0x34    /* channel 0, both bytes, mode 2: counts down and starts again */
#define PIT_HZ        1193182 /* so many counts a second */
#define PIT_WAIT      5966    /* counts: 5 ms */
#define NS_PER_S      1000000000ul
#define TIMER_HZ      250
#define GUESS_HZ      1000000000ul /* of both, where there is no 8254 */

static uint64_t apic_base; /* 0: by model-specific registers (x2APIC) */
static uint64_t start;     /* time stamp at boot */
static uint64_t scale;     /* nanoseconds per time stamp unit, times 2^32 */

uint32_t apic_read(unsigned offset)
{
	if (!apic_base)
		return (uint32_t)rdmsr(X2_FIRST + offset / 16);
	return *(volatile uint32_t *)physmap(apic_base + offset);
}

void apic_write(unsigned offset, uint32_t value)
{
	if (!apic_base)
		wrmsr(X2_FIRST + offset / 16, value);
	else
		*(volatile uint32_t *)physmap(apic_base + offset) = value;
}

/* Sends an interrupt command to a CPU by the number of its local APIC, and waits till it is out. */
void apic_command(uint32_t cpu, uint32_t command)
{
	if (!apic_base) {
		wrmsr(X2_FIRST + COMMAND / 16, (uint64_t)cpu << 32 | command);
		return;
	}
	apic_write(COMMAND_HIGH, cpu << 24);
	apic_write(COMMAND, command);
	while (apic_read(COMMAND) & COMMAND_BUSY)
		asm volatile("pause");
}

uint32_t apic_id(void)
{
	return apic_base ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID);
}

void apic_end(void)
{
	apic_write(END, 0);
}

static unsigned pit_now(void)
{
	unsigned low;

	outb(PIT_COMMAND, 0); /* latches channel 0 */
	low = inb(PIT_CHANNEL_0);
	return low | (unsigned)inb(PIT_CHANNEL_0) << 8;
}

/* Waits until the 8254 has counted PIT_WAIT. Returns how far it got: 0, if there is none. */
static unsigned pit_wait(void)
{
	unsigned first, passed = 0;

	outb(PIT_COMMAND, PIT_RATE);
	outb(PIT_CHANNEL_0, 0);
	outb(PIT_CHANNEL_0, 0); /* 65536 */
	first = pit_now();
	for (unsigned tries = 0; passed < PIT_WAIT && tries < 1000000; tries++) {
		passed = (first - pit_now()) & 0xffff;
		if (tries > 1000 && !passed)
			return 0;
	}
	return passed;
}

/* The rates of the time stamp counter and of the APIC's timer, in Hz. */
static void measure(uint64_t *tsc_hz, uint64_t *timer_hz)
{
	uint64_t tsc, passed;
	uint32_t ticks;

	apic_write(TIMER_DIVIDE, DIVIDE_BY_16);
	apic_write(LVT_TIMER, MASKED | VECTOR_TIMER);
	apic_write(TIMER_START, UINT32_MAX);
	tsc = timestamp();
	passed = pit_wait();
	tsc = timestamp() - tsc;
	ticks = UINT32_MAX - apic_read(TIMER_NOW);
	boot_times.wait = tsc;
	*tsc_hz = passed ? tsc * PIT_HZ / passed : GUESS_HZ;
	*timer_hz = passed ? (uint64_t)ticks * PIT_HZ / passed : GUESS_HZ / 16;
}

uint64_t time_now(void)
{
	return (uint64_t)(((unsigned __int128)(timestamp() - start) * scale) >> 32);
}

/* Interrupts a second: the boot argument timer=HZ, or the usual. */
static uint64_t choose_hz(void)
{
	char value[ARG_MAX];
	uint64_t hz;

	return boot_argument("timer", value, sizeof(value)) && parse_number(value, &hz) ? hz
											: TIMER_HZ;
}

/* Switches the controller and its timer on; interrupts come when thread_start() lets them. */
void apic_init(void)
{
	uint64_t base = rdmsr(APIC_BASE_MSR), hz = choose_hz(), tsc_hz, timer_hz;

	pic_mask();
	wrmsr(APIC_BASE_MSR, base | APIC_ON);
	apic_base = base & APIC_X2 ? 0 : base & APIC_ADDRESS;
	if (apic_base && !paging_map(PHYSMAP + apic_base, apic_base, PROT_RW))
		panic("no memory for a page table: give QEMU a larger -m");
	apic_write(TASK_PRIORITY, 0);
	apic_write(SPURIOUS, ENABLED | VECTOR_SPURIOUS);
	apic_write(LVT_LINT0, MASKED);
	apic_write(LVT_LINT1, DELIVER_NMI);
	measure(&tsc_hz, &timer_hz);
	start = timestamp();
	scale = (NS_PER_S << 32) / (tsc_hz ? tsc_hz : GUESS_HZ);
	apic_write(LVT_TIMER, PERIODIC | VECTOR_TIMER);
	apic_write(TIMER_START, (uint32_t)(timer_hz / hz ? timer_hz / hz : 1));
}

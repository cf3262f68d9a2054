/*
 * Segments, the task state segment and the interrupt table: what the CPU itself looks at when it
 * leaves user mode or takes a trap. Set up by traps.c; thread.c tells where the next thread's
 * kernel stack begins.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define GATE_KERNEL 0x8e /* present, interrupt gate, for the CPU and the kernel */
#define GATE_USER   0xee /* ... and for int3 of a user */

/* Interrupt stacks: 1 .. 7, 0 is none. A non-maskable interrupt, or the end of a single step, may
 * come before a system call has left the user's stack. */
enum { IST_NMI = 1, IST_DOUBLE, IST_MACHINE, IST_DEBUG, NSTACKS = IST_DEBUG };

/* Intel SDM vol. 3A, figure 7-11. */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_bitmap; /* past the end: users may reach no port */
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "Intel SDM vol. 3A, figure 7-11");

/* Intel SDM vol. 3A, figure 6-8. */
struct gate {
	uint16_t offset_low;
	uint16_t segment;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "Intel SDM vol. 3A, figure 6-8");

struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const uint64_t trap_vectors[NVECTORS]; /* trap_entry.asm */
extern uint64_t kernel_stack;                 /* trap_entry.asm */
void trap_rest(void);                         /* trap_entry.asm */
void trap_nmi_rest(void);                     /* trap_entry.asm */

static union {
	struct gate gate;
	uint64_t word[2];
} idt[NVECTORS] __attribute__((aligned(16)));
static struct tss tss = {.io_bitmap = sizeof(tss)};
static uint8_t stacks[NSTACKS][STACK_SIZE] __attribute__((aligned(16)));
static uint64_t gdt[7] = {
    [KERNEL_CODE / 8] = 0x00af9b000000ffff,
    [KERNEL_DATA / 8] = 0x00cf93000000ffff,
    [USER_DATA / 8] = 0x00cff3000000ffff,
    [USER_CODE / 8] = 0x00affb000000ffff,
};

static void load_gdt(void)
{
	struct pointer pointer = {sizeof(gdt) - 1, (uint64_t)gdt};

	asm volatile("lgdt %0" : : "m"(pointer));
	asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
		     :
		     : "i"(KERNEL_CODE)
		     : "rax", "memory");
	asm volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs" : : "r"(0));
	asm volatile("movl %0, %%ss" : : "r"(KERNEL_DATA));
}

static void load_tss(void)
{
	uint64_t base = (uint64_t)&tss;

	gdt[TSS_SEGMENT / 8] =
	    (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
	gdt[TSS_SEGMENT / 8 + 1] = base >> 32;
	for (unsigned i = 0; i < NSTACKS; i++)
		tss.ist[i] = (uint64_t)stacks[i] + STACK_SIZE;
	asm volatile("ltr %w0" : : "r"(TSS_SEGMENT));
}

static struct gate make_gate(uint64_t to)
{
	return (struct gate){.offset_low = (uint16_t)to,
			     .segment = KERNEL_CODE,
			     .type = GATE_KERNEL,
			     .offset_middle = (uint16_t)(to >> 16),
			     .offset_high = (uint32_t)(to >> 32)};
}

/* In one store: the entries are in the same module, so that only the first word differs. */
void segments_set_nmi(uint64_t entry)
{
	struct gate gate = make_gate(entry);
	uint64_t word;

	gate.ist = IST_NMI;
	memcpy(&word, &gate, sizeof(word));
	*(volatile uint64_t *)&idt[VECTOR_NMI].word[0] = word;
}

void segments_set_stack(uint64_t top)
{
	kernel_stack = top;
	tss.rsp[0] = top;
}

/* The interrupt table comes last: until then the boot program's counts NMIs, by segments that have the
 * same numbers. */
void segments_init(uint64_t nmi_entry)
{
	struct pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};

	load_gdt();
	load_tss();
	for (unsigned i = 0; i < NVECTORS; i++)
		idt[i].gate = make_gate(trap_vectors[i]);
	segments_set_nmi(nmi_entry);
	idt[VECTOR_DOUBLE_FAULT].gate.ist = IST_DOUBLE;
	idt[VECTOR_MACHINE_CHECK].gate.ist = IST_MACHINE;
	idt[VECTOR_DEBUG].gate.ist = IST_DEBUG;
	idt[VECTOR_BREAKPOINT].gate.type = GATE_USER;
	asm volatile("lidt %0" : : "m"(pointer));
}

/* There is one task state segment, the first CPU's: another that is interrupted stays on its stack. */
void segments_rest(void)
{
	static struct gate table[NEXCEPTIONS];
	struct pointer pointer = {sizeof(table) - 1, (uint64_t)table};

	load_gdt();
	for (unsigned i = 0; i < NEXCEPTIONS; i++)
		table[i] = make_gate((uint64_t)trap_rest);
	table[VECTOR_NMI] = make_gate((uint64_t)trap_nmi_rest);
	asm volatile("lidt %0" : : "m"(pointer));
}

/*
 * Segments, the interrupt table, and what becomes of an exception: a panic that says where it was.
 * Interrupts stay off; whatever arrives here is a mistake. main.c calls traps_init(),
 * trap_entry.asm calls trap().
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define PIC_MASK_1   0x21 /* the two 8259 interrupt controllers of the ISA bus */
#define PIC_MASK_2   0xa1
#define NVECTORS     32
#define CODE_SEGMENT 8
#define TSS_SEGMENT  16
#define IST_NMI      1 /* interrupt stacks: 1 .. 7, 0 is none */
#define IST_DOUBLE   2
#define IST_MACHINE  3
#define NSTACKS      3

enum { VECTOR_NMI = 2, VECTOR_DOUBLE_FAULT = 8, VECTOR_PAGE_FAULT = 14, VECTOR_MACHINE_CHECK = 18 };

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, flags, rsp, ss;
};

/* Intel SDM vol. 3A, figure 7-11. */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint32_t reserved3;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "Intel SDM vol. 3A, figure 7-11");

/* Intel SDM vol. 3A, figure 6-8. */
struct gate {
	uint16_t offset_low;
	uint16_t segment;
	uint8_t ist;
	uint8_t type; /* 0x8e: present, ring 0, interrupt gate */
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "Intel SDM vol. 3A, figure 6-8");

struct pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const uint64_t trap_vectors[NVECTORS];
void trap(const struct frame *frame) __attribute__((noreturn));

static struct gate idt[NVECTORS];
static struct tss tss;
static uint8_t stacks[NSTACKS][PAGE_SIZE] __attribute__((aligned(16)));
static uint64_t gdt[4] = {0, 0x00af9b000000ffff /* code, 64-bit, ring 0 */};

static const struct {
	const char *mnemonic, *name;
} vectors[NVECTORS] = {
    {"#de", "Divide error"},
    {"#db", "Debug"},
    {"nmi", "Non-maskable interrupt"},
    {"#bp", "Breakpoint"},
    {"#of", "Overflow"},
    {"#br", "Bound range"},
    {"#ud", "Invalid opcode"},
    {"#nm", "Device not available"},
    {"#df", "Double fault"},
    {"9", "Coprocessor overrun"},
    {"#ts", "Invalid TSS"},
    {"#np", "Segment not present"},
    {"#ss", "Stack fault"},
    {"#gp", "General protection"},
    {"#pf", "Page fault"},
    {"15", "Reserved"},
    {"#mf", "x87 error"},
    {"#ac", "Alignment check"},
    {"#mc", "Machine check"},
    {"#xm", "SIMD error"},
    {"#ve", "Virtualisation"},
    {"#cp", "Control protection"},
    [22 ... 27] = {"?", "Reserved"},
    [28] = {"#hv", "Hypervisor injection"},
    [29] = {"#vc", "VMM communication"},
    [30] = {"#sx", "Security"},
    [31] = {"?", "Reserved"},
};

static void load_segments(void)
{
	uint64_t base = (uint64_t)&tss;
	struct pointer pointer = {sizeof(gdt) - 1, (uint64_t)gdt};

	gdt[2] =
	    (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
	gdt[3] = base >> 32;
	for (unsigned i = 0; i < NSTACKS; i++)
		tss.ist[i] = (uint64_t)stacks[i] + PAGE_SIZE;
	asm volatile("lgdt %0" : : "m"(pointer));
	asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
		     :
		     : "i"(CODE_SEGMENT)
		     : "rax", "memory");
	asm volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%ss" : : "r"(0));
	asm volatile("ltr %w0" : : "r"(TSS_SEGMENT));
}

/* No device may interrupt: the console is polled. */
static void mask_devices(void)
{
	outb(PIC_MASK_1, 0xff);
	io_delay();
	outb(PIC_MASK_2, 0xff);
	io_delay();
}

void traps_init(void)
{
	struct pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};

	load_segments();
	for (unsigned i = 0; i < NVECTORS; i++) {
		uint64_t to = trap_vectors[i];

		idt[i] = (struct gate){.offset_low = (uint16_t)to,
				       .segment = CODE_SEGMENT,
				       .type = 0x8e,
				       .offset_middle = (uint16_t)(to >> 16),
				       .offset_high = (uint32_t)(to >> 32)};
	}
	idt[VECTOR_NMI].ist = IST_NMI;
	idt[VECTOR_DOUBLE_FAULT].ist = IST_DOUBLE;
	idt[VECTOR_MACHINE_CHECK].ist = IST_MACHINE;
	asm volatile("lidt %0" : : "m"(pointer));
	mask_devices();
}

/* Why an access to a mapped page faulted; bits of the error code: Intel SDM vol. 3A, 4.7. */
static const char *page_fault_reason(const struct frame *frame, uint64_t address)
{
	bool user;

	if (!(frame->error & 1) || !paging_lookup(address, NULL, &user))
		return "nothing is mapped there";
	if (frame->error & 0x10)
		return "the page is not executable";
	if (user && !(frame->flags & EFLAGS_AC) && cpu_smap_enabled())
		return "a user address outside a window (SMAP)";
	if (frame->error & 2)
		return "the page is not writable";
	return "a protection of the page forbids it";
}

static void print_registers(const struct frame *f, uint64_t cr2)
{
	kprintf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	kprintf("rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
	kprintf("r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
	kprintf("r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
	kprintf("rip %016lx  rfl %016lx  cr2 %016lx  cr4 %016lx\n", f->rip, f->flags, cr2,
		read_cr4());
}

void trap(const struct frame *frame)
{
	static bool again;
	uint64_t address = read_cr2();
	const char *mnemonic = vectors[frame->vector].mnemonic, *name = vectors[frame->vector].name;
	char where[128];

	if (again)
		panic("a second exception, %s, while the first was reported", mnemonic);
	again = true;
	kprintf("\nBAD TRAP: type=%lx (%s %s) error=%lx at %s", frame->vector, mnemonic, name,
		frame->error, name_address(frame->rip, where, sizeof(where)));
	if (frame->vector == VECTOR_PAGE_FAULT)
		kprintf(" addr=%lx: %s", address, page_fault_reason(frame, address));
	kprintf("\n");
	print_registers(frame, address);
	panic("%s %s in %s", mnemonic, name, where);
}

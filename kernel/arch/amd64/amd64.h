/* Instructions that C has no words for. Used by kernel/ wherever it touches the CPU. */
#ifndef HOTINLINE_KERNEL_AMD64_H
#define HOTINLINE_KERNEL_AMD64_H

#include <stdbool.h>
#include <stdint.h>

#define EFLAGS_TF      (1ul << 8)
#define EFLAGS_IF      (1ul << 9)
#define EFLAGS_DF      (1ul << 10)
#define EFLAGS_IOPL    (3ul << 12)
#define EFLAGS_NT      (1ul << 14)
#define EFLAGS_AC      (1ul << 18)
#define EFLAGS_ONE     (1ul << 1)  /* always set */
#define EFER           0xc0000080u /* model-specific registers: Intel SDM vol. 4 */
#define EFER_SCE       (1ul << 0)
#define EFER_NXE       (1ul << 11)
#define STAR           0xc0000081u
#define LSTAR          0xc0000082u
#define SFMASK         0xc0000084u
#define GS_BASE        0xc0000101u
#define CR0_MP         (1ul << 1)
#define CR0_EM         (1ul << 2)
#define CR0_TS         (1ul << 3)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP       (1ul << 11)
#define CR4_FSGSBASE   (1ul << 16)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)

/* Segments, in the order that SYSCALL and SYSRET demand (Intel SDM vol. 3A, 5.8.8). */
#define KERNEL_CODE    8
#define KERNEL_DATA    16
#define USER_DATA      (24 | 3)
#define USER_CODE      (32 | 3)
#define TSS_SEGMENT    40

/* segments.c */
void segments_init(uint64_t nmi_entry);
void segments_rest(void);              /* for a CPU that has nothing to do: cpus.c */
void segments_set_stack(uint64_t top); /* where traps and system calls of user mode begin */
void segments_set_nmi(uint64_t entry);

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	asm volatile("cpuid"
		     : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
		     : "a"(leaf), "c"(subleaf));
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr0(void)
{
	uint64_t value;

	asm volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static inline void write_cr0(uint64_t value)
{
	asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint64_t read_cr2(void)
{
	uint64_t value;

	asm volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;

	asm volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

static inline void write_cr3(uint64_t value)
{
	asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint64_t read_cr4(void)
{
	uint64_t value;

	asm volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static inline void write_cr4(uint64_t value)
{
	asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline uint64_t read_cr8(void)
{
	uint64_t value;

	asm volatile("mov %%cr8, %0" : "=r"(value));
	return value;
}

static inline uint64_t read_flags(void)
{
	uint64_t value;

	asm volatile("pushfq; popq %0" : "=r"(value));
	return value;
}

/* Returns whether they were on, for interrupts_restore(). AC stays as it is, which popf would not
 * promise. */
static inline bool interrupts_off(void)
{
	bool were_on = read_flags() & EFLAGS_IF;

	asm volatile("cli" : : : "memory");
	return were_on;
}

static inline void interrupts_restore(bool were_on)
{
	if (were_on)
		asm volatile("sti" : : : "memory");
}

static inline void invlpg(uint64_t address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

#endif

/*
 * What the entry code of trap_entry.asm leaves on the kernel stack: the interrupted registers, the
 * vector, and what the CPU pushed. A system call makes the same. What handles a trap may change
 * it; the way back restores all of it.
 */
#ifndef HOTINLINE_KERNEL_FRAME_H
#define HOTINLINE_KERNEL_FRAME_H

#include <stdint.h>

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, flags, rsp, ss;
};
_Static_assert(sizeof(struct frame) == 22 * 8, "trap_entry.asm pushes as many");

enum vector {
	VECTOR_DEBUG = 1,
	VECTOR_NMI = 2,
	VECTOR_BREAKPOINT = 3,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_MACHINE_CHECK = 18,
	NEXCEPTIONS = 32,
	VECTOR_TIMER = 32,
	VECTOR_LEGACY = 40,   /* .. 55: the 8259s', all masked */
	VECTOR_SPURIOUS = 63, /* the local APIC's: the low four bits must be set */
	NVECTORS = 64,
	VECTOR_SYSCALL = 256, /* not in the interrupt table */
};

/* Bits of a page fault's error code: Intel SDM vol. 3A, 4.7. */
enum {
	FAULT_PRESENT = 1,
	FAULT_WRITE = 2,
	FAULT_USER = 4,
	FAULT_FETCH = 16,
};

static inline int frame_is_user(const struct frame *frame)
{
	return (frame->cs & 3) != 0;
}

#endif

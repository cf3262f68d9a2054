/*
 * What runtime.c measures: functions operation_contender_around(n), each with a loop of n turns. What
 * they return does not depend on the contender. runtime_loops.c has them; it is compiled like a
 * module.
 */
#ifndef HOTINLINE_TESTS_BENCH_RUNTIME_LOOPS_H
#define HOTINLINE_TESTS_BENCH_RUNTIME_LOOPS_H

#include <stdbool.h>
#include <stdint.h>

/* What a flag test looks at. On a cache line of their own, as a kernel's flags are. */
struct runtime_flags {
	bool popcnt, smap, up, clwb, rdtscp, intel, lfence_waits;
} __attribute__((aligned(64)));
extern struct runtime_flags runtime_flags;

/* What the sites do, as functions of the C ABI, in runtime_functions.c. */
void nothing_function(void);
uint64_t popcount64_function(uint64_t x);
void atomic_increment_function(uint64_t *counter);
void clean_line_function(const void *line);
uint64_t timestamp_function(void);
void order_loads_function(void);

/* As instructions, by hand, for those functions and for the loops without any site. */
static inline __attribute__((always_inline)) void nothing_instruction(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x44, 0x00, 0x00" : : : "memory");
}

static inline __attribute__((always_inline)) uint64_t popcount64_instruction(uint64_t x)
{
	uint64_t result;

	__asm__ volatile("popcnt %1, %0" : "=r"(result) : "r"(x) : "cc");
	return result;
}

static inline __attribute__((always_inline)) void atomic_increment_instruction(uint64_t *counter)
{
	__asm__ volatile("incq %0" : "+m"(*counter) : : "cc", "memory");
}

static inline __attribute__((always_inline)) void clean_line_instruction(const void *line)
{
	__asm__ volatile("clwb (%0)\n\tsfence" : : "r"(line) : "memory");
}

static inline __attribute__((always_inline)) uint64_t timestamp_instruction(void)
{
	uint32_t high, low;

	__asm__ volatile("rdtscp" : "=d"(high), "=a"(low) : : "rcx", "memory");
	return (uint64_t)high << 32 | low;
}

static inline __attribute__((always_inline)) void order_loads_instruction(void)
{
	__asm__ volatile("lfence" : : : "memory");
}

#endif

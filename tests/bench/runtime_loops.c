/*
 * Loops around one operation, for runtime.c: with the wrapper of generated/hotinline.h, so that the
 * compiler knows what a site changes, and with what one would write without it. Compiled with the
 * flags of a module, and loaded and patched by krtld.
 */
#include "hotinline.h"
#include "tests/bench/runtime_loops.h"

struct runtime_flags runtime_flags;

/* Written once, at a place that the compiler does not see. */
void (*nothing_pointer)(void) = nothing_function;
uint64_t (*popcount64_pointer)(uint64_t x) = popcount64_function;
void (*atomic_increment_pointer)(uint64_t *counter) = atomic_increment_function;
void (*clean_line_pointer)(const void *line) = clean_line_function;
uint64_t (*timestamp_pointer)(void) = timestamp_function;
void (*order_loads_pointer)(void) = order_loads_function;

static uint64_t counter __attribute__((aligned(64)));
static uint64_t line[8] __attribute__((aligned(64)));

/* Nothing in memory is known from one turn to the next, and no turn can be left out. */
#define TURN               __asm__ volatile("" : : : "memory")
#define OPAQUE(w, x, y, z) __asm__ volatile("" : "+r"(w), "+r"(x), "+r"(y), "+r"(z))
#define USED(value)        __asm__ volatile("" : : "r"(value))

/* ---- The code around: `operation' is an expression of i ---- */

#define FUNCTION(name)     uint64_t name(uint64_t n) __attribute__((aligned(64)))

/* Nothing else. */
#define ALONE(name, operation)                                                                     \
	FUNCTION(name##_alone);                                                                    \
	uint64_t name##_alone(uint64_t n)                                                          \
	{                                                                                          \
		uint64_t x = 0;                                                                    \
                                                                                                   \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			TURN;                                                                      \
			x += (operation);                                                          \
		}                                                                                  \
		return x;                                                                          \
	}

/* Eight values that live across it: with the counter and its limit more than a call keeps. */
#define LIVE(name, operation)                                                                      \
	FUNCTION(name##_live);                                                                     \
	uint64_t name##_live(uint64_t n)                                                           \
	{                                                                                          \
		uint64_t a = n, b = n, c = n, d = n, e = n, f = n, g = n, h = n;                   \
                                                                                                   \
		OPAQUE(a, b, c, d);                                                                \
		OPAQUE(e, f, g, h);                                                                \
		for (uint64_t i = 0; i < n; i++) {                                                 \
			uint64_t v;                                                                \
                                                                                                   \
			TURN;                                                                      \
			v = (operation);                                                           \
			a += v, b ^= v, c -= v, d += v;                                            \
			e ^= v, f -= v, g += v, h ^= v;                                            \
		}                                                                                  \
		return a ^ 3 * b ^ 5 * c ^ 7 * d ^ 9 * e ^ 11 * f ^ 13 * g ^ 15 * h;               \
	}

/* A function that would be a leaf without it, and needs its arguments afterwards; it is called
 * through a pointer so that the compiler knows nothing of it where it is called. */
#define LEAF(name, operation)                                                                      \
	static uint64_t name##_function(uint64_t i, uint64_t j, uint64_t k)                        \
	{                                                                                          \
		return (operation) + (j ^ k);                                                      \
	}                                                                                          \
	FUNCTION(name##_leaf);                                                                     \
	uint64_t name##_leaf(uint64_t n)                                                           \
	{                                                                                          \
		uint64_t (*function)(uint64_t, uint64_t, uint64_t) = name##_function;              \
		uint64_t x = 0;                                                                    \
                                                                                                   \
		__asm__("" : "+r"(function));                                                      \
		for (uint64_t i = 0; i < n; i++)                                                   \
			x += function(i, n, i ^ n);                                                \
		return x;                                                                          \
	}

#define AROUND(name, operation)                                                                    \
	ALONE(name, operation)                                                                     \
	LIVE(name, operation)                                                                      \
	LEAF(name, operation)

/* ---- The operations ---- */

#define AND_I(statement)                                                                           \
	({                                                                                         \
		statement;                                                                         \
		i;                                                                                 \
	})

AROUND(empty, i)

AROUND(nothing_hotinline, AND_I(smap_enable()))
AROUND(nothing_instruction, AND_I(nothing_instruction()))
AROUND(nothing_call, AND_I(nothing_function()))
AROUND(nothing_pointer, AND_I(nothing_pointer()))
AROUND(nothing_flag, AND_I(if (runtime_flags.smap) __asm__ volatile("clac" : : : "cc", "memory")))

AROUND(popcount64_hotinline, popcount64(i))
AROUND(popcount64_instruction, popcount64_instruction(i))
AROUND(popcount64_call, popcount64_function(i))
AROUND(popcount64_pointer, popcount64_pointer(i))
AROUND(popcount64_flag, runtime_flags.popcnt ? popcount64_instruction(i) : popcount64_soft(i))

static void locked_increment(void)
{
	__asm__ volatile("lock incq %0" : "+m"(counter) : : "cc", "memory");
}

static inline void increment_by_flag(void)
{
	if (runtime_flags.up)
		atomic_increment_instruction(&counter);
	else
		locked_increment();
}

ALONE(atomic_increment_hotinline, AND_I(atomic_increment(&counter)))
ALONE(atomic_increment_instruction, AND_I(atomic_increment_instruction(&counter)))
ALONE(atomic_increment_call, AND_I(atomic_increment_function(&counter)))
ALONE(atomic_increment_pointer, AND_I(atomic_increment_pointer(&counter)))
ALONE(atomic_increment_flag, AND_I(increment_by_flag()))

static inline void clean_by_flag(void)
{
	if (runtime_flags.clwb)
		clean_line_instruction(line);
	else if (runtime_flags.intel)
		__asm__ volatile("clflush (%0)" : : "r"(line) : "memory");
	else
		__asm__ volatile("mfence\n\tclflush (%0)\n\tmfence" : : "r"(line) : "memory");
}

ALONE(clean_line_hotinline, AND_I(clean_line(line)))
ALONE(clean_line_instruction, AND_I(clean_line_instruction(line)))
ALONE(clean_line_call, AND_I(clean_line_function(line)))
ALONE(clean_line_pointer, AND_I(clean_line_pointer(line)))
ALONE(clean_line_flag, AND_I(clean_by_flag()))

static inline uint64_t stamp_by_flag(void)
{
	uint32_t high, low;

	if (runtime_flags.rdtscp)
		return timestamp_instruction();
	if (!runtime_flags.lfence_waits)
		__asm__ volatile("mfence" : : : "memory");
	__asm__ volatile("lfence\n\trdtsc" : "=d"(high), "=a"(low) : : "memory");
	return (uint64_t)high << 32 | low;
}

ALONE(timestamp_hotinline, AND_I(USED(timestamp())))
ALONE(timestamp_instruction, AND_I(USED(timestamp_instruction())))
ALONE(timestamp_call, AND_I(USED(timestamp_function())))
ALONE(timestamp_pointer, AND_I(USED(timestamp_pointer())))
ALONE(timestamp_flag, AND_I(USED(stamp_by_flag())))

static inline void order_by_flag(void)
{
	if (!runtime_flags.lfence_waits)
		__asm__ volatile("mfence" : : : "memory");
	order_loads_instruction();
}

ALONE(order_loads_hotinline, AND_I(order_loads()))
ALONE(order_loads_instruction, AND_I(order_loads_instruction()))
ALONE(order_loads_call, AND_I(order_loads_function()))
ALONE(order_loads_pointer, AND_I(order_loads_pointer()))
ALONE(order_loads_flag, AND_I(order_by_flag()))

/*
 * Calls every hotinline of registers.hot with many values alive, for test_header.py. Prints nothing
 * and returns 0 if every value is right; else the line of the first that is not.
 */
#include <stddef.h>

#include "hotinline.h"

#define CHECK(true_)                                                                               \
	do {                                                                                       \
		if (!(true_))                                                                      \
			return __LINE__;                                                           \
	} while (0)

/* What nine() computes. */
#define NINE(a, b, c, d, e, f, g, h, i)                                                            \
	((((a) + 2 * (b) + 4 * (c) + 8 * (d) + (e) - (f) - (uint32_t)(g)) ^ (h)) + (uint8_t)(i))

int check_values(volatile uint64_t *in);
int check_memory(volatile uint64_t *in);
int check_pointers(volatile uint64_t *in);
uint64_t (*abi_pointer(void))(uint64_t, uint64_t);

int check_values(volatile uint64_t *in)
{
	uint64_t a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6],
		 h = in[7];
	uint64_t sum = a + b + c + d + e + f + g + h;

	CHECK(add_abi(a, b) == a + b);
	CHECK(six_abi(a, b, c, d, e, f) == a + b + c + d + e + f);
	CHECK(add_high(c, d) == c + d);
	CHECK(next_rax(e) == e + 1);
	CHECK(next_r9(f) == f + 1);
	CHECK(from_rbx(g) == g);
	CHECK(counter() == (7ull << 32 | 5));
	CHECK(high_counter() == (int64_t)0xffffffff00000005);
	CHECK(join(h) == h);
	CHECK(join_high(h) == h);
	trash();
	CHECK(is_small(9) && !is_small(10));
	CHECK(byte_of(0x1ff) == -1);
	CHECK(same_pointer(&sum) == &sum);
	CHECK(nine(a, b, c, d, e, f, (uint32_t)g, h, 0xff) == NINE(a, b, c, d, e, f, g, h, 0xff));
	CHECK(helped(a, b) == a * b);
	CHECK(helped_in_assembly(c) == ~c);
	CHECK(a + b + c + d + e + f + g + h == sum);
	CHECK(a == in[0] && b == in[1] && c == in[2] && d == in[3]);
	CHECK(e == in[4] && f == in[5] && g == in[6] && h == in[7]);
	return 0;
}

/* The compiler must neither keep memory in registers across a call nor move accesses over it. */
int check_memory(volatile uint64_t *in)
{
	uint64_t cell = in[0];

	store(&cell, 42);
	CHECK(cell == 42);
	cell = in[1];
	CHECK(load(&cell) == in[1]);
	store(&cell, in[2]);
	CHECK(load(&cell) == in[2] && cell == in[2]);
	return 0;
}

uint64_t (*abi_pointer(void))(uint64_t, uint64_t)
{
	return add_abi;
}

int check_pointers(volatile uint64_t *in)
{
	uint64_t (*volatile abi)(uint64_t, uint64_t) = add_abi;
	uint64_t (*volatile high)(uint64_t, uint64_t) = add_high;
	uint64_t (*volatile from)(uint64_t) = from_rbx;
	uint64_t (*volatile pair)(void) = counter;
	int64_t (*volatile signed_pair)(void) = high_counter;
	uint64_t (*volatile joins)(uint64_t) = join;
	uint64_t (*volatile joins_high)(uint64_t) = join_high;
	void (*volatile all)(void) = trash;
	int8_t (*volatile byte)(int32_t) = byte_of;
	uint64_t (*volatile assembly)(uint64_t) = helped_in_assembly;
	uint64_t (*volatile many)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
				  uint32_t, uint64_t, uint8_t) = nine;
	uint64_t a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6],
		 h = in[7];

	CHECK(abi(in[0], in[1]) == in[0] + in[1]);
	CHECK(high(in[2], in[3]) == in[2] + in[3]);
	CHECK(from(in[4]) == in[4]);
	CHECK(pair() == (7ull << 32 | 5));
	CHECK(signed_pair() == (int64_t)0xffffffff00000005);
	CHECK(joins(in[7]) == in[7] && joins_high(in[3]) == in[3]);
	all();
	CHECK(byte(0x1ff) == -1);
	CHECK(assembly(in[5]) == ~in[5]);
	CHECK(many(a, b, c, d, e, f, (uint32_t)g, h, 0xff) == NINE(a, b, c, d, e, f, g, h, 0xff));
	CHECK(a == in[0] && b == in[1] && c == in[2] && d == in[3]);
	CHECK(e == in[4] && f == in[5] && g == in[6] && h == in[7]);
	return 0;
}

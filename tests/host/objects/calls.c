/*
 * A module that refers to hotinlines of the tests' common table (tests/host/table.h) in every way
 * that C has. Compiled by several compilers and with several options into test objects, which
 * tests/host/real.c loads and runs.
 */
typedef unsigned long u64;

extern u64 count(u64 x);
extern u64 two(u64 x);
extern u64 exact(void);
extern u64 wfull(void);

u64 many_calls(u64 x);
u64 a_call(u64 x);
u64 a_tail_call(u64 x);
u64 a_conditional_call(u64 x);
u64 a_pointer_in_data(u64 x);
u64 an_address_in_code(u64 x);
u64 a_wide_call(void);
u64 a_call_from_asm(u64 x);
u64 kept_registers(u64 x);

u64 (*const volatile pointers[])(u64) = {count, two};

u64 a_call(u64 x)
{
	return count(x) + 1;
}

u64 many_calls(u64 x)
{
	u64 sum = 0;

	for (u64 i = 0; i < 10; i++)
		sum += count(x + i) + 2 * two(i) + exact();
	return sum;
}

u64 a_tail_call(u64 x)
{
	return count(x);
}

/* clang -Os makes `jne two` of this. */
u64 a_conditional_call(u64 x)
{
	if (x & 1)
		return two(x);
	return x;
}

u64 a_pointer_in_data(u64 x)
{
	return pointers[0](x) + pointers[1](x);
}

u64 an_address_in_code(u64 x)
{
	u64 (*volatile function)(u64) = count;

	return function(x);
}

/* The mark of a wide site of 7 bytes is 36 90. */
u64 a_wide_call(void)
{
	u64 result;

	asm volatile("call wfull\n\t.byte 0x36, 0x90" : "=a"(result) : : "memory", "cc");
	return result;
}

/* What a generated wrapper does: nothing is clobbered but the result. */
u64 a_call_from_asm(u64 x)
{
	u64 result;

	asm volatile("call count" : "=a"(result) : "D"(x) : "memory", "cc");
	return result;
}

u64 kept_registers(u64 x)
{
	u64 a = x * 3, b = x ^ 0x55, c = x + 7, r;

	asm volatile("call count" : "=a"(r) : "D"(x) : "memory", "cc");
	return r + a + b + c + x;
}

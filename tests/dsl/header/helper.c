/* A helper as a kernel author writes it: plain C. It keeps few registers. For test_header.py. */
#include "hotinline.h"

static __attribute__((noinline)) uint64_t busy(uint64_t x, uint64_t y)
{
	volatile uint64_t cells[8];

	for (unsigned i = 0; i < 8; i++)
		cells[i] = x * y + i;
	return cells[1] + cells[2] + cells[3] - cells[4] - cells[5] + 3;
}

uint64_t helper(uint64_t x, uint64_t y)
{
	return busy(x, y);
}

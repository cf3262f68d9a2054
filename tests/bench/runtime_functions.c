/*
 * The functions that runtime_loops.c calls where there is no site, directly and through pointers.
 * In an object of their own, so that the compiler of the loops knows no more of them than of any
 * function.
 */
#include "tests/bench/runtime_loops.h"

void nothing_function(void)
{
}

uint64_t popcount64_function(uint64_t x)
{
	return popcount64_instruction(x);
}

void atomic_increment_function(uint64_t *counter)
{
	atomic_increment_instruction(counter);
}

void clean_line_function(const void *line)
{
	clean_line_instruction(line);
}

uint64_t timestamp_function(void)
{
	return timestamp_instruction();
}

void order_loads_function(void)
{
	order_loads_instruction();
}

/* Canary: its _init takes a page, and nobody gives it back. cycles.c must miss it. */
#include "tests/qemu/modules/answer.h"

uint64_t answer(uint64_t x)
{
	return answer_right(x);
}

int _init(void)
{
	return page_alloc() ? 0 : 1;
}

/* Canary: its _init takes a second view of its own text, which costs addresses and no memory, and
 * nobody gives it back. cycles.c must miss them. */
#include "tests/qemu/modules/answer.h"

uint64_t answer(uint64_t x)
{
	return answer_right(x);
}

int _init(void)
{
	return kas_alias((void *)answer, 1) ? 0 : 1;
}

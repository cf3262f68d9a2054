/* Canary: answers as if its window were never open. cycles.c must notice. */
#include "tests/qemu/modules/answer.h"

uint64_t answer(uint64_t x)
{
	return answer_right(x) & ~EFLAGS_AC;
}

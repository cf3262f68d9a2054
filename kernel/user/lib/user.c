/*
 * What user programs have instead of a C library, beside kernel/common/string.c and print.c, which
 * are linked into each of them: kprintf() prints to file 1, a line at a time.
 */
#include "kernel/user/user.h"

#define LINE_SIZE 128

static char line[LINE_SIZE];
static size_t used;

static void flush(void)
{
	write(1, line, used);
	used = 0;
}

void serial_put(char c)
{
	line[used++] = c;
	if (c == '\n' || used == LINE_SIZE)
		flush();
}

void exit(int status)
{
	flush();
	syscall(SYS_exit, status, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

bool check(bool ok, const char *what, long value)
{
	if (!ok)
		kprintf("WRONG: %s: %ld\n", what, value);
	return ok;
}

uint64_t random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

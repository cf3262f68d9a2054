/*
 * A module without hotinlines whose relocations are those of ordinary C: constants, pointers,
 * tables, uninitialised and COMMON variables, weak symbols, a jump table, calls between sections.
 */
typedef unsigned long u64;

struct item {
	const char *name;
	u64 (*function)(u64);
	const struct item *next;
	int *counter;
};

u64 check(u64 x);
u64 twice(u64 x);
u64 jump_table(u64 x);
u64 weak_absent(void);
int _init(void);
int _fini(void);

int uninitialised[100];
int tentative;
static int local_zero;
int initialised = 41;
static const char text[] = "hello";
extern int nobody_defines_this __attribute__((weak));
u64 (*hook)(u64);

__attribute__((noinline)) u64 twice(u64 x)
{
	return 2 * x;
}

static __attribute__((noinline)) u64 thrice(u64 x)
{
	return 3 * x;
}

static const struct item last = {"last", thrice, 0, &local_zero};
static const struct item first = {text, twice, &last, &uninitialised[50]};
const struct item *volatile list = &first;

int _init(void)
{
	tentative = 5;
	hook = thrice;
	return 0;
}

int _fini(void)
{
	return tentative != 5;
}

u64 jump_table(u64 x)
{
	switch (x) {
	case 0: return 17;
	case 1: return twice(x + initialised);
	case 2: return 5 * x;
	case 3: return (u64)uninitialised[x];
	case 4: return thrice(x);
	case 5: return 1000;
	case 6: return x ^ 3;
	case 7: return hook ? hook(x) : 0;
	default: return 99;
	}
}

u64 weak_absent(void)
{
	return &nobody_defines_this == 0;
}

u64 check(u64 x)
{
	u64 sum = 0;

	for (const struct item *item = list; item; item = item->next) {
		sum += item->function(x) + (u64)item->name[0];
		*item->counter += 1;
	}
	return sum + (u64)local_zero + (u64)uninitialised[50] + (u64)tentative;
}

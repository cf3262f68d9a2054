/*
 * sysfuzz SEED COUNT: COUNT system calls with arguments drawn from SEED, most of them nearly right,
 * so that they get past the first check. The same seed makes the same calls. The kernel must live,
 * and so must this program: it does not ask for its own end, nor for its own memory to be taken.
 */
#include "kernel/user/user.h"

#define ARENA_PAGES 4
#define NPATHS      (sizeof(paths) / sizeof(paths[0]))

static uint64_t state;
static uint8_t *arena; /* the last page of it is a hole */
static uint64_t ncalls, nerrors, nchildren;

static const char *const paths[] = {"/dev/dtrace", "/dev/null", "bin/hello", "unix",
				    "bin/nothing", "/dev/",     "",          "modules/ring.ko"};

static uint64_t pick(uint64_t n)
{
	return random(&state) % n;
}

/* An address where the kernel may write whatever it likes, or cannot. */
static uint64_t address(void)
{
	static const uint64_t edges[] = {0,        PAGE_SIZE, PHYSMAP,   KAS_BASE,
					 USER_END, 1ul << 47, 1ul << 63, UINT64_MAX - PAGE_SIZE};
	uint64_t inside = (uint64_t)arena + pick(ARENA_PAGES * PAGE_SIZE);

	switch (pick(8)) {
	case 0: return edges[pick(8)] + pick(16) - 8;
	case 1: return random(&state) | 1ul << 63;
	case 2: return (uint64_t)arena + (ARENA_PAGES - 1) * PAGE_SIZE - pick(16);
	case 3: return (uint64_t)paths[pick(NPATHS)]; /* read-only */
	default: return inside;
	}
}

static uint64_t length(void)
{
	switch (pick(6)) {
	case 0: return random(&state);
	case 1: return 1ul << pick(64);
	case 2: return -pick(PAGE_SIZE);
	default: return pick(2 * PAGE_SIZE);
	}
}

/* Not the console: reading from it waits for a key. */
static int file_number(void)
{
	return pick(8) ? 3 + (int)pick(14) : (int)random(&state) | INT32_MIN;
}

static const char *path(void)
{
	return pick(4) ? paths[pick(NPATHS)] : (const char *)address();
}

/* Strings and vectors of addresses, among noise. */
static void fill_arena(void)
{
	uint64_t *word = (uint64_t *)arena;

	for (unsigned i = 0; i < (ARENA_PAGES - 1) * PAGE_SIZE / 8; i++)
		word[i] = pick(3) ? pick(3) ? 0 : (uint64_t)paths[pick(NPATHS)] : address();
}

static long spawn_something(void)
{
	char *argv[] = {(char *)(uint64_t) "hello", NULL};
	long pid = spawn(path(), pick(2) ? argv : (char **)address());

	if (pid > 0) {
		nchildren++;
		wait((int)pid, pick(2) ? NULL : (int *)address());
		wait((int)pid, NULL);
	}
	return pid;
}

/* A sleep of an hour would be no fault of the kernel's. */
static long sleep(void)
{
	static const uint64_t nanoseconds = 1000;
	uint64_t at = address();

	if (at - (uint64_t)arena < ARENA_PAGES * PAGE_SIZE || pick(2))
		at = (uint64_t)&nanoseconds;
	if (at >= (uint64_t)paths[0] - PAGE_SIZE && at < (uint64_t)arena)
		at = (uint64_t)&nanoseconds;
	return syscall(SYS_nanosleep, (long)at, 0, 0, 0, 0, 0);
}

/* What is mapped goes again at once: memory must not run out for long. */
static long map(void)
{
	static const uint64_t places[] = {0, 0x10000000, 0x20001000, USER_END - PAGE_SIZE, PHYSMAP};
	uint64_t n = length();
	long at = mmap(pick(2) ? 0 : places[pick(5)], n, (int)pick(10));

	if (at > 0)
		munmap((uint64_t)at, n);
	return at;
}

/* Not this program's own memory; ranges around the end are refused as a whole. */
static long unmap(void)
{
	uint64_t at = 0x30000000 + pick(1ul << 20) * (pick(2) ? PAGE_SIZE : 1);

	return munmap(pick(2) ? at : USER_END - pick(2) * PAGE_SIZE + random(&state) % PAGE_SIZE,
		      pick(2) ? pick(1ul << 30) : 1ul << 47 | random(&state));
}

static long call(void)
{
	switch (pick(NSYSCALLS + 1)) {
	case SYS_write: return write(file_number(), (void *)address(), length());
	case SYS_read: return read(file_number(), (void *)address(), length());
	case SYS_open: return open(path());
	case SYS_close: return close(file_number());
	case SYS_ioctl: return ioctl(file_number(), (unsigned)pick(8), address());
	case SYS_yield: return syscall(SYS_yield, 0, 0, 0, 0, 0, 0);
	case SYS_nanosleep: return sleep();
	case SYS_spawn: return pick(8) ? 0 : spawn_something();
	case SYS_wait: return wait((int)random(&state) | 1 << 30, (int *)address());
	case SYS_mmap: return map();
	case SYS_munmap: return unmap();
	case SYS_time: return syscall(SYS_time, (long)address(), 0, 0, 0, 0, 0);
	case SYS_kill: return syscall(SYS_kill, (long)(random(&state) | 1 << 30), 0, 0, 0, 0, 0);
	default: return syscall((long)(random(&state) | NSYSCALLS), 1, 2, 3, 4, 5, 6);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed, count;
	long at;

	if (argc != 3 || !parse_number(argv[1], &seed) || !parse_number(argv[2], &count)) {
		kprintf("usage: sysfuzz SEED COUNT\n");
		return 64;
	}
	state = seed * 0x9e3779b97f4a7c15 + 1;
	at = mmap(0, ARENA_PAGES * PAGE_SIZE, MAP_READ | MAP_WRITE);
	if (!check(at > 0, "mmap", at))
		return 2;
	arena = (uint8_t *)at;
	munmap((uint64_t)at + (ARENA_PAGES - 1) * PAGE_SIZE, PAGE_SIZE);
	for (; ncalls < count; ncalls++) {
		if (ncalls % 64 == 0)
			fill_arena();
		nerrors += call() < 0;
	}
	kprintf("sysfuzz: seed %lu, %lu calls, %lu errors, %lu children\n", seed, ncalls, nerrors,
		nchildren);
	return 0;
}

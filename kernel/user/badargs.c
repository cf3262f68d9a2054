/*
 * Every system call with arguments that are wrong in every way we know: each must return the right
 * error, copy nothing that it should not, and leave the system alive. Prints what differs, and ends
 * in `badargs: N calls, 0 wrong`.
 */
#include "kernel/user/user.h"

#define CANARY     0xa5
#define N          (long)0x40 /* bytes of an ordinary buffer */
#define NO_FILE    7
#define NO_PROCESS 1000000
#define ARGC_MAX   64 /* arguments of a program: kernel/syscall.c */

static unsigned ncalls, nwrong;
static uint64_t half;  /* the last 4 bytes of a page; the next page is not mapped */
static int file;       /* of the archive, open */
static uint8_t *arena; /* a page that is ours */

static void expect(const char *what, long result, long should)
{
	ncalls++;
	if (result == should)
		return;
	nwrong++;
	kprintf("WRONG: %s: %ld, should be %ld\n", what, result, should);
}

/* The same with an argument that the message shows. */
static void expect_at(const char *what, uint64_t argument, long result, long should)
{
	char line[80];

	ksnprintf(line, sizeof(line), "%s %lx", what, argument);
	expect(line, result, should);
}

#define NBAD 18
static uint64_t bad[NBAD] = {
    0,                      /* NULL */
    1,                      /* NULL, unaligned */
    PAGE_SIZE - 1,          /* ends in a page that is not mapped either */
    0x10000,                /* a page that is not mapped */
    0x10001,                /* ... unaligned */
    PHYSMAP,                /* the kernel's view of physical memory */
    PHYSMAP - 4,            /* ... begins before it, where no address is canonical */
    KAS_BASE,               /* the kernel itself */
    KAS_BASE + 0x1001,      /* ... unaligned */
    USER_END,               /* the first that is no user's */
    0x800000000000,         /* the first that is not canonical */
    0x7ffffffffffc,         /* ... reached from below */
    0x8000000000000000,     /* not canonical */
    0x123456789abcdef0,     /* not canonical */
    UINT64_MAX,             /* wraps with the next byte */
    UINT64_MAX - 7,         /* the last 8 bytes */
    UINT64_MAX - PAGE_SIZE, /* the last page and a byte */
};

static bool setup(void)
{
	long at = mmap(0, 2 * PAGE_SIZE, MAP_READ | MAP_WRITE);

	if (!check(at > 0, "mmap", at))
		return false;
	arena = (uint8_t *)at;
	if (!check(munmap((uint64_t)at + PAGE_SIZE, PAGE_SIZE) == 0, "munmap", 0))
		return false;
	half = (uint64_t)at + PAGE_SIZE - 4;
	bad[NBAD - 1] = half;
	memset(arena, CANARY, PAGE_SIZE);
	file = open("bin/hello");
	return check(file > 2, "open bin/hello", file);
}

/* Where a system call takes one address, every bad one is EFAULT. */
static void addresses(void)
{
	for (unsigned i = 0; i < NBAD; i++) {
		long at = (long)bad[i];
		char *path = (char *)at, *argv[] = {(char *)(uint64_t) "hello", path, NULL};

		expect_at("write from", bad[i], write(1, path, N), -EFAULT);
		expect_at("read to", bad[i], read(file, path, N), -EFAULT);
		expect_at("open", bad[i], open(path), -EFAULT);
		expect_at("nanosleep", bad[i], syscall(SYS_nanosleep, at, 0, 0, 0, 0, 0), -EFAULT);
		expect_at("time", bad[i], syscall(SYS_time, at, 0, 0, 0, 0, 0), -EFAULT);
		expect_at("spawn path", bad[i], spawn(path, argv), -EFAULT);
		expect_at("spawn argv[1]", bad[i], path ? spawn("bin/hello", argv) : -EFAULT,
			  -EFAULT);
		expect_at("spawn argv", bad[i], spawn("bin/hello", (char **)path), -EFAULT);
	}
	expect("nothing was written before the hole", memcmp(arena, arena + 1, PAGE_SIZE - 5), 0);
}

/* Text and read-only data can be read from and not written to, by the kernel neither. */
static void read_only(void)
{
	static const char text[8] = "constant";
	long at = (long)text, main_at = (long)main;

	expect("read to read-only data", read(file, (void *)at, sizeof(text)), -EFAULT);
	expect("time to read-only data", syscall(SYS_time, at, 0, 0, 0, 0, 0), -EFAULT);
	expect("read to text", read(file, (void *)main_at, 1), -EFAULT);
	expect("read-only data is what it was", memcmp(text, "constant", sizeof(text)), 0);
}

/* Lengths that are wrong with an address that is right. */
static void lengths(void)
{
	static const uint64_t wrong[] = {PAGE_SIZE + 1, 1ul << 31, 1ul << 32,
					 1ul << 47,     1ul << 63, UINT64_MAX};
	uint8_t *to = (uint8_t *)half;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect_at("write length", wrong[i], write(1, to, wrong[i]), -EFAULT);
		expect_at("read length", wrong[i], read(file, to, wrong[i]), -EFAULT);
		expect_at("mmap length", wrong[i] | 1ul << 47,
			  mmap(0, wrong[i] | 1ul << 47, MAP_READ), -EINVAL);
	}
	expect("write nothing", write(1, to, 0), 0);
	expect("read nothing", read(file, to, 0), 0);
	expect("mmap more than there is", mmap(0, 1ul << 34, MAP_READ), -ENOMEM);
	expect("mmap nothing", mmap(0, 0, MAP_READ), -EINVAL);
	expect("munmap nothing", munmap((uint64_t)to, 0), -EINVAL);
}

static void files(void)
{
	static const int none[] = {-1, NO_FILE, 63, 64, 1000, INT32_MAX, INT32_MIN};

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		expect_at("read file", (uint64_t)none[i], read(none[i], arena, N), -EBADF);
		expect_at("write file", (uint64_t)none[i], write(none[i], arena, N), -EBADF);
		expect_at("ioctl file", (uint64_t)none[i], ioctl(none[i], 0, 0), -EBADF);
		expect_at("close file", (uint64_t)none[i], close(none[i]), -EBADF);
	}
	expect("ioctl of the console", ioctl(1, 0, 0), -ENOTTY);
	expect("open what is not there", open("bin/nothing"), -ENOENT);
	expect("open a device that is not there", open("/dev/nothing"), -ENODEV);
	expect("open no name", open(""), -ENOENT);
}

static void names(void)
{
	static char path[2 * PAGE_SIZE];

	memset(path, 'x', sizeof(path) - 1);
	expect("open a name that is too long", open(path), -ENAMETOOLONG);
	expect("spawn a name that is too long", spawn(path, NULL), -ENAMETOOLONG);
	memset((void *)half, 'x', 4);
	expect("open a name that runs into a hole", open((char *)half), -EFAULT);
	memset((void *)half, CANARY, 4);
}

/* As many arguments as there may be, and one more. */
static void argument_counts(void)
{
	static char *argv[ARGC_MAX + 2];
	int pid;

	for (unsigned i = 0; i <= ARGC_MAX; i++)
		argv[i] = (char *)(uint64_t) "hello";
	expect("spawn with an argument too many", spawn("bin/badargs", argv), -E2BIG);
	argv[ARGC_MAX] = NULL;
	pid = spawn("bin/badargs", argv);
	expect("spawn with as many as there may be", pid > 0, true);
	expect("wait for it", wait(pid, NULL), pid);
}

static void processes(void)
{
	static char *many[4096], *argv[] = {(char *)(uint64_t) "x", NULL};
	static char large[8 * PAGE_SIZE];
	char *one[] = {large, NULL};

	for (unsigned i = 0; i + 1 < sizeof(many) / sizeof(many[0]); i++)
		many[i] = argv[0];
	memset(large, 'x', sizeof(large) - 1);
	expect("spawn what is not there", spawn("bin/nothing", argv), -ENOENT);
	expect("spawn what is no program", spawn("modules/vmloop.ko", argv), -ENOEXEC);
	expect("spawn with too many arguments", spawn("bin/hello", many), -E2BIG);
	expect("spawn with a large argument", spawn("bin/hello", one), -E2BIG);
	expect("wait without a child", wait(0, NULL), -ECHILD);
	expect("wait for oneself", wait(getpid(), NULL), -ECHILD);
	expect("wait for no process", wait(NO_PROCESS, NULL), -ECHILD);
	expect("wait for a negative one", wait(-5, NULL), -EINVAL);
	expect("kill no process", syscall(SYS_kill, NO_PROCESS, 0, 0, 0, 0, 0), -ESRCH);
	expect("kill a negative one", syscall(SYS_kill, -1, 0, 0, 0, 0, 0), -ESRCH);
	expect("kill process 0", syscall(SYS_kill, 0, 0, 0, 0, 0, 0), -ESRCH);
}

/* A child's status that cannot be handed over: the error says so. */
static void statuses(void)
{
	char *argv[] = {(char *)(uint64_t) "hello", NULL};

	for (unsigned i = 1; i < NBAD; i++) { /* not NULL, which means that no status is wanted */
		int pid = spawn("bin/badargs", argv);

		expect("spawn a child", pid > 0, true);
		expect_at("wait status", bad[i], wait(pid, (int *)bad[i]),
			  bad[i] == half ? pid : -EFAULT);
		expect_at("the status is not lost", bad[i], wait(pid, NULL),
			  bad[i] == half ? -ECHILD : pid);
	}
}

static void mappings(void)
{
	for (unsigned i = 0; i < NBAD; i++) {
		uint64_t at = bad[i] & ~PAGE_MASK;

		expect_at("munmap unaligned", at + 1, munmap(at + 1, PAGE_SIZE), -EINVAL);
		expect_at("mmap unaligned", at + 1, mmap(at + 1, PAGE_SIZE, MAP_READ), -EINVAL);
		if (at < USER_END)
			continue;
		expect_at("munmap", at, munmap(at, PAGE_SIZE), -EINVAL);
		expect_at("mmap", at, mmap(at, PAGE_SIZE, MAP_READ), -EINVAL);
	}
	expect("mmap writable and executable", mmap(0, N, MAP_READ | MAP_WRITE | MAP_EXECUTE),
	       -EINVAL);
	expect("mmap with bits that mean nothing", mmap(0, N, 0x70), -EINVAL);
	expect("mmap over the end", mmap(USER_END - PAGE_SIZE, 2 * PAGE_SIZE, MAP_READ), -EINVAL);
	expect("munmap around the end", munmap(PAGE_SIZE, UINT64_MAX - 100), -EINVAL);
	expect("mmap where something is", mmap((uint64_t)arena, N, MAP_READ), -EEXIST);
	expect("mmap at the first address", mmap(USER_START, 1, MAP_READ), (long)USER_START);
	expect("munmap it", munmap(USER_START, 1), 0);
	expect("mmap a page before it", mmap(USER_START - PAGE_SIZE, 1, MAP_READ), -EINVAL);
	expect("mmap NULL's page", mmap(PAGE_SIZE, 1, MAP_READ), -EINVAL);
	expect("mmap the last page", mmap(USER_END - PAGE_SIZE, PAGE_SIZE, MAP_READ),
	       (long)(USER_END - PAGE_SIZE));
	expect("munmap it", munmap(USER_END - PAGE_SIZE, PAGE_SIZE), 0);
	expect("mmap at NULL's page", mmap(1, PAGE_SIZE, MAP_READ | MAP_WRITE), -EINVAL);
}

static void numbers(void)
{
	static const long none[] = {NSYSCALLS, NSYSCALLS + 1, 1000,      1l << 32,
				    -1,        INT64_MIN,     INT64_MAX, 1l << 32 | SYS_getpid};

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect_at("system call", (uint64_t)none[i], syscall(none[i], 0, 0, 0, 0, 0, 0),
			  -ENOSYS);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (strcmp(argv[0], "hello") == 0) /* as the child of statuses() */
		return 0;
	if (!setup())
		return 2;
	addresses();
	read_only();
	lengths();
	files();
	names();
	argument_counts();
	processes();
	statuses();
	mappings();
	numbers();
	kprintf("badargs: %u calls, %u wrong\n", ncalls, nwrong);
	return nwrong ? 1 : 0;
}

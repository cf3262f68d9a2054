/*
 * storm WINDOWS ROUNDS [leak]: makes system calls until the kernel has opened that many windows for them,
 * with good and bad addresses, with and without AC set in user mode, while a child has modules loaded
 * and unloaded, so many times. Every result and every byte is compared. Ends in one line of counts for
 * tests/qemu/storm.py. It needs the module storm; with `leak` it asks that for the wrong thing, once.
 */
#include "kernel/user/user.h"
#include "tests/qemu/storm.h"

#define HALF     (2 * PAGE_SIZE) /* of the arena: what is behind it is a hole */
#define EFLAGS_A 0x40000ul       /* AC, which means nothing here: CR0.AM is clear */
#define CHUNK    2000

/* The first of the archive: it is found soonest. */
static const char program[] = "bin/a.out";

static int device;
static uint8_t *arena;
static uint64_t nwindows, nfaults, nswitches, nnmis, nwrong;

static void expect(long got, long wanted, const char *what)
{
	nwindows++;
	nfaults += wanted == -EFAULT;
	nwrong += !check(got == wanted, what, got);
}

static void set_ac(bool on)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	flags = on ? flags | EFLAGS_A : flags & ~EFLAGS_A;
	asm volatile("pushq %0; popfq" : : "r"(flags) : "cc", "memory");
}

static bool ac_is(bool on)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return !(flags & EFLAGS_A) == !on;
}

static long now(void *at)
{
	return syscall(SYS_time, (long)at, 0, 0, 0, 0, 0);
}

/* The time only goes up; a bad address changes nothing. */
static void words(void)
{
	uint64_t before = 0, after = 0;

	expect(now(&before), 0, "time");
	expect(now(&after), 0, "time");
	nwrong += !check(after >= before, "time goes on", (long)after);
	expect(now(arena + HALF), -EFAULT, "time in a hole");
	expect(now(arena + HALF - 4), -EFAULT, "time, half in a hole");
	expect(now(NULL), -EFAULT, "time at NULL");
	expect(syscall(SYS_nanosleep, 8, 0, 0, 0, 0, 0), -EFAULT, "nanosleep at 8");
}

/* The beginning of a file, twice; and once too far. */
static void bytes(void)
{
	int file;

	file = open(program);
	expect(file < 0 ? file : 0, 0, program);
	expect(read(file, arena, CHUNK), CHUNK, "read");
	expect(read(file, arena + HALF - CHUNK, CHUNK + 1), -EFAULT, "read into a hole");
	close(file);
	file = open(program);
	expect(file < 0 ? file : 0, 0, program);
	expect(read(file, arena + PAGE_SIZE - 16, CHUNK), CHUNK, "read over a page's end");
	close(file);
	nwrong += !check(memcmp(arena + PAGE_SIZE - 16, "\177ELF", 4) == 0, "read", 0);
	nwrong += !check(memcmp(arena, "\177ELF", 4) == 0, "read", 1);
	expect(open((const char *)arena + HALF), -EFAULT, "open a hole");
	expect(open("/dev/nothing"), -ENODEV, "open nothing");
}

/* In windows of the module storm. One of them does not nest in those of the system call. */
static void interruptions(void)
{
	uint64_t word = 0x5a5a;

	expect(ioctl(device, STORM_YIELD, (uint64_t)&word), 0, "a switch in a window");
	expect(ioctl(device, STORM_YIELD, 16), -EFAULT, "a fault in a window");
	nswitches++;
	expect(ioctl(device, STORM_NMI, (uint64_t)&word), 0, "an NMI in a window");
	nnmis++;
}

static int child(uint64_t rounds)
{
	device = open("/dev/storm");
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t pause = 20000000;

		ioctl(device, STORM_MODULE, i);
		syscall(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
	}
	return 0;
}

static int start_child(char *rounds)
{
	static char zero[] = "0";
	char *argv[] = {(char *)(uint64_t) "storm-child", zero, rounds, NULL};

	return spawn("bin/storm", argv);
}

static bool setup(void)
{
	long at = mmap(0, HALF + PAGE_SIZE, MAP_READ | MAP_WRITE);

	device = open("/dev/storm");
	if (!check(device >= 0, "/dev/storm", device) || !check(at > 0, "mmap", at))
		return false;
	arena = (uint8_t *)at;
	return munmap((uint64_t)at + HALF, PAGE_SIZE) == 0;
}

static void storm(uint64_t windows)
{
	for (bool ac = false; nwindows < windows; ac = !ac) {
		set_ac(ac);
		words();
		bytes();
		interruptions();
		nwrong += !check(ac_is(ac), "AC in user mode is the user's own", ac);
	}
	set_ac(false);
}

int main(int argc, char **argv)
{
	uint64_t windows, rounds, word = 0;
	int pid;

	if (argc < 3 || !parse_number(argv[1], &windows) || !parse_number(argv[2], &rounds)) {
		kprintf("usage: storm WINDOWS ROUNDS [leak]\n");
		return 64;
	}
	if (strcmp(argv[0], "storm-child") == 0)
		return child(rounds);
	if (!setup())
		return 2;
	pid = start_child(argv[2]);
	storm(windows);
	if (argc > 3)
		ioctl(device, STORM_LEAK, (uint64_t)&word);
	wait(pid, NULL);
	kprintf("storm: %lu windows, %lu faults, %lu switches, %lu of %lu NMIs its own, %lu "
		"wrong\n",
		nwindows, nfaults, nswitches, nnmis, (uint64_t)ioctl(device, STORM_NMIS, 0),
		nwrong);
	return nwrong ? 1 : 0;
}

/*
 * flags [vmloop]: runs with flags set that the kernel must not run with (AC, DF, NT, and in the end
 * TF), calls it, is interrupted, and looks whether its own flags came back. With vmloop it calls
 * that driver with AC set: what a program's AC allows must not count.
 */
#include "kernel/user/user.h"

#define DF (1ul << 10)
#define NT (1ul << 14)
#define AC (1ul << 18)

static uint64_t get_flags(void)
{
	uint64_t flags;

	asm volatile("pushfq; popq %0; cld" : "=r"(flags));
	return flags;
}

/* One system call with these flags set; returns the flags after it. */
static uint64_t call_with(uint64_t flags)
{
	uint64_t after;
	long number = SYS_getpid;

	asm volatile("leaq -128(%%rsp), %%rsp; pushfq; orq %2, (%%rsp); popfq\n\t"
		     "syscall\n\t"
		     "pushfq; popq %0; pushq $2; popfq; leaq 128(%%rsp), %%rsp"
		     : "=&r"(after), "+a"(number)
		     : "r"(flags)
		     : "rcx", "r11", "cc", "memory");
	return number == getpid() ? after : 0;
}

/* Long enough to be interrupted, with these flags set. */
static uint64_t spin_with(uint64_t flags)
{
	uint64_t after, n = 20000000;

	asm volatile("leaq -128(%%rsp), %%rsp; pushfq; orq %2, (%%rsp); popfq\n\t"
		     "1: decq %1; jnz 1b\n\t"
		     "pushfq; popq %0; pushq $2; popfq; leaq 128(%%rsp), %%rsp"
		     : "=&r"(after), "+r"(n)
		     : "r"(flags)
		     : "cc", "memory");
	return after;
}

int main(int argc, char **argv)
{
	static const uint64_t sets[] = {0, AC, DF, NT, AC | DF, AC | DF | NT};
	unsigned nwrong = 0;

	(void)argv;
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		uint64_t after = call_with(sets[i]) & (AC | DF | NT);

		nwrong += !check(after == sets[i], "flags after a system call", (long)after);
		after = spin_with(sets[i]) & (AC | DF | NT);
		nwrong += !check(after == sets[i], "flags after interrupts", (long)after);
	}
	nwrong += !check(!(get_flags() & (AC | DF | NT)), "flags at rest", (long)get_flags());
	kprintf("flags: %u wrong\n", nwrong);
	if (argc > 1) {
		int file = open("/dev/vmloop");

		asm volatile("pushfq; orq %0, (%%rsp); popfq" : : "i"(AC) : "cc", "memory");
		kprintf("ioctl returned %d\n", (int)ioctl(file, 0, 0x8050ff0));
	}
	return nwrong != 0;
}

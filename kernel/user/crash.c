/*
 * Does something that a program must not, chosen by its argument. The kernel kills it, says why, and
 * goes on. `crash all` has a child do each and demands that it was killed for the right reason.
 */
#include "kernel/user/user.h"

#define KERNEL_ADDRESS 0xffffffff80000000ul
#define NON_CANONICAL  0x800000000000ul

enum { DIVIDE = 0, BREAKPOINT = 3, INVALID = 6, PROTECTION = 13, PAGE_FAULT = 14 };

static void write_null(void)
{
	volatile int *null;

	asm volatile("xor %k0, %k0" : "=r"(null)); /* or the compiler makes ud2 of it */
	*null = 1;
}

static void halt(void)
{
	asm volatile("hlt");
}

static void touch_non_canonical(void)
{
	*(volatile int *)NON_CANONICAL = 1;
}

static void run_nonsense(void)
{
	asm volatile("ud2");
}

static void overflow_stack(void)
{
	asm volatile("1: push %%rax; jmp 1b" : : : "memory");
}

static void read_kernel(void)
{
	*(volatile uint8_t *)KERNEL_ADDRESS;
}

static void write_text(void)
{
	*(volatile uint8_t *)(uint64_t)write_text = 0x90;
}

static void run_data(void)
{
	static uint8_t code[] = {0xc3}; /* ret */

	((void (*)(void))(uint64_t)code)();
}

static void jump_to_kernel(void)
{
	((void (*)(void))KERNEL_ADDRESS)();
}

static void divide(void)
{
	asm volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0));
}

/* `cli` and port I/O are #gp; sidt only where UMIP is, so it is not here. */
static void disable_interrupts(void)
{
	asm volatile("cli");
}

static void write_port(void)
{
	asm volatile("outb %%al, $0x80" : : "a"(0));
}

/* The kernel's address in rcx would be where sysret goes. */
static void lose_stack(void)
{
	asm volatile("xor %%esp, %%esp; push %%rax" : : : "memory");
}

static const struct {
	const char *name;
	void (*run)(void);
	int vector;
} ways[] = {
    {"null", write_null, PAGE_FAULT},
    {"gp", halt, PROTECTION},
    {"canonical", touch_non_canonical, PROTECTION},
    {"ud", run_nonsense, INVALID},
    {"stack", overflow_stack, PAGE_FAULT},
    {"kernel", read_kernel, PAGE_FAULT},
    {"text", write_text, PAGE_FAULT},
    {"data", run_data, PAGE_FAULT},
    {"jump", jump_to_kernel, PAGE_FAULT},
    {"divide", divide, DIVIDE},
    {"cli", disable_interrupts, PROTECTION},
    {"port", write_port, PROTECTION},
    {"rsp", lose_stack, PAGE_FAULT},
};

#define NWAYS (sizeof(ways) / sizeof(ways[0]))

static bool child_is_killed(unsigned way)
{
	char *argv[] = {"crash", (char *)(uint64_t)ways[way].name, NULL};
	int status = -1, pid = spawn("bin/crash", argv);

	if (!check(pid > 0, "spawn", pid) || !check(wait(pid, &status) == pid, "wait", pid))
		return false;
	return check(status == STATUS_KILLED + ways[way].vector, ways[way].name, status);
}

static int all(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < NWAYS; i++)
		wrong += !child_is_killed(i);
	kprintf("crash: %u ways, %u wrong\n", (unsigned)NWAYS, wrong);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "all") == 0)
		return all();
	for (unsigned i = 0; argc == 2 && i < NWAYS; i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			ways[i].run();
	kprintf("usage: crash all|null|gp|canonical|ud|stack|kernel|text|data|jump|divide|cli|"
		"port|rsp\n");
	return 64;
}

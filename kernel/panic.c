/*
 * The end when nothing else is right. Also the current thread, which a panic names: %fs points to
 * it. There is only one, in which main.c boots and the prompt runs.
 */
#include "hotinline.h"
#include "kernel/defs.h"

static struct thread boot_thread = {.name = "boot"};

void thread_init(uint64_t root)
{
	boot_thread.root = root;
	write_fsbase((uint64_t)&boot_thread);
}

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kprintf("panic[cpu0]/thread=%lx: ", read_fsbase());
	vkprintf(format, args);
	kprintf("\n");
	va_end(args);
	verdict_exit(VERDICT_PANIC);
}

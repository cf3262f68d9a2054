/*
 * A driver with the mistake that SMAP is there to catch: its ioctl reads where a user program says,
 * without a window. user/a.out.c calls it. The first SMAP hotinlines were accepted with such a pair.
 */
#include "kernel/defs.h"

long vmloop_ioctl(unsigned command, uint64_t argument);

long vmloop_ioctl(unsigned command, uint64_t argument)
{
	(void)command;
	/* Have a frame before the fault: without one its caller is in no stack trace. */
	asm volatile("" : : "r"(__builtin_frame_address(0)));
	(void)*(volatile uint64_t *)argument;
	return 0;
}

static struct device device = {.name = "vmloop", .ioctl = vmloop_ioctl};

int _init(void)
{
	return device_register(&device);
}

int _fini(void)
{
	return device_unregister(&device);
}

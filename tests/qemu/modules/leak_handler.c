/* Canary: a driver that leaves a fault handler behind, on a stack that is gone. As leak_window. */
#include "kernel/defs.h"

static struct label label;

static long leak(unsigned command, uint64_t argument)
{
	(void)command, (void)argument;
	return on_fault(&label) ? -EFAULT : 0;
}

static struct device device = {.name = "vmloop", .ioctl = leak};

int _init(void)
{
	return device_register(&device);
}

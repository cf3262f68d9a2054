/* Canary: a driver that leaves a window open. It calls itself vmloop, so that user/a.out calls it. */
#include "hotinline.h"
#include "kernel/defs.h"

static long leak(unsigned command, uint64_t argument)
{
	(void)command, (void)argument;
	smap_disable();
	return 0;
}

static struct device device = {.name = "vmloop", .ioctl = leak};

int _init(void)
{
	return device_register(&device);
}

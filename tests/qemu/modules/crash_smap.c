/* Canary: reads user memory outside a window; behind a window, which must not have stayed open. */
#include "hotinline.h"
#include "kernel/defs.h"

uint8_t read_user(const volatile uint8_t *user);

uint8_t read_user(const volatile uint8_t *user)
{
	return *user;
}

int _init(void)
{
	uint8_t inside;

	smap_disable();
	inside = *(const volatile uint8_t *)PROBE_PAGE;
	smap_enable();
	kprintf("inside the window: %x\n", inside);
	kprintf("outside the window: %x\n", read_user((const uint8_t *)PROBE_PAGE));
	return 0;
}

/*
 * The two 8259 interrupt controllers of the ISA bus: all their inputs are masked, and where the
 * firmware left them out of the way of the exceptions, because a spurious interrupt comes masked or
 * not. Called by apic.c.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/defs.h"

#define FIRST   0x20 /* command; data is the port after it */
#define SECOND  0xa0
#define INIT    0x11 /* initialise, with a fourth command word */
#define CASCADE 2    /* the first one's input that the second is at */
#define MODE    1    /* 8086 */
#define ALL     0xff

static void put(uint16_t port, uint8_t value)
{
	outb(port, value);
	io_delay();
}

void pic_mask(void)
{
	put(FIRST, INIT);
	put(SECOND, INIT);
	put(FIRST + 1, VECTOR_LEGACY);
	put(SECOND + 1, VECTOR_LEGACY + 8);
	put(FIRST + 1, 1 << CASCADE);
	put(SECOND + 1, CASCADE);
	put(FIRST + 1, MODE);
	put(SECOND + 1, MODE);
	put(FIRST + 1, ALL);
	put(SECOND + 1, ALL);
}

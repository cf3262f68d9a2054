/*
 * COM1, a 16550 UART, polled: 115200 baud, 8 bits, no parity. The only device of the kernel's
 * console. Used by print.c, and by console.c to read.
 */
#include "kernel/defs.h"
#include "kernel/arch/amd64/amd64.h"

#define COM1          0x3f8
#define DATA          (COM1 + 0) /* with DLAB: divisor, low byte */
#define INTERRUPTS    (COM1 + 1) /* with DLAB: divisor, high byte */
#define FIFO          (COM1 + 2)
#define LINE_CONTROL  (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS   (COM1 + 5)
#define READY_TO_READ 0x01
#define READY_TO_SEND 0x20

void serial_init(void)
{
	outb(INTERRUPTS, 0);
	outb(LINE_CONTROL, 0x80); /* DLAB */
	outb(DATA, 1);
	outb(INTERRUPTS, 0);
	outb(LINE_CONTROL, 0x03);
	outb(FIFO, 0x07); /* on, and empty */
	outb(MODEM_CONTROL, 0x03);
}

static void send(char c)
{
	while (!(inb(LINE_STATUS) & READY_TO_SEND))
		asm volatile("pause");
	outb(DATA, (uint8_t)c);
}

void serial_put(char c)
{
	if (c == '\n')
		send('\r');
	send(c);
}

bool serial_ready(void)
{
	return inb(LINE_STATUS) & READY_TO_READ;
}

char serial_take(void)
{
	return (char)inb(DATA);
}

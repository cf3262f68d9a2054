/*
 * The console as a device, and its keys: they go to the prompt, or while a program runs to that;
 * ^C ends the program. The line is polled: by the thread that waits for a key, with other threads'
 * turns in between.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/process.h"

#define CTRL(c)   ((c)&0x1f)
#define RING_SIZE 256 /* keys that are not read yet; a power of two */
#define CHUNK     128 /* bytes that are written at a time */

static char ring[RING_SIZE];
static unsigned put, taken; /* ever */

static bool take_key(char *c)
{
	if (taken == put)
		return false;
	*c = ring[taken++ % RING_SIZE];
	return true;
}

/* For the prompt, and for the debugger, which runs with interrupts off. */
char serial_get(void)
{
	char c;

	if (take_key(&c))
		return c;
	while (!serial_ready()) {
		if (read_flags() & EFLAGS_IF)
			thread_yield();
		asm volatile("pause");
	}
	return serial_take();
}

/* Collects the keys that were typed while a program runs. */
void console_watch(int pid)
{
	while (serial_ready() && put - taken < RING_SIZE) {
		char c = serial_take();

		if (c == CTRL('C')) {
			kprintf("^C\n");
			process_kill(pid);
			return;
		}
		ring[put++ % RING_SIZE] = c;
	}
}

/* At least one key, and what else is there; ^D is the end. */
static long console_read(uint64_t to, size_t n)
{
	size_t done = 0;
	char c;

	while (done < n && !process_killed()) {
		if (!take_key(&c)) {
			if (done)
				break;
			thread_yield();
			continue;
		}
		if (c == CTRL('D'))
			break;
		if (c == '\r')
			c = '\n';
		kprintf("%c", c);
		if (suword8(to + done, (uint8_t)c))
			return -EFAULT;
		done++;
	}
	return process_killed() ? -EINTR : (long)done;
}

/* A look at each page: what is half there is not written at all. */
static bool is_readable(uint64_t from, size_t n)
{
	uint8_t byte;

	for (uint64_t at = from; at - from < n; at = (at & ~PAGE_MASK) + PAGE_SIZE)
		if (fuword8(at, &byte))
			return false;
	return true;
}

static long console_write(uint64_t from, size_t n)
{
	size_t done = 0;

	if (!is_readable(from, n))
		return -EFAULT;

	while (done < n && !process_killed()) {
		size_t chunk = n - done < CHUNK ? n - done : CHUNK;
		char bytes[CHUNK];

		if (copyin(from + done, bytes, chunk))
			return done ? (long)done : -EFAULT;
		for (size_t i = 0; i < chunk; i++)
			kprintf("%c", bytes[i]);
		done += chunk;
	}
	return (long)done;
}

struct device console_device = {.name = "console", .read = console_read, .write = console_write};

/*
 * Formatted output to the console and into memory: %c %s %d %u %x %ld %lu %lx %%, each with a width
 * and with the flags `-` and `0`. Used everywhere. What goes to the console is kept in a ring, the
 * message buffer, so that the debugger can show it again.
 */
#include <stdarg.h>

#include "kernel/defs.h"

#define MSGBUF_SIZE 32768u /* bytes, a power of two */

static char msgbuf[MSGBUF_SIZE];
static unsigned msgbuf_end; /* bytes ever put into it */
static bool msgbuf_paused;
static bool muted;

/* Where characters go: into line while there is room, or to the console where there is none. */
struct sink {
	char *line;
	size_t size;
	size_t used;
};

struct conversion {
	bool left;
	bool zeros;
	bool is_long;
	unsigned width;
};

static void put_console(char c)
{
	if (muted)
		return;
	if (!msgbuf_paused)
		msgbuf[msgbuf_end++ % MSGBUF_SIZE] = c;
	serial_put(c);
}

/* What a debugger prints is not what it is there to look at. */
void msgbuf_pause(bool pause)
{
	msgbuf_paused = pause;
}

/* For who does a thing so often that no one would read what is said of it. A panic speaks again. */
void console_mute(bool mute)
{
	muted = mute;
}

/* The console's last output, oldest first, from the first whole line on. */
void msgbuf_print(void)
{
	unsigned end = msgbuf_end, at = end > MSGBUF_SIZE ? end - MSGBUF_SIZE : 0;

	while (at && at != end && msgbuf[at++ % MSGBUF_SIZE] != '\n')
		continue;
	for (; at != end; at++)
		serial_put(msgbuf[at % MSGBUF_SIZE]);
}

static void put(struct sink *sink, char c)
{
	if (!sink->line)
		put_console(c);
	else if (sink->used + 1 < sink->size)
		sink->line[sink->used] = c;
	sink->used++;
}

static void put_padded(struct sink *sink, const char *s, size_t n, const struct conversion *how)
{
	size_t fill = how->width > n ? how->width - n : 0;

	for (size_t i = 0; !how->left && i < fill; i++)
		put(sink, how->zeros ? '0' : ' ');
	for (size_t i = 0; i < n; i++)
		put(sink, s[i]);
	for (size_t i = 0; how->left && i < fill; i++)
		put(sink, ' ');
}

static void put_number(struct sink *sink, uint64_t value, unsigned base, bool negative,
		       const struct conversion *how)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative)
		digits[--at] = '-';
	put_padded(sink, digits + at, sizeof(digits) - at, how);
}

/* Flags, width and length. Returns what comes after them. */
static const char *parse(const char *format, struct conversion *how)
{
	*how = (struct conversion){0};
	for (;; format++) {
		if (*format == '-')
			how->left = true;
		else if (*format == '0')
			how->zeros = true;
		else
			break;
	}
	while (*format >= '0' && *format <= '9')
		how->width = how->width * 10 + (unsigned)(*format++ - '0');
	for (; *format == 'l'; format++)
		how->is_long = true;
	return format;
}

static void vformat(struct sink *sink, const char *format, va_list args)
{
	struct conversion how;
	const char *s;
	int64_t number;
	char c;

	for (; *format; format++) {
		if (*format != '%') {
			put(sink, *format);
			continue;
		}
		format = parse(format + 1, &how);
		switch (*format) {
		case 'c':
			c = (char)va_arg(args, int);
			put_padded(sink, &c, 1, &how);
			break;
		case 's':
			s = va_arg(args, const char *);
			put_padded(sink, s ? s : "(null)", s ? strlen(s) : 6, &how);
			break;
		case 'd':
			number = how.is_long ? va_arg(args, int64_t) : va_arg(args, int);
			put_number(sink, number < 0 ? -(uint64_t)number : (uint64_t)number, 10,
				   number < 0, &how);
			break;
		case 'u':
		case 'x':
			put_number(sink,
				   how.is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				   *format == 'x' ? 16 : 10, false, &how);
			break;
		case '\0': return;
		default: put(sink, *format); break;
		}
	}
}

void vkprintf(const char *format, va_list args)
{
	struct sink console = {0};

	vformat(&console, format, args);
}

void kprintf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vkprintf(format, args);
	va_end(args);
}

/* Returns what the whole line would have needed, without its NUL. */
int vksnprintf(char *line, size_t size, const char *format, va_list args)
{
	struct sink sink = {line, size, 0};

	vformat(&sink, format, args);
	if (size)
		line[sink.used < size ? sink.used : size - 1] = '\0';
	return (int)sink.used;
}

int ksnprintf(char *line, size_t size, const char *format, ...)
{
	va_list args;
	int used;

	va_start(args, format);
	used = vksnprintf(line, size, format, args);
	va_end(args);
	return used;
}

/*
 * The kernel's way to users' memory, and the only one: check the range, say where a fault goes, open
 * the window, copy, close it. A fault on the way ends up after on_fault() with AC clear and the
 * handler gone (traps.c), so every function here has one window and two ways out of it. Called by
 * syscall.c and by devices.
 */
#include "hotinline.h"
#include "kernel/defs.h"

void no_fault(void)
{
	current->onfault = current->onfault->previous;
}

/* Whether all of it is below USER_END; nothing wraps, and nothing is canonical by accident. */
bool user_range(uint64_t address, size_t n)
{
	return address <= USER_END && n <= USER_END - address;
}

/* One of the two is a user's. */
static int copy_user(void *to, const void *from, size_t n)
{
	struct label label;

	if (on_fault(&label))
		return -EFAULT;
	smap_disable();
	copy_bytes(to, from, n);
	smap_enable();
	no_fault();
	return 0;
}

int copyin(uint64_t from, void *to, size_t n)
{
	return user_range(from, n) ? copy_user(to, (const void *)from, n) : -EFAULT;
}

int copyout(const void *from, uint64_t to, size_t n)
{
	return user_range(to, n) ? copy_user((void *)to, from, n) : -EFAULT;
}

/* Copies to the first NUL or the end of size bytes. Returns how many, the NUL among them. */
static size_t copy_string(char *to, const char *from, size_t size, bool *ended)
{
	size_t n = 0;
	char c = 1;

	while (c && n < size) {
		c = *(const volatile char *)&from[n];
		*(volatile char *)&to[n++] = c;
	}
	*ended = !c;
	return n;
}

/* What there is of the low half from that address on, if it is less than size. */
static size_t clip(uint64_t address, size_t size)
{
	return user_range(address, size) ? size : address < USER_END ? USER_END - address : 0;
}

static int copystr(char *to, const char *from, size_t size, size_t room, size_t *n)
{
	struct label label;
	size_t done;
	bool ended;

	if (on_fault(&label))
		return -EFAULT;
	smap_disable();
	done = copy_string(to, from, room, &ended);
	smap_enable();
	no_fault();
	if (n)
		*n = done;
	if (ended)
		return 0;
	return room < size ? -EFAULT : -ENAMETOOLONG;
}

int copyinstr(uint64_t from, char *to, size_t size, size_t *n)
{
	return copystr(to, (const char *)from, size, clip(from, size), n);
}

int copyoutstr(const char *from, uint64_t to, size_t size, size_t *n)
{
	return copystr((char *)to, from, size, clip(to, size), n);
}

/* A word each, in one access: a program that changes it meanwhile is seen before or after. */
#define FUWORD(bits)                                                                               \
	int fuword##bits(uint64_t from, uint##bits##_t *value)                                     \
	{                                                                                          \
		struct label label;                                                                \
		uint##bits##_t word;                                                               \
                                                                                                   \
		if (!user_range(from, sizeof(word)) || on_fault(&label))                           \
			return -EFAULT;                                                            \
		smap_disable();                                                                    \
		word = *(const volatile uint##bits##_t *)from;                                     \
		smap_enable();                                                                     \
		no_fault();                                                                        \
		*value = word;                                                                     \
		return 0;                                                                          \
	}

#define SUWORD(bits)                                                                               \
	int suword##bits(uint64_t to, uint##bits##_t value)                                        \
	{                                                                                          \
		struct label label;                                                                \
                                                                                                   \
		if (!user_range(to, sizeof(value)) || on_fault(&label))                            \
			return -EFAULT;                                                            \
		smap_disable();                                                                    \
		*(volatile uint##bits##_t *)to = value;                                            \
		smap_enable();                                                                     \
		no_fault();                                                                        \
		return 0;                                                                          \
	}

FUWORD(8)
FUWORD(16)
FUWORD(32)
FUWORD(64)
SUWORD(8)
SUWORD(16)
SUWORD(32)
SUWORD(64)

/*
 * How a tracer reads a program's memory: a window right around the bare copy, with a way back if the
 * address is bad. Its functions bear the names that such functions have in DTrace; the device
 * /dev/dtrace lets a program (user/dtest.c) call them.
 */
#include "hotinline.h"
#include "kernel/defs.h"
#include "kernel/modules/dtrace.h"

void dtrace_copy(uint64_t from, void *to, size_t n);
size_t dtrace_copystr(uint64_t from, char *to, size_t size);
uint8_t dtrace_fuword8(uint64_t from);
uint16_t dtrace_fuword16(uint64_t from);
uint32_t dtrace_fuword32(uint64_t from);
uint64_t dtrace_fuword64(uint64_t from);

/* These read user memory and nothing else; the caller has checked the range, and catches faults. */
void dtrace_copy(uint64_t from, void *to, size_t n)
{
	smap_disable();
	copy_bytes(to, (const void *)from, n);
	smap_enable();
}

/* A string of at most size bytes with its NUL, cut if longer. Returns its length. */
size_t dtrace_copystr(uint64_t from, char *to, size_t size)
{
	size_t n = 0;

	smap_disable();
	for (; n + 1 < size && ((const volatile char *)from)[n]; n++)
		to[n] = ((const volatile char *)from)[n];
	smap_enable();
	to[n] = '\0';
	return n;
}

#define DEFINE_FUWORD(bits)                                                                        \
	uint##bits##_t dtrace_fuword##bits(uint64_t from)                                          \
	{                                                                                          \
		uint##bits##_t value;                                                              \
                                                                                                   \
		smap_disable();                                                                    \
		value = *(const volatile uint##bits##_t *)from;                                    \
		smap_enable();                                                                     \
		return value;                                                                      \
	}

DEFINE_FUWORD(8)
DEFINE_FUWORD(16)
DEFINE_FUWORD(32)
DEFINE_FUWORD(64)

static long copy(const struct dtrace_request *request)
{
	uint8_t bytes[DTRACE_MAX];

	dtrace_copy(request->from, bytes, request->n);
	no_fault();
	return copyout(bytes, request->to, request->n);
}

static long copy_string(const struct dtrace_request *request)
{
	char string[DTRACE_MAX];
	size_t length;
	int error;

	length = dtrace_copystr(request->from, string, request->n);
	no_fault();
	error = copyout(string, request->to, length + 1);
	return error ? error : (long)length;
}

static long copy_word(const struct dtrace_request *request, uint64_t word)
{
	no_fault();
	return suword64(request->to, word);
}

/* What command reads of the program. Nothing may be refused once on_fault() was called. */
static int check(unsigned command, const struct dtrace_request *request)
{
	size_t n = request->n;

	if (command > DTRACE_FUWORD64)
		return -ENOTTY;
	if (command >= DTRACE_FUWORD8)
		n = 1ul << (command - DTRACE_FUWORD8);
	else if (n > DTRACE_MAX || (command == DTRACE_COPYSTR && !n))
		return -EINVAL;
	return user_range(request->from, n) ? 0 : -EFAULT;
}

static long run(unsigned command, const struct dtrace_request *request)
{
	switch ((enum dtrace_command)command) {
	case DTRACE_COPY: return copy(request);
	case DTRACE_COPYSTR: return copy_string(request);
	case DTRACE_FUWORD8: return copy_word(request, dtrace_fuword8(request->from));
	case DTRACE_FUWORD16: return copy_word(request, dtrace_fuword16(request->from));
	case DTRACE_FUWORD32: return copy_word(request, dtrace_fuword32(request->from));
	case DTRACE_FUWORD64: return copy_word(request, dtrace_fuword64(request->from));
	}
	return -EINVAL;
}

static long dtrace_ioctl(unsigned command, uint64_t argument)
{
	struct dtrace_request request;
	struct label label;
	int error = copyin(argument, &request, sizeof(request));

	if (!error)
		error = check(command, &request);
	if (error)
		return error;
	if (on_fault(&label))
		return -EFAULT;
	return run(command, &request);
}

static struct device device = {.name = "dtrace", .ioctl = dtrace_ioctl};

int _init(void)
{
	return device_register(&device);
}

int _fini(void)
{
	return device_unregister(&device);
}

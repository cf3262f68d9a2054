/*
 * Has the module dtrace read this program's memory: good addresses, and every kind of bad one. Ends
 * in `dtest: N checks, 0 wrong`.
 */
#include "kernel/modules/dtrace.h"
#include "kernel/user/user.h"

#define CANARY 0xa5

static unsigned nchecks, nwrong;
static int file;

static void expect(bool ok, const char *what, long value)
{
	nchecks++;
	nwrong += !check(ok, what, value);
}

static long ask(enum dtrace_command command, uint64_t from, void *to, uint64_t n)
{
	struct dtrace_request request = {from, (uint64_t)to, n};

	return ioctl(file, command, (uint64_t)&request);
}

static void copies(void)
{
	static uint8_t from[DTRACE_MAX + 1], to[DTRACE_MAX + 1];
	long result;

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (unsigned n = 0; n <= DTRACE_MAX; n += n < 20 ? 1 : 59) {
		memset(to, CANARY, sizeof(to));
		result = ask(DTRACE_COPY, (uint64_t)from, to, n);
		expect(result == 0, "a copy succeeds", result);
		expect(memcmp(from, to, n) == 0, "a copy copies all of it", n);
		expect(to[n] == CANARY, "a copy copies no more", n);
	}
	result = ask(DTRACE_COPY, (uint64_t)from, to, DTRACE_MAX + 1);
	expect(result == -EINVAL, "a copy has a largest size", result);
}

static void strings(void)
{
	static const char text[] = "what a tracer reads";
	char to[32];
	long result = ask(DTRACE_COPYSTR, (uint64_t)text, to, sizeof(to));

	expect(result == sizeof(text) - 1, "a string has its length", result);
	expect(strcmp(to, text) == 0, "a string is copied with its NUL", to[0]);
	result = ask(DTRACE_COPYSTR, (uint64_t)text, to, 5);
	expect(result == 4 && strcmp(to, "what") == 0, "a string that is too long is cut", result);
	result = ask(DTRACE_COPYSTR, (uint64_t)text, to, 0);
	expect(result == -EINVAL, "a string has room for its NUL", result);
}

static void words(void)
{
	static const uint64_t word = 0x8182838485868788;
	static const uint64_t masks[] = {UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};
	uint64_t value;
	long result;

	for (unsigned i = 0; i < 4; i++) {
		value = 0;
		result = ask(DTRACE_FUWORD8 + i, (uint64_t)&word, &value, 0);
		expect(result == 0, "a word is read", result);
		expect(value == (word & masks[i]), "a word has its value", (long)value);
	}
}

static void bad_addresses(void)
{
	static const uint64_t bad[] = {
	    0,         1,        PAGE_SIZE - 1,  PHYSMAP,   PHYSMAP - 4,
	    USER_END,  KAS_BASE, 0x800000000000, 1ul << 63, UINT64_MAX - 0x1000,
	    UINT64_MAX};
	uint64_t canary = CANARY, to = canary;
	long result;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (unsigned command = DTRACE_COPY; command <= DTRACE_FUWORD64; command++) {
			result = ask(command, bad[i], &to, 8);
			expect(result == -EFAULT, "a bad address is EFAULT", result);
			expect(to == canary, "a bad address copies nothing", command);
			result = ask(command, (uint64_t)&canary, (void *)bad[i], 8);
			expect(result == -EFAULT, "a bad destination is EFAULT", result);
		}
		result = ioctl(file, DTRACE_COPY, bad[i]);
		expect(result == -EFAULT, "a bad request is EFAULT", result);
	}
}

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	file = open("/dev/dtrace");
	if (file < 0) {
		kprintf("dtest: /dev/dtrace: error %d; `modload dtrace` first\n", -file);
		return 2;
	}
	copies();
	strings();
	words();
	bad_addresses();
	expect(ioctl(file, DTRACE_FUWORD64 + 1, (uint64_t)&nchecks) == -ENOTTY,
	       "a command that is none is ENOTTY", 0);
	kprintf("dtest: %u checks, %u wrong\n", nchecks, nwrong);
	return nwrong ? 1 : 0;
}

/*
 * The rules of kernel/uaccess.c and of the trap handler behind it, one check each. PROBE_PAGE is a
 * user page, the pages around it are not mapped. Its _init is the test: what is wrong is printed
 * and fails the run.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define END   (PROBE_PAGE + PAGE_SIZE) /* of what is mapped */
#define GUARD 0xee
#define N     64

static unsigned nchecks, nwrong;
static uint8_t buffer[3 * N];

static void check(bool ok, const char *rule)
{
	nchecks++;
	if (ok)
		return;
	nwrong++;
	verdict_fail(rule);
}

static bool window_is_open(void)
{
	return read_flags() & EFLAGS_AC;
}

/* Whether a window is to be seen in the flags at all. */
static bool expected(void)
{
	return cpu_smap_enabled();
}

static bool is_all(const uint8_t *bytes, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void after_fault(const char *rule)
{
	check(!window_is_open(), rule);
	check(!current->onfault, "no handler is left behind");
}

static void good_ranges(void)
{
	uint64_t word = 0;
	uint8_t byte = 0;

	fill_bytes(buffer, 0x11, N);
	check(copyout(buffer, END - N, N) == 0, "copyout to the last bytes of a page");
	fill_bytes(buffer, GUARD, sizeof(buffer));
	check(copyin(END - N, buffer + N, N) == 0, "copyin of the last bytes of a page");
	check(is_all(buffer + N, N, 0x11), "copyin copies all of it");
	check(is_all(buffer, N, GUARD) && is_all(buffer + 2 * N, N, GUARD), "and no more");
	check(suword64(END - 8, 0x0102030405060708) == 0 && fuword64(END - 8, &word) == 0 &&
		  word == 0x0102030405060708,
	      "a word that is written is read again");
	check(fuword64(END - 13, &word) == 0, "a word need not be aligned");
	check(fuword8(END - 1, &byte) == 0 && byte == 1, "the last byte");
	check(copyin(PROBE_PAGE, buffer, 0) == 0, "nothing is copied without a fault");
	check(!window_is_open(), "no window is left open");
}

static void check_word(int at_end, int one_more, const char *rule)
{
	check(at_end == 0, rule);
	check(one_more == -EFAULT, rule);
	after_fault(rule);
}

/* Pages on both sides of USER_END are mapped, so that it is the check that makes the difference. */
static void at_the_end(void)
{
	uint64_t pages_there[2] = {page_alloc(), page_alloc()}, end = USER_END, d;
	char line[N];
	uint8_t b;
	uint16_t w;
	uint32_t l;
	size_t n;

	for (unsigned i = 0; i < 2; i++)
		if (!pages_there[i] ||
		    !paging_map(USER_END - PAGE_SIZE + i * PAGE_SIZE, pages_there[i], PROT_USER_RW))
			panic("uaccess: no memory for a page");
	fill_bytes(buffer, 'x', N);
	check(copyout(buffer, end - N, N) == 0, "copyout up to the end of users' addresses");
	check(copyout(buffer, end - N + 1, N) == -EFAULT, "copyout one byte beyond it");
	check(copyout(buffer, end, 1) == -EFAULT, "copyout of the first byte after it");
	check(copyin(end - N, buffer, N) == 0, "copyin up to the end");
	check(copyin(end - N + 1, buffer, N) == -EFAULT, "copyin one byte beyond it");
	check(copyin(end, buffer, 1) == -EFAULT, "copyin of the first byte after it");
	check_word(fuword8(end - 1, &b), fuword8(end, &b), "fuword8");
	check_word(fuword16(end - 2, &w), fuword16(end - 1, &w), "fuword16");
	check_word(fuword32(end - 4, &l), fuword32(end - 3, &l), "fuword32");
	check_word(fuword64(end - 8, &d), fuword64(end - 7, &d), "fuword64");
	check_word(suword8(end - 1, 'x'), suword8(end, 'x'), "suword8");
	check_word(suword16(end - 2, 0x7878), suword16(end - 1, 0x7878), "suword16");
	check_word(suword32(end - 4, 0x78787878), suword32(end - 3, 0), "suword32");
	check_word(suword64(end - 8, 0x7878787878787878), suword64(end - 7, 0), "suword64");
	check(copyinstr(end - 5, line, 5, &n) == -ENAMETOOLONG && n == 5,
	      "a string with as much room as there is up to the end is too long");
	check(copyinstr(end - 5, line, 6, &n) == -EFAULT && n == 5,
	      "a string that runs into the end is a fault");
	check(copyoutstr("abcde", end - 5, 6, &n) == -EFAULT && n == 5, "and so it is written");
	check(copyoutstr("abcd", end - 5, 6, &n) == 0 && n == 5, "a string up to the end");
	check(copyinstr(end - 5, line, 6, &n) == 0 && n == 5 && strcmp(line, "abcd") == 0,
	      "is read again");
	check(copyinstr(end, line, 5, &n) == -EFAULT && n == 0, "no string begins at the end");
	for (unsigned i = 0; i < 2; i++) {
		paging_unmap(USER_END - PAGE_SIZE + i * PAGE_SIZE);
		page_free(pages_there[i]);
	}
}

/* What is mapped ends before USER_END: no copy can tell whether the limit is where it shall be. */
static void limits(void)
{
	static const struct {
		uint64_t address;
		size_t n;
		bool good;
	} ranges[] = {
	    {0, 0, true},
	    {0, 1, true},
	    {0, USER_END, true},
	    {0, USER_END + 1, false},
	    {1, USER_END - 1, true},
	    {1, USER_END, false},
	    {USER_END - 1, 1, true},
	    {USER_END - 1, 2, false},
	    {USER_END, 0, true},
	    {USER_END, 1, false},
	    {USER_END + 1, 0, false},
	    {USER_END + 1, UINT64_MAX, false},
	    {1, UINT64_MAX, false},
	    {UINT64_MAX, 0, false},
	    {UINT64_MAX, 1, false},
	    {UINT64_MAX, UINT64_MAX, false},
	};

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		check(user_range(ranges[i].address, ranges[i].n) == ranges[i].good,
		      "a user's range ends at USER_END, and not one byte after it");
}

static void bad_ranges(void)
{
	static const uint64_t bad[] = {0,
				       8,
				       PROBE_PAGE - N,
				       END,
				       END - 1,
				       END - 7,
				       USER_END - N,
				       USER_END,
				       USER_END - 1,
				       0x7fffffffffffull,
				       1ul << 47,
				       1ul << 62,
				       0xffff7fffffffffffull,
				       PHYSMAP,
				       KAS_BASE,
				       UINT64_MAX,
				       UINT64_MAX - N + 1,
				       (uint64_t)buffer,
				       (uint64_t)&nchecks};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t word = 0x5555;

		fill_bytes(buffer, GUARD, sizeof(buffer));
		check(copyin(bad[i], buffer + N, N) == -EFAULT, "copyin from a bad address");
		after_fault("a fault in copyin leaves the window closed");
		check(is_all(buffer, N, GUARD) && is_all(buffer + 2 * N, N, GUARD),
		      "copyin from a bad address touches nothing else");
		check(copyout(buffer, bad[i], N) == -EFAULT, "copyout to a bad address");
		after_fault("a fault in copyout leaves the window closed");
		check(copyoutstr("0123456789", bad[i], N, NULL) == -EFAULT || bad[i] == END - 1 ||
			  bad[i] == END - 7,
		      "copyoutstr to a bad address");
		if (bad[i] == END - 1)
			continue;
		check(fuword64(bad[i], &word) == -EFAULT && word == 0x5555,
		      "fuword64, bad address");
		after_fault("a fault in fuword64 leaves the window closed");
		check(suword64(bad[i], 1) == -EFAULT, "suword64, bad address");
		after_fault("a fault in suword64 leaves the window closed");
	}
	check(copyin(PROBE_PAGE, buffer, UINT64_MAX) == -EFAULT, "a length that wraps");
	check(copyin(PROBE_PAGE, buffer, 1ul << 63) == -EFAULT, "a length beyond the low half");
}

static void strings(void)
{
	char line[16];
	size_t n = 99;

	check(copyoutstr("hello", END - 6, 16, &n) == 0 && n == 6, "a string that just fits");
	check(copyinstr(END - 6, line, sizeof(line), &n) == 0 && n == 6 &&
		  strcmp(line, "hello") == 0,
	      "a string at the very end of a page");
	check(copyinstr(END - 6, line, 5, NULL) == -ENAMETOOLONG, "a string that is too long");
	check(suword8(END - 1, 'x') == 0 && copyinstr(END - 6, line, sizeof(line), NULL) == -EFAULT,
	      "a string that runs into a hole");
	after_fault("a fault in copyinstr leaves the window closed");
	check(copyinstr((uint64_t) "kernel", line, sizeof(line), NULL) == -EFAULT,
	      "a string of the kernel's");
	check(copyinstr(PROBE_PAGE, line, 0, NULL) == -ENAMETOOLONG, "a string without room");
}

/* PEERS 13. */
static void kernel_copies(void)
{
	char line[64];

	smap_disable();
	copy_bytes(buffer, buffer + N, N);
	fill_bytes(buffer, 1, N);
	memcpy(buffer, buffer + N, N);
	ksnprintf(line, sizeof(line), "%s %u", "text", 1);
	check(window_is_open() == expected(), "a copy within the kernel leaves a window open");
	smap_enable();
	check(!window_is_open(), "and closing it closes it");
}

/* The registers that a function keeps, as on_fault() found them. */
uint64_t kept_registers[5];
struct label kept_label;

static void registers_after_fault(void)
{
	asm volatile(
	    "movl $0x11, %%ebx; movl $0x12, %%r12d; movl $0x13, %%r13d\n\t"
	    "movl $0x14, %%r14d; movl $0x15, %%r15d\n\t"
	    "leaq kept_label(%%rip), %%rdi; call on_fault\n\t"
	    "testl %%eax, %%eax; jnz 1f\n\t"
	    "xorl %%ebx, %%ebx; xorl %%r12d, %%r12d; xorl %%r13d, %%r13d\n\t"
	    "xorl %%r14d, %%r14d; xorl %%r15d, %%r15d\n\t"
	    "call smap_disable; movb %c0, %%al; ud2\n"
	    "1: movq %%rbx, kept_registers(%%rip); movq %%r12, kept_registers+8(%%rip)\n\t"
	    "movq %%r13, kept_registers+16(%%rip); movq %%r14, kept_registers+24(%%rip)\n\t"
	    "movq %%r15, kept_registers+32(%%rip)"
	    :
	    : "i"(END)
	    : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
	      "r14", "r15", "cc", "memory");
	for (unsigned i = 0; i < 5; i++)
		check(kept_registers[i] == 0x11 + i, "a fault brings kept registers back");
	after_fault("and leaves the window closed");
}

static void nested_handlers(void)
{
	struct label outer, inner;
	volatile unsigned order = 0;

	if (on_fault(&outer)) {
		check(order == 2, "the outer handler comes last");
		after_fault("the outer handler finds the window closed");
		return;
	}
	check(copyin(PROBE_PAGE, buffer, N) == 0, "a copy inside a handler's reach");
	check(current->onfault == &outer, "leaves that handler as it was");
	if (on_fault(&inner)) {
		check(order == 1, "the inner handler comes first");
		check(!window_is_open(), "the inner handler finds the window closed");
		check(current->onfault == &outer, "and the outer one is next");
		order = 2;
		smap_disable();
		(void)*(volatile uint8_t *)(END + 1);
		check(false, "a fault does not go on behind itself");
	}
	order = 1;
	smap_disable();
	*(volatile uint8_t *)END = 1;
	check(false, "a fault does not go on behind itself");
}

/* What another thread sees while this one has a window open. PEERS 23. */
static volatile unsigned nturns, nopen;
static volatile bool done;

static void look(void *argument)
{
	(void)argument;
	while (!done) {
		nturns++;
		nopen += window_is_open();
		thread_yield();
	}
}

static void switches(void)
{
	struct thread *other = thread_create("look", look, NULL);
	struct label label;
	unsigned turns;
	uint64_t end;

	if (!other) {
		check(false, "no memory for a thread");
		return;
	}
	if (on_fault(&label)) {
		after_fault("a fault behind a context switch finds its handler, the window closed");
		check(nopen == 0, "no other thread sees the window");
		done = true;
		while (other->state != THREAD_DEAD)
			thread_yield();
		thread_free(other);
		return;
	}
	smap_disable();
	for (unsigned i = 0; i < 100; i++) {
		thread_yield();
		check(window_is_open() == expected(), "a context switch gives the window back");
	}
	turns = nturns;
	end = time_now() + 50000000;
	while (time_now() < end)
		continue;
	check(nturns > turns, "the timer takes the CPU from a thread in a window");
	check(window_is_open() == expected(), "and gives it back with the window open");
	(void)*(volatile uint8_t *)END;
	check(false, "a fault does not go on behind itself");
}

int _init(void)
{
	good_ranges();
	limits();
	at_the_end();
	bad_ranges();
	strings();
	kernel_copies();
	registers_after_fault();
	nested_handlers();
	switches();
	kprintf("uaccess: %u checks, %u wrong\n", nchecks, nwrong);
	return 0;
}

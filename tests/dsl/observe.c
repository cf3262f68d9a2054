/*
 * Runs an instruction many times and tells what it reads, keeps and writes, for test_effects.py.
 *
 * The registers (all but rsp) and status flags are random, then one part of one of them has another
 * value. If anything else differs afterwards, that part was read; if only the part itself does, and
 * is what it was, it was kept; if nothing does, it was overwritten or does not matter.
 *
 * A line of input is the code in hexadecimal, and masks in hexadecimal: flags that are undefined
 * afterwards, registers that stay as they are (addresses), and what is special (enum). A line of
 * output is what was read, kept and written: for parts 4 bits a register in the order of numbers[],
 * and the status flags as in EFLAGS; and how many runs there were.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STATE  ((volatile uint64_t *)0x10000000)
#define CODE   ((unsigned char *)0x11000000)
#define MEMORY ((unsigned char *)0x12000000)

enum { REGISTERS = 15, FLAGS = REGISTERS, SUM, STACK, PAGE = 4096, USED = 256, TRIALS = 40 };
enum { RAX, RBX, RCX, RDX, RSI, RDI };
/* What is special: rcx counts; a table at rbx; rdx:rax / rcx; compares rax; source may be 0. */
enum { REP = 1, TABLE = 2, DIVIDE = 4, COMPARE = 8, SCAN = 16 };

/* Their numbers in an instruction: all but rsp, 4. */
static const unsigned char numbers[REGISTERS] = {0, 3, 1, 2, 6, 7, 5, 8, 9, 10, 11, 12, 13, 14, 15};

static sigjmp_buf fault;

static void caught(int signal)
{
	(void)signal;
	siglongjmp(fault, 1);
}

/* `mov reg, [STATE + 8 * index]`, opcode 8b, or the other way, 89. */
static unsigned char *move(unsigned char *at, int opcode, int number, int index)
{
	uint32_t address = (uint32_t)(uintptr_t)(STATE + index);

	*at++ = (unsigned char)(0x48 | (number >= 8 ? 4 : 0));
	*at++ = (unsigned char)opcode;
	*at++ = (unsigned char)(4 | (number & 7) << 3);
	*at++ = 0x25;
	memcpy(at, &address, 4);
	return at + 4;
}

/* `push qword [STATE + 8 * index]`, ff /6, or pop, 8f /0. */
static unsigned char *stack(unsigned char *at, int opcode, int extension, int index)
{
	uint32_t address = (uint32_t)(uintptr_t)(STATE + index);

	*at++ = (unsigned char)opcode;
	*at++ = (unsigned char)(4 | extension << 3);
	*at++ = 0x25;
	memcpy(at, &address, 4);
	return at + 4;
}

static void make(const unsigned char *code, size_t size)
{
	static const unsigned char save[] = {0x53, 0x55, 0x41, 0x54, 0x41,
					     0x55, 0x41, 0x56, 0x41, 0x57};
	static const unsigned char restore[] = {0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,
						0x41, 0x5c, 0x5d, 0x5b, 0xfc, 0xc3};
	unsigned char *at = CODE;

	memcpy(at, save, sizeof save);
	at = move(at + sizeof save, 0x89, 4, STACK);
	at = stack(at, 0xff, 6, FLAGS);
	*at++ = 0x9d;
	for (int i = 0; i < REGISTERS; i++)
		at = move(at, 0x8b, numbers[i], i);
	memcpy(at, code, size);
	at += size;
	for (int i = 0; i < REGISTERS; i++)
		at = move(at, 0x89, numbers[i], i);
	*at++ = 0x9c;
	at = stack(at, 0x8f, 0, FLAGS);
	at = move(at, 0x8b, 4, STACK);
	memcpy(at, restore, sizeof restore);
}

static const uint64_t status[] = {0x1, 0x4, 0x10, 0x40, 0x80, 0x800};
static const uint64_t parts[] = {0xff, 0xff00, 0xffff0000, 0xffffffff00000000};

static uint64_t draw(void)
{
	static uint64_t seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void prepare(uint64_t *in, int special)
{
	for (int i = 0; i < REGISTERS; i++)
		in[i] = draw();
	in[FLAGS] = 0x202 | (draw() & 0x8d5);
	in[RDI] = (uintptr_t)MEMORY + USED / 4;
	in[RSI] = in[RDI] + USED / 2;
	if (draw() % 4 == 0)
		in[RCX] &= ~0xffull; /* shifts by nothing */
	if (special & REP)
		in[RCX] = draw() % 4;
	if (special & TABLE)
		in[RBX] = (uintptr_t)MEMORY;
	if (special & DIVIDE) {
		in[RDX] = 0;
		in[RAX] &= ~0xff00ull;
		in[RCX] = in[9] |= 1ull << 62 | 0x40000040;
	}
	if (special & COMPARE && draw() % 2)
		in[RAX] = in[RDX];
	if (special & SCAN && draw() % 4 == 0)
		in[RDX] = 0;
}

/* Whether it ran to its end. out has the registers, flags and a sum of the memory. */
static int run(const uint64_t *in, uint64_t *out, uint64_t lost)
{
	for (int i = 0; i < USED; i++)
		MEMORY[i] = (unsigned char)(i * 7 + 1);
	for (int i = 0; i <= FLAGS; i++)
		STATE[i] = in[i];
	if (sigsetjmp(fault, 0)) {
		__asm__ volatile("cld");
		return 0;
	}
	((void (*)(void))(uintptr_t)CODE)();
	for (int i = 0; i < REGISTERS; i++)
		out[i] = STATE[i];
	out[FLAGS] = STATE[FLAGS] & 0x8d5 & ~lost;
	out[SUM] = 0;
	for (int i = 0; i < USED; i++)
		out[SUM] = (out[SUM] ^ MEMORY[i]) * 1099511628211u;
	return 1;
}

struct seen {
	uint64_t registers, flags;
};

/* What one part of one register, or one flag, does to everything. */
static void change(const uint64_t *in, const uint64_t *out, int reg, uint64_t mask, uint64_t lost,
		   struct seen *read, struct seen *kept)
{
	uint64_t other[STACK], after[STACK], *where;
	int differs = 0;

	memcpy(other, in, sizeof other);
	other[reg] ^= draw() % 2 ? mask : draw() & mask;
	if (!run(other, after, lost))
		return;
	for (int i = 0; i < STACK; i++)
		differs |= (after[i] & ~(i == reg ? mask : 0)) != (out[i] & ~(i == reg ? mask : 0));
	if (differs || ((after[reg] ^ out[reg]) & mask &&
			(after[reg] ^ other[reg]) & mask & ~(reg == FLAGS ? lost : 0)))
		where = reg == FLAGS ? &read->flags : &read->registers;
	else if ((after[reg] ^ out[reg]) & mask)
		where = reg == FLAGS ? &kept->flags : &kept->registers;
	else
		return;
	if (reg == FLAGS)
		*where |= mask;
	for (int i = 0; i < 4 && reg != FLAGS; i++)
		if (mask == parts[i])
			*where |= 1ull << (4 * reg + i);
}

static void observe(uint64_t lost, unsigned int fixed, int special)
{
	struct seen read = {0}, kept = {0};
	uint64_t in[STACK] = {0}, out[STACK], written = 0;
	int runs = 0;

	for (int trial = 0; trial < TRIALS; trial++) {
		prepare(in, special);
		if (!run(in, out, lost))
			continue;
		runs++;
		for (int i = 0; i < REGISTERS; i++) {
			written |= (uint64_t)(in[i] != out[i]) << i;
			for (int part = 0; part < 4 && !(fixed >> i & 1); part++)
				change(in, out, i, parts[part], lost, &read, &kept);
		}
		for (int i = 0; i < 6; i++)
			change(in, out, FLAGS, status[i], lost, &read, &kept);
	}
	printf("%llx %llx %llx %llx %llx %d\n", (unsigned long long)read.registers,
	       (unsigned long long)read.flags, (unsigned long long)kept.registers,
	       (unsigned long long)kept.flags, (unsigned long long)written, runs);
}

int main(void)
{
	static char line[4096];
	void *places[] = {(void *)(uintptr_t)STATE, CODE, MEMORY};
	struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER};

	for (int i = 0; i < 3; i++)
		if (mmap(places[i], PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != places[i])
			return 1;
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	while (fgets(line, sizeof line, stdin)) {
		unsigned char code[16];
		size_t size = 0;
		char *at = line;
		unsigned int byte;

		while (size < sizeof code && *at != ' ' && sscanf(at, "%2x", &byte) == 1) {
			code[size++] = (unsigned char)byte;
			at += 2;
		}
		make(code, size);
		uint64_t lost = strtoull(at, &at, 16);
		unsigned int fixed = (unsigned int)strtoull(at, &at, 16);
		observe(lost, fixed, (int)strtoull(at, &at, 16));
	}
	return 0;
}

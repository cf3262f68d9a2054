/*
 * Runs values.c, or (with an argument) the probe of one function, and prints which registers it
 * changed. For test_header.py.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int check_values(volatile uint64_t *in);
int check_memory(volatile uint64_t *in);
int check_pointers(volatile uint64_t *in);
uint64_t (*abi_pointer(void))(uint64_t, uint64_t);
extern char add_abi[];
void probe(void (*function)(void), uint64_t registers[16]);
void helper(void);
void body(void) __asm__("helper.body");
void other_helper(void);
extern char stub[] __asm__("trash");
void wrapper(void) __asm__("trash.wrapper");

static const char *const NAMES[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
				      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static int print_changed(void (*function)(void))
{
	uint64_t before[16], after[16];

	for (unsigned i = 0; i < 16; i++)
		before[i] = 0x1234567890abcdef * (i + 3);
	memcpy(after, before, sizeof(after));
	probe(function, after);
	for (unsigned i = 0; i < 16; i++)
		if (before[i] != after[i])
			printf("%s ", NAMES[i]);
	return 0;
}

int main(int argc, char **argv)
{
	volatile uint64_t in[8] = {3, 5, 7, 0x123456789abcdef0, 11, 13, 17, 0xfedcba9876543210};
	int line = 0;

	if (argc > 1 && strcmp(argv[1], "helper") == 0)
		return print_changed(helper);
	if (argc > 1 && strcmp(argv[1], "body") == 0)
		return print_changed(body);
	if (argc > 1 && strcmp(argv[1], "stub") == 0)
		return print_changed((void (*)(void))(uintptr_t)stub);
	if (argc > 1 && strcmp(argv[1], "wrapper") == 0)
		return print_changed(wrapper);
	if (argc > 1)
		return print_changed(other_helper);
	if ((line = check_values(in)) != 0 || (line = check_memory(in)) != 0 ||
	    (line = check_pointers(in)) != 0)
		printf("values.c:%d\n", line);
	if ((char *)abi_pointer() != add_abi)
		printf("a pointer to add_abi is not its stub's address\n");
	return 0;
}

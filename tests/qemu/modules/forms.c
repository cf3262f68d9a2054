/*
 * Calls hotinlines as plain C functions, without the generated header, and refers to them in every
 * way that is no site: those must go on through the stub, and work.
 */
#include "kernel/defs.h"

void smap_disable(void);
void smap_enable(void);
uint64_t popcount64(uint64_t x);

void forms_tail(void);
void forms_close_if(bool yes);
uint64_t forms_prefixed(uint64_t x);
uint64_t forms_pointer(uint64_t x);

/* A tail call: a compiler makes it `jmp smap_enable`. */
void forms_tail(void)
{
	smap_disable();
	smap_enable();
}

/* A conditional jump to the stub. */
asm(".globl forms_close_if; .type forms_close_if, @function\n"
    "forms_close_if: testl %edi, %edi; jne smap_enable; ret\n"
    ".size forms_close_if, . - forms_close_if");

/* A call behind what may be, and here is, a prefix. */
asm(".globl forms_prefixed; .type forms_prefixed, @function\n"
    "forms_prefixed: .byte 0x2e; call popcount64; ret\n"
    ".size forms_prefixed, . - forms_prefixed");

/* A pointer in data. */
static uint64_t (*volatile count)(uint64_t) = popcount64;

uint64_t forms_pointer(uint64_t x)
{
	return count(x);
}

int _init(void)
{
	forms_tail();
	forms_close_if(false);
	forms_close_if(true);
	return forms_prefixed(7) == 3 && forms_pointer(0xff) == 8 ? 0 : 1;
}

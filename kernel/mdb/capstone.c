/*
 * The module `capstone`: Debian's Capstone, as a disassembler for the kernel's debugger (mdb_dis.c).
 * Capstone is a program's library: it uses SSE, and a stack protector that reads %fs:0x28. The
 * kernel uses neither, so both are provided here for the length of one instruction, with interrupts
 * off, and what was there before is put back. libc.c supplies the rest of what Capstone wants.
 */
#include <capstone/capstone.h>

#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

#define CANARY_SLOT (0x28 / 8) /* psABI 6.2: the stack protector's word of the thread block */

/* What a program would have: vector registers, and a thread block with a canary. */
struct loan {
	uint8_t registers[512]; /* FXSAVE's format: Intel SDM vol. 1, 10.5.1 */
	uint64_t cr0, cr4, fsbase;
	bool interrupts;
} __attribute__((aligned(16)));

static uint64_t thread_block[CANARY_SLOT + 1] = {[CANARY_SLOT] = 0x0a0dff00c5a7b1d3};
static csh handle;
static cs_insn *instruction;

static void borrow(struct loan *loan)
{
	loan->interrupts = interrupts_off();
	loan->cr0 = read_cr0();
	loan->cr4 = read_cr4();
	loan->fsbase = read_fsbase();
	write_cr0((loan->cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP);
	write_cr4(loan->cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
	asm volatile("fxsave64 %0; fninit" : "=m"(loan->registers) : : "memory");
	asm volatile("ldmxcsr %0" : : "m"((uint32_t){0x1f80})); /* all exceptions masked */
	write_fsbase((uint64_t)thread_block);
}

static void give_back(const struct loan *loan)
{
	write_fsbase(loan->fsbase);
	asm volatile("fxrstor64 %0" : : "m"(loan->registers) : "memory");
	write_cr4(loan->cr4);
	write_cr0(loan->cr0);
	interrupts_restore(loan->interrupts);
}

/* The text of the instruction at bytes; its length, 0 if those n bytes are none. */
__attribute__((force_align_arg_pointer)) static unsigned
decode(const uint8_t *bytes, size_t n, uint64_t address, char *text, size_t size)
{
	struct loan loan;
	bool ok;

	borrow(&loan);
	ok = cs_disasm_iter(handle, &bytes, &n, &address, instruction);
	give_back(&loan);
	if (!ok)
		return 0;
	ksnprintf(text, size, *instruction->op_str ? "%-6s %s" : "%s", instruction->mnemonic,
		  instruction->op_str);
	return instruction->size;
}

static const struct disassembler capstone = {"Capstone", decode};

__attribute__((force_align_arg_pointer)) int _init(void)
{
	struct loan loan;
	cs_err error;

	borrow(&loan);
	error = cs_open(CS_ARCH_X86, CS_MODE_64, &handle);
	instruction = error == CS_ERR_OK ? cs_malloc(handle) : NULL;
	give_back(&loan);
	if (!instruction) {
		kprintf("capstone: cannot be opened, error %u\n", (unsigned)error);
		return 1;
	}
	mdb_disassembler(&capstone);
	return 0;
}

int _fini(void)
{
	mdb_disassembler(NULL);
	return 0;
}

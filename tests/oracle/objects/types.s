# A field of every relocation type that krtld supports, in sections of every kind, against symbols
# of every kind. For gas; loaded by tests/oracle, never run.

	.macro every symbol
	.quad 0
	.reloc . - 8, R_X86_64_64, \symbol + 0x1234567
	.quad 0
	.reloc . - 8, R_X86_64_PC64, \symbol - 3
	.long 0, 0, 0, 0
	.reloc . - 16, R_X86_64_PC32, \symbol - 4
	.reloc . - 12, R_X86_64_PLT32, \symbol + 8
	.reloc . - 8, R_X86_64_GOTPCREL, \symbol - 4
	.reloc . - 4, R_X86_64_GOT32, \symbol
	.long 0, 0
	.reloc . - 8, R_X86_64_32, \symbol + 5
	.reloc . - 4, R_X86_64_32S, \symbol - 5
	.quad 0, 0, 0, 0, 0
	.reloc . - 40, R_X86_64_GOTOFF64, \symbol + 1
	.reloc . - 32, R_X86_64_GOT64, \symbol
	.reloc . - 24, R_X86_64_GOTPCREL64, \symbol + 24
	.reloc . - 16, R_X86_64_GOTPLT64, \symbol
	.reloc . - 8, R_X86_64_PLTOFF64, \symbol
	.long 0
	.reloc . - 4, R_X86_64_SIZE32, \symbol + 2
	.quad 0
	.reloc . - 8, R_X86_64_SIZE64, \symbol - 1
	.endm

	.macro small symbol
	.word 0, 0
	.reloc . - 4, R_X86_64_16, \symbol
	.byte 0, 0
	.reloc . - 2, R_X86_64_8, \symbol
	.endm

	.text
	.globl global
	.type global, @function
global:	nop
	.quad 0
	.reloc . - 8, R_X86_64_NONE, global
	call *outside@GOTPCREL(%rip)
	jmp *outside@GOTPCREL(%rip)
	movq outside@GOTPCREL(%rip), %r13
	movl outside@GOTPCREL(%rip), %ecx
	testq %r9, outside@GOTPCREL(%rip)
	cmpq outside@GOTPCREL(%rip), %rdi
	leaq _GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movabsq $_GLOBAL_OFFSET_TABLE_, %rax
	.reloc . - 8, R_X86_64_GOTPC64, _GLOBAL_OFFSET_TABLE_ + 2
	.word 0
	.reloc . - 2, R_X86_64_PC16, near
	.byte 0
	.reloc . - 1, R_X86_64_PC8, near
	.long 0, 0
	.reloc . - 8, R_X86_64_PC32_BND, near - 4
	.reloc . - 4, R_X86_64_PLT32_BND, outside - 4
near:	ret
	.size global, . - global

	.data
	every outside
	every global
	every weak_here
	every local
	every common
	every absolute
	every .rodata
	every nothing
	small little
	small negative

	.section .rodata
	.globl weak_here
	.weak weak_here
	.type weak_here, @object
weak_here:
	.fill 17
	.size weak_here, 17
	.balign 64
	every weak_outside

	.section .rodata
	.balign 8
	every empty

	.bss
	.fill 100
local:	.fill 5
	.size local, 5

	.section .empty, "a"
empty:

	.comm common, 48, 32
	.weak weak_outside
	.set absolute, 0x7654321
	.globl absolute
	.set little, 0x7f
	.set negative, -0x80
	.set nothing, 0

# Sections that a linker would drop, merge, sort, join or shorten, and several of one name. For gas;
# loaded by tests/oracle, never run.

	.section .rodata.str1.1, "aMS", @progbits, 1
one:	.string "same"
two:	.string "same"
	.section .rodata.cst8, "aM", @progbits, 8
	.quad 42, 42
	.quad one
	.section .data, "aw", @progbits, unique, 1
	.quad two, first
	.section .data, "aw", @progbits, unique, 2
	.quad second - .
first:	.quad 0
	.section .text.unlikely, "axG", @progbits, key, comdat
second:	ret
	jmp second
	.section .text.unlikely, "axG", @progbits, other, comdat
	call second
	.section .init_array.5, "aw", @init_array
	.quad second
	.section .ctors, "aw"
	.quad second
	.section .note.gnu.property, "a", @note
	.long 4, 16, 5
	.asciz "GNU"
	.long 0xc0000002, 4, 3, 0
	.section .note.ABI-tag, "a", @note
	.long 4, 16, 1
	.asciz "GNU"
	.long 0, 3, 2, 0
	.section .gnu.warning.second, "a"
	.string "not to be used"
	.section .gnu.linkonce.t.third, "ax"
	.quad second
	.section .gnu.linkonce.this_module, "aw"
	.quad first
	.section .eh_frame, "a", @unwind
	.long 16, 0
	.byte 1
	.asciz "zR"
	.byte 1, 0x78, 16, 1, 0x1b, 12, 7, 8, 0x90, 1, 0
	.balign 4
	.long 16, 28
	.long second - .
	.long 1
	.balign 8
	.long 0
	.section .got, "aw"
	.quad first
	.section .plt, "ax"
	.quad second
	.section .debug_info
	.quad first, second
	.byte second
	.reloc ., R_X86_64_32, first
	.section "a name, with blanks", "a"
	.quad second
	.section .discarded, "ae"
	.quad second
	.section .linked, "ao", @progbits, .text.unlikely
	.quad first

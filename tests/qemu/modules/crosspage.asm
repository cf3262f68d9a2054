; Sites that cross a page, of each form and of a wide hotinline: the first bytes are the last of one
; page, the rest the first of the next. A module of the tests; test_sites.py also links it into a
; unix of its own, whose text is patched through a second mapping.

%include "hotinline.inc"

	section .text.crosspage progbits alloc exec nowrite align=4096

; crossing NAME, BYTES, MACRO, HOTINLINE: a function of one site, BYTES of it in its first page
%macro crossing 4
	align 4096, db 0xcc
	times 4096 - %2 db 0xcc
	global %1:function (%1.end - %1)
%1:
	%3 %4
	ret
.end:
%endmacro

	crossing crosspage_call, 1, hotcall, smap_enable
	crossing crosspage_call_4, 4, hotcall, copy_bytes
	crossing crosspage_jmp, 3, hotjmp, popcount64
	crossing crosspage_wide, 6, hotcall, clean_line

	section .note.GNU-stack noalloc noexec nowrite progbits

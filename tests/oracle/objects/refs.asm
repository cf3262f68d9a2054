; What NASM can say of symbols: every size, with and without GOT and PLT, COMMON, weak, absolute. For
; NASM; loaded by tests/oracle, never run.

	bits 64
	default rel

	extern outside, other
	extern weak_outside:weak
	common shared 64:16
	common small 4

	section .text align=32
	global here:function (here.end - here)
here:
	call outside
	call outside wrt ..plt
	mov rax, [outside wrt ..gotpc]
	call [outside wrt ..gotpc]
	mov rbx, [rel weak_outside wrt ..gotpc]
	lea rdi, [shared]
	mov eax, [small]
	mov eax, outside
	mov rax, outside
	mov rcx, qword other - 8
	lea rdx, [abs table + 4 * rax]
	mov dword [rel table + 8], here.end
	jz other
	jmp other wrt ..plt
.end:
	ret

	section .data align=8
table:
	dq here, here.end, table, outside, other + 0x10, shared
	dd here, table, other
	dq outside wrt ..sym
	dd other - $
	dq weak_outside

	section .data.more write align=1
	db 1
	dq table + 1

	section .bss align=4096
room:	resb 10000

	section .rodata align=16
	dq room, room + 9999

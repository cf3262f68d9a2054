; What copy_bytes and fill_bytes call on a CPU whose byte-wise string instructions are slow: eight
; bytes at a time, then the rest. They keep every register that the hotinline does not give away.

	section .text

; copy_bytes_base: dst in rdi, src in rsi, n in rcx
	global copy_bytes_base:function (copy_bytes_base.end - copy_bytes_base)
copy_bytes_base:
	push rcx
	shr rcx, 3
	rep movsq
	pop rcx
	and ecx, 7
	rep movsb
	ret
.end:

; fill_bytes_base: dst in rdi, the byte in al, n in rcx
	global fill_bytes_base:function (fill_bytes_base.end - fill_bytes_base)
fill_bytes_base:
	push rax
	push rdx
	movzx eax, al
	mov rdx, 0x0101010101010101
	imul rax, rdx
	mov rdx, rcx
	shr rcx, 3
	rep stosq
	mov ecx, edx
	and ecx, 7
	rep stosb
	pop rdx
	pop rax
	ret
.end:

	section .note.GNU-stack noalloc noexec nowrite progbits

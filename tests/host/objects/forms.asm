; A module in assembly that refers to hotinlines of the tests' common table in every form, proven or
; not. Loaded and run by tests/host/real.c.

	bits 64
	default rel

	extern count, two, exact, wfull, wclean, wlong

	section .text

; u64 a_call(u64 x)
	global a_call:function
a_call:
	call count
	ret

; u64 a_tail_call(u64 x)
	global a_tail_call:function
a_tail_call:
	jmp count

; u64 a_conditional_call(u64 x): two(x) if x is odd, else x
	global a_conditional_call:function
a_conditional_call:
	mov rax, rdi
	test dil, 1
	jne two
	ret

; u64 a_prefixed_call(u64 x): 2e e8, as compilers make of a notrack or padded call
	global a_prefixed_call:function
a_prefixed_call:
	db 0x2e
	call two
	ret

; u64 a_prefixed_jmp(u64 x): 67 e9, as linkers make
	global a_prefixed_jmp:function
a_prefixed_jmp:
	db 0x67
	jmp two

; u64 a_rex_call(u64 x)
	global a_rex_call:function
a_rex_call:
	db 0x48
	call count
	ret

; u64 an_indirect_call(u64 x): through a pointer in data
	global an_indirect_call:function
an_indirect_call:
	call [rel pointer]
	ret

; u64 an_address_by_lea(u64 x)
	global an_address_by_lea:function
an_address_by_lea:
	lea rax, [rel count]
	call rax
	ret

; u64 an_address_by_mov(u64 x)
	global an_address_by_mov:function
an_address_by_mov:
	mov rax, count
	call rax
	ret

; u64 an_address_by_mov32(u64 x)
	global an_address_by_mov32:function
an_address_by_mov32:
	mov eax, count
	call rax
	ret

; u64 through_got(u64 x): ff 15 with GOTPCREL
	global through_got:function
through_got:
	call [rel count wrt ..got]
	ret

; u64 through_got_tail(u64 x): ff 25
	global through_got_tail:function
through_got_tail:
	jmp [rel count wrt ..got]

; u64 through_plt(u64 x)
	global through_plt:function
through_plt:
	call count wrt ..plt
	ret

; u64 a_wide_call(void): with the mark of 7 bytes
	global a_wide_call:function
a_wide_call:
	call wfull
	db 0x36, 0x90
	ret

; u64 a_wide_jmp(void)
	global a_wide_jmp:function
a_wide_jmp:
	jmp wfull
	db 0x36, 0x90

; u64 a_bare_wide_call(void): no mark, so five bytes
	global a_bare_wide_call:function
a_bare_wide_call:
	call wfull
	ret

; u64 a_loop_into_what_follows(u64 x): NOPs behind a bare call are jumped to
	global a_loop_into_what_follows:function
a_loop_into_what_follows:
	mov ecx, 3
	xor edx, edx
	jmp .next
	call wfull
.next:
	nop
	nop
	inc edx
	dec ecx
	jnz .next
	mov eax, edx
	ret

	section .text.other progbits alloc exec nowrite align=16

; u64 in_another_section(u64 x)
	global in_another_section:function
in_another_section:
	call count
	ret

	section .data

pointer:
	dq count

	section .text.last progbits alloc exec nowrite align=1

; u64 at_the_end(u64 x): the site is the section's last bytes
	global at_the_end:function
at_the_end:
	jmp count

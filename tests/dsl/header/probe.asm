; Calls functions with every general register known, for test_header.py.

	bits 64
%use altreg
	default rel
	section .text progbits alloc exec

; uint64_t other_helper: takes rbx, gives r10, may change rcx
	global other_helper:function
other_helper:
	mov	r10, rbx
	not	r10
	xor	ecx, ecx
	ret

; void probe(void (*function)(void), uint64_t registers[16]);
; Loads rax rcx rdx rbx - rbp rsi rdi r8 … r15 (in the order of their encoding, rsp left out),
; calls, and stores them all again.
	global probe:function
probe:
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
	push	rsi
	push	rdi
	mov	rax, rsi
%assign i 15
%rep 16
  %if i != 4 && i != 0
	mov	r%[i], [rax + 8 * i]
  %endif
  %assign i i - 1
%endrep
	mov	rax, [rax]
	call	[rsp]
	push	rax
	mov	rax, [rsp + 16]
%assign i 1
%rep 15
  %if i != 4
	mov	[rax + 8 * i], r%[i]
  %endif
  %assign i i + 1
%endrep
	pop	rcx
	mov	[rax], rcx
	pop	rdi
	pop	rsi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	ret

	section .note.GNU-stack noalloc noexec nowrite progbits

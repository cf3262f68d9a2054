; Where the CPU goes on an exception: a few instructions per vector, which make the stack the same
; for all and call trap() in traps.c. A fault may come out of a window onto user memory, so AC is
; cleared before any C runs.

%include "hotinline.inc"

%assign NVECTORS 32
; Vectors for which the CPU itself pushes an error code (Intel SDM vol. 3A, 6.13).
%assign HAVE_ERROR (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) \
		   | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30)

	section .text
%assign vector 0
%rep NVECTORS
trap_%+vector:
  %if (HAVE_ERROR >> vector & 1) == 0
	push 0
  %endif
	push vector
	jmp trap_common
  %assign vector vector + 1
%endrep

trap_common:
	push rax
	push rcx
	push rdx
	push rbx
	push rbp
	push rsi
	push rdi
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	cld
	hotcall smap_enable
	mov rdi, rsp
	extern trap
	call trap			; does not return
	ud2

	section .rodata
; const uint64_t trap_vectors[32];
	global trap_vectors
	align 8
trap_vectors:
%assign vector 0
%rep NVECTORS
	dq trap_%+vector
  %assign vector vector + 1
%endrep

; Where the CPU goes on an exception, an interrupt or a system call, and how it comes back. All of
; them make the same stack, a struct frame (frame.h). Whatever was interrupted may have been in a
; window onto user memory, so AC is cleared before any C runs; iretq brings it back.

%include "hotinline.inc"

%assign NVECTORS 64
; Vectors for which the CPU itself pushes an error code (Intel SDM vol. 3A, 6.13).
%assign HAVE_ERROR (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) \
		   | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30)

; struct frame, in units of 8 bytes
%assign FRAME_SIZE	22
%assign FRAME_RCX	13
%assign FRAME_RIP	17
%assign FRAME_CS	18
%assign FRAME_RSP	20
%assign VECTOR_SYSCALL	256
%assign USER_DATA	24 | 3
%assign USER_CODE	32 | 3

%macro push_registers 0
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
%endmacro

%macro pop_registers 0
	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rdi
	pop rsi
	pop rbp
	pop rbx
	pop rdx
	pop rcx
	pop rax
%endmacro

	section .text
%assign vector 0
%rep NVECTORS
trap_%+vector:
  %if vector > 31 || (HAVE_ERROR >> vector & 1) == 0
	push 0
  %endif
	push vector
	jmp trap_common
  %assign vector vector + 1
%endrep

trap_common:
	push_registers
	cld
	hotcall smap_enable
	test byte [rsp + FRAME_CS * 8], 3
	jz .on_its_stack
	; From user mode all go on with the thread's own stack, on which it may also end; only those
	; with an interrupt stack are not there yet.
	mov rdi, [rel kernel_stack]
	sub rdi, FRAME_SIZE * 8
	cmp rdi, rsp
	je .on_its_stack
	mov rsi, rsp
	mov rdx, rdi
	mov ecx, FRAME_SIZE
	rep movsq
	mov rsp, rdx
.on_its_stack:
	mov rdi, rsp
	; What a function's prologue leaves, for stack_trace(): the interrupted function called us.
	push qword [rdi + FRAME_RIP * 8]
	push rbp
	mov rbp, rsp
	extern trap
	call trap
	add rsp, 16

	jmp trap_return

; void trap_leave(struct frame *frame) __attribute__((noreturn));
; For a frame that no trap made: how a process begins.
	global trap_leave
trap_leave:
	mov rsp, rdi
trap_return:
	pop_registers
	add rsp, 16			; vector and error
	iretq

; A non-maskable interrupt while unix is patched, and the stubs above may be half written: there is
; no site in here, and no window can be open yet.
	global trap_nmi_early
trap_nmi_early:
	lock inc qword [rel nmi_early]
	iretq

; A CPU at rest (cpus.c): its non-maskable interrupts are counted; it does nothing that could be an
; exception.
	global trap_nmi_rest
trap_nmi_rest:
	lock inc qword [rel nmi_rest]
	iretq

	global trap_rest
trap_rest:
	and rsp, -16
	extern cpu_rest_trap
	call cpu_rest_trap

; SYSCALL comes here: rcx = the user's rip, r11 = its flags, and of the flags what SFMASK says is
; clear: IF, and AC with it.
	global syscall_entry
syscall_entry:
	mov [rel user_rsp], rsp
	mov rsp, [rel kernel_stack]
	push USER_DATA
	push qword [rel user_rsp]
	push r11
	push USER_CODE
	push rcx
	push 0
	push VECTOR_SYSCALL
	push_registers
	mov rdi, rsp
	push rcx
	push rbp
	mov rbp, rsp
	extern syscall
	call syscall
	add rsp, 16
	cli
	; SYSRET to an address that is not canonical would fault in ring 0 on the user's stack (Intel
	; SDM vol. 2B); syscall() lets none come back, and neither does this.
	mov rcx, [rsp + FRAME_RIP * 8]
	shr rcx, 47
	jnz trap_return
	pop_registers
	mov rcx, [rsp + (FRAME_RIP - 15) * 8]
	mov r11, [rsp + (FRAME_RIP + 2 - 15) * 8]
	mov rsp, [rsp + (FRAME_RSP - 15) * 8]
	o64 sysret

	section .rodata
; const uint64_t trap_vectors[NVECTORS];
	global trap_vectors
	align 8
trap_vectors:
%assign vector 0
%rep NVECTORS
	dq trap_%+vector
  %assign vector vector + 1
%endrep

	section .bss
; uint64_t kernel_stack: where the current thread's kernel stack begins
	global kernel_stack
	alignb 8
kernel_stack:	resq 1
user_rsp:	resq 1
; uint64_t nmi_early: how many came while unix was patched
	global nmi_early
nmi_early:	resq 1
; uint64_t nmi_rest: how many came to CPUs at rest
	global nmi_rest
nmi_rest:	resq 1

	section .note.GNU-stack noalloc noexec nowrite progbits

; What saves and restores the state of C functions: thread switches, and the way back out of a fault
; on a user address.

%assign THREAD_ONFAULT	8		; struct thread
%assign LABEL_PREVIOUS	64		; struct label

	section .text

; void thread_switch(uint64_t *save, uint64_t restore);
; The flags go along: a thread that gave up the CPU with a window open finds it open again, and no
; other thread does.
	global thread_switch:function (thread_switch.end - thread_switch)
thread_switch:
	pushfq
	push rbx
	push rbp
	push r12
	push r13
	push r14
	push r15
	mov [rdi], rsp
	mov rsp, rsi
	pop r15
	pop r14
	pop r13
	pop r12
	pop rbp
	pop rbx
	popfq
	ret
.end:

; A new thread's first instruction: its function is in r12, the argument in r13.
	global thread_first
thread_first:
	xor ebp, ebp
	mov rdi, r13
	extern thread_run
	mov rsi, r12
	call thread_run			; does not return
	ud2

; int on_fault(struct label *label);
	global on_fault:function (on_fault.end - on_fault)
on_fault:
	mov [rdi], rbx
	mov [rdi + 8], rbp
	mov [rdi + 16], r12
	mov [rdi + 24], r13
	mov [rdi + 32], r14
	mov [rdi + 40], r15
	lea rax, [rsp + 8]
	mov [rdi + 48], rax
	mov rax, [rsp]
	mov [rdi + 56], rax
	extern current
	mov rax, [rel current]
	mov rcx, [rax + THREAD_ONFAULT]
	mov [rdi + LABEL_PREVIOUS], rcx
	mov [rax + THREAD_ONFAULT], rdi
	xor eax, eax
	ret
.end:

	section .note.GNU-stack noalloc noexec nowrite progbits

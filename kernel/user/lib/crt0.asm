; Where a user program begins: the number of arguments is at rsp, after it the arguments' addresses
; and a null (psABI, 3.4.1). Calls main(argc, argv); what that returns is the exit status.

	section .text
	global _start:function
_start:
	xor ebp, ebp
	mov rdi, [rsp]
	lea rsi, [rsp + 8]
	and rsp, -16
	extern main
	call main
	mov edi, eax
	extern exit
	call exit			; does not return
	ud2

	section .note.GNU-stack noalloc noexec nowrite progbits

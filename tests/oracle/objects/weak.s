# Instructions that read an undefined weak symbol's slot of the GOT: all that a linker may rewrite
# (psABI, B.2), and some that it may not. For gas; loaded by tests/oracle, never run.

	.weak absent
	.text
	nop
	nop
	nop
	.macro each register, long
	movq absent@GOTPCREL(%rip), %\register
	movl absent@GOTPCREL(%rip), %\long
	testq %\register, absent@GOTPCREL(%rip)
	testl %\long, absent@GOTPCREL(%rip)
	addq absent@GOTPCREL(%rip), %\register
	orl absent@GOTPCREL(%rip), %\long
	adcq absent@GOTPCREL(%rip), %\register
	sbbl absent@GOTPCREL(%rip), %\long
	andq absent@GOTPCREL(%rip), %\register
	subl absent@GOTPCREL(%rip), %\long
	xorq absent@GOTPCREL(%rip), %\register
	cmpl absent@GOTPCREL(%rip), %\long
	imulq absent@GOTPCREL(%rip), %\register
	cmovzq absent@GOTPCREL(%rip), %\register
	.endm
	each rax, eax
	each rbp, ebp
	each r8, r8d
	each r15, r15d
	call *absent@GOTPCREL(%rip)
	jmp *absent@GOTPCREL(%rip)
	notrack jmp *absent@GOTPCREL(%rip)
	push absent@GOTPCREL(%rip)
	lea absent@GOTPCREL(%rip), %rdi
	call absent
	call absent@PLT
	jz absent
	.data
	.quad absent, absent + 7, absent - .
	.long absent@GOTPCREL, absent@GOT

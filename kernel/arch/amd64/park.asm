; How another CPU comes up: in real mode, at a page below 1 MiB that cpus.c has copied this to; from
; there straight to long mode with the first CPU's control registers, and out of this page, which does
; not stay, to cpu_rest(). Nothing in here may be relocated: addresses are offsets from park_start
; plus PARK_PAGE. It has no interrupt table, and no non-maskable interrupt can come: INIT masks LINT1
; (Intel SDM vol. 3A, 10.4.7), and we send none.

PARK_PAGE	equ 0x8000		; cpus.c
EFER		equ 0xc0000080
EFER_LMA	equ 1 << 10
CR0_PE		equ 1

%define at(label) (PARK_PAGE + label - park_start)

	section .rodata
	align 16
; const uint8_t park_start[];
	global park_start
	bits 16
park_start:
	cli
	xor ax, ax
	mov ds, ax
	o32 lgdt [at(park_gdt.pointer)]
	mov eax, cr0
	or al, CR0_PE
	mov cr0, eax
	jmp dword 8:at(.protected)

	bits 32
.protected:
	mov ax, 16
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov eax, [at(park_cr4)]
	mov cr4, eax
	mov eax, [at(park_cr3)]
	mov cr3, eax
	mov ecx, EFER
	mov eax, [at(park_efer)]
	and eax, ~EFER_LMA
	xor edx, edx
	wrmsr
	mov eax, [at(park_cr0)]
	mov cr0, eax
	jmp dword 24:at(.long)

	bits 64
.long:
	mov rsp, [abs at(park_stack)]
	xor ebp, ebp
	call [abs at(park_rest)]	; does not return
	ud2

	align 8
park_gdt:
	dq 0
	dq 0x00cf9b000000ffff		; code, 32-bit
	dq 0x00cf93000000ffff		; data
	dq 0x00af9b000000ffff		; code, 64-bit
.pointer:
	dw $ - park_gdt - 1
	dd at(park_gdt)

	align 8
; struct park (cpus.c), which is at the end
park_cr0:	dq 0
park_cr3:	dq 0
park_cr4:	dq 0
park_efer:	dq 0
park_stack:	dq 0
park_rest:	dq 0
park_end:

; const uint64_t park_size;
	global park_size
park_size:	dq park_end - park_start

	section .note.GNU-stack noalloc noexec nowrite progbits

; Where the machine's firmware or GRUB leaves the CPU: in 32-bit protected mode, paging off, ebx =
; physical address of what it tells us. That is struct hvm_start_info at the PVH entry (Xen
; docs/misc/pvh.pandoc), which QEMU's -kernel uses, and the boot information at the multiboot2 entry
; (multiboot2 specification 3.3), which the ISO uses. We make an identity map of the first 4 GiB
; with 2 MiB pages, enter long mode, and call boot_main() in boot.c.
;
; A non-maskable interrupt may come at any time, and without an interrupt table it is a triple fault.
; So the first thing that is done is to load one: what came before unix has a table of its own is
; counted, and unix decides what that means (traps.c); every exception is a panic that says where. Open
; is what only the firmware could close: the five instructions from pvh_start (four from
; multiboot2_start) to load_early_idt.

COM1		equ 0x3f8
DEBUG_EXIT	equ 0xf4
VERDICT_PANIC	equ 0x12		; kernel/defs.h

CR0_WP_PG	equ (1 << 31) | (1 << 16)
CR4_PAE		equ 1 << 5
EFER		equ 0xc0000080		; LME, NXE: Intel SDM vol. 4
EFER_LME	equ 1 << 8
EFER_NXE	equ 1 << 11
PTE_P_W		equ 3
PTE_P_W_PS	equ 0x83

EARLY		equ 0x100000		; where boot.ld puts section .early
CODE64		equ 8			; as in unix (arch/amd64/amd64.h): its GDT comes before its IDT
DATA		equ 16
CODE32		equ 24
GATE		equ 0x8e		; present, interrupt gate, for ring 0
%assign NEXCEPTIONS 32
; Exceptions for which the CPU itself pushes an error code (Intel SDM vol. 3A, 6.13).
%assign HAVE_ERROR (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) \
		   | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30)
%assign NMI 2

MULTIBOOT2	equ 0xe85250d6		; the header's magic number: specification 3.1.1
MULTIBOOT2_I386	equ 0
TAG_END		equ 0
TAG_ENTRY	equ 3
TAG_ALIGN	equ 6			; modules begin at pages

	section .multiboot2 alloc noexec nowrite align=8
multiboot2_header:
	dd MULTIBOOT2, MULTIBOOT2_I386, .end - multiboot2_header
	dd -(MULTIBOOT2 + MULTIBOOT2_I386 + .end - multiboot2_header)
	dw TAG_ENTRY, 0
	dd 12, multiboot2_start
	align 8, db 0
	dw TAG_ALIGN, 0
	dd 8
	dw TAG_END, 0
	dd 8
.end:

	section .note.pvh alloc noexec nowrite align=4
	dd 4, 8, 18			; sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dq pvh_start

	section .early alloc exec nowrite progbits align=16
	global boot_early
boot_early:
	bits 32
	global pvh_start
pvh_start:
	xor eax, eax
multiboot2_start:			; eax = MULTIBOOT2_MAGIC: boot.h
	mov esp, boot_stack_top
	lgdt [boot_gdt.pointer]
	jmp CODE32:load_early_idt
	global load_early_idt
load_early_idt:
	lidt [early_idt.pointer]
	mov ebp, eax
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	mov edi, ebx			; boot_main's arguments; cpuid overwrites ebx
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb no_long_mode
	mov eax, 0x80000001
	cpuid
	bt edx, 29			; long mode (AMD APM vol. 3, Fn8000_0001)
	jnc no_long_mode
	mov esi, edx

	mov dword [boot_root], boot_pdpt + PTE_P_W
	xor ecx, ecx
.link_directories:
	mov eax, ecx
	shl eax, 12
	add eax, boot_directories + PTE_P_W
	mov [boot_pdpt + ecx * 8], eax
	inc ecx
	cmp ecx, 4
	jb .link_directories
	xor ecx, ecx
.fill_directories:
	mov eax, ecx
	shl eax, 21
	or eax, PTE_P_W_PS
	mov [boot_directories + ecx * 8], eax
	inc ecx
	cmp ecx, 4 * 512
	jb .fill_directories

	global tables_made
tables_made:
	mov eax, CR4_PAE
	mov cr4, eax
	mov eax, boot_root
	mov cr3, eax
	mov ecx, EFER
	rdmsr
	or eax, EFER_LME
	bt esi, 20			; NX
	jnc .set_efer
	or eax, EFER_NXE
.set_efer:
	wrmsr
	mov eax, cr0
	or eax, CR0_WP_PG
	mov cr0, eax
	global enter_long_mode
enter_long_mode:
	jmp CODE64:long_mode

no_long_mode:
	mov esi, no_long_mode_text
	call put
	jmp panic

; Puts the text at esi.
put:
	lodsb
	test al, al
	jz .done
	mov dx, COM1
	out dx, al			; some 100 bytes; QEMU's UART is never busy
	jmp put
.done:
	ret

; Puts ebx as eight hexadecimal digits.
put_hex:
	mov ecx, 8
.digit:
	rol ebx, 4
	mov eax, ebx
	and eax, 15
	mov al, [hex_digits + eax]
	mov dx, COM1
	out dx, al
	loop .digit
	ret

panic:
	mov esi, verdict_text
	call put
	mov eax, VERDICT_PANIC
	mov dx, DEBUG_EXIT
	out dx, eax
.halt:
	cli
	hlt
	jmp .halt

; Exceptions in 32-bit mode: each entry pushes its vector, after an error code.
%assign vector 0
%rep NEXCEPTIONS
early32_%+vector:
  %if vector == NMI
	lock inc dword [boot_nmis]
	iretd
  %else
    %if (HAVE_ERROR >> vector & 1) == 0
	push 0
    %endif
	push vector
	jmp early32
  %endif
  %assign vector vector + 1
%endrep

early32:
	cld
	mov esi, exception_text
	call put
	pop ebx
	call put_hex
	mov esi, error_text
	call put
	pop ebx
	call put_hex
	mov esi, at_text
	call put
	pop ebx
	call put_hex
	jmp panic

	bits 64
; Exceptions in 64-bit mode: likewise, for boot_trap() in boot.c, which does not return.
%assign vector 0
%rep NEXCEPTIONS
early64_%+vector:
  %if vector == NMI
	lock inc dword [rel boot_nmis]
	iretq
  %else
    %if (HAVE_ERROR >> vector & 1) == 0
	push 0
    %endif
	push vector
	jmp early64
  %endif
  %assign vector vector + 1
%endrep

early64:
	cld
	mov rdi, rsp
	and rsp, -16
	extern boot_trap
	call boot_trap

	global long_mode
long_mode:
	lidt [boot_idt.pointer]
	mov eax, DATA
	mov ds, eax
	mov es, eax
	mov ss, eax
	xor eax, eax
	mov fs, eax
	mov gs, eax
	mov edi, edi
	mov esi, ebp
	xor ebp, ebp
	extern boot_main
	call boot_main			; does not return

; void boot_enter(const struct bootinfo *info, uint64_t entry, uint64_t stack);
	global boot_enter
boot_enter:
	mov rsp, rdx
	xor ebp, ebp
	call rsi			; does not return
	ud2

	section .rodata
no_long_mode_text:
	db "panic[boot]: this CPU has no long mode: choose a 64-bit one", 0
exception_text:
	db "panic[boot]: exception 0x", 0
error_text:
	db ", error 0x", 0
at_text:
	db ", in 32-bit mode at 0x", 0
verdict_text:
	db 13, 10, "hotinline: verdict panic", 13, 10, 0
hex_digits:
	db "0123456789abcdef"

	align 8
boot_gdt:
	dq 0
	dq 0x00af9b000000ffff		; code: 64-bit, present, ring 0
	dq 0x00cf93000000ffff		; data
	dq 0x00cf9b000000ffff		; code: 32-bit
.pointer:
	dw $ - boot_gdt - 1
	dd boot_gdt

; gate32 LABEL, gate64 LABEL: an interrupt gate (Intel SDM vol. 3A, figures 6-2 and 6-8). All labels are
; in section .early, whose address is known: only so is a gate a constant.
%macro gate32 1
	dw (EARLY + %1 - boot_early) & 0xffff, CODE32, GATE << 8, (EARLY + %1 - boot_early) >> 16
%endmacro
%macro gate64 1
	dw (EARLY + %1 - boot_early) & 0xffff, CODE64, GATE << 8, (EARLY + %1 - boot_early) >> 16
	dq 0
%endmacro

; From the instruction that switches paging on the CPU reads this table as 64-bit gates, of 16 bytes
; each, and nothing can load another at the same moment. So it is both: gate n of 32-bit mode is at 8 n,
; that of 64-bit mode at 16 n. Where the 64-bit gates of NMI, #df, #gp and #pf are, 32-bit mode has
; #of, #br, #mf, #ac and reserved ones, none of which can come.
	align 16
early_idt:
%assign vector 0
%rep NEXCEPTIONS
  %if vector == NMI * 2
	gate64 early64_2
  %elif vector == 8 * 2
	gate64 early64_8
  %elif vector == 13 * 2
	gate64 early64_13
  %elif vector == 14 * 2
	gate64 early64_14
  %elif vector != NMI * 2 + 1 && vector != 17 && vector != 27 && vector != 29
	gate32 early32_%+vector
  %endif
  %assign vector vector + 1
%endrep
.pointer:
	dw $ - early_idt - 1
	dd early_idt

	align 16
boot_idt:
%assign vector 0
%rep NEXCEPTIONS
	gate64 early64_%+vector
  %assign vector vector + 1
%endrep
.pointer:
	dw $ - boot_idt - 1
	dq boot_idt

	section .data
; uint32_t boot_nmis: non-maskable interrupts so far
	global boot_nmis
	align 4
boot_nmis:	dd 0

	section .bss
	alignb 4096
	global boot_root
boot_root:	resb 4096
boot_pdpt:	resb 4096
boot_directories: resb 4 * 4096
boot_stack:	resb 16384
boot_stack_top:

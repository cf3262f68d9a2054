; Where the machine's firmware or GRUB leaves the CPU: in 32-bit protected mode, paging off, ebx =
; physical address of what it tells us. That is struct hvm_start_info at the PVH entry (Xen
; docs/misc/pvh.pandoc), which QEMU's -kernel uses, and the boot information at the multiboot2 entry
; (multiboot2 specification 3.3), which the ISO uses. We make an identity map of the first 4 GiB
; with 2 MiB pages, enter long mode, and call boot_main() in boot.c.

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

	section .text
	bits 32
multiboot2_start:
	mov ebp, eax			; MULTIBOOT2_MAGIC: boot.h
	jmp start

	global pvh_start
pvh_start:
	xor ebp, ebp
start:
	mov esp, boot_stack_top
	mov edi, ebx			; boot_main's arguments; cpuid overwrites ebx
	mov eax, 0x80000000
	cpuid
	cmp eax, 0x80000001
	jb .no_long_mode
	mov eax, 0x80000001
	cpuid
	bt edx, 29			; long mode (AMD APM vol. 3, Fn8000_0001)
	jnc .no_long_mode
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
	lgdt [boot_gdt.pointer]
	jmp 8:long_mode

.no_long_mode:
	mov esi, no_long_mode_text
	mov dx, COM1
.put:
	lodsb
	test al, al
	jz .panic
	out dx, al			; 70 bytes; QEMU's UART is never busy
	jmp .put
.panic:
	mov eax, VERDICT_PANIC
	mov dx, DEBUG_EXIT
	out dx, eax
.halt:
	cli
	hlt
	jmp .halt

	bits 64
long_mode:
	mov eax, 16
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
	db "panic[boot]: this CPU has no long mode: choose a 64-bit one", 13, 10
	db "hotinline: verdict panic", 13, 10, 0

	align 8
boot_gdt:
	dq 0
	dq 0x00af9b000000ffff		; code: 64-bit, present, ring 0
	dq 0x00cf93000000ffff		; data
.pointer:
	dw $ - boot_gdt - 1
	dd boot_gdt

	section .bss
	alignb 4096
	global boot_root
boot_root:	resb 4096
boot_pdpt:	resb 4096
boot_directories: resb 4 * 4096
boot_stack:	resb 16384
boot_stack_top:

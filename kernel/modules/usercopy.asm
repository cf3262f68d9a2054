; A module in assembly: moves bytes into or out of user memory, inside a window that it closes by a
; tail call. The pointers are the caller's business; a page that is not mapped is a panic.

; window.c calls both functions: they are exported.

%include "hotinline.inc"

	section .text

; void user_copy(void *to, const void *from, uint64_t n);
	global user_copy:function (user_copy.end - user_copy)
user_copy:
	mov rcx, rdx
	hotcall smap_disable
	hotcall copy_bytes
	hotjmp smap_enable
.end:

; void user_fill(void *to, uint8_t byte, uint64_t n);
	global user_fill:function (user_fill.end - user_fill)
user_fill:
	mov eax, esi
	mov rcx, rdx
	hotcall smap_disable
	hotcall fill_bytes
	hotjmp smap_enable
.end:

	section .note.GNU-stack noalloc noexec nowrite progbits

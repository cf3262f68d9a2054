; Sites that cross a page: the last bytes of one page and the first of the next. A module of the tests,
; and linked into a unix of the tests too (as page_unix): PEERS 16.

%include "hotinline.inc"

	section .text.page exec align=4096
%macro crossing 2				; hotinline, bytes in the first page
	align 4096, int3
	times 4096 - %2 int3
	hotinline %1
	ret
%endmacro

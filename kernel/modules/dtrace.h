/* The device /dev/dtrace: its ioctls, for user/dtest.c. The argument is the address of a request. */
#ifndef HOTINLINE_KERNEL_DTRACE_H
#define HOTINLINE_KERNEL_DTRACE_H

#include <stdint.h>

#define DTRACE_MAX 256u /* bytes of a request */

enum dtrace_command {
	DTRACE_COPY,    /* n bytes from .. to; 0 */
	DTRACE_COPYSTR, /* a string of at most n bytes with its NUL, cut if longer; its length */
	DTRACE_FUWORD8, /* from a word, to 8 bytes; 0 */
	DTRACE_FUWORD16,
	DTRACE_FUWORD32,
	DTRACE_FUWORD64,
};

struct dtrace_request {
	uint64_t from; /* both are addresses of the program */
	uint64_t to;
	uint64_t n;
};
_Static_assert(sizeof(struct dtrace_request) == 24, "both sides of the system call read it");

#endif

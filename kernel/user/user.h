/* What user programs include: system calls, and the little that lib/user.c has. Results of system
 * calls below 0 are errors: -E…. */
#ifndef HOTINLINE_KERNEL_USER_H
#define HOTINLINE_KERNEL_USER_H

#include "kernel/defs.h"

/* A system call with whatever arguments, for programs that try what the kernel makes of them. */
static inline long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

void exit(int status) __attribute__((noreturn));

static inline long write(int file, const void *bytes, size_t n)
{
	return syscall(SYS_write, file, (long)bytes, (long)n, 0, 0, 0);
}

static inline long read(int file, void *bytes, size_t n)
{
	return syscall(SYS_read, file, (long)bytes, (long)n, 0, 0, 0);
}

static inline int open(const char *path)
{
	return (int)syscall(SYS_open, (long)path, 0, 0, 0, 0, 0);
}

static inline int close(int file)
{
	return (int)syscall(SYS_close, file, 0, 0, 0, 0, 0);
}

static inline long ioctl(int file, unsigned command, uint64_t argument)
{
	return syscall(SYS_ioctl, file, command, (long)argument, 0, 0, 0);
}

static inline int getpid(void)
{
	return (int)syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline int spawn(const char *path, char *const argv[])
{
	return (int)syscall(SYS_spawn, (long)path, (long)argv, 0, 0, 0, 0);
}

static inline int wait(int pid, int *status)
{
	return (int)syscall(SYS_wait, pid, (long)status, 0, 0, 0, 0);
}

/* An address, or an error as a number. */
static inline long mmap(uint64_t at, size_t n, int prot)
{
	return syscall(SYS_mmap, (long)at, (long)n, prot, 0, 0, 0);
}

static inline int munmap(uint64_t at, size_t n)
{
	return (int)syscall(SYS_munmap, (long)at, (long)n, 0, 0, 0, 0);
}

/* lib/user.c */
bool check(bool ok, const char *what, long value); /* prints `WRONG: what: value` if not ok */
uint64_t random(uint64_t *state);                  /* xorshift64; the state must not be 0 */

int main(int argc, char **argv);

#endif

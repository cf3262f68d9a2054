/*
 * System calls, as the kernel and user programs know them: the number in rax, up to six arguments
 * in rdi rsi rdx r10 r8 r9, the result in rax, `syscall`; rcx and r11 are lost. A result from -4095
 * to -1 is an error, a negated E….
 */
#ifndef HOTINLINE_KERNEL_SYSCALL_H
#define HOTINLINE_KERNEL_SYSCALL_H

enum syscall {
	SYS_exit,      /* (int status): does not return */
	SYS_write,     /* (int file, const void *bytes, size_t n): how many */
	SYS_read,      /* (int file, void *bytes, size_t n): how many; 0: the end */
	SYS_open,      /* (const char *path): a file's number; /dev/NAME, or of the archive */
	SYS_close,     /* (int file) */
	SYS_ioctl,     /* (int file, unsigned command, uint64_t argument): the device's answer */
	SYS_getpid,    /* () */
	SYS_yield,     /* () */
	SYS_nanosleep, /* (const uint64_t *nanoseconds) */
	SYS_spawn,     /* (const char *path, char *const argv[]): the child's process number */
	SYS_wait,      /* (int pid, int *status): pid; status may be NULL; pid 0: any child */
	SYS_mmap,      /* (void *at, size_t n, int prot): address; at NULL: the kernel chooses */
	SYS_munmap,    /* (void *at, size_t n) */
	SYS_time,      /* (uint64_t *nanoseconds): since boot */
	SYS_kill,      /* (int pid) */
	NSYSCALLS,
};

/* The kernel's own error numbers are the usual ones. */
enum {
	EPERM = 1,
	ENOENT = 2,
	ESRCH = 3,
	EINTR = 4,
	EIO = 5,
	E2BIG = 7,
	ENOEXEC = 8,
	EBADF = 9,
	ECHILD = 10,
	EAGAIN = 11,
	ENOMEM = 12,
	EFAULT = 14,
	EBUSY = 16,
	EEXIST = 17,
	ENODEV = 19,
	EINVAL = 22,
	EMFILE = 24,
	ENOTTY = 25,
	EFBIG = 27,
	ENAMETOOLONG = 36,
	ENOSYS = 38,
};

/* For SYS_mmap. Never writable and executable at once. */
enum {
	MAP_READ = 1,
	MAP_WRITE = 2,
	MAP_EXECUTE = 4,
};

/* A process that was killed ends with this, plus the number of the exception. */
#define STATUS_KILLED 128

#endif

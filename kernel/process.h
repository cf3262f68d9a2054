/* Processes, for the files of the kernel that make them and serve them: process.c, file.c, syscall.c. */
#ifndef HOTINLINE_KERNEL_PROCESS_H
#define HOTINLINE_KERNEL_PROCESS_H

#include "kernel/defs.h"

#define NFILES    16
#define NAME_SIZE 32
#define ARGS_SIZE PAGE_SIZE /* bytes of all arguments of a program, with their NULs */

/* Open: a device, or a file of the archive. */
struct file {
	struct device *device;
	struct archive content;
	size_t position; /* in content */
	bool open;
};

struct process {
	struct process *next; /* all of them */
	struct thread *thread;
	int pid;
	int parent; /* its pid; 0: the prompt */
	int status; /* once it is a zombie: for the one who waits */
	bool zombie;
	bool killed;     /* it ends before it is back in user mode */
	uint64_t entry;  /* its first instruction, and .. */
	uint64_t stack;  /* .. its stack pointer then */
	uint64_t mapped; /* SYS_mmap looks for free addresses from here on */
	char name[NAME_SIZE];
	struct file files[NFILES];
};
_Static_assert(sizeof(struct process) <= PAGE_SIZE, "process_spawn() takes one page for it");

/* The arguments of a program, one after the other. */
struct arguments {
	unsigned n;
	size_t size;
	char bytes[ARGS_SIZE - 16];
};
_Static_assert(sizeof(struct arguments) <= PAGE_SIZE, "one page is taken for it");

int process_spawn(const char *path, const struct arguments *arguments);

/* elf.c */
int user_map(uint64_t start, uint64_t size, enum prot prot);
void user_put(uint64_t to, const void *from, size_t n);
int elf_load(const struct archive *file, uint64_t *entry);

/* file.c */
int file_open(const char *path);
int file_close(int number);
void files_close(struct process *process);
long file_read(int number, uint64_t to, size_t n);
long file_write(int number, uint64_t from, size_t n);
long file_ioctl(int number, unsigned command, uint64_t argument);

#endif

/*
 * System calls: a table of functions, each with the six arguments that a program may have put into
 * its registers. trap_entry.asm calls syscall(), with interrupts and AC off. No function here
 * touches users' memory but through uaccess.c.
 */
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/process.h"

#define PATH_SIZE 128
#define ARGC_MAX  64
#define SLEEP_MAX (1000000000ul * 86400)

/* trap_entry.asm */
void syscall_entry(void);
void syscall(struct frame *frame);

static long sys_exit(const uint64_t *a)
{
	process_exit((int)(a[0] & 0xff));
}

static long sys_write(const uint64_t *a)
{
	return file_write((int)a[0], a[1], a[2]);
}

static long sys_read(const uint64_t *a)
{
	return file_read((int)a[0], a[1], a[2]);
}

static long sys_open(const uint64_t *a)
{
	char path[PATH_SIZE];
	int error = copyinstr(a[0], path, sizeof(path), NULL);

	return error ? error : file_open(path);
}

static long sys_close(const uint64_t *a)
{
	return file_close((int)a[0]);
}

static long sys_ioctl(const uint64_t *a)
{
	return file_ioctl((int)a[0], (unsigned)a[1], a[2]);
}

static long sys_getpid(const uint64_t *a)
{
	(void)a;
	return process_pid();
}

static long sys_yield(const uint64_t *a)
{
	(void)a;
	thread_yield();
	return 0;
}

static long sys_nanosleep(const uint64_t *a)
{
	uint64_t nanoseconds, end;
	int error = fuword64(a[0], &nanoseconds);

	if (error)
		return error;
	if (nanoseconds > SLEEP_MAX)
		return -EINVAL;
	end = time_now() + nanoseconds;
	while (time_now() < end && !process_killed())
		thread_wait(&end, end);
	return process_killed() ? -EINTR : 0;
}

/* The strings of a program's argument vector, which ends with NULL. */
static int copy_arguments(uint64_t vector, struct arguments *to)
{
	for (;; vector += 8) {
		uint64_t string;
		size_t n;
		int error = fuword64(vector, &string);

		if (error)
			return error;
		if (!string)
			return 0;
		if (to->n == ARGC_MAX || to->size == sizeof(to->bytes))
			return -E2BIG;
		error = copyinstr(string, to->bytes + to->size, sizeof(to->bytes) - to->size, &n);
		if (error)
			return error == -ENAMETOOLONG ? -E2BIG : error;
		to->size += n;
		to->n++;
	}
}

static long sys_spawn(const uint64_t *a)
{
	char path[PATH_SIZE];
	int error = copyinstr(a[0], path, sizeof(path), NULL);
	uint64_t page = error ? 0 : page_alloc();
	struct arguments *arguments = page ? physmap(page) : NULL;
	long result;

	if (error)
		return error;
	if (!arguments)
		return -ENOMEM;
	error = copy_arguments(a[1], arguments);
	result = error ? error : process_spawn(path, arguments);
	page_free(page);
	return result;
}

/* The address is looked at first: a status that cannot be written must not be lost. */
static long sys_wait(const uint64_t *a)
{
	uint32_t probe;
	int status = 0, result;

	if (a[1] && (fuword32(a[1], &probe) || suword32(a[1], probe)))
		return -EFAULT;
	if ((int)a[0] < 0)
		return -EINVAL;
	result = process_wait((int)a[0], &status);
	if (result > 0 && a[1] && suword32(a[1], (uint32_t)status))
		return -EFAULT;
	return result;
}

/* Whether n bytes there can be whole pages of a user's; *size: of those. */
static bool map_range(uint64_t at, size_t n, uint64_t *size)
{
	if (!n || at & PAGE_MASK || at < USER_START || !user_range(at, n))
		return false;
	*size = (n + PAGE_MASK) & ~PAGE_MASK;
	return true;
}

static void unmap(uint64_t at, uint64_t size)
{
	uint64_t physical, end = at + size;

	while ((at = paging_next(at, end)) < end) {
		if (paging_lookup(at, &physical, NULL)) {
			paging_unmap(at);
			page_free(physical);
		}
		at += PAGE_SIZE;
	}
}

static long sys_mmap(const uint64_t *a)
{
	struct process *process = current->process;
	uint64_t at = a[0] ? a[0] : process->mapped, size;
	enum prot prot = a[2] & MAP_EXECUTE ? PROT_USER_RX
			 : a[2] & MAP_WRITE ? PROT_USER_RW
					    : PROT_USER_R;
	int error;

	if (!a[2] || a[2] > 7 || (a[2] & (MAP_WRITE | MAP_EXECUTE)) == (MAP_WRITE | MAP_EXECUTE))
		return -EINVAL;
	if (!map_range(at, a[1], &size))
		return -EINVAL;
	if (size / PAGE_SIZE > pages.nfree)
		return -ENOMEM;
	if (paging_next(at, at + size) < at + size)
		return a[0] ? -EEXIST : -ENOMEM;
	error = user_map(at, size, prot);
	if (error) {
		unmap(at, size);
		return error;
	}
	if (!a[0])
		process->mapped += size + PAGE_SIZE;
	return (long)at;
}

static long sys_munmap(const uint64_t *a)
{
	uint64_t size;

	if (!map_range(a[0], a[1], &size))
		return -EINVAL;
	unmap(a[0], size);
	return 0;
}

static long sys_time(const uint64_t *a)
{
	return suword64(a[0], time_now());
}

static long sys_kill(const uint64_t *a)
{
	return process_kill((int)a[0]);
}

static const struct {
	const char *name;
	long (*run)(const uint64_t *arguments);
} calls[NSYSCALLS] = {
    [SYS_exit] = {"exit", sys_exit},
    [SYS_write] = {"write", sys_write},
    [SYS_read] = {"read", sys_read},
    [SYS_open] = {"open", sys_open},
    [SYS_close] = {"close", sys_close},
    [SYS_ioctl] = {"ioctl", sys_ioctl},
    [SYS_getpid] = {"getpid", sys_getpid},
    [SYS_yield] = {"yield", sys_yield},
    [SYS_nanosleep] = {"nanosleep", sys_nanosleep},
    [SYS_spawn] = {"spawn", sys_spawn},
    [SYS_wait] = {"wait", sys_wait},
    [SYS_mmap] = {"mmap", sys_mmap},
    [SYS_munmap] = {"munmap", sys_munmap},
    [SYS_time] = {"time", sys_time},
    [SYS_kill] = {"kill", sys_kill},
};

const char *syscall_name(unsigned number)
{
	return number < NSYSCALLS ? calls[number].name : "?";
}

/* What every call must leave as it found it; a module's device may not have. */
static void check_discipline(uint64_t number)
{
	if (cpu_smap_enabled() && read_flags() & EFLAGS_AC)
		panic("system call %s left a window open", syscall_name((unsigned)number));
	if (current->onfault)
		panic("system call %s left a fault handler behind", syscall_name((unsigned)number));
}

void syscall(struct frame *frame)
{
	uint64_t number = frame->rax;
	const uint64_t arguments[6] = {frame->rdi, frame->rsi, frame->rdx,
				       frame->r10, frame->r8,  frame->r9};

	ttrace_add(TTRACE_SYSCALL, number < NSYSCALLS ? (unsigned)number : NSYSCALLS, frame->rip);
	asm volatile("sti");
	frame->rax =
	    number < NSYSCALLS ? (uint64_t)calls[number].run(arguments) : (uint64_t)-ENOSYS;
	check_discipline(number);
	interrupts_off();
	process_check(frame);
}

/* SYSCALL and SYSRET: Intel SDM vol. 3A, 5.8.8. IOPL and NT are the kernel's, too. */
void syscall_init(void)
{
	wrmsr(STAR, (uint64_t)KERNEL_CODE << 32 | (uint64_t)(KERNEL_DATA | 3) << 48);
	wrmsr(LSTAR, (uint64_t)syscall_entry);
	wrmsr(SFMASK, EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC);
	wrmsr(EFER, rdmsr(EFER) | EFER_SCE);
}

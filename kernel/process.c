/*
 * Processes: a thread with page tables of its own, that runs a program of the boot archive in user
 * mode. The prompt starts the first (program_run()), they start others; each leaves a status behind
 * for the one who waits. syscall.c and traps.c end them.
 */
#include "kernel/arch/amd64/amd64.h"
#include "kernel/arch/amd64/frame.h"
#include "kernel/process.h"

#define PROCESSES_MAX    64
#define USER_STACK_PAGES 16
#define USER_STACK       (USER_END - PAGE_SIZE) /* its end: a page above stays unmapped, too */
#define KEYS_EVERY       10000000ul             /* nanoseconds: ^C is seen so late */
#define MAP_START        0x100000000000ul

void trap_leave(struct frame *frame) __attribute__((noreturn)); /* trap_entry.asm */

static struct process *processes; /* changed and followed with interrupts off */
static unsigned nprocesses;

int process_pid(void)
{
	return current->process ? current->process->pid : 0;
}

static struct process *find(int pid)
{
	struct process *process = processes;

	while (process && process->pid != pid)
		process = process->next;
	return process;
}

/* Runs in the kernel, on the new thread; and goes to user mode from the top of its stack. */
static void begin(void *argument)
{
	const struct process *process = argument;
	struct frame frame = {.rip = process->entry,
			      .cs = USER_CODE,
			      .flags = EFLAGS_ONE | EFLAGS_IF,
			      .rsp = process->stack,
			      .ss = USER_DATA};

	interrupts_off();
	trap_leave(&frame);
}

static void put_word(uint64_t to, uint64_t word)
{
	user_put(to, &word, sizeof(word));
}

/* The stack as the psABI (3.4.1) has it: argc, argv, an empty environment and auxiliary vector;
 * above them the strings. */
static int make_stack(struct process *process, const struct arguments *arguments)
{
	uint64_t strings = (USER_STACK - arguments->size) & ~15ul;
	size_t nwords = 1 + arguments->n + 1 + 1 + 2, at = 0;
	uint64_t sp = (strings - nwords * 8) & ~15ul;
	int error = user_map(USER_STACK - USER_STACK_PAGES * PAGE_SIZE,
			     USER_STACK_PAGES * PAGE_SIZE, PROT_USER_RW);

	if (error)
		return error;
	user_put(strings, arguments->bytes, arguments->size);
	put_word(sp, arguments->n);
	for (unsigned i = 0; i < arguments->n; i++) {
		put_word(sp + 8 * (1 + i), strings + at);
		at += strlen(arguments->bytes + at) + 1;
	}
	process->stack = sp;
	return 0;
}

/* In the new process's page tables, which only the current thread has for that long. */
static int load(struct process *process, uint64_t root, const struct archive *file,
		const struct arguments *arguments)
{
	uint64_t saved = current->root;
	int error;

	current->root = root;
	paging_use(root);
	error = elf_load(file, &process->entry);
	if (!error)
		error = make_stack(process, arguments);
	current->root = saved;
	paging_use(saved);
	return error;
}

static struct process *new_process(const char *name)
{
	static int last_pid;
	uint64_t page = page_alloc();
	struct process *process = page ? physmap(page) : NULL;

	if (!process)
		return NULL;
	process->pid = __atomic_add_fetch(&last_pid, 1, __ATOMIC_RELAXED);
	process->parent = process_pid();
	process->mapped = MAP_START;
	ksnprintf(process->name, NAME_SIZE, "%s", name);
	return process;
}

static void free_process(struct process *process)
{
	page_free((uint64_t)process - PHYSMAP);
}

/* The first three files of every process. */
static void open_console(struct process *process)
{
	for (unsigned i = 0; i < 3; i++)
		process->files[i] = (struct file){.device = &console_device, .open = true};
}

/* Frees what is left of a process that is over. */
static void reap(struct process *process)
{
	struct process **link = &processes;

	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	nprocesses--;
	thread_free(process->thread);
	free_process(process);
}

/* No one waits for the children of a process that is over. */
static void reap_orphans(void)
{
	bool on = interrupts_off();
	struct process *next;

	for (struct process *p = processes; p; p = next) {
		next = p->next;
		if (p->zombie && p->parent < 0)
			reap(p);
	}
	interrupts_restore(on);
}

static int start(struct process *process, const struct archive *file,
		 const struct arguments *arguments)
{
	uint64_t root = paging_new();
	int error = root ? load(process, root, file, arguments) : -ENOMEM;
	bool on;

	if (!error) {
		on = interrupts_off();
		process->thread = thread_create(process->name, begin, process);
		if (process->thread) {
			process->thread->root = root;
			process->thread->process = process;
			process->next = processes;
			processes = process;
			nprocesses++;
			interrupts_restore(on);
			return process->pid;
		}
		interrupts_restore(on);
		error = -ENOMEM;
	}
	if (root)
		paging_free(root);
	return error;
}

/* Starts the program of that path in the archive. Returns its process number, or -E…. */
int process_spawn(const char *path, const struct arguments *arguments)
{
	const char *name = path;
	struct archive file;
	struct process *process;
	int result;

	while (*path == '/')
		path++;
	for (const char *s = path; *s; s++)
		if (*s == '/')
			name = s + 1;
	reap_orphans();
	if (!archive_find(path, &file))
		return -ENOENT;
	if (nprocesses >= PROCESSES_MAX)
		return -EAGAIN;
	process = new_process(name);
	if (!process)
		return -ENOMEM;
	open_console(process);
	result = start(process, &file, arguments);
	if (result < 0)
		free_process(process);
	return result;
}

/* Gives back all but what reap() needs the thread to be gone for. */
void process_exit(int status)
{
	struct process *process = current->process;
	uint64_t root = current->root;

	asm volatile("sti");
	files_close(process);
	current->root = thread_kernel_root();
	paging_use(current->root);
	paging_free(root);
	interrupts_off();
	for (struct process *p = processes; p; p = p->next)
		if (p->parent == process->pid)
			p->parent = -1;
	process->status = status;
	process->zombie = true;
	thread_wake(&processes);
	thread_exit();
}

/* On the way back to user mode. A system call at the very end of the low half would return to an
 * address that is not canonical. */
void process_check(const struct frame *frame)
{
	if (frame->rip >= USER_END) {
		kprintf("%s: process %d: at pc=%lx is no program: killed\n", current->name,
			process_pid(), frame->rip);
		process_exit(STATUS_KILLED + VECTOR_PROTECTION);
	}
	if (current->process->killed)
		process_exit(STATUS_KILLED);
}

bool process_killed(void)
{
	return current->process && current->process->killed;
}

/* It ends as soon as it can; 0 or -ESRCH. */
int process_kill(int pid)
{
	bool on = interrupts_off();
	struct process *process = pid > 0 ? find(pid) : NULL;

	if (process && !process->zombie) {
		process->killed = true;
		if (process->thread->state == THREAD_WAITING)
			process->thread->state = THREAD_RUNNABLE;
	}
	interrupts_restore(on);
	return process ? 0 : -ESRCH;
}

/* A child of the current process that is over, or a living one; NULL: there is none at all. */
static struct process *find_child(int pid)
{
	struct process *living = NULL;

	for (struct process *p = processes; p; p = p->next) {
		if (p->parent != process_pid() || (pid && p->pid != pid))
			continue;
		if (p->zombie)
			return p;
		living = p;
	}
	return living;
}

/* Waits until a child (0: any) is over. Returns its number, or -E…. */
int process_wait(int pid, int *status)
{
	bool on = interrupts_off();
	struct process *child;
	int result = -ECHILD;

	while ((child = find_child(pid))) {
		if (child->zombie && child->thread->state == THREAD_DEAD) {
			result = child->pid;
			*status = child->status;
			reap(child);
			break;
		}
		if (process_killed()) {
			result = -EINTR;
			break;
		}
		thread_wait(&processes, 0);
	}
	interrupts_restore(on);
	return result;
}

static bool is_alive(int pid)
{
	bool on = interrupts_off();
	const struct process *process = find(pid);
	bool alive = process && !process->zombie;

	interrupts_restore(on);
	return alive;
}

/* Runs bin/NAME for the prompt, with the console's keys going to it; ^C ends it. False: there is no
 * such program. */
bool program_run(unsigned argc, char **argv)
{
	static struct arguments arguments;
	char path[64];
	int pid, status = 0;

	arguments.n = argc;
	arguments.size = 0;
	for (unsigned i = 0; i < argc; i++)
		arguments.size +=
		    (size_t)ksnprintf(arguments.bytes + arguments.size,
				      sizeof(arguments.bytes) - arguments.size, "%s", argv[i]) +
		    1;
	ksnprintf(path, sizeof(path), "bin/%s", argv[0]);
	pid = process_spawn(path, &arguments);
	if (pid == -ENOENT)
		return false;
	if (pid < 0) {
		kprintf("%s: cannot be started: error %d\n", argv[0], -pid);
		return true;
	}
	while (is_alive(pid)) {
		console_watch(pid);
		thread_wait(&processes, time_now() + KEYS_EVERY);
	}
	if (process_wait(pid, &status) == pid && status)
		kprintf("%s: exit status %d\n", argv[0], status);
	return true;
}

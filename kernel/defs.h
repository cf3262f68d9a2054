/*
 * Every function and type of the kernel that more than one file uses, under its file's name.
 * Included by unix, by the boot program, and by modules that call unix.
 */
#ifndef HOTINLINE_KERNEL_DEFS_H
#define HOTINLINE_KERNEL_DEFS_H

#include <stdarg.h>

#include "kernel/syscall.h"
#include "loader/krtld.h"

struct frame; /* arch/amd64/frame.h */

#define PAGE_SIZE      4096ul
#define PAGE_MASK      (PAGE_SIZE - 1)

/* Addresses. The low half is for users; unix and the modules must be in the top 2 GiB, because
 * -mcmodel=kernel reaches no further. */
#define PHYSMAP        0xffff800000000000ul /* physical address 0 */
#define PHYSMAP_MAX    (1ul << 30)          /* bytes of RAM that are used */
#define KAS_BASE       0xffffffff80000000ul /* where unix goes with `nokaslr` */
#define KAS_SIZE       (64ul << 20)         /* room for unix and all modules */
#define PROBE_PAGE     0x400000ul           /* kernel threads see one user page: selftest.c */
#define USER_END       0x7ffffffff000ul     /* users' addresses end here: no canonical one wraps */

#define USER_START     0x10000ul /* and begin here: NULL, and what is near, is unmapped */

/* Memory that programs leave to the kernel, in pages. */
#define PAGES_RESERVED 64

#define CMDLINE_MAX    4096
#define ARG_MAX        128
#define STACK_SIZE     (4 * PAGE_SIZE)

/* common/pages.c: physical memory, a page at a time */
struct pages {
	uint64_t next;  /* pages from here .. */
	uint64_t end;   /* .. to here were never used */
	uint64_t freed; /* the last page freed; each holds the address of the one before. 0: none */
	uint64_t nfree;
};
extern struct pages pages;
extern uint64_t physmap_base; /* where physical address 0 is mapped */
static inline void *physmap(uint64_t physical)
{
	return (void *)(physmap_base + physical);
}
uint64_t page_alloc(void); /* a zeroed page's physical address; 0: no memory */
void page_free(uint64_t physical);

/* common/paging.c: page tables. There is no protection that is both W and X. */
enum prot {
	PROT_R,
	PROT_RW,
	PROT_RX,
	PROT_USER_R,
	PROT_USER_RW,
	PROT_USER_RX,
};
void paging_init(uint64_t root);
bool paging_map(uint64_t address, uint64_t physical, enum prot prot);
bool paging_map_pages(uint64_t address, uint64_t physical, size_t n, enum prot prot);
bool paging_prepare(uint64_t address, uint64_t size); /* makes the tables; later maps can't fail */
void paging_protect(uint64_t address, enum prot prot);
void paging_unmap(uint64_t address);
bool paging_lookup(uint64_t address, uint64_t *physical, bool *user);
uint64_t paging_next(uint64_t address, uint64_t end);
void paging_use(uint64_t root);
uint64_t paging_new(void);
void paging_free(uint64_t root);
void paging_drop_low(void);

/* common/kas.c: the kernel's address space, where unix and modules live */
struct kas {
	uint64_t base;
	uint64_t used[KAS_SIZE / PAGE_SIZE / 64]; /* bit i: page i is taken */
};
extern struct kas kas;
bool kas_init(uint64_t base);
void *kas_alloc(size_t size, size_t align); /* zeroed, read and write; NULL: no memory */
void kas_protect(const void *address, size_t size, enum prot prot);
void kas_free(void *address, size_t size);
void *kas_alias(const void *address, size_t size); /* the same pages once more: write, no execute */
void kas_unalias(void *alias, size_t size);

/* common/memory.c: krtld's memory, the same for the boot program and for unix */
void *memory_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align, uint64_t *address);
void memory_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size);
bool memory_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size);

/* common/cpio.c: the boot archive */
struct archive {
	const uint8_t *bytes;
	size_t size;
};
bool cpio_check(const struct archive *archive, char *why, size_t size);
bool cpio_find(const struct archive *archive, const char *name, struct archive *file);
const char *cpio_list(const struct archive *archive, size_t *position);

/* common/serial.c: COM1, polled */
void serial_init(void);
void serial_put(char c);
bool serial_ready(void);
char serial_take(void); /* once it is ready */

/* common/print.c: kprintf and friends know %c %s %d %u %x %ld %lu %lx %%, a width, `-` and `0` */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vkprintf(const char *format, va_list args);
int vksnprintf(char *line, size_t size, const char *format, va_list args);
int ksnprintf(char *line, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void msgbuf_print(void);
void msgbuf_pause(bool pause);
void console_mute(bool mute);

/* common/string.c: what the compiler wants, and what the prompt does */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
bool parse_number(const char *s, uint64_t *value); /* decimal, or hexadecimal with 0x */
bool parse_hex(const char *s, uint64_t *value);    /* hexadecimal, with 0x or without */

/* common/args.c: the boot arguments, NAME or NAME=VALUE, separated by blanks */
void args_take(char *cmdline, const char *line, size_t n);
bool args_next(const char *cmdline, size_t *position, char *word, size_t size);
bool args_find(const char *cmdline, const char *name, char *value, size_t size);

/* common/verdict.c: how a run ends. QEMU's isa-debug-exit makes (value << 1) | 1 of them. */
enum verdict {
	VERDICT_PASS = 0x10,
	VERDICT_FAIL = 0x11,
	VERDICT_PANIC = 0x12,
};
void verdict_exit(enum verdict verdict) __attribute__((noreturn));
void verdict_fail(const char *what); /* the run goes on, and will not pass */
void verdict_poweroff(void) __attribute__((noreturn));

/* boot/boot.c, and panic.c for unix */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* What a boot cost, in units of the time stamp counter: the boot argument `timing` prints it. */
struct boot_times {
	uint64_t started; /* when the boot program began */
	uint64_t krtld;   /* to load unix */
	uint64_t patch;   /* do_hotinlines() on unix */
	uint64_t wait;    /* for the timer, to learn its rate */
	uint64_t modules; /* modules_boot() */
};
extern struct boot_times boot_times; /* main.c's; the boot program fills in the first two */

/* What the boot program hands to main(). All pointers in it stay valid when the low addresses go;
 * but for krtld's ops and machine->table, which are the boot program's own. */
struct bootinfo {
	struct pages pages;
	struct kas kas;
	struct krtld krtld;
	struct archive archive;
	struct boot_times times;
	uint64_t root;     /* physical address of the page tables' root */
	uint64_t rsdp;     /* physical address of the ACPI tables' root; 0: none */
	uint64_t nmis;     /* physical address of a uint32_t that counts NMIs until traps_init() */
	char unix_name[8]; /* "unix": krtld keeps a pointer to it */
	char cmdline[CMDLINE_MAX];
};

/* line.c: a line from the console, with editing, history and completion */
#define LINE_ROOM    256 /* bytes, with the NUL */
#define LINE_HISTORY 32  /* lines */
struct completion {
	const char *line;       /* what was typed, up to the cursor */
	const char *word;       /* what of it is to be completed: the last word, unless moved */
	size_t length;          /* of the word */
	char suffix;            /* what goes after the only candidate; 0: nothing */
	bool list;              /* these are line.c's own */
	unsigned n;             /* candidates */
	char common[LINE_ROOM]; /* what all of them begin with */
};
struct line_editor {
	const char *prompt;
	void (*complete)(struct completion *completion); /* calls line_offer() for each; or NULL */
	char history[LINE_HISTORY][LINE_ROOM];
	unsigned nhistory; /* lines ever */
};
bool line_read(struct line_editor *editor, char *line);
void line_offer(struct completion *completion, const char *candidate);

/* mdb.c: the debugger, `mdb -k` at the prompt, and kmdb when the system is stopped */
void mdb_shell(const char *command); /* NULL: interactive */

/* mdb_complete.c */
void mdb_offer_modules(struct completion *completion, const char *after); /* the loaded ones */
void mdb_offer_symbols(struct completion *completion);

/* mdb_dis.c: a module brings the disassembler. decode() puts the text of the instruction at bytes,
 * of which there are n, into size bytes, and returns its length; 0: it is none. */
struct disassembler {
	const char *name;
	unsigned (*decode)(const uint8_t *bytes, size_t n, uint64_t address, char *text,
			   size_t size);
};
void mdb_disassembler(const struct disassembler *disassembler); /* NULL: there is none now */

/* mdb_break.c: breakpoints are out of the text while anybody else looks at it or changes it: from the
 * first lift until each has its arm, even if the debugger stops in between and goes on */
void mdb_break_lift(void);
void mdb_break_arm(void);
void mdb_break_forget(uint64_t address, size_t size); /* a text that is gone */

/* mdb_trap.c: kmdb. mdb_trap() gets #db and #bp; true: it was for the debugger, go on. mdb_enter()
 * stops the system; frame is where it was, NULL: right here. Between mdb_patch_begin() and
 * mdb_patch_end() nothing stops: the debugger runs text that is being written then. */
void mdb_start(const char *when); /* stops for the boot argument -kd=when, or -kd if that is "" */
bool mdb_wanted(void);            /* one of the boot arguments -k and -kd: a panic enters it, too */
bool mdb_trap(struct frame *frame);
bool mdb_nmi(void); /* true: it came while the system is stopped, and is dealt with later */
void mdb_enter(struct frame *frame, const char *why);
void mdb_show(const struct frame *frame); /* the instruction of a panic that does not stop */
void mdb_patch_begin(void);
void mdb_patch_end(void);

/* main.c */
void unix_main(struct bootinfo *info) __attribute__((noreturn));

/* acpi.c */
unsigned acpi_count_cpus(uint64_t rsdp); /* 0: the machine does not say */
unsigned acpi_cpus(uint64_t rsdp, uint32_t *ids, unsigned max);

/* arguments.c: those that main.c hands over */
void arguments_init(const struct bootinfo *info);
void arguments_help(void);
bool boot_argument(const char *name, char *value, size_t size);

/* console.c: keys, for the prompt or for the program that runs */
extern struct device console_device;
char serial_get(void);
void console_watch(int pid);

/* cpus.c */
void cpus_park(const struct bootinfo *info);
void cpus_print(void);
void cpus_list(void);
uint64_t cpus_nmis(void); /* that came to those at rest */

/* features.c */
bool feature_disabled(void *ctx, const char *name); /* by the boot argument disable_NAME=1 */
void features_init(const struct bootinfo *info);
bool feature_has(unsigned feature); /* HOT_FEATURE_… */
void features_list(void);
void features_print(void);

/* file.c: what open("/dev/NAME") finds. Modules register theirs in _init and unregister it in
 * _fini, where -EBUSY (somebody has it open) must refuse the unload. Each operation may be NULL;
 * addresses that users hand in are for copyin() and its like. Results: >= 0, or -E…. */
struct device {
	const char *name; /* without /dev/ */
	int (*open)(void);
	void (*close)(void);
	long (*read)(uint64_t to, size_t n);
	long (*write)(uint64_t from, size_t n);
	long (*ioctl)(unsigned command, uint64_t argument);
	struct device *next; /* file.c's own */
	unsigned users;      /* file.c's own */
};
int device_register(struct device *device);
int device_unregister(struct device *device);

/* hotpatch.c */
void startup_smap(void);
void unix_start(void);
bool hotpatch_verify(const struct krtld_module *module);

/* modules.c */
extern struct krtld krtld;
void modules_init(const struct bootinfo *info);
void modules_boot(void);
bool module_load(const char *name);
bool module_unload(const char *name);
void modules_list(void);
void modules_offer(struct completion *completion); /* those of the archive */
bool archive_find(const char *name, struct archive *file);
bool module_in_archive(const char *name);
void module_show(const struct krtld_module *module);

/* names.c */
const char *name_address(uint64_t address, char *line, size_t size);
bool name_lookup(const char *text, uint64_t *address);
void name_show(uint64_t address);

/* panic.c */
bool panicked(void);
void panic_trap(struct frame *frame, uint64_t address, const char *reason)
    __attribute__((noreturn));

/* peek.c */
#define DUMP_MAX 65536u /* bytes */
size_t peek(uint64_t address, void *to, size_t n);
bool dump(uint64_t address, size_t n);
void print_bytes(const uint8_t *bytes, size_t n);

/* process.c */
int process_pid(void); /* 0: a kernel thread */
bool process_killed(void);
int process_kill(int pid);
int process_wait(int pid, int *status);
void process_exit(int status) __attribute__((noreturn));
void process_check(const struct frame *frame);
bool program_run(unsigned argc, char **argv);

/* prompt.c */
void prompt(void) __attribute__((noreturn));

/* selftest.c */
unsigned selftest(void); /* how many checks were made */

/* sites.c */
bool sites_list(const char *module, bool verify); /* NULL: of all modules */

/* Modules are compiled with -fvisibility=hidden, so that names that each of them defines do not collide.
 * What others may use of a module is declared with this. In NASM a global is exported unless it says
 * `global NAME:function hidden`. */
#define MODULE_EXPORT __attribute__((visibility("default")))

/* A module may define these: krtld runs them after it has loaded it, and before it unloads it. 0 is
 * success; anything else refuses. */
int _init(void);
int _fini(void);
/* And this, of modules that it calls, which modload then loads before it:
 * static const char _depends_on[] __attribute__((used)) = "counters ring"; */

/* stack.c: one line a function, `ADDR module:symbol+0xoffset ()`, through trap frames */
#define STACK_DEPTH 64 /* lines */
void stack_trace(uint64_t rip, uint64_t rbp);
bool stack_caller(uint64_t *rip, uint64_t *rbp);

/* syscall.c */
void syscall_init(void);
const char *syscall_name(unsigned number);

/* thread.c */
enum thread_state {
	THREAD_RUNNABLE,
	THREAD_WAITING,
	THREAD_DEAD,
};
struct label;
struct process;
struct thread {
	uint64_t rsp;          /* saved by thread_switch() in switch.asm: the first member */
	struct label *onfault; /* where a fault on a user address goes; NULL: a panic */
	const char *name;
	uint8_t *stack;          /* STACK_SIZE bytes; NULL: the boot program's */
	struct process *process; /* NULL: a kernel thread */
	struct thread *next;     /* all threads, in a circle */
	const void *channel;     /* what it waits for */
	uint64_t wake;           /* or when, in nanoseconds since boot; 0: never */
	uint64_t root;           /* physical address of its page tables */
	uint64_t fsbase, gsbase; /* users' */
	enum thread_state state;
	unsigned id;
	uint8_t fpu[512] __attribute__((aligned(16))); /* FXSAVE: Intel SDM vol. 1, 10.5.1 */
};
extern struct thread *current;
void thread_init(uint64_t root);
struct thread *thread_create(const char *name, void (*run)(void *), void *argument); /* or NULL */
void thread_yield(void);
void thread_exit(void) __attribute__((noreturn));
void thread_wait(const void *channel, uint64_t until); /* that time_now(); 0: as long as it takes */
void thread_wake(const void *channel);
void thread_tick(void); /* the timer's */
uint64_t thread_ticks(void);
void thread_free(struct thread *thread);
uint64_t thread_kernel_root(void);
void thread_start(void);

/* ttrace.c: the last traps, interrupts and system calls */
enum ttrace_kind {
	TTRACE_TRAP,
	TTRACE_INTERRUPT,
	TTRACE_SYSCALL,
};
void ttrace_add(enum ttrace_kind kind, unsigned number, uint64_t rip);
void ttrace_print(unsigned n);

/* uaccess.c: users' memory, each in a window of its own. Ranges are checked first: what is not
 * wholly below USER_END is -EFAULT, like a page that is not mapped or not writable. 0 is success.
 * Windows do not nest: none of these may be called inside one. */
struct label {
	uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip; /* switch.asm */
	struct label *previous;
};
/* Returns 0, and once more 1 if a user address faults before no_fault(): then AC is clear. */
int on_fault(struct label *label) __attribute__((returns_twice));
void no_fault(void);
bool user_range(uint64_t address, size_t n);
int copyin(uint64_t from, void *to, size_t n);
int copyout(const void *from, uint64_t to, size_t n);
/* With the NUL; size bytes at most, else -ENAMETOOLONG. *n, if not NULL: the bytes copied. */
int copyinstr(uint64_t from, char *to, size_t size, size_t *n);
int copyoutstr(const char *from, uint64_t to, size_t size, size_t *n);
int fuword8(uint64_t from, uint8_t *value);
int fuword16(uint64_t from, uint16_t *value);
int fuword32(uint64_t from, uint32_t *value);
int fuword64(uint64_t from, uint64_t *value);
int suword8(uint64_t to, uint8_t value);
int suword16(uint64_t to, uint16_t value);
int suword32(uint64_t to, uint32_t value);
int suword64(uint64_t to, uint64_t value);

/* arch/amd64/apic.c */
#define TIMER_HZ_MAX 20000
uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);
void apic_command(uint32_t cpu, uint32_t command);
uint32_t apic_id(void);
void apic_end(void);
void apic_init(void);
uint64_t time_now(void); /* nanoseconds since boot */

/* arch/amd64/pic.c */
void pic_mask(void);

/* arch/amd64/cpu.c */
void cpu_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
void cpu_init(void);
void cpu_synchronise(void);
void cpu_enable_smap(void);
bool cpu_smap_enabled(void);
const char *cpu_brand(char *line, size_t size);

/* arch/amd64/traps.c */
void traps_init(const struct bootinfo *info);
void traps_patched(void);
void traps_count_nmis(void); /* from now on that is all that becomes of them */
uint64_t traps_nmis(void);   /* how many there were */

/* arch/amd64/trap_names.c */
const char *trap_name(uint64_t vector);
const char *trap_mnemonic(uint64_t vector);

/* arch/amd64/registers.c */
void registers_print(const struct frame *frame, uint64_t cr2);

#endif

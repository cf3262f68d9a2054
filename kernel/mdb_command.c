/*
 * The debugger's commands, in one table: what ::help lists, Tab completes, and mdb.c runs.
 */
#include "kernel/mdb.h"

#define TTRACE_MAX 10000u /* lines */

static void run_dump(struct mdb_call *call)
{
	uint64_t n = 64;

	if (call->argc && (!mdb_number(call->argv[0], &n) || !n || n > DUMP_MAX))
		kprintf("mdb: ::dump: the length is a number from 1 to 0t%u, not %s\n", DUMP_MAX,
			call->argv[0]);
	else
		dump(call->address, n);
}

static void run_features(struct mdb_call *call)
{
	(void)call;
	features_list();
}

/* A loaded module of that name; NULL after a message. */
static const struct krtld_module *find_module(const char *name)
{
	const struct krtld_module *module = krtld_find(&krtld, name);

	if (!module)
		kprintf("mdb: no module %s is loaded; ::modinfo lists what is\n", name);
	return module;
}

/* Of unix: modules are patched when they are loaded. */
static bool is_patched(void)
{
	const struct krtld_module *unix_module = krtld.first;
	struct hot_error error;

	return !hot_verify(krtld.machine, unix_module->texts, unix_module->ntexts, HOT_BEFORE,
			   &error);
}

static void run_hotinlines(struct mdb_call *call)
{
	bool verify = call->argc && strcmp(call->argv[0], "-v") == 0;
	const char *name = call->argc > verify ? call->argv[verify] : NULL;

	if (call->argc > 1u + verify)
		kprintf("usage: ::hotinlines [-v] [MODULE]\n");
	else if (verify && !is_patched())
		kprintf("mdb: unix is not patched yet, so there is nothing to verify\n");
	else if (!name || find_module(name))
		(void)sites_list(name, verify);
}

static void run_modinfo(struct mdb_call *call)
{
	const struct krtld_module *module = call->argc ? find_module(call->argv[0]) : NULL;

	if (module)
		module_show(module);
	else if (!call->argc)
		modules_list();
}

static void run_status(struct mdb_call *call)
{
	const struct mdb *mdb = call->mdb;
	char line[96];

	if (mdb->frame)
		kprintf("stopped: %s at %s\n", mdb->why,
			mdb_name(mdb->frame->rip, line, sizeof(line)));
	else
		kprintf("the system runs\n");
	kprintf("CPU: %s\n", cpu_brand(line, sizeof(line)));
	kprintf("thread: 0x%lx %s\n", (uint64_t)current, current->name);
	kprintf("unix: at 0x%lx, SMAP %s\n", krtld.first->regions[KRTLD_TEXT].address,
		cpu_smap_enabled() ? "on" : "off");
	kprintf("disassembler: %s\n", mdb_dis_name());
	mdb_break_list(call);
}

static void run_msgbuf(struct mdb_call *call)
{
	(void)call;
	msgbuf_print();
}

static void run_ttrace(struct mdb_call *call)
{
	uint64_t n = 32;

	if (call->argc && (!mdb_number(call->argv[0], &n) || !n || n > TTRACE_MAX))
		kprintf("mdb: ::ttrace: the number of lines is from 1 to 0t%u, not %s\n",
			TTRACE_MAX, call->argv[0]);
	else
		ttrace_print((unsigned)n);
}

static void run_cpuinfo(struct mdb_call *call)
{
	(void)call;
	cpus_list();
}

static void list_symbol(const struct krtld_module *module, const char *name, uint64_t value,
			uint64_t size)
{
	kprintf("%016lx %8lu %s`%s\n", value, size, module->name, name);
}

/* All symbols of one module; or, without a name, those that are at one address. */
static void list_symbols(const struct krtld_module *module, const uint64_t *at)
{
	const char *name;
	uint64_t value, size;

	for (uint32_t i = 0; krtld_next_symbol(module, &i, &name, &value, &size);)
		if (!at || value == *at)
			list_symbol(module, name, value, size);
}

static void run_nm(struct mdb_call *call)
{
	const struct krtld_module *module;
	const char *symbol;
	uint64_t offset, size;

	if (call->argc || !call->given) {
		module = call->argc ? find_module(call->argv[0]) : krtld.first;
		if (module)
			list_symbols(module, NULL);
		return;
	}
	module = krtld_name(&krtld, call->address, &symbol, &offset, &size);
	if (module && symbol) {
		call->address -= offset;
		list_symbols(module, &call->address);
	} else {
		kprintf("mdb: ::nm: %s is in no symbol of a module\n", call->what);
	}
}

static void run_quit(struct mdb_call *call)
{
	call->mdb->next = MDB_QUIT;
}

static void run_help(struct mdb_call *call);

const struct mdb_command mdb_commands[] = {
    {"::dis", " [-n COUNT]", "the function that ADDR is in, or COUNT instructions from there",
     mdb_dis, 2, MDB_ADDRESS, false},
    {"::dump", " [LENGTH]", "memory as bytes and characters", run_dump, 1, MDB_ADDRESS, false},
    {"::nm", " [MODULE]", "the symbols at ADDR, or all of a module: value, size, name", run_nm, 1,
     MDB_MAY_ADDRESS, false},
    {"::whatis", "", "what ADDR belongs to: a module, a thread, a page of memory", mdb_whatis, 0,
     MDB_ADDRESS, false},
    {"::hotinlines", " [-v] [MODULE]",
     "every site, its bytes before and now; -v compares live text with the table", run_hotinlines,
     2, MDB_NO_ADDRESS, false},
    {"::features", "", "what the machine has, and who decided", run_features, 0, MDB_NO_ADDRESS,
     false},
    {"::modinfo", " [MODULE]", "loaded modules; or the sections of one", run_modinfo, 1,
     MDB_NO_ADDRESS, false},
    {"::cpuinfo", "", "each CPU: its APIC's number, state, cr4, and what it runs", run_cpuinfo, 0,
     MDB_NO_ADDRESS, false},
    {"::status", "", "is the system stopped, where and why; CPU, thread, breakpoints", run_status,
     0, MDB_NO_ADDRESS, false},
    {"::msgbuf", "", "the last messages of the console", run_msgbuf, 0, MDB_NO_ADDRESS, false},
    {"::ttrace", " [LINES]", "the last traps, interrupts and system calls", run_ttrace, 1,
     MDB_NO_ADDRESS, false},
    {"::stack", "", "stack trace; from the frame pointer ADDR, if one is given", mdb_stack, 0,
     MDB_MAY_ADDRESS, false},
    {"$c", "", "the same as ::stack", mdb_stack, 0, MDB_MAY_ADDRESS, false},
    {"$C", "", "the same, each line with its frame pointer", mdb_stack_frames, 0, MDB_MAY_ADDRESS,
     false},
    {"::regs", "", "registers", mdb_registers, 0, MDB_NO_ADDRESS, true},
    {"$r", "", "the same as ::regs", mdb_registers, 0, MDB_NO_ADDRESS, true},
    {":b", "", "set a breakpoint at ADDR", mdb_break_add, 0, MDB_ADDRESS, false},
    {"::bp", "", "the same as :b", mdb_break_add, 0, MDB_ADDRESS, false},
    {":d", " [all]", "delete the breakpoint at ADDR, or all", mdb_break_delete, 1, MDB_MAY_ADDRESS,
     false},
    {"::delete", " [all]", "the same as :d", mdb_break_delete, 1, MDB_MAY_ADDRESS, false},
    {"$b", "", "list the breakpoints", mdb_break_list, 0, MDB_NO_ADDRESS, false},
    {"::events", "", "the same as $b", mdb_break_list, 0, MDB_NO_ADDRESS, false},
    {"::step", " [over|out]",
     "run one instruction; over: with all that it calls; out: up to the caller", mdb_step, 1,
     MDB_NO_ADDRESS, true},
    {":s", "", "the same as ::step", mdb_step, 0, MDB_NO_ADDRESS, true},
    {":e", "", "the same as ::step over", mdb_step_over, 0, MDB_NO_ADDRESS, true},
    {":u", "", "the same as ::step out", mdb_step_out, 0, MDB_NO_ADDRESS, true},
    {":c", "", "let the system go on", mdb_continue, 0, MDB_NO_ADDRESS, true},
    {"::cont", "", "the same as :c", mdb_continue, 0, MDB_NO_ADDRESS, true},
    {"::help", " [COMMAND]", "this list", run_help, 1, MDB_NO_ADDRESS, false},
    {"$q", "", "leave `mdb -k`; where the system is stopped, end it", run_quit, 0, MDB_NO_ADDRESS,
     false},
    {"::quit", "", "the same as $q", run_quit, 0, MDB_NO_ADDRESS, false},
};

const unsigned mdb_ncommands = sizeof(mdb_commands) / sizeof(mdb_commands[0]);

const struct mdb_command *mdb_find(const char *name)
{
	for (unsigned i = 0; i < mdb_ncommands; i++)
		if (strcmp(mdb_commands[i].name, name) == 0)
			return &mdb_commands[i];
	return NULL;
}

static void print_command(const struct mdb_command *command)
{
	static const char *const prefixes[] = {"", "[ADDR]", "ADDR"};
	char line[64];

	ksnprintf(line, sizeof(line), "%s%s%s", prefixes[command->address], command->name,
		  command->usage);
	kprintf("  %-28s %s\n", line, command->help);
}

static void run_help(struct mdb_call *call)
{
	const char *name = call->argc ? call->argv[0] : "";
	bool found = false;
	char full[32];

	ksnprintf(full, sizeof(full), "%s%s", *name == ':' || *name == '$' ? "" : "::", name);
	for (unsigned i = 0; i < mdb_ncommands; i++)
		if (!*name || strcmp(mdb_commands[i].name, full) == 0) {
			print_command(&mdb_commands[i]);
			found = true;
		}
	if (!found)
		kprintf("mdb: %s: no such command; ::help lists them\n", name);
	if (*name)
		return;
	kprintf("  %-28s memory in a format, and a number in a format:\n",
		"ADDR[,COUNT]/F  ADDR=F");
	mdb_formats_help();
	kprintf(
	    "ADDR is SYMBOL, MODULE`SYMBOL, a hexadecimal number (decimal: 0t10), `.` or <rip\n"
	    "and other registers, or several of them with + or - between. All numbers that are\n"
	    "typed are hexadecimal. Tab completes symbols and commands.\n");
}

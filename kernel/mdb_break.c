/*
 * Breakpoints: an int3 at the start of an instruction of unix or of a module, written through a
 * writable view of the text that is gone afterwards. They are in the text only while the system
 * runs: what patches or verifies sites lifts them before and arms them after, and the debugger removes
 * them where it stops and inserts them where it goes on. So a site's owner is always hotpatch.c (a
 * breakpoint's byte is read anew each time it is armed), and a breakpoint inside a site is refused,
 * but for its start. A stop between lifting and arming leaves them lifted.
 */
#include "hottable.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/mdb.h"

#define BREAKPOINTS 16
#define INT3        0xcc

static struct breakpoint {
	uint64_t address; /* 0: free */
	uint8_t byte;     /* what was there, while it is armed */
	bool armed;
} breakpoints[BREAKPOINTS + 1];

/* The last one is the debugger's own, for the stack whose pointer is this: mdb_step.c. */
static struct breakpoint *const until = &breakpoints[BREAKPOINTS];
static uint64_t until_rsp;
static unsigned lifted; /* calls of mdb_break_lift() to which mdb_break_arm() has not come yet */
static bool busy;       /* some are armed and some are not: mdb_break_busy() */

/*
 * What runs between an int3 and the moment when all are lifted, and while they are armed: by the
 * beginning of its name, or by all of it. A test tries every function of unix.
 */
static const char *const own_prefixes[] = {"trap_", "mdb_", "kas_", "paging_"};
/* clang-format off */
static const char *const own[] = {
	"trap", "ttrace_add", "timestamp", "smap_enable", "cpu_synchronise",	/* on the way in */
	"non_maskable",								/* see mdb_nmi() */
	"stop", "poke", "is_set", "must_wait",				/* mdb_*.c */
	"find", "reserve", "release", "mark", "taken", "page_count", "page_index", "walk",
	"prot_bits",
};
/* clang-format on */

/* Writes a byte of text. False: there is no room for a view of it. Interrupts are off. */
static bool poke(uint64_t address, uint8_t byte, uint8_t *old)
{
	uint8_t *view = kas_alias((const void *)address, 1);

	if (!view)
		return false;
	if (old)
		*old = *view;
	*(volatile uint8_t *)view = byte;
	kas_unalias(view, 1);
	cpu_synchronise();
	return true;
}

static bool is_set(uint64_t address)
{
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		if (breakpoints[i].address && breakpoints[i].address == address)
			return true;
	return false;
}

/* Takes all of them out of the text, which is then as if there were none. */
void mdb_break_remove(void)
{
	bool were_on = interrupts_off();

	busy = true;
	for (unsigned i = 0; i <= BREAKPOINTS; i++) {
		struct breakpoint *b = &breakpoints[i];

		if (b->armed && poke(b->address, b->byte, NULL))
			b->armed = false;
	}
	busy = false;
	interrupts_restore(were_on);
}

/* Whether one must stay out of the text now. The debugger's own may be in it, for it stops what lifted
 * the others, but not in a site, which may be what they were lifted for. */
static bool must_wait(const struct breakpoint *b)
{
	const struct hot_text *text;

	return lifted && (b != until || mdb_site(b->address, &text));
}

/* With interrupts off: one may meet a breakpoint, which must be known to be armed by then. */
void mdb_break_insert(void)
{
	bool were_on = interrupts_off();
	char line[96];

	busy = true;
	for (unsigned i = 0; i <= BREAKPOINTS; i++) {
		struct breakpoint *b = &breakpoints[i];

		if (b == until && is_set(b->address))
			continue; /* one int3 is enough */
		if (!b->address || b->armed || must_wait(b))
			continue;
		b->armed = poke(b->address, INT3, &b->byte);
		if (!b->armed)
			kprintf("mdb: no memory to set the breakpoint at %s\n",
				mdb_name(b->address, line, sizeof(line)));
	}
	busy = false;
	interrupts_restore(were_on);
}

void mdb_break_lift(void)
{
	bool were_on = interrupts_off();

	lifted++;
	mdb_break_remove();
	interrupts_restore(were_on);
}

void mdb_break_arm(void)
{
	bool were_on = interrupts_off();

	lifted--;
	mdb_break_insert();
	interrupts_restore(were_on);
}

/* A step through the first two above does not stop in between: an int3 would be taken for the text's own
 * byte. */
bool mdb_break_busy(void)
{
	return busy;
}

/* One of them is there, the debugger's own too. */
bool mdb_break_at(uint64_t address)
{
	return is_set(address) || (address && until->address == address);
}

bool mdb_break_any(void)
{
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		if (breakpoints[i].address)
			return true;
	return false;
}

void mdb_break_until(uint64_t address, uint64_t rsp)
{
	*until = (struct breakpoint){.address = address};
	until_rsp = rsp;
}

void mdb_break_forget_until(void)
{
	*until = (struct breakpoint){0};
}

/* Whether the debugger's own is in the same function as an address. */
bool mdb_break_until_near(uint64_t address)
{
	uint64_t here = 0, there = 0, size;
	const char *symbol;

	if (!until->address)
		return false;
	(void)krtld_name(&krtld, address, &symbol, &here, &size);
	(void)krtld_name(&krtld, until->address, &symbol, &there, &size);
	return address - here == until->address - there;
}

/* The one whose int3 has made that frame. */
enum mdb_met mdb_break_met(const struct frame *frame)
{
	uint64_t address = frame->rip - 1;

	if (frame_is_user(frame) || !mdb_break_at(address))
		return MDB_MET_NONE;
	if (until->address == address && until_rsp == frame->rsp)
		return MDB_MET_UNTIL;
	return is_set(address) ? MDB_MET_BREAK : MDB_MET_OTHER;
}

/* Those in a module that is gone. */
void mdb_break_forget(uint64_t address, size_t size)
{
	for (unsigned i = 0; i <= BREAKPOINTS; i++)
		if (breakpoints[i].address - address < size)
			breakpoints[i] = (struct breakpoint){0};
}

/* ---- Commands ---- */

static bool in_text(uint64_t address)
{
	for (const struct krtld_module *m = krtld.first; m; m = m->next)
		if (address - m->regions[KRTLD_TEXT].address < m->regions[KRTLD_TEXT].size)
			return true;
	return false;
}

/* Where the instruction starts that the address is in, going from its function's start. */
static uint64_t instruction_start(uint64_t address)
{
	uint64_t offset, size, at;
	const char *symbol;
	char text[160];
	unsigned n;

	(void)krtld_name(&krtld, address, &symbol, &offset, &size);
	if (!symbol)
		return address;
	for (at = address - offset; at < address; at += n) {
		n = mdb_decode(at, text, sizeof(text));
		if (!n)
			return address;
		if (address - at < n)
			return at;
	}
	return address;
}

/* By name, for a function of unix. */
static const char *function_refusal(const char *symbol)
{
	if (strcmp(symbol, "syscall_entry") == 0)
		return "the stack is the program's there, in part of that function";
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], symbol) == 0)
			return "the debugger itself needs that function";
	for (unsigned i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++)
		if (strncmp(symbol, own_prefixes[i], strlen(own_prefixes[i])) == 0)
			return "the debugger itself needs that function";
	return NULL;
}

/* Why there can be no breakpoint in the function that an address is in, or NULL. */
const char *mdb_break_refusal(uint64_t address)
{
	uint64_t offset, size;
	const char *symbol;

	if (!in_text(address))
		return "that is not in the text of unix or of a module";
	if (krtld_name(&krtld, address, &symbol, &offset, &size) != krtld.first || !symbol)
		return NULL;
	return function_refusal(symbol);
}

/* Why there can be none: a phrase, put into line; NULL: there can. */
static const char *refusal(uint64_t address, char *line, size_t size)
{
	const struct hot_text *text;
	const struct hot_site *site = mdb_site(address, &text);
	const char *why = mdb_break_refusal(address);
	uint64_t start;

	if (is_set(address))
		return "there is one already";
	if (why)
		return why;
	if (site && text->address + site->offset != address) {
		ksnprintf(line, size,
			  "that is inside a site of %s, whose bytes are one; its start "
			  "is 0x%lx",
			  hot_table.hotinlines[site->hotinline].name, text->address + site->offset);
		return line;
	}
	start = instruction_start(address);
	if (start == address)
		return NULL;
	ksnprintf(line, size, "that is inside the instruction at 0x%lx", start);
	return line;
}

void mdb_break_add(struct mdb_call *call)
{
	char line[160], name[96];
	const char *why = refusal(call->address, line, sizeof(line));
	struct breakpoint *b = breakpoints;

	while (!why && b->address)
		if (++b == until)
			why = "there are 16 already; ADDR:d deletes one";
	mdb_name(call->address, name, sizeof(name));
	if (why) {
		kprintf("mdb: no breakpoint at %s: %s\n", name, why);
		return;
	}
	b->address = call->address;
	kprintf("breakpoint at %s\n", name);
}

/* ADDR:d, or with `all` every one. */
void mdb_break_delete(struct mdb_call *call)
{
	bool all = call->argc && strcmp(call->argv[0], "all") == 0, found = all;
	char name[96];

	if (!all && (call->argc || !call->given)) {
		kprintf(
		    "mdb: ADDR:d deletes a breakpoint, ::delete all every one; $b lists them\n");
		return;
	}
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		if (all || breakpoints[i].address == call->address) {
			found = true;
			breakpoints[i] = (struct breakpoint){0};
		}
	if (!found)
		kprintf("mdb: there is no breakpoint at %s; $b lists them\n",
			mdb_name(call->address, name, sizeof(name)));
}

void mdb_break_list(struct mdb_call *call)
{
	unsigned n = 0;
	char name[96];

	(void)call;
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		if (breakpoints[i].address) {
			n++;
			kprintf("%016lx %s\n", breakpoints[i].address,
				mdb_name(breakpoints[i].address, name, sizeof(name)));
		}
	if (!n)
		kprintf("no breakpoints; ADDR:b sets one\n");
}

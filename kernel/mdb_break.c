/*
 * Breakpoints: an int3 at the start of an instruction of unix or of a module, written through a
 * writable view of the text that is gone afterwards. They are in the text only while the system
 * runs and nobody looks: whoever patches or verifies sites, and the debugger itself, lifts them
 * before and arms them after. So a site's owner is always hotpatch.c (a breakpoint's byte is read
 * anew each time it is armed), and a breakpoint inside a site is refused, but for its start.
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
} breakpoints[BREAKPOINTS];

/*
 * What runs between an int3 and the moment when all are lifted, and while they are armed: by the
 * beginning of its name, or by all of it. A test tries every function of unix.
 */
static const char *const own_prefixes[] = {"trap_", "mdb_", "kas_", "paging_"};
/* clang-format off */
static const char *const own[] = {
	"trap", "ttrace_add", "timestamp", "smap_enable", "cpu_synchronise",	/* on the way in */
	"stop", "go_on", "poke",						/* mdb_*.c */
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

/* Takes all of them out of the text, which is then as if there were none. */
void mdb_break_lift(void)
{
	bool were_on = interrupts_off();

	for (unsigned i = 0; i < BREAKPOINTS; i++) {
		struct breakpoint *b = &breakpoints[i];

		if (b->armed && poke(b->address, b->byte, NULL))
			b->armed = false;
	}
	interrupts_restore(were_on);
}

/* With interrupts off: one may meet a breakpoint, which must be known to be armed by then. */
void mdb_break_arm(void)
{
	bool were_on = interrupts_off();
	char line[96];

	for (unsigned i = 0; i < BREAKPOINTS; i++) {
		struct breakpoint *b = &breakpoints[i];

		if (b->address && !b->armed)
			b->armed = poke(b->address, INT3, &b->byte);
		if (b->address && !b->armed)
			kprintf("mdb: no memory to set the breakpoint at %s\n",
				mdb_name(b->address, line, sizeof(line)));
	}
	interrupts_restore(were_on);
}

bool mdb_break_at(uint64_t address)
{
	for (unsigned i = 0; i < BREAKPOINTS; i++)
		if (breakpoints[i].address && breakpoints[i].address == address)
			return true;
	return false;
}

/* Those in a module that is gone. */
void mdb_break_forget(uint64_t address, size_t size)
{
	for (unsigned i = 0; i < BREAKPOINTS; i++)
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

static bool needed(uint64_t address)
{
	uint64_t offset, size;
	const char *symbol;

	if (krtld_name(&krtld, address, &symbol, &offset, &size) != krtld.first || !symbol)
		return false;
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], symbol) == 0)
			return true;
	for (unsigned i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++)
		if (strncmp(symbol, own_prefixes[i], strlen(own_prefixes[i])) == 0)
			return true;
	return false;
}

/* Why there can be none: a phrase, put into line; NULL: there can. */
static const char *refusal(uint64_t address, char *line, size_t size)
{
	const struct hot_text *text;
	const struct hot_site *site = mdb_site(address, &text);
	uint64_t start;

	if (mdb_break_at(address))
		return "there is one already";
	if (!in_text(address))
		return "that is not in the text of unix or of a module";
	if (needed(address))
		return "the debugger itself needs that function";
	if (site && text->address + site->offset != address) {
		ksnprintf(line, size,
			  "that is inside a site of %s, whose bytes are one; its start "
			  "is %lx",
			  hot_table.hotinlines[site->hotinline].name, text->address + site->offset);
		return line;
	}
	start = instruction_start(address);
	if (start == address)
		return NULL;
	ksnprintf(line, size, "that is inside the instruction at %lx", start);
	return line;
}

void mdb_break_add(struct mdb_call *call)
{
	char line[160], name[96];
	const char *why = refusal(call->address, line, sizeof(line));
	struct breakpoint *b = breakpoints;

	while (!why && b->address)
		if (++b == breakpoints + BREAKPOINTS)
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

/*
 * The debugger's ::dis. The disassembler comes from a module (kernel/mdb/capstone.c); without one
 * the bytes are shown. Instructions that are sites are annotated with their hotinline, with the
 * alternative that was chosen, and with whether it is there.
 */
#include "hottable.h"
#include "kernel/mdb.h"

#define INSTRUCTION_MAX 15 /* bytes: Intel SDM vol. 2A, 2.3.11 */
#define TEXT_SIZE       160
#define COUNT_MAX       10000u
#define UNSIZED         16u /* instructions that are shown of what has no size */
#define BYTES_SHOWN     8u  /* in a line, without a disassembler */

static const struct disassembler *disassembler;

void mdb_disassembler(const struct disassembler *it)
{
	disassembler = it;
}

const char *mdb_dis_name(void)
{
	return disassembler ? disassembler->name : "none";
}

/* symbol+0xoffset, with MODULE` in front of what is not unix's. Returns line. */
const char *mdb_name(uint64_t address, char *line, size_t size)
{
	const struct krtld_module *module;
	const char *symbol;
	uint64_t offset, symbol_size;
	size_t n = 0;

	line[0] = '\0';
	module = krtld_name(&krtld, address, &symbol, &offset, &symbol_size);
	if (module && module != krtld.first)
		n = (size_t)ksnprintf(line, size, "%s`", module->name);
	if (n >= size)
		return line;
	if (!module || !symbol)
		ksnprintf(line + n, size - n, "0x%lx", address);
	else if (offset)
		ksnprintf(line + n, size - n, "%s+0x%lx", symbol, offset);
	else
		ksnprintf(line + n, size - n, "%s", symbol);
	return line;
}

/* The site whose bytes that address is in, and its text; NULL: it is in none. */
const struct hot_site *mdb_site(uint64_t address, const struct hot_text **text)
{
	for (const struct krtld_module *m = krtld.first; m; m = m->next)
		for (unsigned t = 0; t < m->ntexts; t++) {
			*text = &m->texts[t];
			for (unsigned i = 0; i < (*text)->nsites; i++) {
				const struct hot_site *site = &(*text)->sites[i];
				uint64_t offset = address - (*text)->address - site->offset;

				if (offset < hot_site_size(&hot_table, site))
					return site;
			}
		}
	return NULL;
}

/* The instruction at an address, and its length. 0: nothing is mapped there, or it is none; then
 * there is no text. */
unsigned mdb_decode(uint64_t address, char *text, size_t size)
{
	uint8_t bytes[INSTRUCTION_MAX];
	size_t n = peek(address, bytes, sizeof(bytes));

	text[0] = '\0';
	return disassembler && n ? disassembler->decode(bytes, n, address, text, size) : 0;
}

/* ---- Annotations ---- */

static const char *condition(const struct hot_alternative *alternative)
{
	return alternative->condition == HOT_ALWAYS ? "the baseline" : alternative->when;
}

/* What the site is, and what its bytes are of what they may be. */
static void describe(const struct hot_text *text, const struct hot_site *site)
{
	const struct hotinline *hotinline = &hot_table.hotinlines[site->hotinline];
	const struct hot_alternative *chosen =
	    &hot_table
		 .alternatives[hotinline->alternatives + krtld.machine->chosen[site->hotinline]];
	uint8_t before[HOT_BYTES_MAX], now[HOT_BYTES_MAX], live[HOT_BYTES_MAX];
	unsigned size = hot_site_size(&hot_table, site);
	struct hot_error error;
	const char *state = "";

	kprintf("  ; %s: ", hotinline->name);
	if (!krtld.machine->decided) {
		kprintf("nothing is chosen yet");
		return;
	}
	if (!hot_site_bytes(krtld.machine, text, site, HOT_BEFORE, before, &error) ||
	    !hot_site_bytes(krtld.machine, text, site, HOT_NOW, now, &error) ||
	    peek(text->address + site->offset, live, size) != size)
		state = ", and cannot be checked";
	else if (memcmp(live, now, size) != 0)
		state = memcmp(live, before, size) == 0 ? ", not patched yet" : ", ALTERED";
	else if (memcmp(now, before, size) == 0 && site->form != HOT_STUB)
		state = ", in the stub";
	kprintf("%s (%s)%s", chosen->text, condition(chosen), state);
}

static void annotate(uint64_t address, const char *instruction)
{
	const struct hot_text *text;
	const struct hot_site *site = mdb_site(address, &text);

	if (!site)
		return;
	if (text->address + site->offset == address)
		describe(text, site);
	else
		kprintf("  ; %s%s", hot_table.hotinlines[site->hotinline].name,
			strncmp(instruction, "nop", 3) == 0 ? ": padding" : "");
}

/* ---- Operands ---- */

/* The number that a text ends in or has in it after `mark`: "rip + 0x10]". */
static bool number_after(const char *text, const char *mark, uint64_t *value)
{
	size_t n = strlen(mark), digits = 0;
	char number[20];

	for (; *text && strncmp(text, mark, n) != 0; text++)
		continue;
	if (!*text)
		return false;
	for (text += n; *text && *text != ']' && *text != ' ' && *text != ',' && digits < 18;)
		number[digits++] = *text++;
	number[digits] = '\0';
	return parse_hex(number, value);
}

/* The address that an instruction names, after it, with its symbol if there is one. */
static void name_operand(const char *text, uint64_t next)
{
	const char *symbol;
	uint64_t value, offset, size;
	char line[96];

	if (number_after(text, "[rip + ", &value))
		value = next + value;
	else if (number_after(text, "[rip - ", &value))
		value = next - value;
	else if (!number_after(text, " 0xffffffff", &value))
		return;
	else
		value |= 0xffffffff00000000;
	if (krtld_name(&krtld, value, &symbol, &offset, &size))
		kprintf(" <%s>", mdb_name(value, line, sizeof(line)));
}

/* ---- Lines ---- */

static void print_name(uint64_t address)
{
	char line[96];
	size_t n;

	mdb_name(address, line, sizeof(line));
	n = strlen(line);
	kprintf("%s:", line);
	for (; n < 31; n++)
		kprintf(" ");
}

static void print_code(const uint8_t *bytes, size_t n)
{
	print_bytes(bytes, n);
	for (; n < BYTES_SHOWN; n++)
		kprintf("   ");
	kprintf("  ");
}

/* The text of an instruction, what it names, and what is known of it as a site. */
static void print_text(uint64_t address, const char *text, size_t n)
{
	kprintf("%s", text[0] ? text : disassembler ? "(bad)" : "");
	name_operand(text, address + n);
	annotate(address, text);
}

/* How many bytes a line shows where there is no disassembler: not beyond where a site begins. */
static size_t raw_length(uint64_t address, uint64_t end)
{
	const struct hot_text *text;
	const struct hot_site *first = mdb_site(address, &text);
	size_t n = 1;

	while (n < BYTES_SHOWN && address + n < end && mdb_site(address + n, &text) == first)
		n++;
	return n;
}

/* One instruction. Returns its length, 0 where nothing is mapped. */
static size_t print_instruction(uint64_t address, uint64_t end)
{
	uint8_t bytes[INSTRUCTION_MAX];
	char text[TEXT_SIZE];
	size_t n = mdb_decode(address, text, sizeof(text)), have;

	if (!n)
		n = disassembler ? 1 : raw_length(address, end);
	have = peek(address, bytes, n);
	if (!have)
		return 0;
	print_name(address);
	print_code(bytes, have);
	print_text(address, text, n);
	kprintf("\n");
	return have;
}

/* For ADDRESS/i: an instruction without its address, or its first byte where there is no
 * disassembler. Returns its length; something is mapped there. */
size_t mdb_instruction(uint64_t address)
{
	char text[TEXT_SIZE];
	size_t n = mdb_decode(address, text, sizeof(text));
	uint8_t byte;

	if (!disassembler && peek(address, &byte, 1))
		kprintf("%02x", byte);
	print_text(address, text, n ? n : 1);
	return n ? n : 1;
}

/* For each stop, and for a panic: the next instruction. Nothing if it is not known. */
void mdb_show_instruction(uint64_t address)
{
	char text[TEXT_SIZE], name[96];

	if (!mdb_decode(address, text, sizeof(text)))
		return;
	kprintf("%s:\t", mdb_name(address, name, sizeof(name)));
	mdb_instruction(address);
	kprintf("\n");
}

/* Instructions from an address to an end, and no more than that many. */
static void print_range(uint64_t address, uint64_t end, uint64_t count)
{
	for (size_t n; count; count--) {
		n = print_instruction(address, end);
		if (!n)
			kprintf("mdb: nothing is mapped at 0x%lx\n", address);
		if (!n || n >= end - address)
			return;
		address += n;
	}
}

static bool parse_count(const struct mdb_call *call, uint64_t *count)
{
	if (!call->argc) {
		*count = 0;
		return true;
	}
	if (call->argc == 2 && strcmp(call->argv[0], "-n") == 0 &&
	    mdb_number(call->argv[1], count) && *count && *count <= COUNT_MAX)
		return true;
	kprintf("mdb: ::dis takes -n and a number from 1 to 0t%u\n", COUNT_MAX);
	return false;
}

/* The boot loads it, so that nothing has to be loaded where the system is stopped. */
static void say_no_disassembler(void)
{
	struct archive file;

	kprintf("mdb: no disassembler, so these are bytes: the module capstone is %s\n",
		archive_find("modules/capstone.ko", &file)
		    ? "not loaded; at the prompt, `modload capstone` loads it or says why not"
		    : "not in the boot archive (was libcapstone.a there when it was built?)");
}

/* Without -n: the function that the address is in. */
void mdb_dis(struct mdb_call *call)
{
	uint64_t offset, size, count;
	const char *symbol;

	if (!parse_count(call, &count))
		return;
	if (!disassembler)
		say_no_disassembler();
	(void)krtld_name(&krtld, call->address, &symbol, &offset, &size);
	if (count || !symbol || offset >= size)
		print_range(call->address, UINT64_MAX, count ? count : UNSIZED);
	else
		print_range(call->address - offset, call->address - offset + size, UINT64_MAX);
}

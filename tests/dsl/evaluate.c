/*
 * Reads the generated table through the engine, for tests of hotc (test_tree.py). Each line of input
 * is a hotinline's index and the indices of the features that hold; each line of output the
 * alternative that the engine chooses and the bytes of every kind of site.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alternatives/hotinline.h"
#include "hottable.h"

enum {
	STUBS = 0x100000,   /* where the stubs are, 128 bytes apart */
	SYMBOLS = 0x200000, /* where the symbols are, 16 bytes apart */
	SITE = 0x300000,
};

static const struct {
	uint8_t form;
	uint8_t flags;
} KINDS[] = {
    {HOT_CALL, 0}, {HOT_CALL, HOT_WIDE}, {HOT_JMP, 0}, {HOT_JMP, HOT_WIDE}, {HOT_STUB, HOT_WIDE},
};

static struct hot_machine *make_machine(void)
{
	struct hot_machine *machine =
	    hot_machine_init(calloc(1, hot_machine_size(&hot_table)), &hot_table);

	for (unsigned i = 0; i < hot_table.nhotinlines; i++)
		machine->stubs[i] = STUBS + 128 * i;
	for (unsigned i = 0; i < hot_table.nsymbols; i++)
		machine->symbols[i] = SYMBOLS + 16 * i;
	return machine;
}

static void print_site(const struct hot_machine *machine, unsigned hotinline, uint8_t form,
		       uint8_t flags)
{
	struct hot_site site = {.hotinline = (uint16_t)hotinline, .form = form, .flags = flags};
	struct hot_text text = {.address = SITE, .size = 4096, .sites = &site, .nsites = 1};
	struct hot_error error;
	uint8_t bytes[HOT_BYTES_MAX];
	unsigned size;

	if (form == HOT_STUB)
		text.address = machine->stubs[hotinline];
	if (hot_table.hotinlines[hotinline].size == 5 && form != HOT_STUB)
		site.flags = 0;
	size = hot_site_bytes(machine, &text, &site, HOT_NOW, bytes, &error);
	if (size == 0) {
		printf(" error%d", (int)error.reason);
		return;
	}
	putchar(' ');
	for (unsigned i = 0; i < size; i++)
		printf("%02x", bytes[i]);
}

static void answer(char *line)
{
	struct hot_machine *machine = make_machine();
	struct hot_features features = {{0}};
	unsigned hotinline = (unsigned)strtoul(line, &line, 10);

	for (char *end; *line != '\0'; line = end) {
		unsigned feature = (unsigned)strtoul(line, &end, 10);

		if (end == line)
			break;
		features.set[feature / 64] |= 1ull << feature % 64;
	}
	hot_decide(machine, &features);
	printf("%u", hot_select(&hot_table, &features, hotinline));
	for (unsigned i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
		print_site(machine, hotinline, KINDS[i].form, KINDS[i].flags);
	putchar('\n');
	free(machine);
}

int main(void)
{
	char line[8192];

	while (fgets(line, sizeof(line), stdin) != NULL)
		answer(line);
	return 0;
}

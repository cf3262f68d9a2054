/* What the host tool shows and for which machine: --cpu, --sites, --json, --version, a layout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "hottable.h"
#include "tests/host/run.h"

/* Two pointers to smap_enable, out of order, and a call of it behind no symbol. */
static const char *nameless_object(void)
{
	struct object *object = object_new();
	unsigned data =
	    object_data(object, ".data", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	unsigned text = object_text(object, ".text", "90 e8 00 00 00 00 c3");
	unsigned stub = object_undefined(object, "smap_enable");

	object_rela(object, data, 8, R_X86_64_64, stub, 0);
	object_rela(object, data, 0, R_X86_64_64, stub, 4);
	object_rela(object, text, 2, R_X86_64_PLT32, stub, -4);
	return run_write_object("it.o", object);
}

/* ---- --cpu ---- */

Test(tool_show, a_derived_feature_follows_from_the_others)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00");

	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "copy_bytes"), -4);
	run_write_object("it.o", object);
	run_expect(run(KRTLD "--cpu erms --sites $T/it.o"), 0, "\tcopy_bytes\t0\trep movsb\t");
	run_expect(run(KRTLD "--cpu erms,fast_string --sites $T/it.o"), 0, "\tcopy_bytes\t0\t");
	run_expect(run(KRTLD "--cpu none --sites $T/it.o"), 0, "\tcopy_bytes\t1\t");
	run_expect(run(KRTLD "--cpu fast_string --sites $T/it.o"), 64,
		   "feature `fast_string' does not follow from the others, it is derived: ");
}

Test(tool_show, a_list_of_features_has_at_least_one)
{
	nameless_object();
	run_expect(run(KRTLD "--cpu '' $T/it.o"), 64, "the list is empty, write `none'");
	run_expect(run(KRTLD "--cpu , $T/it.o"), 0, "section 1 ");
	run_expect(run(KRTLD "--cpu smap,none $T/it.o"), 64, "no feature `none'");
}

Test(tool_show, every_unknown_feature_is_reported_and_the_nearest_suggested)
{
	const struct run *r;

	nameless_object();
	r = run(KRTLD "--cpu smpa,smap,popcount $T/it.o");
	run_expect(r, 64, "no feature `smpa', did you mean `smap'?");
	run_expect(r, 64, "no feature `popcount', did you mean `popcnt'?");
	cr_expect(!strstr(r->errors, "no feature `smap'"), "%s", r->errors);
}

/* ---- --version ---- */

Test(tool_show, the_version_tells_which_table_is_built_in)
{
	char want[64];

	snprintf(want, sizeof(want), "patch table %016lx: %u features, %u hotinlines\n",
		 hot_table.fingerprint, hot_table.nfeatures, hot_table.nhotinlines);
	run_expect(run(KRTLD "--version"), 0, want);
	run_expect(run(KRTLD "--version --no-such-option"), 0, want);
	run_expect(run(KRTLD "--no-such-option --version"), 64, "unknown option --no-such-option");
}

/* ---- Sites and references ---- */

Test(tool_show, without_a_machine_sites_are_unpatched)
{
	const struct run *r;

	nameless_object();
	run_write_text("layout", "section 2 10000000\nsymbol 10001000 smap_enable\n");
	r = run(KRTLD "--layout $T/layout --sites $T/it.o");
	run_expect(r, 0, "\tcall\tsmap_enable\t-\tunpatched\te8 fa 0f 00 00\te8 fa 0f 00 00\n");
	run_expect(run(KRTLD "--layout $T/layout --json $T/it.o"), 0,
		   "\"index\": null, \"text\": \"unpatched\", \"before\": \"e8 fa 0f 00 00\", "
		   "\"after\": \"e8 fa 0f 00 00\"");
	run_expect(run(KRTLD "--cpu smap --layout $T/layout --json $T/it.o"), 0,
		   "\"index\": 0, \"text\": \"clac\", \"before\": \"e8 fa 0f 00 00\", "
		   "\"after\": \"0f 01 ca 66 90\"");
}

Test(tool_show, what_no_symbol_names_is_named_by_its_section)
{
	nameless_object();
	run_expect(run(KRTLD "--sites $T/it.o"), 0, "it.o:.text+0x1\tcall\t");
	run_expect(run(KRTLD "--sites $T/it.o"), 0, "it.o:.data+0x8\treference\t");
}

Test(tool_show, references_come_in_order_of_their_addresses)
{
	const struct run *r;
	const char *first, *second;

	nameless_object();
	run("cp $T/it.o $T/other.o");
	run("echo object $T/it.o >$T/layout; echo section 1 20000000 >>$T/layout; "
	    "echo object $T/other.o >>$T/layout; echo section 1 10000000 >>$T/layout");
	r = run(KRTLD "--layout $T/layout --sites $T/it.o $T/other.o | grep reference | cut -f 1");
	run_expect(r, 0, "0x10000000\n0x10000008\n0x20000000\n0x20000008\n");
	r = run(KRTLD "--layout $T/layout --json $T/it.o $T/other.o");
	first = strstr(r->out, "\"0x10000008\"");
	second = strstr(r->out, "\"0x20000000\"");
	cr_expect(first && second && first < second, "%s", r->out);
}

/* One line is one item, whatever the bytes of a name. */
Test(tool_show, a_name_cannot_break_a_line)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".te\nxt", "e8 00 00 00 00");

	object_global(object, "a\tb\nc\x7f\xc3\xa9", text, 0);
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "smap_enable"), -4);
	run_write_object("it.o", object);
	run_expect(run(KRTLD "--sites $T/it.o"), 0, "it.o:a?b?c?\xc3\xa9+0x0\tcall\t");
	run_expect(run(KRTLD "--sites $T/it.o | wc -l"), 0, "1\n");
	run_expect(run(KRTLD "$T/it.o | head -2 | tail -1"), 0, " 5 .te?xt\n");
}

Test(tool_show, a_layout_that_is_printed_names_what_is_in_memory_and_every_stub)
{
	struct object *object = object_new();
	char want[64];

	object_text(object, ".text", "c3");
	object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	object_data(object, ".data", "");
	run_write_object("it.o", object);
	run_expect(run(KRTLD "$T/it.o | grep ^section | cut -d ' ' -f 2,4,5"), 0,
		   "1 1 .text\n3 0 .data\n");
	snprintf(want, sizeof(want), "%u\n", (unsigned)hot_table.nhotinlines + hot_table.nsymbols);
	run_expect(run(KRTLD "$T/it.o | grep -c ^symbol"), 0, want);
}

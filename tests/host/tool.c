/*
 * The host program build/bin/krtld: its options, columns, messages and exit statuses. It has the
 * tree's own patch table built in, of which only smap_enable and popcount64 are used here.
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"
#include "tests/host/world.h"

/* A call and a tail call of smap_enable, a pointer to it, and a call of an ordinary function. */
static const char *calls_object(void)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "90 e8 00 00 00 00 c3 e9 00 00 00 00");
	unsigned data = object_data(o, ".data", "00 00 00 00 00 00 00 00");
	unsigned stub = object_undefined(o, "smap_enable");

	object_symbol(o, "first", STB_GLOBAL, STT_FUNC, text, 0, 7);
	object_symbol(o, "second", STB_GLOBAL, STT_FUNC, text, 7, 5);
	object_symbol(o, "pointer", STB_GLOBAL, STT_OBJECT, data, 0, 8);
	object_rela(o, text, 2, R_X86_64_PLT32, stub, -4);
	object_rela(o, text, 8, R_X86_64_PC32, stub, -4);
	object_rela(o, data, 0, R_X86_64_64, stub, 0);
	return run_write_object("calls.o", o);
}

static const char *layout_file(void)
{
	return run_write_text("layout", "# where things go\n"
					"section 1 0x10000000 further columns\n"
					"section\t2\t20000000\n"
					"\n"
					"symbol 0x10001000 smap_enable and more\n");
}

/* The n-th line of a text, from 0, without its newline; "" where there is none. */
static const char *line(const char *text, unsigned n)
{
	static char copy[1024];

	while (n-- > 0 && text)
		text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
	snprintf(copy, sizeof(copy), "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
	return copy;
}

static void expect_status(const struct run *r, int status, const char *what)
{
	cr_expect_eq(r->status, status, "%s: status %d, not %d; it said: %s%s", what, r->status,
		     status, r->errors, r->out);
}

static void expect_wrong_use(const char *arguments)
{
	const struct run *r = run(KRTLD "%s", arguments);

	expect_status(r, 64, arguments);
	cr_expect(!strncmp(r->errors, "krtld: ", 7), "%s: %s", arguments, r->errors);
	cr_expect_str_empty(r->out, "%s: %s", arguments, r->out);
}

Test(tool, wrong_use_is_status_64)
{
	run_directory();
	calls_object();
	expect_wrong_use("");
	expect_wrong_use("--sites");
	expect_wrong_use("--no-such-option $T/calls.o");
	expect_wrong_use("-x $T/calls.o");
	expect_wrong_use("--cpu");
	expect_wrong_use("--cpu no_such_feature $T/calls.o");
	expect_wrong_use("--sites --json $T/calls.o");
	expect_wrong_use("--layout $T/no-such-file $T/calls.o");
}

Test(tool, help_is_status_0_and_names_every_option)
{
	static const char *const options[] = {"--cpu",  "--layout", "--dump", "--sites",
					      "--json", "--link",   "--own",  "--help"};
	const struct run *r = run(KRTLD "--help");

	expect_status(r, 0, "--help");
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		cr_expect(strstr(r->out, options[i]), "%s is not in the help", options[i]);
}

Test(tool, an_object_that_loads_is_status_0)
{
	expect_status(run(KRTLD "%s", calls_object()), 0, "no option");
	expect_status(run(KRTLD "--cpu none $T/calls.o"), 0, "--cpu none");
	expect_status(run(KRTLD "--cpu host $T/calls.o"), 0, "--cpu host");
	expect_status(run(KRTLD "--cpu smap,popcnt $T/calls.o"), 0, "--cpu smap,popcnt");
}

Test(tool, a_bad_object_is_status_2_and_one_line)
{
	const struct run *r = run("head -c 100 %s >$T/cut.o; " KRTLD "$T/cut.o", calls_object());
	char start[300];

	expect_status(r, 2, "an object cut short");
	snprintf(start, sizeof(start), "krtld: %s/cut.o: ", run_directory());
	cr_expect(!strncmp(r->errors, start, strlen(start)), "%s", r->errors);
	cr_expect_str_empty(line(r->errors, 1));
	expect_status(run(KRTLD "/dev/null"), 2, "an empty file");
	expect_status(run(KRTLD "$T/no-such-file.o"), 2, "no such file");
	cr_expect(strstr(run(KRTLD "$T/no-such-file.o")->errors, "no-such-file.o"));
	expect_status(run(KRTLD "Makefile"), 2, "a text");
	expect_status(run(KRTLD "build/bin/krtld"), 2, "an executable");
	expect_status(run(KRTLD "$T"), 2, "a directory");
}

Test(tool, all_undefined_symbols_are_named)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "e8 00 00 00 00 e8 00 00 00 00 e8 00 00 00 00");
	const struct run *r;

	object_rela(o, text, 1, R_X86_64_PLT32, object_undefined(o, "one_missing"), -4);
	object_rela(o, text, 6, R_X86_64_PLT32, object_undefined(o, "two_missing"), -4);
	object_rela(o, text, 11, R_X86_64_PLT32, object_undefined(o, "three_missing"), -4);
	r = run(KRTLD "%s", run_write_object("it.o", o));
	expect_status(r, 2, "undefined symbols");
	cr_expect(strstr(line(r->errors, 0), ".text+0x1: ") &&
		      strstr(line(r->errors, 0), "one_missing"),
		  "%s", r->errors);
	cr_expect(strstr(r->errors, "two_missing") && strstr(r->errors, "three_missing"));
	cr_expect_str_empty(r->out);
}

Test(tool, an_overflow_names_place_type_and_symbol)
{
	struct object *o = object_new();
	unsigned data = object_data(o, ".data", "00 00 00 00 00 00 00 00");
	const struct run *r;

	object_rela(o, data, 4, R_X86_64_32, object_global(o, "large", SHN_ABS, 1ul << 32), 0);
	r = run(KRTLD "%s", run_write_object("it.o", o));
	expect_status(r, 2, "an overflow");
	cr_expect(strstr(r->errors, "it.o: .data+0x4: ") && strstr(r->errors, "R_X86_64_32") &&
		      strstr(r->errors, "large") && strstr(r->errors, "0x100000000"),
		  "%s", r->errors);
}

/* ---- --layout and --dump ---- */

Test(tool, a_layout_says_where_sections_and_symbols_are)
{
	const struct run *r;

	calls_object();
	layout_file();
	r = run(KRTLD "--layout $T/layout --dump $T/dump $T/calls.o && cat $T/dump/sec1.bin "
		      "$T/dump/sec2.bin >$T/both");
	expect_status(r, 0, "--dump");
	r = run("od -An -v -tx1 $T/both | tr -d '\\n'");
	cr_expect_str_eq(r->out, " 90 e8 fa 0f 00 00 c3 e9 f4 0f 00 00 00 10 00 10 00 00 00 00",
			 "%s", r->out);
}

Test(tool, a_dump_holds_what_is_patched)
{
	const struct run *r;

	calls_object();
	layout_file();
	run(KRTLD "--cpu smap --layout $T/layout --dump $T/dump $T/calls.o");
	r = run("od -An -v -tx1 $T/dump/sec1.bin | tr -d '\\n'; ls $T/dump");
	cr_expect(!strncmp(r->out, " 90 0f 01 ca 66 90 c3 0f 01 ca c3 cc", 36), "%s", r->out);
	cr_expect(strstr(r->out, "sec2.bin"), "%s", r->out);
}

Test(tool, a_dump_holds_the_got_and_says_where_it_is)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "48 8b 05 00 00 00 00");
	unsigned long address = 0;
	const struct run *r;
	char want[64];

	object_rela(o, text, 3, R_X86_64_GOTPCREL, object_undefined(o, "far"), -4);
	run_write_object("got.o", o);
	run_write_text("layout", "section 1 10000000\nsymbol 123456789abcdef0 far\n");
	r = run(KRTLD "--layout $T/layout --dump $T/dump $T/got.o && cd $T/dump && ls got* && "
		      "od -An -v -tx8 got*.bin && od -An -v -td4 -j3 sec1.bin");
	expect_status(r, 0, "a GOT");
	sscanf(r->out, "got%lx.bin", &address);
	snprintf(want, sizeof(want), ".bin\n 123456789abcdef0\n %11ld\n", address - 0x10000007);
	cr_expect(strstr(r->out, want), "%swanted: %s", r->out, want);
	calls_object();
	r = run(KRTLD "--dump $T/none $T/calls.o && ls $T/none");
	cr_expect(strstr(r->out, "sec1.bin") && !strstr(r->out, "got"), "%s", r->out);
}

/* Room is kept for what sections need, and not for the most that they might: 2 GiB are soon gone. */
Test(tool, what_a_layout_leaves_out_follows_it_if_there_is_room)
{
	struct object *o = object_new();
	const struct run *r;

	for (unsigned i = 0; i < 28; i++)
		object_rodata(o, ".rodata", "00");
	run_write_object("many.o", o);
	run_write_text("layout", "section 1 fffffffffc000000\n");
	r = run(KRTLD "--layout $T/layout $T/many.o");
	expect_status(r, 0, "a layout");
	cr_expect(strstr(r->out, "\nsection 2 fffffffffc0010"), "%s", r->out);
}

Test(tool, what_a_layout_leaves_out_precedes_it_if_there_is_none)
{
	struct object *o = object_new();
	const struct run *r;

	object_rodata(o, ".rodata", "00");
	object_bss(o, ".bss", 0x10000);
	run_write_object("two.o", o);
	run_write_text("layout", "section 1 ffffffffffff0000\n");
	r = run(KRTLD "--layout $T/layout $T/two.o");
	expect_status(r, 0, "a layout");
	cr_expect(strstr(r->out, "\nsection 2 fffffffffff"), "%s", r->out);
}

Test(tool, a_bad_layout_is_wrong_use_and_names_its_line)
{
	static const char *const bad[] = {
	    "section one 1000\n", "section 1\n",       "section 1 12345678901234567\n",
	    "section 1 zz\n",     "symbol 1000\n",     "symbol zz name\n",
	    "colour 1 2\n",       "section 99 1000\n", "section -1 1000\n",
	    "section 1 -5\n",     "section 0 1000\n",  "object /no/such\n",
	};

	calls_object();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct run *r;
		char text[128];

		snprintf(text, sizeof(text), "# first line\n%s", bad[i]);
		run_write_text("layout", text);
		r = run(KRTLD "--layout $T/layout $T/calls.o");
		cr_expect(r->status == 64 || r->status == 2, "%s: status %d", bad[i], r->status);
		cr_expect(strstr(r->errors, "layout:2: "), "%s: %s", bad[i], r->errors);
	}
}

Test(tool, a_dump_that_cannot_be_written_is_status_2)
{
	calls_object();
	expect_status(run(KRTLD "--dump /dev/null/none $T/calls.o"), 2, "--dump /dev/null/none");
	expect_status(run(KRTLD "$T/calls.o >/dev/full"), 2, "a full device");
}

Test(tool, what_it_prints_is_a_layout_that_gives_the_same)
{
	calls_object();
	expect_status(run(KRTLD "--cpu smap $T/calls.o >$T/layout && " KRTLD
				"--cpu smap --dump $T/a $T/calls.o && " KRTLD
				"--cpu smap --layout $T/layout --dump $T/b $T/calls.o && "
				"diff -r $T/a $T/b && " KRTLD
				"--cpu smap --layout $T/layout $T/calls.o | diff - $T/layout"),
		      0, "a layout that was printed");
}

/* ---- --sites and --json ---- */

Test(tool, sites_have_eight_columns_and_references_a_reason)
{
	const struct run *r;
	char want[512];

	calls_object();
	layout_file();
	r = run(KRTLD "--cpu smap --layout $T/layout --sites $T/calls.o");
	expect_status(r, 0, "--sites");
	snprintf(want, sizeof(want),
		 "0x10000001\t%s/calls.o:first+0x1\tcall\tsmap_enable\t0\tclac\t"
		 "e8 fa 0f 00 00\t0f 01 ca 66 90",
		 run_directory());
	cr_expect_str_eq(line(r->out, 0), want);
	snprintf(want, sizeof(want),
		 "0x10000007\t%s/calls.o:second+0x0\tjmp\tsmap_enable\t0\tclac\t"
		 "e9 f4 0f 00 00\t0f 01 ca c3 cc",
		 run_directory());
	cr_expect_str_eq(line(r->out, 1), want);
	snprintf(want, sizeof(want),
		 "0x20000000\t%s/calls.o:pointer+0x0\treference\tsmap_enable\tR_X86_64_64\t%s",
		 run_directory(), krtld_plain_text(KRTLD_PLAIN_DATA));
	cr_expect_str_eq(line(r->out, 2), want);
	cr_expect_str_empty(line(r->out, 3));
}

Test(tool, without_the_feature_the_baseline_is_shown)
{
	const struct run *r;

	calls_object();
	layout_file();
	r = run(KRTLD "--cpu none --layout $T/layout --sites $T/calls.o");
	cr_expect(strstr(line(r->out, 0), "\tsmap_enable\t1\tnop5\te8 fa 0f 00 00\t0f 1f 44 00 00"),
		  "%s", r->out);
	cr_expect(strstr(line(r->out, 1), "\te9 f4 0f 00 00\tc3 cc cc cc cc"), "%s", r->out);
}

Test(tool, json_can_be_parsed_and_says_the_same)
{
	static const char script[] =
	    "import json, sys\n"
	    "it = json.load(open(sys.argv[1]))\n"
	    "sites, references = it['sites'], it['references']\n"
	    "assert len(sites) == 2 and len(references) == 1, it\n"
	    "assert sites[0]['address'] == '0x10000001' and sites[0]['form'] == 'call', sites\n"
	    "assert sites[0]['after'] == '0f 01 ca 66 90' and sites[1]['form'] == 'jmp', sites\n"
	    "assert references[0]['type'] == 'R_X86_64_64' and references[0]['reason'], references\n";

	calls_object();
	layout_file();
	run_write_text("check.py", script);
	expect_status(run(KRTLD "--cpu smap --layout $T/layout --json $T/calls.o >$T/json && "
				"python3 $T/check.py $T/json"),
		      0, "--json");
}

Test(tool, json_of_odd_names_can_be_parsed)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "e8 00 00 00 00");

	object_global(o, "a\"b\\c\td\x01\xc3\xa9\xff", text, 0);
	object_rela(o, text, 1, R_X86_64_PLT32, object_undefined(o, "smap_enable"), -4);
	run_write_object("odd.o", o);
	expect_status(run(KRTLD "--cpu smap --json $T/odd.o | python3 -m json.tool"), 0, "--json");
}

/* ---- Several objects ---- */

static const char *defines(const char *file, const char *name, const char *needs)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "e8 00 00 00 00 c3");

	object_global(o, name, text, 0);
	object_rela(o, text, 1, R_X86_64_PLT32, object_undefined(o, needs), -4);
	return run_write_object(file, o);
}

Test(tool, objects_may_refer_to_those_before_them)
{
	defines("a.o", "fa", "smap_enable");
	defines("b.o", "fb", "fa");
	expect_status(run(KRTLD "$T/a.o $T/b.o"), 0, "a and b");
	run_expect(run(KRTLD "$T/b.o $T/a.o"), 2, "b.o: .text+0x1: symbol `fa' is undefined");
	expect_status(run(KRTLD "$T/b.o"), 2, "b alone");
	expect_status(run(KRTLD "$T/a.o $T/a.o"), 64, "a twice");
}

Test(tool, as_one_set_objects_may_refer_to_one_another)
{
	defines("a.o", "fa", "fb");
	defines("b.o", "fb", "fa");
	expect_status(run(KRTLD "--link $T/a.o $T/b.o"), 0, "a and b");
	expect_status(run(KRTLD "--link $T/b.o $T/a.o"), 0, "b and a");
	expect_status(run(KRTLD "--link $T/a.o"), 2, "a alone");
	expect_status(run(KRTLD "$T/a.o $T/b.o"), 2, "a and b, as the kernel does");
}

Test(tool, a_name_that_is_each_objects_own_does_not_collide)
{
	defines("a.o", "fa", "smap_enable");
	defines("b.o", "fa", "smap_enable");
	defines("c.o", "fc", "fa");
	run_expect(run(KRTLD "$T/a.o $T/b.o"), 2, "b.o: symbol `fa' is defined twice, first in ");
	run_expect(run(KRTLD "$T/a.o $T/b.o"), 2,
		   "/a.o; hide it where it is a module's own: static");
	expect_status(run(KRTLD "--own fa $T/a.o $T/b.o"), 0, "--own fa");
	expect_status(run(KRTLD "--own x,fa,y $T/a.o $T/b.o"), 0, "--own x,fa,y");
	expect_status(run(KRTLD "--own f,faa,a $T/a.o $T/b.o"), 2, "--own of other names");
	expect_status(run(KRTLD "$T/a.o $T/c.o"), 0, "fa is exported");
	expect_status(run(KRTLD "--own fa $T/a.o $T/c.o"), 2, "fa is a's own");
	expect_status(run(KRTLD "--own fa --link $T/a.o $T/c.o"), 2, "fa is a's own in a link too");
	expect_status(run(KRTLD "--own"), 64, "--own without names");
}

/* A module's _init is what the kernel runs, and not what a program on another machine does. */
Test(tool, nothing_of_an_object_is_run)
{
	struct object *o = object_new();

	object_global(o, "_init", object_text(o, ".text", "0f 0b 90 90 90 90 90 90"), 0);
	run_write_object("it.o", o);
	expect_status(run(KRTLD "$T/it.o"), 0, "an _init that is ud2");
}

/* Names of C++ may be of any length: what is left out is in the name, and the reason is there. */
Test(tool, a_message_is_never_cut)
{
	static char name[60000];
	struct object *o = object_new();
	unsigned text = object_text(o, ".text", "e8 00 00 00 00");
	const struct run *r;

	memset(name, 'n', sizeof(name) - 1);
	object_rela(o, text, 1, R_X86_64_PLT32, object_undefined(o, name), -4);
	r = run(KRTLD "%s", run_write_object("it.o", o));
	expect_status(r, 2, "a long name");
	cr_expect(strstr(r->errors, "' is undefined, no loaded module defines it\n"), "%s",
		  r->errors);
}

Test(tool, a_name_defined_twice_is_refused)
{
	defines("a.o", "fa", "smap_enable");
	defines("b.o", "fa", "smap_enable");
	expect_status(run(KRTLD "$T/a.o $T/b.o"), 2, "fa twice");
}

Test(tool, an_object_that_defines_a_stub_among_others_is_refused)
{
	defines("a.o", "fa", "smap_enable");
	defines("b.o", "smap_enable", "fa");
	expect_status(run(KRTLD "$T/a.o $T/b.o"), 2, "a module with a stub's name");
}

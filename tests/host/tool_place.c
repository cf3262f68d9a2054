/*
 * Where the host tool puts things: what a layout says, what it may not say, what goes where it says
 * nothing; and what several OBJECTs define for one another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "hottable.h"
#include "tests/host/run.h"
#include "tests/host/sample.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

/* .text and .data of 16 bytes each, a section that is not loaded, and a pointer to `outside'. */
static void plain_object(void)
{
	struct object *object = object_new();
	unsigned data;

	object_text(object, ".text", ZEROS);
	data = object_data(object, ".data", ZEROS);
	object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	object_rela(object, data, 0, R_X86_64_64, object_undefined(object, "outside"), 0);
	run_write_object("it.o", object);
}

static const struct run *lay_out(const char *layout)
{
	run_write_text("layout", layout);
	return run(KRTLD "--layout $T/layout $T/it.o");
}

#define OUTSIDE "symbol 30000000 outside\n"

/* ---- What a layout says ---- */

Test(tool_place, an_undefined_symbol_is_where_the_layout_says)
{
	plain_object();
	run_write_text("layout", "symbol 123456789abcdef0 outside\n");
	run_expect(run(KRTLD "--layout $T/layout --dump $T/dump $T/it.o && "
			     "od -An -tx8 -N8 $T/dump/sec2.bin"),
		   0, " 123456789abcdef0\n");
	run_expect(lay_out("symbol 123456789abcdef0 outsider\n"), 2, "symbol `outside' is undef");
}

Test(tool_place, a_symbol_may_be_said_twice_but_not_in_two_places)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "symbol 1 other\n" OUTSIDE), 0, "section 1 ");
	run_expect(lay_out(OUTSIDE "symbol 1 other\nsymbol 30000001 outside\n"), 64,
		   "layout:3: symbol `outside', has another address further up");
}

Test(tool_place, of_two_lines_about_a_section_the_last_holds)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 1 10000000\nsection 1 20000000\n"), 0,
		   "section 1 20000000 10 .text\n");
}

Test(tool_place, a_layout_is_text)
{
	plain_object();
	run_write("layout", OUTSIDE "\0\n", sizeof(OUTSIDE) + 1);
	run_expect(run(KRTLD "--layout $T/layout $T/it.o"), 64,
		   "layout: a NUL byte at 0x18, expected text");
	run_write("layout", OUTSIDE "\r\v\f # \xff\n", sizeof(OUTSIDE) + 7);
	run_expect(run(KRTLD "--layout $T/layout $T/it.o"), 0, "section 1 ");
}

Test(tool_place, a_number_has_at_most_64_bits_and_no_sign)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 1 ffffffffffff0000\n"), 0,
		   "section 1 ffffffffffff0000");
	run_expect(lay_out(OUTSIDE "section 1 10000000000000000\n"), 64, "layout:2: bad address");
	run_expect(lay_out(OUTSIDE "section 1 +10\n"), 64, "layout:2: bad address `+10'");
	run_expect(lay_out(OUTSIDE "section 1 10z\n"), 64, "layout:2: bad address `10z'");
	run_expect(lay_out(OUTSIDE "section 4294967296 10\n"), 64, "layout:2: bad section index");
	run_expect(lay_out(OUTSIDE "object\n"), 64, "layout:2: bad item `object'");
	run_expect(lay_out(OUTSIDE "object it.o\n"), 64, "layout:2: no such object `it.o'");
}

Test(tool_place, a_line_about_a_section_that_is_not_loaded_is_ignored)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 3 10000000\nsection 1 20000000\n"), 0,
		   "layout:2: line ignored, section 3 (.comment) of ");
	run_expect(lay_out(OUTSIDE "section 3 10000000\nsection 1 20000000\n"), 0,
		   "section 1 20000000 ");
	run_expect(lay_out(OUTSIDE "section 99 10000000\n"), 64, "layout:2: no section 99 in ");
}

Test(tool_place, a_section_keeps_its_alignment)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 1 10000008\n"), 2,
		   "section 1 (.text) at 0x10000008 is not aligned, expected a multiple of 0x10");
	run_expect(lay_out(OUTSIDE "section 2 10000008\n"), 0, "section 2 10000008 ");
}

Test(tool_place, a_section_ends_before_the_last_address)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 2 fffffffffffffff8\n"), 2,
		   "section 2 (.data) at 0xfffffffffffffff8 reaches past the last address");
	run_expect(lay_out(OUTSIDE "section 2 ffffffffffffffe8\n"), 0, "section 2 ffffffffffff");
}

Test(tool_place, sections_may_touch_but_not_overlap)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 2 1000000f\n"), 2, "is not aligned");
	run_expect(
	    lay_out(OUTSIDE "section 1 10000000\nsection 2 10000008\n"), 2,
	    "layout:3: section 2 (.data) at 0x10000008 overlaps section 1 (.text) of line 2");
	run_expect(lay_out(OUTSIDE "section 2 10000000\nsection 1 10000000\n"), 2, "overlaps");
	run_expect(lay_out(OUTSIDE "section 1 10000000\nsection 2 10000010\n"), 0,
		   "section 2 10000010 ");
}

Test(tool_place, an_empty_section_takes_no_room)
{
	struct object *object = object_new();

	object_text(object, ".text", ZEROS);
	object_data(object, ".data", "");
	run_write_object("it.o", object);
	run_expect(lay_out("section 1 10000000\nsection 2 10000008\n"), 0, "section 2 10000008 0 ");
}

/* ---- What it does not say ---- */

Test(tool_place, what_a_layout_leaves_out_avoids_what_it_says)
{
	plain_object();
	run_expect(lay_out(OUTSIDE "section 1 10000000\nsymbol 10001008 other\n"), 0,
		   "section 2 10001010 ");
	run_expect(lay_out(OUTSIDE "section 1 10000000\nsymbol 10001010 other\n"), 0,
		   "section 2 10001000 ");
}

Test(tool_place, behind_the_last_address_comes_what_is_before_the_first)
{
	plain_object();
	run_expect(lay_out("symbol ffffffff80000000 outside\nsection 1 ffffffffffffffe0\n"), 0,
		   "section 2 ffffffffff");
	run_expect(lay_out("symbol 1000 outside\nsection 1 2000\n"), 0, "section 2 3000 ");
}

/* Not at 0, which is no address, however near to it the first section is. */
Test(tool_place, there_is_room_around_a_section_near_address_0)
{
	struct object *object = object_new();
	char layout[128];

	object_text(object, ".text", ZEROS);
	object_data(object, ".data", ZEROS);
	object_bss(object, ".bss", 16);
	run_write_object("it.o", object);
	for (unsigned page = 1; page < 16; page++) {
		snprintf(layout, sizeof(layout), "section 1 %u000\nsection 2 ffffffffffffffe0\n",
			 page);
		run_expect(lay_out(layout), 0, " 10 .bss");
	}
	run_expect(lay_out("section 1 2000\nsection 2 ffffffffffffffe0\n"), 0,
		   "section 3 3000 10 .bss");
	run_expect(lay_out("section 1 fffffffffffff000\nsection 2 ffffffffffffffe0\n"), 0,
		   "section 3 ffffffffffffe000 10 .bss");
}

/* Zeros that fill nearly all addresses: .text, `common' and at last krtld itself find none. */
static struct object *full_object(void)
{
	struct object *object = object_new();

	object_section(object, ".zeros.a", SHT_NOBITS, SHF_ALLOC, 1, NULL, 1ul << 63);
	object_section(object, ".zeros.b", SHT_NOBITS, SHF_ALLOC, 1, NULL, (1ul << 63) - 0x2000);
	return object;
}

#define FULL "section 1 1000\nsection 2 8000000000001000\n"

Test(tool_place, where_no_address_is_left_for_a_section_it_is_refused)
{
	struct object *object = full_object();

	object_bss(object, ".bss", 0x1001);
	run_write_object("it.o", object);
	run_expect(lay_out(FULL), 2, "no address is left for everything, place more sections");
}

Test(tool_place, where_no_address_is_left_for_a_common_symbol_it_is_refused)
{
	struct object *object = full_object();

	object_symbol(object, "common", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 1, 0x1001);
	run_write_object("it.o", object);
	run_expect(lay_out(FULL), 2, "no address is left for everything, place more sections");
	/* With room for it, it is the zeros that find none. */
	object = full_object();
	object_symbol(object, "common", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 1, 0xf00);
	run_write_object("it.o", object);
	run_expect(lay_out(FULL), 2,
		   "no memory for the read-only data, bytes wanted: 0xffffffffffffe000");
}

/* Text at the last page, of that many bytes, that wants a slot of 8 bytes and its alignment. */
static void full_object_with_got(size_t size)
{
	static const uint8_t bytes[0x1000];
	struct object *object = full_object();
	unsigned text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 1,
				       bytes, size);

	object_rela(object, text, 3, R_X86_64_GOTPCREL, object_local(object, "it", text, 0), -4);
	run_write_object("it.o", object);
}

Test(tool_place, where_no_address_is_left_for_a_got_it_is_refused)
{
	full_object_with_got(0xff8);
	run_expect(lay_out(FULL "section 3 fffffffffffff000\n"), 2,
		   "no address is left for everything, place more sections");
	full_object_with_got(0xf00);
	run_expect(lay_out(FULL "section 3 fffffffffffff000\n"), 2,
		   "no memory for the read-only data, bytes wanted: 0xffffffffffffe000");
}

Test(tool_place, sections_that_need_more_than_64_bits_are_refused)
{
	struct object *object = full_object();

	object_section(object, ".zeros.c", SHT_NOBITS, SHF_ALLOC, 1, NULL, 0x2001);
	run_write_object("it.o", object);
	run_expect(lay_out(""), 2,
		   "it.o: no memory for sections that together need more than 64 bits");
}

/* The kernel's memory is the kernel's affair: zeros take none here, nor on the disk. */
Test(tool_place, zeros_may_be_larger_than_memory)
{
	struct object *object = object_new();

	object_bss(object, ".bss", 5ul << 30);
	object_data(object, ".data", ZEROS);
	run_write_object("it.o", object);
	run_expect(run(KRTLD "--dump $T/dump $T/it.o && stat -c '%%s' $T/dump/sec1.bin && "
			     "[ $(stat -c '%%b' $T/dump/sec1.bin) -lt 1000 ] && echo few"),
		   0, "5368709120\nfew\n");
}

/* ---- What lies near what ---- */

/* An object whose text reads `it' through the GOT, and with data; perhaps a COMMON symbol too. */
static void reaching_object(const char *file, const char *it, const char *common)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS ZEROS);

	object_data(object, ".data", ZEROS);
	object_rela(object, text, 3, R_X86_64_GOTPCREL, object_global(object, it, text, 0), -4);
	if (common)
		object_rela(object, text, 12, R_X86_64_PC32,
			    object_symbol(object, common, STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 8),
			    -4);
	run_write_object(file, object);
}

Test(tool_place, objects_may_be_too_far_apart_to_reach_each_other)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00");

	reaching_object("a.o", "one", "common_of_a");
	reaching_object("b.o", "two", "common_of_b");
	run_write_text("layout", "object DIR/a.o\nsection 1 10000000\n"
				 "object DIR/b.o\nsection 1 7f0000000000\n");
	run("sed -i s:DIR:$T: $T/layout");
	run_expect(run(KRTLD "--layout $T/layout $T/a.o $T/b.o"), 0,
		   "\nsection 2 10001008 10 .data\n");
	run_expect(run(KRTLD "--layout $T/layout $T/a.o $T/b.o"), 0,
		   "\nsection 2 7f0000001008 10 .data\n");
	/* A call from one to the other does not reach. */
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "one"), -4);
	run_write_object("b.o", object);
	run_expect(run(KRTLD "--layout $T/layout $T/a.o $T/b.o"), 2, "against `one' overflows");
}

/* A large section between text and what must be near it, or data far above, does not matter. */
Test(tool_place, what_a_layout_leaves_out_is_near_the_text)
{
	reaching_object("it.o", "it", NULL);
	run_expect(lay_out("section 1 10000000\nsection 2 ffffffff80000000\n"), 0, "section 1 ");
	run_expect(lay_out("section 1 ffffffff80000000\nsection 2 1000\n"), 0, "section 1 ");
}

/* modinfo prints such a layout: then COMMON symbols and the GOT are where the guest has them. */
Test(tool_place, a_region_that_is_laid_out_as_krtld_does_lies_just_there)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", ZEROS);

	object_rodata(object, ".rodata.a", "01 02 03");
	object_section(object, ".rodata.b", SHT_PROGBITS, SHF_ALLOC, 4, "abcd", 5);
	object_rela(object, text, 3, R_X86_64_GOTPCREL, object_global(object, "it", text, 0), -4);
	run_write_object("it.o", object);
	/* .rodata.b at offset 4, the GOT at 16. */
	run_write_text("layout", "section 1 10000000\nsection 2 10008000\nsection 3 10008004\n");
	run_expect(run(KRTLD "--layout $T/layout --dump $T/a $T/it.o && ls $T/a"), 0,
		   "got10008010.bin");
	run_write_text("layout", "section 1 10000000\nsection 2 10008000\nsection 3 10008008\n");
	run_expect(run(KRTLD "--layout $T/layout --dump $T/b $T/it.o && ls $T/b"), 0,
		   "got10001008.bin");
	run_write_text("layout", "section 1 10000000\nsection 2 10008000\nsection 3 10008004\n"
				 "symbol 10008012 in_the_way\n");
	run_expect(run(KRTLD "--layout $T/layout --dump $T/c $T/it.o && ls $T/c"), 0,
		   "got10001008.bin");
}

/* ---- Several objects ---- */

/* An object with a pointer to `it', which it defines in a section, as COMMON, or not at all. */
static void object_of_it(const char *file, unsigned bind, unsigned section, uint64_t align,
			 uint64_t size)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS);

	object_rela(object, data, 0, R_X86_64_64,
		    object_symbol(object, "it", bind, STT_OBJECT, section, align, size), 0);
	run_write_object(file, object);
}

/* Dumps a.o and b.o, placed by $T/layout, and prints the pointer of each. */
static const struct run *pointers(const char *option)
{
	return run("echo object $T/a.o >$T/objects; echo section 1 10000000 >>$T/objects; "
		   "echo object $T/b.o >>$T/objects; echo section 1 20000000 >>$T/objects; "
		   "cat $T/layout >>$T/objects; " KRTLD
		   "--layout $T/objects --dump $T/dump %s $T/a.o $T/b.o && "
		   "od -An -tx8 -N8 $T/dump/sec1.bin && od -An -tx8 -N8 $T/dump/2/sec1.bin",
		   option);
}

#define AT(a, b) " 00000000" a "\n 00000000" b "\n"

Test(tool_place, as_one_set_a_common_symbol_of_two_objects_is_one)
{
	run_write_text("layout", "");
	object_of_it("a.o", STB_GLOBAL, SHN_COMMON, 8, 16);
	object_of_it("b.o", STB_GLOBAL, SHN_COMMON, 0x40000, 4);
	run_expect(pointers("--link"), 0, AT("10040000", "10040000"));
	run_expect(pointers(""), 2, "has not the size and alignment of this COMMON symbol");
	object_of_it("a.o", STB_GLOBAL, SHN_COMMON, 0x80000, 16);
	object_of_it("b.o", STB_GLOBAL, SHN_COMMON, 0, 400);
	run_expect(pointers("--link"), 0, AT("10100000", "10100000"));
	run_expect(pointers(""), 2, "symbol `it' is defined twice");
	run_write_text("layout", "symbol 30000000 it\n");
	run_expect(pointers("--link"), 0, AT("30000000", "30000000"));
	run_expect(pointers(""), 0, AT("30000000", "30000000"));
}

/* It follows the data of the first: 16 bytes. */
Test(tool_place, a_common_symbol_is_the_first_objects)
{
	run_write_text("layout", "");
	object_of_it("a.o", STB_GLOBAL, SHN_COMMON, 8, 16);
	object_of_it("b.o", STB_GLOBAL, SHN_COMMON, 8, 16);
	run_expect(pointers(""), 0, AT("10000010", "10000010"));
}

Test(tool_place, as_one_set_a_definition_takes_the_place_of_a_common_symbol)
{
	run_write_text("layout", "");
	object_of_it("a.o", STB_GLOBAL, SHN_COMMON, 8, 16);
	object_of_it("b.o", STB_GLOBAL, 1, 8, 8);
	run_expect(pointers("--link"), 0, AT("20000008", "20000008"));
	run_expect(pointers(""), 2, "symbol `it' is defined twice");
	object_of_it("b.o", STB_WEAK, 1, 4, 8);
	run_expect(pointers("--link"), 0, AT("20000004", "20000004"));
	run_expect(pointers(""), 0, AT("10000010", "10000010"));
}

Test(tool_place, as_one_set_a_strong_definition_wins_over_a_weak_one)
{
	run_write_text("layout", "");
	object_of_it("a.o", STB_WEAK, 1, 4, 4);
	object_of_it("b.o", STB_GLOBAL, 1, 8, 8);
	run_expect(pointers("--link"), 0, AT("20000008", "20000008"));
	run_expect(pointers(""), 2, "symbol `it' is defined twice");
	object_of_it("b.o", STB_WEAK, 1, 8, 8);
	run_expect(pointers("--link"), 0, AT("10000004", "10000004"));
	run_expect(pointers(""), 0, AT("10000004", "10000004"));
	object_of_it("a.o", STB_GLOBAL, 1, 4, 4);
	run_expect(pointers("--link"), 0, AT("10000004", "10000004"));
	run_expect(pointers(""), 0, AT("10000004", "10000004"));
}

Test(tool_place, an_absolute_symbol_is_what_it_says)
{
	run_write_text("layout", "");
	object_of_it("a.o", STB_GLOBAL, SHN_UNDEF, 0, 0);
	object_of_it("b.o", STB_GLOBAL, SHN_ABS, 0x1234, 0);
	run_expect(pointers("--link"), 0, AT("00001234", "00001234"));
}

/* What another object may not see, it does not get. */
static void expect_unseen(unsigned visibility)
{
	struct object *object = object_new();
	struct image image;

	object_global(object, "it", object_data(object, ".data", ZEROS), 0);
	image = object_image(object);
	image_symbol(&image, "it")->st_other = (unsigned char)visibility;
	run_write("b.o", image.bytes, image.size);
	object_of_it("a.o", STB_GLOBAL, SHN_UNDEF, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		const char *command = i ? KRTLD "--link $T/a.o $T/b.o" : KRTLD "$T/b.o $T/a.o";

		if (visibility == STV_PROTECTED)
			run_expect(run("%s", command), 0, "section 1 ");
		else
			run_expect(run("%s", command), 2, "symbol `it' is undefined");
	}
}

Test(tool_place, a_hidden_symbol_is_no_definition_for_another_object)
{
	expect_unseen(STV_HIDDEN);
	expect_unseen(STV_INTERNAL);
	expect_unseen(STV_PROTECTED);
}

Test(tool_place, a_symbol_that_is_not_loaded_is_no_definition_for_another_object)
{
	struct object *object = object_new();

	object_global(object, "it",
		      object_section(object, ".note", SHT_PROGBITS, 0, 1, "a note", 7), 0);
	run_write_object("b.o", object);
	object_of_it("a.o", STB_GLOBAL, SHN_UNDEF, 0, 0);
	run_expect(run(KRTLD "$T/b.o $T/a.o"), 2, "symbol `it' is undefined");
	run_expect(run(KRTLD "--link $T/b.o $T/a.o"), 2, "symbol `it' is undefined");
}

/* ---- unix ---- */

Test(tool_place, the_first_object_may_be_unix)
{
	struct object *module = sample_caller("smap_enable");

	run_write_object("unix.o", sample_unix(&hot_table, NULL));
	run_write_object("it.o", module);
	run_expect(run(KRTLD "--cpu smap --sites $T/unix.o $T/it.o | grep it.o"), 0,
		   "\tcall\tsmap_enable\t0\tclac\te8 ");
	run_expect(run(KRTLD "--cpu smap --sites $T/unix.o $T/it.o | grep -c stub"), 0, "");
	run_expect(run(KRTLD "$T/it.o $T/unix.o"), 2, "whose stub is defined elsewhere");
}

/* Nothing is known of what comes after it then; other refusals do not end the run. */
Test(tool_place, behind_a_unix_that_is_refused_nothing_is_loaded)
{
	const struct run *r;

	run_write_object("unix.o", sample_unix(&hot_table, "smap_enable"));
	run_write_object("it.o", sample_caller("nobody_has_this"));
	run_write_object("too.o", sample_caller("nobody_has_that"));
	r = run(KRTLD "$T/unix.o $T/it.o");
	run_expect(r, 2, "symbol `smap_enable' refused, the stub is not defined");
	cr_expect(!strstr(r->errors, "it.o"), "%s", r->errors);
	r = run(KRTLD "$T/it.o $T/too.o");
	run_expect(r, 2, "nobody_has_this");
	run_expect(r, 2, "nobody_has_that");
}

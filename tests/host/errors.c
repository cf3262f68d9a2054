/* Messages: krtld_error_line() for every reason, in any room, and whatever names contain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/world.h"

static struct krtld_error of_reason(enum krtld_reason reason)
{
	struct krtld_error error = {.reason = reason,
				    .module = "driver.ko",
				    .section = ".text",
				    .offset = 0x1f,
				    .symbol = "some_function",
				    .what = "what it is about",
				    .type = "R_X86_64_PC32",
				    .value = 0x1234};

	error.hot.reason = HOT_E_OLD_BYTES;
	error.hot.hotinline = 0;
	error.hot.symbol = HOT_NONE;
	error.hot.size = 5;
	return error;
}

Test(errors, each_reason_names_module_and_place_and_differs_from_the_others)
{
	char lines[KRTLD_E_BUSY + 1][WORLD_LINE];

	for (unsigned i = KRTLD_E_MEMORY; i <= KRTLD_E_BUSY; i++) {
		struct krtld_error error = of_reason(i);

		cr_expect_eq(krtld_error_line(&error, table_common(), lines[i], WORLD_LINE),
			     lines[i]);
		cr_expect(!strncmp(lines[i], "driver.ko: .text+0x1f: ", 23), "%u: %s", i, lines[i]);
		cr_expect(strlen(lines[i]) > 30 && !strchr(lines[i], '\n'), "%u: %s", i, lines[i]);
		/* A wrong type is a wrong format too: what it is about tells them apart. */
		for (unsigned j = KRTLD_E_MEMORY; j < i; j++)
			cr_expect(strcmp(lines[i], lines[j]) ||
				      (i == KRTLD_E_TYPE && j == KRTLD_E_FORMAT),
				  "%u and %u: %s", i, j, lines[i]);
	}
}

Test(errors, a_line_is_cut_to_the_room_there_is)
{
	char whole[WORLD_LINE];

	for (unsigned i = KRTLD_E_MEMORY; i <= KRTLD_E_BUSY; i++) {
		struct krtld_error error = of_reason(i);
		size_t length;

		krtld_error_line(&error, table_common(), whole, sizeof(whole));
		length = strlen(whole);
		for (size_t size = 1; size <= length + 2; size++) {
			char *room = malloc(size); /* exactly, for AddressSanitizer */

			krtld_error_line(&error, table_common(), room, size);
			cr_expect_eq(strlen(room), size - 1 < length ? size - 1 : length);
			cr_expect(!strncmp(room, whole, size - 1));
			free(room);
		}
		krtld_error_line(&error, table_common(), NULL, 0);
	}
}

Test(errors, a_line_needs_neither_a_table_nor_names)
{
	char text[WORLD_LINE];

	for (unsigned i = KRTLD_E_MEMORY; i <= KRTLD_E_BUSY; i++) {
		struct krtld_error error = of_reason(i);

		krtld_error_line(&error, NULL, text, sizeof(text));
		cr_expect(*text);
		error.section = error.type = NULL;
		error.offset = 0;
		error.hot.hotinline = HOT_NONE;
		krtld_error_line(&error, table_common(), text, sizeof(text));
		cr_expect(!strncmp(text, "driver.ko: ", 11), "%u: %s", i, text);
	}
}

static void expect_line(const struct krtld_error *error, const char *want)
{
	char text[WORLD_LINE];

	cr_expect_str_eq(krtld_error_line(error, table_common(), text, sizeof(text)), want);
}

/* Nobody reports such an error; who does all the same gets a line and no crash. */
Test(errors, what_is_not_there_is_left_out)
{
	struct krtld_error error = {.reason = KRTLD_OK, .hot.symbol = HOT_NONE};

	expect_line(&error, "?: no error");
	error.reason = KRTLD_E_FORMAT;
	expect_line(&error, "?: ");
	error.module = "it";
	error.what = "not an ELF file";
	error.symbol = "";
	expect_line(&error, "it: not an ELF file");
	error.offset = 16;
	error.value = 3;
	expect_line(&error, "it: file+0x10: not an ELF file, found 0x3");
	error.symbol = "f";
	expect_line(&error, "it: file+0x10: symbol `f' refused, not an ELF file, found 0x3");
}

Test(errors, each_form_and_each_reason_of_a_reference_has_a_text_of_its_own)
{
	for (unsigned i = HOT_CALL; i <= HOT_STUB; i++)
		for (unsigned j = HOT_CALL; j < i; j++)
			cr_expect_str_neq(krtld_form_text(i), krtld_form_text(j));
	for (unsigned i = KRTLD_PLAIN_DATA; i <= KRTLD_PLAIN_REACH; i++)
		for (unsigned j = KRTLD_PLAIN_DATA; j < i; j++)
			cr_expect_str_neq(krtld_plain_text(i), krtld_plain_text(j));
	cr_expect_str_eq(krtld_form_text(HOT_STUB + 1), "?");
	cr_expect_str_eq(krtld_plain_text(KRTLD_PLAIN_REACH + 1), "?");
}

Test(errors, a_refused_site_tells_its_bytes_only_if_they_are_what_is_wrong)
{
	for (unsigned reason = HOT_OK; reason <= HOT_E_VERIFY; reason++) {
		struct krtld_error error = of_reason(KRTLD_E_HOTINLINE);
		bool bytes = reason == HOT_E_OLD_BYTES || reason == HOT_E_VERIFY;
		char text[WORLD_LINE];

		error.hot.reason = reason;
		krtld_error_line(&error, table_common(), text, sizeof(text));
		cr_expect_eq(strstr(text, ", expected 00 00 00 00 00, found 00") != NULL, bytes,
			     "%s", text);
		cr_expect(strstr(text, hot_reason_text(reason)), "%s", text);
	}
}

/* A site in text that no symbol names, and a symbol that an alternative refers to. */
Test(errors, a_refused_site_tells_the_symbol_that_its_code_lacks)
{
	struct krtld_error error = {.reason = KRTLD_E_HOTINLINE, .module = "it"};
	char text[WORLD_LINE], want[64];

	error.hot.reason = HOT_E_SYMBOL;
	snprintf(want, sizeof(want), " `%s'", table_common()->symbols[0]);
	krtld_error_line(&error, table_common(), text, sizeof(text));
	cr_expect(strlen(text) > strlen(want) && !strcmp(text + strlen(text) - strlen(want), want),
		  "%s", text);
	error.hot.symbol = HOT_NONE;
	krtld_error_line(&error, table_common(), text, sizeof(text));
	cr_expect(!strstr(text, want), "%s", text);
}

Test(errors, the_value_and_the_field_of_an_overflow_are_told)
{
	struct krtld_error error = of_reason(KRTLD_E_RANGE);
	char text[WORLD_LINE];

	error.value = 0xffffffff80000000;
	krtld_error_line(&error, NULL, text, sizeof(text));
	cr_expect(strstr(text, "0xffffffff80000000") && strstr(text, "R_X86_64_PC32") &&
		      strstr(text, "some_function"),
		  "%s", text);
}

Test(errors, old_bytes_are_shown_as_expected_and_found)
{
	struct krtld_error error = of_reason(KRTLD_E_HOTINLINE);
	char text[WORLD_LINE];

	memcpy(error.hot.expected, "\xe8\x01\x02\x03\x04", 5);
	memcpy(error.hot.found, "\xe9\x05\x06\x07\x08", 5);
	krtld_error_line(&error, table_common(), text, sizeof(text));
	cr_expect(strstr(text, "e8 01 02 03 04") && strstr(text, "e9 05 06 07 08") &&
		      strstr(text, table_common()->hotinlines[0].name),
		  "%s", text);
}

/* krtld.h: strings live as long as the file. AddressSanitizer knows whether that is true. */
Test(errors, no_name_outlives_the_module_as_well)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
	struct image image;

	object_rela(object, data, 0, R_X86_64_16, object_local(object, "", SHN_ABS, 0x12345), 0);
	image = object_image(object);
	image_header(&image)->e_shstrndx = SHN_UNDEF;
	world_refuse(world, "it", &image, KRTLD_E_RANGE);
	cr_expect_str_eq(world->reports[0].section, "");
	cr_expect_str_eq(world->reports[0].symbol, "");
	world_expect_empty(world);
}

/* Module, section and symbol together leave a quarter of the line for the reason. */
Test(errors, a_long_name_does_not_hide_the_reason)
{
	static char name[100000];
	struct krtld_error error = {.reason = KRTLD_E_FORMAT,
				    .module = name,
				    .section = name,
				    .symbol = name,
				    .what = "it is what is wrong",
				    .value = 1,
				    .limit = 2};
	char text[WORLD_LINE];

	memset(name, 'x', sizeof(name) - 1);
	krtld_error_line(&error, NULL, text, sizeof(text));
	cr_expect(strstr(text, "xxx...' refused, it is what is wrong, found 0x1, limit 0x2"), "%s",
		  text);
	name[100] = '\0'; /* a usual one is shown in full */
	krtld_error_line(&error, NULL, text, sizeof(text));
	cr_expect(!strstr(text, "..."), "%s", text);
}

/* An object's author chooses the names; a message is one line of text all the same. */
Test(errors, a_name_cannot_break_the_line)
{
	static const char *const evil[] = {"a\nkrtld: all is well", "a\r", "a\x1b[2J", "a\x07",
					   "a\x7f"};

	for (unsigned i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");

		object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, evil[i]), -4);
		world_refuse_object(world, "it", object, KRTLD_E_UNDEFINED);
		for (const char *at = world->lines[0]; *at; at++)
			cr_expect((unsigned char)*at >= ' ' && *at != 0x7f,
				  "byte %02x in a message", (unsigned char)*at);
	}
}

Test(errors, the_name_of_a_section_cannot_break_the_line)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text\nkrtld: fine", "e8 00 00 00 00 c3");

	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "nobody"), -4);
	world_refuse_object(world, "it", object, KRTLD_E_UNDEFINED);
	cr_expect(!strchr(world->lines[0], '\n'), "%s", world->lines[0]);
}

Test(errors, each_reason_of_the_engine_has_a_phrase_of_its_own)
{
	for (unsigned i = HOT_OK; i <= HOT_E_TABLE; i++) {
		cr_expect(hot_reason_text(i) && *hot_reason_text(i), "reason %u", i);
		for (unsigned j = 0; j < i; j++)
			cr_expect(strcmp(hot_reason_text(i), hot_reason_text(j)), "%u and %u", i,
				  j);
	}
	cr_expect_str_eq(hot_reason_text(HOT_E_TABLE + 1), "unknown reason");
}

/* A small object with a bit of everything, and a unix; see sample.h. */
#include <string.h>

#include "alternatives/arch.h"
#include "tests/host/bytes.h"
#include "tests/host/sample.h"

#define STUB_ROOM 80 /* bytes from one stub to the next */

struct object *sample_object(void)
{
	struct object *o = object_new();
	unsigned text = object_text(o, ".text",
				    "e8 00 00 00 00 e8 00 00 00 00 e9 00 00 00 00 90"
				    "48 8b 05 00 00 00 00 c3 31 c0 c3 90 90 90 90 90");
	unsigned rodata = object_rodata(o, ".rodata", "68 65 6c 6c 6f 00 00 00");
	unsigned data = object_data(o, ".data", "01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	unsigned bss = object_bss(o, ".bss", 24);
	unsigned note = object_section(o, ".comment", SHT_PROGBITS, 0, 1, "made by hand", 13);
	unsigned strings = object_section_symbol(o, rodata);
	unsigned local = object_local(o, "local", data, 8);
	unsigned count = object_undefined(o, "count");

	(void)note;
	object_symbol(o, "function", STB_GLOBAL, STT_FUNC, text, 0, 15);
	object_symbol(o, "_init", STB_GLOBAL, STT_FUNC, text, 24, 3);
	object_weak(o, "weak", text, 24);
	object_global(o, "absolute", SHN_ABS, 0x1234);
	object_symbol(o, "common", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 16, 40);
	object_global(o, "zeros", bss, 8);
	object_rela(o, text, 1, R_X86_64_PLT32, count, -4);
	object_rela(o, text, 6, R_X86_64_PC32, count, -4);
	object_rela(o, text, 11, R_X86_64_PLT32, object_undefined(o, "two"), -4);
	object_rela(o, text, 19, R_X86_64_REX_GOTPCRELX, local, -4);
	object_rela(o, data, 0, R_X86_64_64, strings, 2);
	object_rela(o, data, 8, R_X86_64_64, count, 0);
	return o;
}

struct image sample_image(void)
{
	return object_image(sample_object());
}

struct object *sample_caller(const char *hotinline)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");

	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, hotinline), -4);
	return object;
}

/* The baseline as a function: code and `ret`, or its last call as a jmp, and int3, in size + 1 bytes.
 * NOPs are no code. */
static void stub_body(const struct hot_table *table, const struct hotinline *hotinline,
		      uint8_t *bytes)
{
	const struct hot_alternative *baseline =
	    &table->alternatives[hotinline->alternatives + hotinline->nalternatives - 1u];
	unsigned n = baseline->size;

	memcpy(bytes, table->code + baseline->code, n);
	if (baseline->nop)
		n = 0;
	if (baseline->tail)
		bytes[n - 5] = 0xe9;
	else
		bytes[n++] = 0xc3;
	hot_arch_trap(bytes + n, hotinline->size + 1u - n);
}

static void add_helpers(struct object *unix_object, const struct hot_table *table,
			unsigned *symbols)
{
	uint8_t code[64 * 16];
	unsigned text;

	memset(code, 0xcc, sizeof(code));
	for (unsigned i = 0; i < table->nsymbols; i++) {
		bytes_hex("48 8d 47 00 c3", code + 16 * i, 16);
		code[16 * i + 3] = (uint8_t)(100 + i);
	}
	text = object_section(unix_object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16,
			      code, 16u * table->nsymbols);
	for (unsigned i = 0; i < table->nsymbols; i++)
		symbols[i] = object_global(unix_object, table->symbols[i], text, 16 * i);
}

static void add_stub(struct object *unix_object, const struct hot_table *table, unsigned i,
		     unsigned section, const unsigned *symbols)
{
	const struct hotinline *hotinline = &table->hotinlines[i];
	const struct hot_alternative *baseline =
	    &table->alternatives[hotinline->alternatives + hotinline->nalternatives - 1u];

	object_symbol(unix_object, hotinline->name, STB_GLOBAL, STT_FUNC, section,
		      (uint64_t)STUB_ROOM * i, 0);
	for (unsigned f = 0; f < baseline->nfixups; f++) {
		const struct hot_fixup *fixup = &table->fixups[baseline->fixups + f];

		object_rela(unix_object, section, (uint64_t)STUB_ROOM * i + fixup->offset,
			    R_X86_64_PC32, symbols[fixup->symbol], fixup->addend);
	}
}

struct object *sample_unix(const struct hot_table *table, const char *without)
{
	struct object *unix_object = object_new();
	uint8_t bodies[32 * STUB_ROOM];
	unsigned symbols[64], section;

	add_helpers(unix_object, table, symbols);
	memset(bodies, 0xcc, sizeof(bodies));
	for (unsigned i = 0; i < table->nhotinlines; i++)
		stub_body(table, &table->hotinlines[i], bodies + (size_t)STUB_ROOM * i);
	section =
	    object_section(unix_object, ".text.hotstubs", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR,
			   16, bodies, (size_t)STUB_ROOM * table->nhotinlines);
	for (unsigned i = 0; i < table->nhotinlines; i++)
		if (!without || strcmp(without, table->hotinlines[i].name))
			add_stub(unix_object, table, i, section, symbols);
	return unix_object;
}

/* A small object with a bit of everything; see sample.h. */
#include "tests/host/sample.h"

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

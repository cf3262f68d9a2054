/*
 * What krtld does not understand it refuses by name: tables of relocations in other forms, sections
 * and symbols of unknown kinds, files that are no objects. Each with a twin that is loaded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/sample.h"
#include "tests/host/world.h"

#define CREL 0x40000014

static void expect_line(const struct world *world, const char *what)
{
	cr_expect(strstr(world->lines[0], what), "not `%s' but `%s'", what, world->lines[0]);
}

/* ---- Tables that relocate ---- */

struct form {
	uint32_t type;
	const char *says;
};

/* The relocations of .data in a table of that type. */
static struct image with_table(uint32_t type)
{
	struct image image = sample_image();

	image_section(&image, ".rela.data")->sh_type = type;
	return image;
}

Test(unknown, tables_that_relocate_in_another_form_are_refused_by_name)
{
	static const struct form tables[] = {
	    {SHT_REL, "SHT_REL against `.data' refused, relocations without addends"},
	    {CREL, ".rela.data+0x0: SHT_CREL against `.data' refused, compact relocations"},
	    {19, "SHT_RELR against `.data' refused"},
	    {0x60000001, "SHT_ANDROID_REL against `.data' refused"},
	    {0x60000002, "SHT_ANDROID_RELA against `.data' refused"},
	    {0x6fffff00, "SHT_ANDROID_RELR against `.data' refused"},
	    {0x60000003, "symbol `.data' refused, a section of unknown type says something"},
	    {0x7fffffff, "found 0x7fffffff"},
	    {0x80000001, "found 0x80000001"},
	    {12, "found 0xc"},
	};
	struct world *world = world_new("popcnt up");

	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct image image = with_table(tables[i].type);

		world_refuse(world, "it", &image, KRTLD_E_TYPE);
		expect_line(world, tables[i].says);
	}
	world_expect_empty(world);
}

/* As debuggers' information has. */
Test(unknown, tables_that_relocate_what_is_not_loaded_are_left_alone)
{
	static const uint32_t types[] = {SHT_REL, SHT_RELA, CREL, 0x60000002, 0x60000003};
	struct world *world = world_new("popcnt up");

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct object *object = sample_object();
		unsigned debug =
		    object_section(object, ".debug", SHT_PROGBITS, 0, 1, "12345678", 8);
		struct image image;

		object_rela(object, debug, 0, R_X86_64_64, object_undefined(object, "nobody"), 0);
		image = object_image(object);
		image_section(&image, ".rela.debug")->sh_type = types[i];
		world_unload(world, world_load(world, "it", &image));
	}
}

Test(unknown, a_table_that_does_not_say_what_it_relocates_is_refused)
{
	static const uint32_t types[] = {SHT_REL, SHT_RELA, CREL, 19, 0x60000003};
	struct world *world = world_new("popcnt up");

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct image image = with_table(types[i]);

		image_section(&image, ".rela.data")->sh_info = 0;
		world_refuse(world, "it", &image, KRTLD_OK);
		image_section(&image, ".rela.data")->sh_info = 1000;
		world_refuse(world, "it", &image, KRTLD_OK);
	}
}

Test(unknown, sections_of_unknown_types_that_say_nothing_of_others_are_left_alone)
{
	static const uint32_t types[] = {0x6fff4c03, 0x6ffffff5, 0x60000003, 0x80000001, 21};
	struct world *world = world_new("popcnt up");

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct image image = sample_image();

		image_section(&image, ".comment")->sh_type = types[i];
		world_unload(world, world_load(world, "it", &image));
	}
}

/* ---- Sections ---- */

Test(unknown, a_loaded_section_of_unknown_type_is_refused)
{
	static const uint32_t bad[] = {5,  6,  10,         11,         12,
				       17, 20, 0x60000000, 0x6ffffff6, 0x80000000};
	static const uint32_t good[] = {SHT_PROGBITS,   SHT_NOTE,          SHT_INIT_ARRAY,
					SHT_FINI_ARRAY, SHT_PREINIT_ARRAY, 0x70000001};
	struct world *world = world_new("popcnt up");

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct image image = sample_image();

		image_section(&image, ".rodata")->sh_type = bad[i];
		world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		expect_line(world, ".rodata+0x0: a section to be loaded is of a type");
	}
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct object *object = object_new();

		object_section(object, ".it", good[i], SHF_ALLOC, 8, "12345678", 0);
		world_unload(world, world_load_object(world, "it", object));
	}
	world_expect_empty(world);
}

Test(unknown, a_loaded_section_with_demands_of_its_own_is_refused)
{
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();

	image_section(&image, ".rodata")->sh_flags |= SHF_OS_NONCONFORMING;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	expect_line(world, "SHF_OS_NONCONFORMING");
	image_section(&image, ".rodata")->sh_flags = SHF_ALLOC | SHF_MERGE | SHF_STRINGS;
	world_load(world, "it", &image);
}

Test(unknown, a_section_whose_order_depends_on_no_section_is_refused)
{
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();

	image_section(&image, ".rodata")->sh_flags |= SHF_LINK_ORDER;
	image_section(&image, ".rodata")->sh_link = image_header(&image)->e_shnum;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	expect_line(world, "SHF_LINK_ORDER");
	image_section(&image, ".rodata")->sh_link = image_header(&image)->e_shnum - 1u;
	world_unload(world, world_load(world, "it", &image));
	image_section(&image, ".rodata")->sh_link = 0; /* of what was thrown away */
	world_load(world, "it", &image);
}

Test(unknown, a_group_of_no_symbol_is_refused)
{
	const uint32_t words[] = {GRP_COMDAT, 1};
	struct object *object = object_new();
	struct world *world = world_new("");
	struct image image;

	object_text(object, ".text", "c3");
	object_section(object, ".group", SHT_GROUP, 0, 4, words, sizeof(words));
	object_global(object, "it", 1, 0);
	image = object_image(object);
	image_section(&image, ".group")->sh_info = 2;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	expect_line(world, "out of range (sh_info), found 0x2, limit 0x1");
	image_section(&image, ".group")->sh_info = 1;
	world_unload(world, world_load(world, "it", &image));
	image_section(&image, ".group")->sh_link = 1;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	expect_line(world, "the group's sh_link is not the symbol table, found 0x1");
}

/* ---- Symbols ---- */

Test(unknown, a_symbol_of_unknown_binding_is_refused)
{
	struct world *world = world_new("popcnt up");

	for (unsigned binding = 0; binding < 16; binding++) {
		struct image image = sample_image();

		image_symbol(&image, "absolute")->st_info = ELF64_ST_INFO(binding, STT_NOTYPE);
		if (binding <= STB_WEAK || binding == STB_GNU_UNIQUE) {
			world_unload(world, world_load(world, "it", &image));
			continue;
		}
		world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		expect_line(world, "symbol `absolute' refused, the symbol's binding is not");
	}
}

Test(unknown, a_symbol_of_unknown_type_is_refused)
{
	struct world *world = world_new("popcnt up");

	for (unsigned type = 0; type < 16; type++) {
		struct image image = sample_image();

		image_symbol(&image, "function")->st_info = ELF64_ST_INFO(STB_GLOBAL, type);
		image_symbol(&image, "local")->st_info = ELF64_ST_INFO(STB_LOCAL, type);
		if (type <= STT_COMMON) {
			world_unload(world, world_load(world, "it", &image));
			continue;
		}
		world_refuse(world, "it", &image, KRTLD_E_TYPE);
		image_symbol(&image, "local")->st_info = ELF64_ST_INFO(STB_LOCAL, STT_OBJECT);
		world_refuse(world, "it", &image, KRTLD_E_TYPE);
		expect_line(world, type == STT_TLS         ? "STT_TLS"
				   : type == STT_GNU_IFUNC ? "STT_GNU_IFUNC"
							   : "the symbol's type is not");
	}
}

/* ---- Files ---- */

Test(unknown, a_compressed_object_is_named_for_what_it_is)
{
	static const struct {
		const char *start, *says;
	} files[] = {
	    {"\xfd\x37\x7a\x58\x5a", "compressed by xz"},
	    {"\x1f\x8b\x08", "compressed by gzip, not an object: decompress it with `gzip -d'"},
	    {"\x28\xb5\x2f\xfd", "compressed by zstd"},
	    {"BZh9", "compressed by bzip2"},
	    {"\x5d", "compressed by lzma"},
	    {"\x04\x22\x4d\x18", "compressed by lz4"},
	    {"\x02\x21\x4c\x18", "compressed by lz4"},
	    {"\x89LZO", "compressed by lzop"},
	    {"LZIP", "compressed by lzip"},
	    {"\x1f\x9d", "compressed by compress"},
	    {"PK\x03\x04", "a zip file"},
	    {"070701", "a cpio archive"},
	    {"!<arch>\n", "an archive"},
	    {"BC\xc0\xde", "LLVM bitcode"},
	    {"BD\xc0\xde", "not an ELF file"},
	    {"\x1f\x8c", "not an ELF file"},
	};
	struct world *world = world_new("");

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct image image = {calloc(1, 64), 64};

		strcpy((char *)image.bytes, files[i].start);
		world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		expect_line(world, files[i].says);
		image_free(&image);
	}
}

/* Wherever it is cut: an object has its section headers at the end. */
Test(unknown, an_object_that_is_cut_off_is_named_so)
{
	struct world *world = world_new("popcnt up");
	struct image whole = sample_image();
	char limit[64];

	for (size_t size = 4; size < whole.size; size++) {
		struct image image = image_copy(&whole, size);

		world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		expect_line(world, "the file is cut off");
		snprintf(limit, sizeof(limit), size < 64 ? "size, found %#zx" : "limit %#zx", size);
		expect_line(world, limit);
		image_free(&image);
	}
	world_load(world, "it", &whole);
}

Test(unknown, an_object_whose_last_contents_are_cut_off_is_named_so)
{
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();
	Elf64_Shdr *names = image_section(&image, ".shstrtab");

	names->sh_offset = image.size;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	expect_line(world, "the file is cut off, this section's contents end beyond it");
}

/* ---- Messages name what is wrong, and nothing that is right ---- */

#define WRONG(what, change)                                                                        \
	{                                                                                          \
		struct world *world = world_new("popcnt up");                                      \
		struct image image = sample_image();                                               \
		change;                                                                            \
		world_refuse(world, "it", &image, KRTLD_E_FORMAT);                                 \
		expect_line(world, what);                                                          \
	}

Test(unknown, of_several_fields_the_message_names_the_one_that_is_wrong){
    WRONG(
	"a COMMON symbol is too large (st_size), found 0x80000000, limit 0x7fffffff",
	image_symbol(&image, "common")->st_size =
	    1ul
	    << 31) WRONG("a COMMON symbol's alignment is not a power of two (st_value), found 0x18",
			 image_symbol(&image, "common")->st_value = 24)
	WRONG("a COMMON symbol's alignment is too large (st_value), found 0x400000, limit 0x200000",
	      image_symbol(&image, "common")->st_value =
		  1ul << 22) WRONG("the alignment is not a power of two (sh_addralign), found 0x18",
				   image_section(&image, ".data")->sh_addralign = 24)
	    WRONG(
		"the alignment is too large (sh_addralign), found 0x400000, limit 0x200000",
		image_section(&image, ".data")->sh_addralign =
		    1ul
		    << 22) WRONG("the table's items are not of 24 bytes (sh_entsize), found 0x10",
				 image_section(&image, ".symtab")->sh_entsize =
				     16) WRONG("the table's size is not a multiple of 24 (sh_size)",
					       image_section(&image, ".symtab")->sh_size -= 8)
		WRONG("the table's items are not of 24 bytes (sh_entsize), found 0x10",
		      image_section(&image, ".rela.text")->sh_entsize =
			  16) WRONG("the table's size is not a multiple of 24 (sh_size)",
				    image_section(&image, ".rela.text")->sh_size -=
				    8) WRONG("the section with the names is not a string table",
					     image_section(&image, ".symtab")->sh_link = 1)
		    WRONG("the string table does not begin with NUL",
			  image.bytes[image_section(&image, ".strtab")->sh_offset] =
			      'x') WRONG("the string table does not end with NUL",
					 image.bytes[image_section(&image, ".strtab")->sh_offset +
						     image_section(&image, ".strtab")->sh_size -
						     1] = 'x')
			WRONG("the symbol's section is a reserved number (st_shndx), found 0xff10",
			      image_symbol(&image, "function")->st_shndx = 0xff10)
			    WRONG("there is no table with the symbol's section (SHT_SYMTAB_SHNDX)",
				  image_symbol(&image, "function")->st_shndx = SHN_XINDEX)
				WRONG("the relocations' sh_link is not the symbol table",
				      image_section(&image, ".rela.text")->sh_link = 1)
				    WRONG(
					"the relocation's field lies outside its section (r_offset), found 0x1d, limit 0x1c",
					image_rela(&image, ".text", 0)->r_offset = 29)
					WRONG(
					    "the file is cut off, its section table ends beyond it",
					    image_header(&image)->e_shnum++)}

Test(unknown, names_of_globals_that_are_too_long_together_say_the_limit)
{
	struct world *world = world_new("");
	static char name[5001];
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "00");
	struct image image;
	char limit[32];
	uint32_t start;

	memset(name, 'x', sizeof(name) - 1);
	object_global(object, name, data, 0);
	for (unsigned i = 0; i < 100; i++)
		object_global(object, "n", data, 0);
	image = object_image(object);
	start = image_symbol(&image, name)->st_name;
	for (unsigned i = 1; i <= 101; i++)
		((Elf64_Sym *)(image.bytes + image_section(&image, ".symtab")->sh_offset))[i]
		    .st_name = start;
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	snprintf(limit, sizeof(limit), "limit %#zx", 4 * image.size);
	expect_line(world, limit);
}

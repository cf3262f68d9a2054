/* Objects with one thing wrong: every field of the headers that krtld relies on is checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/sample.h"
#include "tests/host/world.h"

/* The sample with one change must be refused as a bad format, and without it be loaded. */
static void expect_refused(void (*change)(struct image *), const char *what)
{
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();

	world_unload(world, world_load(world, "sample", &image));
	change(&image);
	world->nreports = 0;
	cr_expect(!krtld_load(&world->krtld, "sample", image.bytes, image.size),
		  "loaded in spite of %s", what);
	cr_expect_eq(world->nreports, 1, "%s: %u reports", what, world->nreports);
	if (world->nreports)
		cr_expect_eq(world->reports[0].reason, KRTLD_E_FORMAT, "%s: reason %u: %s", what,
			     world->reports[0].reason, world->lines[0]);
	cr_expect(strlen(world->lines[0]) > strlen("sample: "), "%s: an empty message", what);
	world_expect_empty(world);
}

#define REFUSED(name, change)                                                                      \
	static void name##_change(struct image *image)                                             \
	{                                                                                          \
		change;                                                                            \
	}                                                                                          \
	Test(format, name##_is_refused)                                                            \
	{                                                                                          \
		expect_refused(name##_change, #name);                                              \
	}

REFUSED(a_wrong_magic, image->bytes[1] = 'e')
REFUSED(a_32_bit_class, image_header(image)->e_ident[EI_CLASS] = ELFCLASS32)
REFUSED(big_endian_data, image_header(image)->e_ident[EI_DATA] = ELFDATA2MSB)
REFUSED(an_unknown_ident_version, image_header(image)->e_ident[EI_VERSION] = 2)
REFUSED(an_unknown_version, image_header(image)->e_version = 2)
REFUSED(an_executable, image_header(image)->e_type = ET_EXEC)
REFUSED(a_shared_object, image_header(image)->e_type = ET_DYN)
REFUSED(another_machine, image_header(image)->e_machine = EM_AARCH64)
REFUSED(another_size_of_section_headers, image_header(image)->e_shentsize = 40)
REFUSED(no_section_header_table, image_header(image)->e_shoff = 0)
REFUSED(a_section_header_table_at_the_end, image_header(image)->e_shoff = image->size)
REFUSED(a_section_header_table_beyond_the_end, image_header(image)->e_shoff = image->size + 8)
REFUSED(a_section_header_table_that_wraps, image_header(image)->e_shoff = UINT64_MAX - 63)
REFUSED(one_section_header_too_many, image_header(image)->e_shnum++)
REFUSED(far_too_many_section_headers, image_header(image)->e_shnum = 0xfeff)
REFUSED(names_in_no_section, image_header(image)->e_shstrndx = image_header(image)->e_shnum)
REFUSED(names_in_a_section_that_holds_none,
	image_header(image)->e_shstrndx = (uint16_t)image_section_index(image, ".text"))
REFUSED(a_name_beyond_the_names, image_section(image, ".data")->sh_name = 0x7fffffff)
REFUSED(a_name_one_beyond_the_names, image_section(image, ".data")->sh_name =
					 (uint32_t)image_section(image, ".shstrtab")->sh_size)
REFUSED(names_that_do_not_end, image->bytes[image_section(image, ".shstrtab")->sh_offset +
					    image_section(image, ".shstrtab")->sh_size - 1] = 'x')
REFUSED(contents_beyond_the_end, image_section(image, ".data")->sh_offset = image->size)
REFUSED(contents_that_end_beyond_the_end, image_section(image, ".data")->sh_size = image->size)
REFUSED(contents_that_wrap, image_section(image, ".data")->sh_offset = UINT64_MAX - 7)
REFUSED(a_size_that_wraps, image_section(image, ".data")->sh_size = UINT64_MAX)
REFUSED(contents_in_the_elf_header, image_section(image, ".data")->sh_offset = 8)
REFUSED(contents_of_two_sections_in_one_place,
	image_section(image, ".data")->sh_offset = image_section(image, ".text")->sh_offset)
REFUSED(an_alignment_that_is_no_power_of_two, image_section(image, ".data")->sh_addralign = 24)
REFUSED(a_huge_alignment, image_section(image, ".data")->sh_addralign = 1ul << 40)
REFUSED(the_largest_alignment, image_section(image, ".text")->sh_addralign = 1ul << 63)
REFUSED(text_that_is_writable, image_section(image, ".text")->sh_flags |= SHF_WRITE)
REFUSED(compressed_contents, image_section(image, ".data")->sh_flags |= SHF_COMPRESSED)
REFUSED(symbols_of_another_size, image_section(image, ".symtab")->sh_entsize = 16)
REFUSED(symbols_of_no_size, image_section(image, ".symtab")->sh_entsize = 0)
REFUSED(part_of_a_symbol, image_section(image, ".symtab")->sh_size -= 8)
REFUSED(symbols_without_names, image_section(image, ".symtab")->sh_link = 0)
REFUSED(symbol_names_in_no_section, image_section(image, ".symtab")->sh_link = 1000)
REFUSED(symbol_names_in_text,
	image_section(image, ".symtab")->sh_link = image_section_index(image, ".text"))
REFUSED(symbol_names_that_do_not_end,
	image->bytes[image_section(image, ".strtab")->sh_offset +
		     image_section(image, ".strtab")->sh_size - 1] = 'x')
REFUSED(a_table_of_odd_bytes_as_symbols, image_section(image, ".comment")->sh_type = SHT_SYMTAB)
REFUSED(a_section_header_table_in_the_elf_header, image_header(image)->e_shoff = 8)
REFUSED(a_symbol_name_beyond_the_names, image_symbol(image, "function")->st_name = 0x7fffffff)
REFUSED(a_symbol_name_one_beyond_the_names, image_symbol(image, "function")->st_name =
						(uint32_t)image_section(image, ".strtab")->sh_size)
REFUSED(a_symbol_in_no_section,
	image_symbol(image, "function")->st_shndx = image_header(image)->e_shnum)
REFUSED(a_symbol_in_a_reserved_section, image_symbol(image, "function")->st_shndx = 0xff10)
REFUSED(a_common_symbol_of_odd_alignment, image_symbol(image, "common")->st_value = 24)
REFUSED(relocations_of_another_size, image_section(image, ".rela.text")->sh_entsize = 16)
REFUSED(relocations_of_no_size, image_section(image, ".rela.text")->sh_entsize = 0)
REFUSED(part_of_a_relocation, image_section(image, ".rela.text")->sh_size -= 8)
REFUSED(relocations_of_no_section, image_section(image, ".rela.text")->sh_info = 1000)
REFUSED(relocations_of_one_section_too_far,
	image_section(image, ".rela.text")->sh_info = image_header(image)->e_shnum)
REFUSED(relocations_with_another_symbol_table,
	image_section(image, ".rela.text")->sh_link = image_section_index(image, ".text"))
REFUSED(relocations_of_zeros,
	image_section(image, ".rela.data")->sh_info = image_section_index(image, ".bss"))
REFUSED(a_relocation_of_a_symbol_too_far,
	image_rela(image, ".text", 0)->r_info =
	    ELF64_R_INFO(image_section(image, ".symtab")->sh_size / 24, R_X86_64_PC32))
REFUSED(a_relocation_of_no_symbol_at_all,
	image_rela(image, ".text", 0)->r_info = ELF64_R_INFO(0xffffffffu, R_X86_64_PC32))
REFUSED(a_relocation_at_the_end_of_its_section, image_rela(image, ".text", 0)->r_offset = 32)
REFUSED(a_relocation_that_crosses_the_end, image_rela(image, ".text", 0)->r_offset = 29)
REFUSED(a_relocation_at_an_offset_that_wraps,
	image_rela(image, ".text", 0)->r_offset = UINT64_MAX - 2)

static void table_at(struct image *image, uint64_t offset)
{
	image_header(image)->e_shoff = offset;
	image_header(image)->e_shnum = 1;
	image_header(image)->e_shstrndx = SHN_UNDEF;
}

REFUSED(a_section_header_table_half_in_the_elf_header, table_at(image, 32))
REFUSED(a_section_header_table_one_byte_in_the_elf_header, table_at(image, 63))

/* ---- What may be there and does not matter ---- */

static void expect_loaded(struct image *image)
{
	struct world *world = world_new("popcnt up");

	world_unload(world, world_load(world, "sample", image));
	world_expect_empty(world);
}

Test(format, a_section_header_table_right_behind_the_elf_header_is_accepted)
{
	struct image image = sample_image();

	table_at(&image, 64);
	expect_loaded(&image);
}

/* A file of exactly that size: AddressSanitizer sees what is read after it. */
Test(format, contents_may_end_with_the_file_and_not_one_byte_after_it)
{
	struct image image = sample_image(), longer;
	const Elf64_Shdr *data = image_section(&image, ".data");

	longer.size = image.size + data->sh_size;
	longer.bytes = malloc(longer.size);
	memcpy(longer.bytes, image.bytes, image.size);
	memcpy(longer.bytes + image.size, image.bytes + data->sh_offset, data->sh_size);
	image_section(&longer, ".data")->sh_offset = image.size;
	expect_loaded(&longer);
	image_section(&longer, ".data")->sh_offset++;
	world_refuse(world_new("popcnt up"), "sample", &longer, KRTLD_E_FORMAT);
	free(longer.bytes);
}

Test(format, a_field_at_the_very_end_of_its_section_is_accepted)
{
	struct image image = sample_image();

	image_rela(&image, ".text", 3)->r_offset = 28;
	expect_loaded(&image);
}

Test(format, fields_that_an_object_does_not_use_may_hold_anything)
{
	struct image image = sample_image();
	Elf64_Ehdr *header = image_header(&image);

	header->e_ident[EI_OSABI] = ELFOSABI_LINUX;
	header->e_flags = 7;
	header->e_entry = 0x1234;
	image_section(&image, ".text")->sh_addr = 0xdeadbeef;
	image_section(&image, ".comment")->sh_addralign = 0;
	expect_loaded(&image);
}

Test(format, a_file_at_an_odd_address_is_read_all_the_same)
{
	struct image image = sample_image();
	struct world *world = world_new("popcnt up");
	uint8_t *odd = malloc(image.size + 1);
	struct image moved = {odd + 1, image.size};

	memcpy(moved.bytes, image.bytes, image.size);
	world_unload(world, world_load(world, "sample", &moved));
}

Test(format, section_contents_at_an_odd_offset_are_read_all_the_same)
{
	struct image image = sample_image();
	struct image longer = image_copy(&image, image.size + 1);
	Elf64_Shdr *symbols = image_section(&longer, ".symtab");

	longer.bytes[image.size] = 0;
	memmove(longer.bytes + image.size + 1 - 64ul * image_header(&image)->e_shnum,
		longer.bytes + image_header(&image)->e_shoff, 64ul * image_header(&image)->e_shnum);
	(void)symbols;
	image_header(&longer)->e_shoff = image.size + 1 - 64ul * image_header(&image)->e_shnum;
	expect_loaded(&longer);
}

Test(format, an_object_of_nothing_but_its_null_section_is_loaded)
{
	struct image image = object_image(object_new());
	struct world *world = world_new("");

	world_unload(world, world_load(world, "empty", &image));
}

Test(format, an_empty_file_is_refused)
{
	struct image image = {malloc(1), 0};
	struct world *world = world_new("");

	world_refuse(world, "nothing", &image, KRTLD_E_FORMAT);
}

Test(format, empty_sections_are_loaded)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "");

	object_data(object, ".data", "");
	object_bss(object, ".bss", 0);
	object_global(object, "end", text, 0);
	world_unload(world, world_load_object(world, "it", object));
}

Test(format, more_zeros_than_there_is_memory_are_refused)
{
	static const size_t sizes[] = {1ul << 40, 1ul << 62, SIZE_MAX, SIZE_MAX - 0xfff};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct world *world = world_new("");
		struct object *object = object_new();

		object_data(object, ".data", "01 02 03");
		object_bss(object, ".bss", sizes[i]);
		world_refuse_object(world, "it", object, KRTLD_OK);
		world_expect_empty(world);
	}
}

Test(format, zeros_of_two_sections_do_not_wrap_to_a_small_sum)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_bss(object, ".bss.a", SIZE_MAX / 2 + 8);
	object_bss(object, ".bss.b", SIZE_MAX / 2 + 8);
	world_refuse_object(world, "it", object, KRTLD_OK);
	world_expect_empty(world);
}

Test(format, an_alignment_behind_nearly_all_memory_does_not_wrap_to_a_small_sum)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_bss(object, ".bss", SIZE_MAX - 100);
	object_section(object, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 1ul << 21, "1234", 4);
	world_refuse_object(world, "it", object, KRTLD_E_MEMORY);
	world_expect_empty(world);
}

Test(format, what_krtld_adds_behind_nearly_all_memory_does_not_wrap_to_a_small_sum)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text;

	object_bss(object, ".bss", SIZE_MAX - 100);
	object_symbol(object, "common", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 200);
	world_refuse_object(world, "it", object, KRTLD_E_MEMORY);
	object = object_new();
	text = object_text(object, ".text", "48 8b 05 00 00 00 00");
	object_section(object, ".zeros", SHT_NOBITS, SHF_ALLOC, 1, NULL, SIZE_MAX - 4);
	object_rela(object, text, 3, R_X86_64_GOTPCREL, object_undefined(object, "count"), -4);
	world_refuse_object(world, "it", object, KRTLD_E_MEMORY);
	world_expect_empty(world);
}

/* gABI, "ELF header": where 16 bits do not hold a number, section 0 does. */
Test(format, numbers_of_sections_in_section_0_are_read)
{
	struct image image = sample_image();
	Elf64_Ehdr *header = image_header(&image);
	Elf64_Shdr *zero = (Elf64_Shdr *)(image.bytes + header->e_shoff);

	zero->sh_size = header->e_shnum;
	zero->sh_link = header->e_shstrndx;
	header->e_shnum = 0;
	header->e_shstrndx = SHN_XINDEX;
	expect_loaded(&image);
}

/* gABI, "Section header": SHT_SYMTAB_SHNDX has the section of a symbol that says SHN_XINDEX. */
static struct image with_indices(uint32_t section)
{
	struct object *object = object_new();
	uint32_t indices[3] = {0, section, 0};
	struct image image;
	Elf64_Shdr *header;

	object_text(object, ".text", "90 90 c3");
	object_section(object, ".indices", SHT_SYMTAB_SHNDX, 0, 4, indices, sizeof(indices));
	object_global(object, "it", SHN_XINDEX, 2);
	image = object_image(object);
	header = image_section(&image, ".indices");
	header->sh_link = image_section_index(&image, ".symtab");
	header->sh_entsize = 4;
	return image;
}

Test(format, a_symbol_with_an_extended_section_index_is_found_there)
{
	struct world *world = world_new("");
	struct image image = with_indices(1);
	struct krtld_module *module = world_load(world, "it", &image);

	cr_expect_eq(world_symbol(module, "it"), world_section(module, ".text")->address + 2);
}

Test(format, an_extended_section_index_out_of_range_is_refused)
{
	static const uint32_t bad[] = {1000, 0xfff1, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff};
	struct image image;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world *world = world_new("");

		image = with_indices(bad[i]);
		world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	}
	image = with_indices(1);
	image_section(&image, ".indices")->sh_size = 4;
	world_refuse(world_new(""), "it", &image, KRTLD_E_FORMAT);
	image = with_indices(1);
	image_section(&image, ".indices")->sh_type = SHT_PROGBITS;
	world_refuse(world_new(""), "it", &image, KRTLD_E_FORMAT);
}

Test(format, a_symbol_of_a_section_that_is_not_loaded_cannot_be_used)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned note = object_section(object, ".note", SHT_PROGBITS, 0, 1, "note", 4);
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
	unsigned it = object_local(object, "it", note, 0);
	uint64_t value;

	object_global(object, "global", note, 0);
	world_unload(world, world_load_object(world, "fine", object));
	cr_expect(!krtld_lookup(&world->krtld, "global", &value));
	object_rela(object, data, 0, R_X86_64_64, it, 0);
	world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
}

/* 200 globals, whose names are ends of one long string: fine. All of it, each: no linker's work. */
Test(format, names_may_share_bytes_but_not_all_of_them)
{
	static char name[10001];
	static char names[200][16];

	memset(name, 'x', sizeof(name) - 1);
	for (unsigned shared = 0; shared < 2; shared++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned data = object_data(object, ".data", "00");
		struct image image;
		uint32_t start;

		object_global(object, name, data, 0);
		for (unsigned i = 0; i < 200; i++) {
			snprintf(names[i], sizeof(names[i]), "n%u", i);
			object_global(object, names[i], data, 0);
		}
		image = object_image(object);
		start = image_symbol(&image, name)->st_name;
		for (unsigned i = 0; i < 200; i++) {
			Elf64_Sym *symbol = image_symbol(&image, names[i]);

			symbol->st_name = start + (shared ? i : (uint32_t)sizeof(name) - 2 - i);
		}
		if (shared)
			world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		else
			world_load(world, "it", &image);
	}
}

Test(format, a_second_symbol_table_is_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	static const uint8_t symbol[24];
	struct image image;
	Elf64_Shdr *second;

	object_section(object, ".second", SHT_SYMTAB, 0, 8, symbol, sizeof(symbol));
	image = object_image(object);
	second = image_section(&image, ".second");
	second->sh_entsize = sizeof(symbol);
	second->sh_link = image_section_index(&image, ".strtab");
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	second->sh_type = SHT_PROGBITS;
	world_load(world, "it", &image);
}

/* GNU ld ignores the second, and what it says about the section. Twin: for a section of its own. */
Test(format, a_second_table_of_relocations_for_one_section_is_refused)
{
	for (int shared = 0; shared < 2; shared++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "e8 00 00 00 00 e8 00 00 00 00");
		unsigned other = object_text(object, ".text.other", "e8 00 00 00 00");
		unsigned symbol = object_symbol(object, "f", STB_LOCAL, STT_FUNC, text, 0, 5);
		struct image image;

		object_rela(object, text, 1, R_X86_64_PLT32, symbol, -4);
		object_rela(object, other, 1, R_X86_64_PLT32, symbol, -4);
		image = object_image(object);
		if (shared)
			image_section(&image, ".rela.text.other")->sh_info = text;
		if (shared)
			world_refuse(world, "it", &image, KRTLD_E_FORMAT);
		else
			world_load(world, "it", &image);
	}
}

Test(format, an_object_for_link_time_optimisation_is_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_symbol(object, "__gnu_lto_slim", STB_GLOBAL, STT_OBJECT, SHN_COMMON, 1, 1);
	world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
}

/* A site's offset has 32 bits. */
Test(format, more_than_4_gib_of_text_are_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_section(object, ".text", SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, 16, NULL, 1ul << 32);
	world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
}

Test(format, zeros_in_text_are_zeros)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	const struct krtld_section *section;

	object_section(object, ".text", SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR, 16, NULL, 100);
	section = world_section(world_load_object(world, "it", object), ".text");
	for (unsigned i = 0; i < 100; i++)
		cr_expect_eq(section->bytes[i], 0, "byte %u", i);
}

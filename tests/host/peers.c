/*
 * The failures that others had in the field (PEERS.md, section 2), each a test by its number; the
 * whole list is in README.md. Those that a test of one process cannot show live elsewhere:
 *
 *	 5  objects other than the kernel      also tests/qemu: sites of every module are compared
 *	10  hand-kept counts and labels        tests/dsl: hotc counts; krtld's count is tested here
 *	11–13, 23  AC discipline               tests/qemu
 *	16  a page that is not mapped          here, as text that ends; kernel/ maps: tests/qemu
 *	18, 19, 24  writes while others run    nobody runs a module that is being loaded; tests/qemu
 *	21  a feature that changes later       here: the snapshot; `live` is refused: tests/dsl
 *	27, 28, 31  images and aliases         tests/dsl (names checked), tests/qemu
 *	29  a date in generated files          tests/dsl: determinism
 */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/run.h"
#include "tests/host/sample.h"
#include "tests/host/text.h"
#include "tests/host/world.h"

/* Loads an object of one text with one reference, and compares the text afterwards. */
static struct krtld_module *load_text(struct world *world, const char *code, uint64_t field,
				      uint32_t type, const char *hotinline)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", code);

	object_rela(object, text, field, type, object_undefined(object, hotinline), -4);
	return world_load_object(world, "it", object);
}

/* An object whose one relocation has that type. */
static struct object *sample_with_type(uint32_t type)
{
	struct object *object = object_new();

	object_rela(object, object_text(object, ".text", "e8 00 00 00 00 c3"), 1, type,
		    object_undefined(object, "xsmap"), -4);
	return object;
}

static void expect_text(struct world *world, const struct krtld_module *module, const char *want)
{
	const struct krtld_section *text = world_section(module, ".text");
	uint8_t bytes[64];
	size_t n = table_bytes(world->machine, want, text->address, bytes, sizeof(bytes));

	bytes_expect(want, text->bytes, bytes, n);
}

Test(peers, peers_01_a_tail_call_becomes_code_and_ret)
{
	struct world *world = world_new("smap");
	struct krtld_module *module =
	    load_text(world, "e9 00 00 00 00 31 c0 c3", 1, R_X86_64_PLT32, "xsmap");

	cr_expect_eq(module->nsites, 1);
	expect_text(world, module, "0f 01 ca c3 cc 31 c0 c3");
}

Test(peers, peers_01_a_tail_call_without_room_for_ret_stays_a_jump)
{
	struct world *world = world_new("popcnt");

	expect_text(world, load_text(world, "e9 00 00 00 00 31 c0 c3", 1, R_X86_64_PLT32, "count"),
		    "e9 @count-4 31 c0 c3");
}

Test(peers, peers_02_an_indirect_call_through_the_got_is_left_alone)
{
	static const char *const codes[] = {"ff 15 00 00 00 00 c3", "ff 25 00 00 00 00 c3"};

	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_new("smap");
		struct krtld_module *module =
		    load_text(world, codes[i], 2, R_X86_64_GOTPCREL, "xsmap");
		const struct krtld_section *text = world_section(module, ".text");
		uint64_t slot =
		    text->address + 6 + (uint64_t)(int64_t)(int32_t)bytes_get(text->bytes + 2, 4);
		const struct krtld_region *rodata = &module->regions[KRTLD_RODATA];

		cr_expect_eq(module->nsites, 0);
		cr_expect_eq(text->bytes[0], 0xff);
		cr_assert(slot >= rodata->address && slot + 8 <= rodata->address + rodata->size);
		cr_expect_eq(bytes_get(rodata->bytes + (slot - rodata->address), 8),
			     table_address(world->machine, "xsmap"));
	}
}

/* Where the psABI allows to relax it, it is a site of six bytes (and PEERS 41). */
Test(peers, peers_41_a_call_through_the_got_is_patched)
{
	struct world *world = world_new("smap");
	struct krtld_module *module;

	module = load_text(world, "ff 15 00 00 00 00 c3", 2, R_X86_64_GOTPCRELX, "xsmap");
	expect_text(world, module, "0f 01 ca 0f 1f 00 c3");
	world_unload(world, module);
	module = load_text(world, "ff 25 00 00 00 00 31", 2, R_X86_64_GOTPCRELX, "xsmap");
	expect_text(world, module, "0f 01 ca c3 cc cc 31");
	world_unload(world, module);
	module = load_text(world, "ff 15 00 00 00 00 c3", 2, R_X86_64_GOTPCRELX, "count");
	expect_text(world, module, "e8 @count_soft-4 90 c3");
	world_unload(world, module);
	module = load_text(world, "66 2e e8 00 00 00 00 c3", 3, R_X86_64_PLT32, "xsmap");
	expect_text(world, module, "66 2e 66 90 0f 01 ca c3");
}

/* Unpatched it is a direct call, and two relocations of it are one too many. */
Test(peers, peers_41_a_call_through_the_got_is_relaxed_before_it_is_patched)
{
	struct world *world = world_new("smap");
	struct object *object;
	unsigned text, symbol;

	world->unpatched = true;
	expect_text(world, load_text(world, "ff 15 00 00 00 00 c3", 2, R_X86_64_GOTPCRELX, "xsmap"),
		    "67 e8 @xsmap-4 c3");
	object = object_new();
	text = object_text(object, ".text", "ff 15 00 00 00 00 c3");
	symbol = object_undefined(object, "xsmap");
	object_rela(object, text, 2, R_X86_64_GOTPCRELX, symbol, -4);
	object_rela(object, text, 2, R_X86_64_GOTPCRELX, symbol, -4);
	world_refuse_object(world, "twice", object, KRTLD_E_FORMAT);
}

Test(peers, peers_03_a_conditional_jump_is_left_alone)
{
	struct world *world = world_new("smap");
	struct krtld_module *module =
	    load_text(world, "0f 85 00 00 00 00 c3", 2, R_X86_64_PLT32, "xsmap");

	cr_expect_eq(module->nsites, 0);
	expect_text(world, module, "0f 85 @xsmap-4 c3");
}

Test(peers, peers_04_a_pointer_to_the_stub_is_left_alone)
{
	struct world *world = world_new("smap");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "e8 00 00 00 00 00 00 00 00 e8 e8 e8");
	unsigned stub = object_undefined(object, "xsmap");
	const struct krtld_section *section;
	struct krtld_module *module;

	object_rela(object, data, 1, R_X86_64_64, stub, 0);
	module = world_load_object(world, "it", object);
	section = world_section(module, ".data");
	cr_expect_eq(module->nsites, 0);
	cr_expect_eq(section->bytes[0], 0xe8);
	cr_expect_eq(bytes_get(section->bytes + 1, 8), table_address(world->machine, "xsmap"));
	cr_expect_eq(bytes_get(section->bytes + 9, 3), 0xe8e8e8);
}

Test(peers, peers_05_every_object_and_every_section_is_walked)
{
	static const char *const names[] = {"one", "two", "three"};
	struct world *world = world_new("smap");

	for (unsigned m = 0; m < 3; m++) {
		struct object *object = object_new();
		unsigned stub = object_undefined(object, "xsmap");
		struct krtld_module *module;
		struct hot_error error;

		for (unsigned s = 0; s < 5; s++) {
			static const char *const sections[] = {".text", ".init.text", ".text.hot",
							       ".fixup", ".odd"};

			object_rela(object, object_text(object, sections[s], "e8 00 00 00 00 c3"),
				    1, R_X86_64_PLT32, stub, -4);
		}
		module = world_load_object(world, names[m], object);
		cr_expect_eq(module->nsites, 5, "%s: %u", names[m], module->nsites);
		cr_expect(
		    hot_verify(world->machine, module->texts, module->ntexts, HOT_NOW, &error));
		for (unsigned s = 1; s <= 5; s++)
			cr_expect_eq(bytes_get(module->sections[s].bytes, 5), 0x9066ca010f,
				     "%s, section %u", names[m], s);
	}
}

Test(peers, peers_06_a_module_before_the_decision_is_refused)
{
	struct world *world = world_new(NULL);
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");
	struct hot_features none = {{0}};

	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "xsmap"), -4);
	memset(world->machine->stubs, 0, 8ul * world->machine->table->nhotinlines);
	memset(world->machine->symbols, 0, 8ul * world->machine->table->nsymbols);
	world->nexternals = 0;
	world_load_object(world, "unix", sample_unix(world->machine->table, NULL));
	world_refuse_object(world, "driver", object, KRTLD_E_UNDECIDED);
	hot_decide(world->machine, &none);
	world_load_object(world, "driver", object);
}

Test(peers, peers_07_a_module_cannot_capture_a_stub)
{
	struct world *world = world_new("smap");
	struct object *rogue = object_new();
	uint64_t stub = table_address(world->machine, "xsmap");
	struct krtld_module *module;

	object_global(rogue, "xsmap", object_text(rogue, ".text", "0f 0b 90 90 90 90 90 90"), 0);
	world_refuse_object(world, "rogue", rogue, KRTLD_E_STUB);
	module = load_text(world, "0f 85 00 00 00 00 c3", 2, R_X86_64_PLT32, "xsmap");
	cr_expect_eq(
	    world_section(module, ".text")->address + 6 +
		(uint64_t)(int64_t)(int32_t)bytes_get(world_section(module, ".text")->bytes + 2, 4),
	    stub);
}

/* A real kernel's modules each define one `init_module`: what they hide is theirs alone. */
Test(peers, peers_44_a_name_that_modules_hide_is_each_ones_own)
{
	static const char *const names[] = {"one", "two", "three"};
	struct world *world = world_new("");

	for (unsigned i = 0; i < 3; i++) {
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "31 c0 c3");
		unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
		struct krtld_module *module;
		struct image image;

		object_rela(object, data, 0, R_X86_64_64,
			    object_global(object, "init_module", text, 0), 0);
		image = object_image(object);
		if (i < 2)
			image_symbol(&image, "init_module")->st_other = STV_HIDDEN;
		module = world_load(world, names[i], &image);
		cr_expect_eq(bytes_get(world_section(module, ".data")->bytes, 8),
			     world_section(module, ".text")->address, "%s has another's", names[i]);
		image_symbol(&image, "init_module")->st_other = STV_DEFAULT;
		if (i == 2)
			world_refuse(world, "four", &image, KRTLD_E_DUPLICATE);
	}
}

/* Hidden or not: the calls within the module would go to it, and never be sites. */
Test(peers, peers_07_a_module_cannot_capture_a_stub_for_itself)
{
	struct world *world = world_new("smap");
	struct object *rogue = object_new();
	struct image image;

	object_global(rogue, "xsmap", object_text(rogue, ".text", "0f 0b 90 90 90 90 90 90"), 0);
	image = object_image(rogue);
	image_symbol(&image, "xsmap")->st_other = STV_HIDDEN;
	world_refuse(world, "rogue", &image, KRTLD_E_STUB);
}

Test(peers, peers_08_a_name_that_one_side_knows_and_the_other_does_not_is_refused)
{
	const struct hot_table *table = table_common();
	struct world *world = world_new("smap");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");

	/* Known to a module only. */
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "xsmap_typo"), -4);
	world_refuse_object(world, "it", object, KRTLD_E_UNDEFINED);
	cr_expect_str_eq(world->reports[0].symbol, "xsmap_typo");
	/* Known to the table only. */
	world = world_new(NULL);
	memset(world->machine->stubs, 0, 8ul * table->nhotinlines);
	memset(world->machine->symbols, 0, 8ul * table->nsymbols);
	world_refuse_object(world, "unix", sample_unix(table, "xsmap"), KRTLD_E_STUB);
	cr_expect_str_eq(world->reports[0].symbol, "xsmap");
}

/*
 * What every architecture has to provide is what two headers declare. Prints each name that a
 * generic object wants of an architecture's and that is not declared in the file given.
 */
static const struct run *undeclared(const char *headers)
{
	run_directory();
	return run("objects='build/host/alternatives build/host/loader'; "
		   "find $objects -name '*.o' ! -path '*/arch/*' -exec nm -u {} + | "
		   "awk 'NF == 2 {print $2}' | sort -u >$T/wanted; "
		   "find $objects -name '*.o' -path '*/arch/*' -exec nm -g --defined-only {} + | "
		   "awk 'NF == 3 {print $3}' | sort -u >$T/theirs; "
		   "comm -12 $T/wanted $T/theirs | tee $T/both | grep -c . >$T/number; "
		   "for name in $(cat $T/both); do grep -qw $name %s || echo $name; done; "
		   "test $(cat $T/number) -gt 5",
		   headers);
}

Test(peers, peers_09_what_is_wanted_of_an_architecture_is_declared_for_all_of_them)
{
	const struct run *r = undeclared("alternatives/arch.h loader/arch.h");

	cr_expect_eq(r->status, 0, "%s", r->errors);
	cr_expect_str_empty(r->out, "not in an arch.h: %s", r->out);
	run_expect(undeclared("loader/arch.h"), 0, "hot_arch_pad\n");
	run_expect(undeclared("alternatives/arch.h"), 0, "krtld_arch_rows\n");
}

Test(peers, peers_10_nobody_counts_sites_by_hand)
{
	struct world *world = world_new("smap");
	struct object *object = object_new();
	uint8_t code[8 * 1000];
	unsigned text, stub = object_undefined(object, "xsmap");
	struct krtld_module *module;

	for (unsigned i = 0; i < 1000; i++)
		bytes_hex("e8 00 00 00 00 90 90 c3", code + 8 * i, 8);
	text = object_section(object, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16, code,
			      sizeof(code));
	for (unsigned i = 0; i < 1000; i++)
		object_rela(object, text, 8 * i + 1, R_X86_64_PLT32, stub, -4);
	module = world_load_object(world, "it", object);
	cr_expect_eq(module->nsites, 1000);
	for (unsigned i = 0; i < 1000; i++)
		cr_expect_eq(bytes_get(world_section(module, ".text")->bytes + 8 * i, 5),
			     0x9066ca010f, "site %u", i);
}

Test(peers, peers_14_a_mismatch_found_late_leaves_earlier_sites_unwritten)
{
	struct text *text = text_new(table_machine(table_common(), "smap"), 256);

	for (unsigned i = 0; i < 16; i++)
		text_site(text, 16 * i, "xsmap", HOT_CALL, 0);
	text->text.bytes[16 * 15] = 0x90;
	text_seal(text);
	text_expect_refusal(text, HOT_E_OLD_BYTES);
}

/* Two bytes of code in a site of five, of which four are there. */
Test(peers, peers_15_bounds_are_those_of_the_padded_length)
{
	struct text *text = text_new(table_machine(table_common(), "up smap"), 5);

	text_site(text, 0, "two", HOT_CALL, 0);
	text_seal(text);
	text_patch(text);
	text_expect(text, 0, "89 f8 0f 1f 00");
	text->text.nsites = 0;
	text_site(text, 0, "two", HOT_CALL, 0);
	text->text.size = 4;
	text_seal(text);
	text_expect_refusal(text, HOT_E_BOUNDS);
}

Test(peers, peers_16_a_site_that_crosses_the_end_of_its_text_is_refused)
{
	for (uint32_t inside = 1; inside < 12; inside++) {
		struct text *text = text_new(table_machine(table_common(), "up"), 100);

		text_site(text, 50, "wpair", HOT_CALL, HOT_WIDE);
		text->text.size = 50 + inside;
		text_seal(text);
		text_expect_refusal(text, HOT_E_BOUNDS);
	}
}

/* An alternative of 7 bytes in a site of 5, and of 5 where `ret` must follow. */
Test(peers, peers_17_what_is_too_long_is_not_written)
{
	struct text *text = text_new(table_machine(table_common(), "up"), 64);

	text_site(text, 0, "wfull", HOT_CALL, 0);
	text_site(text, 16, "exact", HOT_JMP, 0);
	text_site(text, 32, "wlong", HOT_CALL, 0);
	text_seal(text);
	text_patch(text);
	text_expect_unchanged(text, "something was written though it does not fit");
}

Test(peers, peers_20_every_reference_of_a_replacement_is_rebased)
{
	struct world *world = world_new("up");
	struct krtld_module *module;

	module = load_text(world, "90 90 90 e8 00 00 00 00 36 66 0f 1f 44 00 00 c3", 4,
			   R_X86_64_PLT32, "wpair");
	expect_text(world, module, "90 90 90 48 8d 05 @datum-4 e8 @pair_soft-4 c3");
	world_unload(world, module);
	world = world_new("erms");
	module = load_text(world, "90 90 90 e8 00 00 00 00 36 66 0f 1f 44 00 00 c3", 4,
			   R_X86_64_PLT32, "wpair");
	expect_text(world, module, "90 90 90 48 8b 05 @datum+4 0f 1f 44 00 00 c3");
}

/* The snapshot counts: what somebody writes into his own struct later changes nothing. */
Test(peers, peers_21_features_do_not_change_after_patching)
{
	struct hot_machine *machine = table_machine(table_common(), NULL);
	struct text *one = text_new(machine, 8), *two = text_new(machine, 8);
	struct hot_features features;
	struct hot_error error;

	text_site(one, 0, "xsmap", HOT_CALL, 0);
	text_site(two, 0, "xsmap", HOT_CALL, 0);
	table_features(machine->table, "smap", &features);
	hot_decide(machine, &features);
	text_patch(one);
	memset(&features, 0, sizeof(features));
	text_patch(two);
	text_expect(two, 0, "0f 01 ca 66 90");
	cr_expect(hot_verify(machine, &one->text, 1, HOT_NOW, &error));
	cr_expect(hot_has(&machine->features, table_feature(machine->table, "smap")));
}

Test(peers, peers_22_what_is_not_relocated_yet_is_not_patched)
{
	struct text *text = text_new(table_machine(table_common(), "smap"), 8);

	text_site(text, 0, "xsmap", HOT_CALL, 0);
	memset(text->text.bytes + 1, 0, 4);
	text_seal(text);
	text_expect_refusal(text, HOT_E_OLD_BYTES);
}

Test(peers, peers_25_a_word_is_written_only_if_it_fits)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00 00 00 00 00");

	object_rela(object, data, 0, R_X86_64_32, object_global(object, "small", SHN_ABS, 1), 0);
	object_rela(object, data, 4, R_X86_64_32,
		    object_global(object, "large", SHN_ABS, 0x100000000), 0);
	world_refuse_object(world, "it", object, KRTLD_E_RANGE);
	cr_expect_eq(world->reports[0].offset, 4);
	cr_expect_eq(world->reports[0].value, 0x100000000, "%#lx", world->reports[0].value);
	cr_expect_str_eq(world->reports[0].symbol, "large");
	world_expect_empty(world);
}

Test(peers, peers_26_a_type_or_symbol_one_past_its_table_is_refused)
{
	struct world *world = world_new("smap");
	struct image image = sample_image();
	Elf64_Rela *rela = image_rela(&image, ".text", 0);
	uint64_t symbols = image_section(&image, ".symtab")->sh_size / sizeof(Elf64_Sym);
	uint64_t good = rela->r_info;

	rela->r_info = ELF64_R_INFO(symbols, R_X86_64_PLT32);
	world_refuse(world, "it", &image, KRTLD_E_FORMAT);
	rela->r_info = ELF64_R_INFO(symbols - 1, 52);
	world_refuse(world, "it", &image, KRTLD_E_TYPE);
	rela->r_info = ELF64_R_INFO(symbols - 1, UINT32_MAX);
	world_refuse(world, "it", &image, KRTLD_E_TYPE);
	rela->r_info = good;
	world_load(world, "it", &image);
}

/* What it was: loaded, and each call led to the instruction after it. More in unknown.c. */
Test(peers, peers_32_a_table_of_relocations_in_another_form_is_not_skipped)
{
	static const uint32_t types[] = {0x40000014, 19, 0x60000001, 0x60000002, 0x60001234};
	struct world *world = world_new("popcnt up");
	struct image image = sample_image();

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		image_section(&image, ".rela.text")->sh_type = types[i];
		world_refuse(world, "it", &image, KRTLD_E_TYPE);
		cr_expect_str_eq(world->reports[0].section, ".rela.text");
		cr_expect_str_eq(world->reports[0].symbol, ".text");
	}
	image_section(&image, ".rela.text")->sh_type = SHT_RELA;
	world_load(world, "it", &image);
}

/* More in sets.c. */
Test(peers, peers_33_a_set_is_not_silently_empty)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
	struct krtld_module *module;

	object_rela(object, data, 0, R_X86_64_64, object_weak(object, "__start_set", SHN_UNDEF, 0),
		    0);
	module = world_load_object(world, "without", object);
	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes, 8), 0);
	object_rodata(object, "set", "01 02 03 04");
	module = world_load_object(world, "with", object);
	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes, 8),
		     world_section(module, "set")->address);
}

/* More in start.c. */
Test(peers, peers_34_constructors_are_not_dropped)
{
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_new("");
		struct object *object = object_new();
		unsigned text = object_text(object, ".text", "c3 c3");
		unsigned array = object_section(object, i ? ".ctors" : ".init_array", SHT_PROGBITS,
						SHF_ALLOC | SHF_WRITE, 8, "\0\0\0\0\0\0\0", 8);
		int (*start)(void *, uint64_t) = world->ops.start;
		struct krtld_module *module;

		object_rela(object, array, 0, R_X86_64_64, object_section_symbol(object, text), 1);
		world->ops.start = NULL;
		world_refuse_object(world, "it", object, KRTLD_E_START);
		world->ops.start = start;
		module = world_load_object(world, "it", object);
		cr_expect_eq(world->starts, 1);
		cr_expect_eq(world->started[0], world_section(module, ".text")->address + 1);
	}
}

Test(peers, peers_46_a_compressed_module_is_not_just_not_elf)
{
	static uint8_t xz[64] = {0xfd, '7', 'z', 'X', 'Z'}, text[64] = "7zXZ";
	struct world *world = world_new("");

	world_refuse(world, "it", &(struct image){xz, sizeof(xz)}, KRTLD_E_FORMAT);
	cr_expect(strstr(world->lines[0], "compressed by xz"), "%s", world->lines[0]);
	world_refuse(world, "it", &(struct image){text, sizeof(text)}, KRTLD_E_FORMAT);
	cr_expect(strstr(world->lines[0], "not an ELF file"), "%s", world->lines[0]);
}

Test(peers, peers_43_types_newer_than_this_loader_are_known)
{
	static const uint32_t branches[] = {39, 40}; /* PC32_BND, PLT32_BND */
	struct world *world = world_new("smap");

	for (unsigned i = 0; i < 2; i++) {
		struct krtld_module *module =
		    load_text(world, "e8 00 00 00 00 c3", 1, branches[i], "xsmap");

		cr_expect_eq(module->nsites, 1);
		expect_text(world, module, "0f 01 ca 66 90 c3");
		world_unload(world, module);
	}
	for (uint32_t type = 43; type < 52; type += 3) { /* CODE_n_GOTPCRELX */
		struct krtld_module *module =
		    load_text(world, "d5 48 8b 05 00 00 00 00 c3", 4, type, "xsmap");

		cr_expect_eq(module->nsites, 0);
		cr_expect_eq(module->nreferences, 1);
		world_unload(world, module);
	}
	world_refuse_object(world, "it", sample_with_type(52), KRTLD_E_TYPE);
}

Test(peers, peers_30_code_behind_a_prefix_is_right_with_and_without_it)
{
	struct world *world = world_new("smap");
	struct krtld_module *module;

	module = load_text(world, "2e e8 00 00 00 00 c3", 2, R_X86_64_PLT32, "xsmap");
	expect_text(world, module, "2e 66 90 0f 01 ca c3");
	world_unload(world, module);
	module = load_text(world, "2e e9 00 00 00 00 90", 2, R_X86_64_PLT32, "xsmap");
	expect_text(world, module, "2e e9 @xsmap-4 90");
	world_unload(world, module);
	module = load_text(world, "67 e8 00 00 00 00 c3", 2, R_X86_64_PLT32, "count");
	expect_text(world, module, "67 e8 @count_soft-4 c3");
}

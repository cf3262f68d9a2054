/* unix, the first module: its stubs, the decision, and who may come before and after it. */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/sample.h"
#include "tests/host/world.h"

/* A world whose machine knows no stub, undecided: a kernel that boots. */
static struct world *booting(void)
{
	struct world *world = world_new(NULL);

	memset(world->machine->stubs, 0, 8ul * world->machine->table->nhotinlines);
	memset(world->machine->symbols, 0, 8ul * world->machine->table->nsymbols);
	world->nexternals = 0;
	return world;
}

static struct krtld_module *load_unix(struct world *world)
{
	return world_load_object(world, "unix", sample_unix(world->machine->table, NULL));
}

static unsigned table_symbol_index(const struct hot_table *table, const char *name)
{
	unsigned i = 0;

	while (strcmp(table->symbols[i], name) != 0)
		i++;
	return i;
}

static void decide(struct world *world, const char *features)
{
	struct hot_features set;

	table_features(world->machine->table, features, &set);
	hot_decide(world->machine, &set);
}

static void expect_no_addresses(const struct world *world)
{
	for (unsigned i = 0; i < world->machine->table->nhotinlines; i++)
		cr_expect_eq(world->machine->stubs[i], 0, "stub %u", i);
	for (unsigned i = 0; i < world->machine->table->nsymbols; i++)
		cr_expect_eq(world->machine->symbols[i], 0, "symbol %u", i);
}

Test(unix_module, its_stubs_and_symbols_go_into_the_machine)
{
	struct world *world = booting();
	struct krtld_module *module = load_unix(world);
	const struct hot_machine *machine = world->machine;

	for (unsigned i = 0; i < machine->table->nhotinlines; i++)
		cr_expect_eq(machine->stubs[i],
			     world_symbol(module, machine->table->hotinlines[i].name));
	for (unsigned i = 0; i < machine->table->nsymbols; i++)
		cr_expect_eq(machine->symbols[i], world_symbol(module, machine->table->symbols[i]));
}

Test(unix_module, each_stub_is_a_site_and_holds_what_the_engine_expects)
{
	struct world *world = booting();
	struct krtld_module *module = load_unix(world);
	struct hot_error error;

	cr_expect_eq(module->nsites, world->machine->table->nhotinlines);
	for (unsigned i = 0; i < module->nsites; i++)
		cr_expect_eq(module->sites[i].form, HOT_STUB);
	cr_expect(hot_verify(world->machine, module->texts, module->ntexts, HOT_BEFORE, &error),
		  "%s at %#lx", hot_reason_text(error.reason), error.address);
}

Test(unix_module, its_sites_are_left_to_the_kernel)
{
	struct world *world = booting();
	struct object *object = sample_unix(world->machine->table, NULL);
	unsigned text = object_text(object, ".text.more", "31 c0 c3");
	struct krtld_module *module;
	const struct krtld_section *stubs;
	struct hot_error error;
	uint8_t want[8];

	object_global(object, "_init", text, 0);
	module = world_load_object(world, "unix", object);
	cr_expect_eq(world->starts, 0, "unix is not started by krtld");
	cr_expect(hot_verify(world->machine, module->texts, module->ntexts, HOT_BEFORE, &error));
	decide(world, "smap popcnt up");
	cr_assert(do_hotinlines(world->machine, module->texts, module->ntexts, &error),
		  "%s at %#lx", hot_reason_text(error.reason), error.address);
	bytes_hex("0f 01 ca c3 cc cc", want, 8);
	stubs = world_section(module, ".text.hotstubs");
	bytes_expect("stub of xsmap",
		     stubs->bytes + (world_symbol(module, "xsmap") - stubs->address), want, 6);
}

/* A site of unix itself: the call names a symbol that unix defines, and that is the stub. */
Test(unix_module, its_own_calls_are_sites)
{
	struct world *world = booting();
	struct object *object = sample_unix(world->machine->table, NULL);
	unsigned text = object_text(object, ".text.calls", "e8 00 00 00 00 c3");
	struct krtld_module *module;

	/* Handle 1 + nsymbols is the first stub: see sample_unix(). */
	object_rela(object, text, 1, R_X86_64_PLT32, world->machine->table->nsymbols + 1u, -4);
	module = world_load_object(world, "unix", object);
	cr_expect_eq(module->nsites, world->machine->table->nhotinlines + 1u);
	cr_expect_eq(module->nreferences, 0);
}

Test(unix_module, without_one_of_the_stubs_it_is_refused)
{
	const struct hot_table *table = table_common();

	for (unsigned i = 0; i < table->nhotinlines; i++) {
		const char *name = table->hotinlines[i].name;
		struct world *world = booting();
		const struct krtld_error *error =
		    world_refuse_object(world, "unix", sample_unix(table, name), KRTLD_E_STUB);

		cr_expect_str_eq(error->symbol, name);
		expect_no_addresses(world);
		world_expect_empty(world);
		load_unix(world);
	}
}

Test(unix_module, without_a_symbol_of_a_fixup_it_is_refused)
{
	struct world *world = booting();
	struct object *object = sample_unix(world->machine->table, NULL);
	struct image image = object_image(object);
	const struct krtld_error *error;

	/* One of another name, a local, and one that is not loaded are none. */
	image_symbol(&image, "datum")->st_name++;
	error = world_refuse(world, "unix", &image, KRTLD_E_STUB);
	cr_expect_str_eq(error->symbol, "datum");
	expect_no_addresses(world);
	image_symbol(&image, "atum")->st_name--;
	image_symbol(&image, "datum")->st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
	world_refuse(world, "unix", &image, KRTLD_E_STUB);
	object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	image = object_image(object);
	image_symbol(&image, "datum")->st_shndx =
	    (Elf64_Section)image_section_index(&image, ".comment");
	world_refuse(world, "unix", &image, KRTLD_E_STUB);
	expect_no_addresses(world);
}

/* The patch table is unix's own: what unix hides from its modules the table may refer to. */
Test(unix_module, a_symbol_of_a_fixup_may_be_hidden_weak_or_common)
{
	static const struct {
		unsigned bind, visibility;
		bool common, outside;
	} rows[] = {
	    {STB_GLOBAL, STV_HIDDEN, false, false}, {STB_GLOBAL, STV_INTERNAL, false, false},
	    {STB_WEAK, STV_DEFAULT, false, false},  {STB_WEAK, STV_HIDDEN, false, false},
	    {STB_WEAK, STV_DEFAULT, false, true},   {STB_GLOBAL, STV_DEFAULT, true, false},
	    {STB_GLOBAL, STV_DEFAULT, true, true},  {STB_GLOBAL, STV_HIDDEN, true, false},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *world = booting();
		struct image image = object_image(sample_unix(world->machine->table, NULL));
		unsigned datum = table_symbol_index(world->machine->table, "datum");
		Elf64_Sym *symbol = image_symbol(&image, "datum");
		struct krtld_module *module;
		uint64_t value;

		symbol->st_info = (unsigned char)ELF64_ST_INFO(rows[i].bind, STT_OBJECT);
		symbol->st_other = (unsigned char)rows[i].visibility;
		if (rows[i].common) {
			symbol->st_shndx = SHN_COMMON;
			symbol->st_value = 16;
			symbol->st_size = 16;
		}
		if (rows[i].outside)
			world_external(world, "datum", TABLE_SYMBOLS + 0x800);
		module = world_load(world, "unix", &image);
		value = world->machine->symbols[datum];
		cr_expect(value, "row %u", i);
		cr_expect_eq(value, world_symbol(module, "datum"), "row %u", i);
		cr_expect_eq(value == TABLE_SYMBOLS + 0x800, rows[i].outside, "row %u", i);
	}
}

/* And so are the stubs, whose addresses modules have from the machine. */
Test(unix_module, a_stub_may_be_hidden)
{
	struct world *world = booting();
	struct image image = object_image(sample_unix(world->machine->table, NULL));
	struct krtld_module *module;
	uint64_t value;

	image_symbol(&image, "xsmap")->st_other = STV_HIDDEN;
	module = world_load(world, "unix", &image);
	cr_expect(!krtld_lookup(&world->krtld, "xsmap", &value));
	decide(world, "smap");
	cr_expect_eq(world_load_object(world, "it", sample_caller("xsmap"))->nsites, 1);
	cr_expect_eq(module->users, 1);
}

Test(unix_module, a_stub_that_is_cut_short_is_refused)
{
	struct world *world = booting();
	struct image image = object_image(sample_unix(world->machine->table, NULL));
	Elf64_Sym *symbol = image_symbol(&image, "xsmap");
	uint64_t size = image_section(&image, ".text.hotstubs")->sh_size, good = symbol->st_value;

	for (uint64_t room = 0; room < 6; room++) {
		symbol->st_value = size - room;
		world_refuse(world, "unix", &image, KRTLD_E_STUB);
		expect_no_addresses(world);
	}
	symbol->st_value = UINT64_MAX - 4;
	world_refuse(world, "unix", &image, KRTLD_E_STUB);
	symbol->st_value = good;
	world_load(world, "unix", &image);
}

Test(unix_module, a_stub_that_is_defined_twice_is_refused)
{
	struct world *world = booting();
	struct object *object = sample_unix(world->machine->table, NULL);

	object_symbol(object, "xsmap", STB_GLOBAL, STT_FUNC, 2, 0, 0);
	world_refuse_object(world, "unix", object, KRTLD_E_STUB);
	expect_no_addresses(world);
}

/* What the machine's owner has filled in is his: it is there again when unix is not. */
Test(unix_module, what_the_machine_knew_before_it_knows_again)
{
	struct world *world = booting();
	struct hot_machine *machine = world->machine;
	unsigned last = machine->table->nhotinlines - 1u;
	struct krtld_module *module;

	machine->stubs[last] =
	    0x1234; /* unix's first stub, by which it is recognised, is another */
	machine->symbols[0] = 0x5678;
	world_refuse_object(world, "unix", sample_unix(machine->table, "count"), KRTLD_E_STUB);
	cr_expect_eq(machine->stubs[last], 0x1234);
	cr_expect_eq(machine->symbols[0], 0x5678);
	module = load_unix(world);
	cr_expect_eq(machine->stubs[last],
		     world_symbol(module, machine->table->hotinlines[last].name));
	cr_expect_eq(machine->symbols[0], world_symbol(module, machine->table->symbols[0]));
	world_unload(world, module);
	cr_expect_eq(machine->stubs[last], 0x1234);
	cr_expect_eq(machine->symbols[0], 0x5678);
	cr_expect_eq(machine->stubs[0], 0);
}

Test(unix_module, a_stub_in_data_is_refused)
{
	struct world *world = booting();
	struct image image = object_image(sample_unix(world->machine->table, NULL));

	image_section(&image, ".text.hotstubs")->sh_flags = SHF_ALLOC | SHF_WRITE;
	world_refuse(world, "unix", &image, KRTLD_E_STUB);
	expect_no_addresses(world);
}

/* A unix of two stubs, each in a section of its own, with no relocation or with a needless one. */
static struct image two_sections(const struct hot_table *table, bool relocated)
{
	struct object *object = object_new();
	unsigned a = object_text(object, ".text.a", "cc c3 cc cc cc cc cc");
	unsigned b = object_text(object, ".text.b", "c3 cc cc cc cc cc 00 00 00 00");

	object_global(object, table->hotinlines[0].name, b, 0);
	object_global(object, table->hotinlines[1].name, a, 1);
	if (relocated)
		object_rela(object, b, 6, R_X86_64_32, object_local(object, "", SHN_ABS, 5), 0);
	return object_image(object);
}

static const struct hot_table *table_of_two(void)
{
	struct table *table = table_new();

	table_hotinline(table, "first", 5);
	table_alternative(table, NULL, "0f 1f 44 00 00", false);
	table_hotinline(table, "second", 5);
	table_alternative(table, NULL, "0f 1f 44 00 00", false);
	return &table->t;
}

Test(unix_module, stubs_may_lie_in_several_sections)
{
	const struct hot_table *table = table_of_two();

	for (unsigned relocated = 0; relocated < 2; relocated++) {
		struct world *world = world_with(table, NULL);
		struct image image = two_sections(table, relocated);
		struct krtld_module *module;
		struct hot_error error;
		unsigned n = world->allocs;

		memset(world->machine->stubs, 0, 16);
		world->nexternals = 0;
		module = world_load(world, "unix", &image);
		n = world->allocs - n;
		cr_assert_eq(module->ntexts, 2);
		cr_assert_eq(module->nsites, 2);
		cr_expect_eq(module->texts[0].sites[0].hotinline, 1, "at offset 1 of .text.a");
		cr_expect_eq(module->texts[0].sites[0].offset, 1);
		cr_expect_eq(module->texts[1].sites[0].hotinline, 0, "at the start of .text.b");
		cr_expect(hot_verify(world->machine, module->texts, 2, HOT_BEFORE, &error));
		world_unload(world, module);
		for (unsigned i = 1; i <= n; i++) {
			world->fail_alloc = i;
			world_refuse(world, "unix", &image, KRTLD_E_MEMORY);
		}
	}
}

Test(unix_module, each_allocation_in_turn_fails)
{
	struct world *world = booting();
	struct image image = object_image(sample_unix(world->machine->table, NULL));
	struct krtld_module *module = world_load(world, "unix", &image);
	unsigned n = world->allocs;

	world_unload(world, module);
	expect_no_addresses(world);
	for (unsigned i = 1; i <= n; i++) {
		world->fail_alloc = i;
		world_refuse(world, "unix", &image, KRTLD_E_MEMORY);
		expect_no_addresses(world);
		world->fail_alloc = i;
		world->exhausted = true;
		world_refuse(world, "unix", &image, KRTLD_E_MEMORY);
		cr_expect_eq(world->nreports, 1, "%u reports, from %u on", world->nreports, i);
		world->fail_alloc = world->exhausted = false;
	}
	world->fail_protect = 1;
	world_refuse(world, "unix", &image, KRTLD_E_PROTECT);
	expect_no_addresses(world);
	world_load(world, "unix", &image);
}

/* PEERS 6: no two modules may be patched for two machines. */
Test(order, a_second_module_before_the_decision_is_refused)
{
	struct world *world = booting();
	struct krtld_module *unix_module = load_unix(world), *module;
	uint8_t want[8];

	world_refuse_object(world, "early", sample_caller("xsmap"), KRTLD_E_UNDECIDED);
	cr_expect_eq(unix_module->users, 0);
	decide(world, "smap");
	module = world_load_object(world, "early", sample_caller("xsmap"));
	bytes_hex("0f 01 ca 66 90", want, 8);
	bytes_expect("patched at load", world_section(module, ".text")->bytes, want, 5);
}

Test(order, a_second_module_without_hotinlines_waits_as_well)
{
	struct world *world = booting();
	struct object *object = object_new();

	object_text(object, ".text", "c3");
	load_unix(world);
	world_refuse_object(world, "early", object, KRTLD_E_UNDECIDED);
}

Test(order, a_module_after_the_decision_uses_the_snapshot)
{
	struct world *world = booting();
	struct krtld_module *one, *two;
	uint8_t want[8];

	load_unix(world);
	decide(world, "smap");
	one = world_load_object(world, "one", sample_caller("xsmap"));
	two = world_load_object(world, "two", sample_caller("xsmap"));
	bytes_hex("0f 01 ca 66 90", want, 8);
	bytes_expect("one", world_section(one, ".text")->bytes, want, 5);
	bytes_expect("two", world_section(two, ".text")->bytes, want, 5);
}

Test(order, unpatched_leaves_every_site_on_its_stub)
{
	struct world *world = booting();
	struct krtld_module *module;
	struct hot_error error;

	load_unix(world);
	decide(world, "smap");
	world->unpatched = true;
	module = world_load_object(world, "it", sample_caller("xsmap"));
	cr_expect_eq(module->nsites, 1);
	cr_expect(hot_verify(world->machine, module->texts, module->ntexts, HOT_BEFORE, &error));
}

Test(order, unpatched_needs_no_decision)
{
	struct world *world = booting();
	struct krtld_module *module;
	struct hot_error error;

	load_unix(world);
	world->unpatched = true;
	module = world_load_object(world, "it", sample_caller("xsmap"));
	cr_expect(hot_verify(world->machine, module->texts, module->ntexts, HOT_BEFORE, &error));
}

/* PEERS 7: a stub's name is unix's. */
static void refuse_definition(unsigned bind, unsigned shndx_of_text)
{
	struct world *world = booting();
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "31 c0 c3 90 90 90 90 90 90 90 90 90");
	const struct krtld_error *error;
	uint64_t stub;

	load_unix(world);
	decide(world, "smap");
	stub = world->machine->stubs[hot_find(world->machine->table, "xsmap")];
	object_symbol(object, "xsmap", bind, STT_FUNC, shndx_of_text ? text : SHN_COMMON,
		      shndx_of_text ? 0 : 8, 8);
	error = world_refuse_object(world, "rogue", object, KRTLD_E_STUB);
	cr_expect_str_eq(error->symbol, "xsmap");
	cr_expect_eq(world->machine->stubs[hot_find(world->machine->table, "xsmap")], stub);
}

Test(stubs, nobody_else_may_define_the_name_of_one)
{
	refuse_definition(STB_GLOBAL, 1);
	refuse_definition(STB_WEAK, 1);
	refuse_definition(STB_GLOBAL, 0);
}

Test(stubs, a_local_of_that_name_is_no_stub)
{
	struct world *world = booting();
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3 31 c0 c3");
	struct krtld_module *module;

	load_unix(world);
	decide(world, "smap");
	object_rela(object, text, 1, R_X86_64_PLT32, object_local(object, "xsmap", text, 6), -4);
	module = world_load_object(world, "it", object);
	cr_expect_eq(module->nsites + module->nreferences, 0);
	cr_expect_eq(bytes_get(world_section(module, ".text")->bytes + 1, 4), 1);
}

Test(stubs, a_reference_by_section_symbol_is_counted_but_is_no_site)
{
	struct world *world = booting();
	struct object *object = sample_unix(world->machine->table, NULL);
	unsigned stubs = object_section_symbol(object, 2), third = 2 * 80;
	unsigned text = object_text(object, ".text.calls",
				    "e8 00 00 00 00 c3 48 8d 05 00 00 00 00 e8 00 00 00 00 "
				    "e8 00 00 00 00");
	struct krtld_module *module;

	/* exact is the third hotinline; the last two call the trap bytes behind a body, and what is
	 * before the first. An absolute symbol is in no section at all. */
	object_global(object, "absolute", SHN_ABS, 0x1234);
	object_rela(object, text, 19, R_X86_64_PC32, stubs, -4 - 16);
	object_rela(object, text, 1, R_X86_64_PC32, stubs, third - 4);
	object_rela(object, text, 9, R_X86_64_PC32, stubs, third - 4);
	object_rela(object, text, 14, R_X86_64_PC32, stubs, third - 4 + 70);
	module = world_load_object(world, "unix", object);
	cr_expect_eq(module->nsites, world->machine->table->nhotinlines, "only the stubs");
	cr_assert_eq(module->nreferences, 2, "%u", module->nreferences);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(module->references[i].reason, KRTLD_PLAIN_SECTION, "%s",
			     krtld_plain_text(module->references[i].reason));
		cr_expect_eq(module->references[i].hotinline,
			     hot_find(world->machine->table, "exact"));
	}
	cr_expect_eq((int32_t)bytes_get(world_section(module, ".text.calls")->bytes + 1, 4),
		     (int64_t)(world_symbol(module, "exact") -
			       world_section(module, ".text.calls")->address - 5));
}

Test(stubs, a_reference_that_needs_one_that_nobody_has_is_undefined)
{
	struct world *world = booting();

	decide(world, "smap");
	world_refuse_object(world, "it", sample_caller("xsmap"), KRTLD_E_UNDEFINED);
	cr_expect_str_eq(world->reports[0].symbol, "xsmap");
}

Test(unix_module, is_in_use_by_every_module_with_a_site)
{
	struct world *world = booting();
	struct krtld_module *unix_module = load_unix(world), *module;

	decide(world, "smap");
	module = world_load_object(world, "it", sample_caller("xsmap"));
	cr_expect_eq(unix_module->users, 1);
	world->nreports = 0;
	cr_expect(!krtld_unload(&world->krtld, unix_module));
	cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
	world_unload(world, module);
	world_unload(world, unix_module);
	expect_no_addresses(world);
	world_expect_empty(world);
}

/* Its sites would stay unpatched, and nobody would tell. Twin: unix, and any module after it. */
Test(unix_module, a_first_module_that_defines_no_stub_is_not_taken_for_it)
{
	struct world *world = booting();
	const struct krtld_error *error;

	error = world_refuse_object(world, "driver", sample_caller("xsmap"), KRTLD_OK);
	(void)error;
	error = world_refuse_object(world, "other", sample_object(), KRTLD_E_STUB);
	cr_expect(strstr(error->what, "not unix"), "%s", error->what);
	load_unix(world);
	decide(world, "smap");
	world_load_object(world, "driver", sample_caller("xsmap"));
}

/* Twin: a kernel that has filled in its stubs by hand need not come first. */
Test(unix_module, where_stubs_are_known_any_module_may_be_the_first)
{
	struct world *world = world_new(NULL);

	world_load_object(world, "driver", sample_caller("xsmap"));
}

/* The body of a stub that begins with endbr64. */
Test(unix_module, a_site_of_a_stub_begins_where_the_table_says)
{
	static struct hot_table table;
	struct world *world;
	struct krtld_module *module;

	table = *table_common();
	table.entry = 4;
	world = world_with(&table, NULL);
	memset(world->machine->stubs, 0, 8ul * table.nhotinlines);
	memset(world->machine->symbols, 0, 8ul * table.nsymbols);
	world->nexternals = 0;
	module = world_load_object(world, "unix", sample_unix(&table, NULL));
	for (unsigned i = 0; i < module->nsites; i++)
		cr_expect_eq(module->texts[0].address + module->sites[i].offset,
			     world->machine->stubs[module->sites[i].hotinline] + 4);
}

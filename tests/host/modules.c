/* Modules that use one another, and where their sections go. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/bytes.h"
#include "tests/host/sample.h"
#include "tests/host/world.h"

static struct object *provider(const char *name, const char *needs)
{
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "e8 00 00 00 00 c3");

	object_global(object, name, text, 0);
	if (needs)
		object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, needs), -4);
	return object;
}

static void expect_busy(struct world *world, struct krtld_module *module)
{
	world->nreports = 0;
	cr_expect(!krtld_unload(&world->krtld, module), "%s is in use", module->name);
	cr_assert_eq(world->nreports, 1);
	cr_expect_eq(world->reports[0].reason, KRTLD_E_BUSY);
	cr_expect(strstr(world->lines[0], module->name), "%s", world->lines[0]);
}

Test(users, a_module_in_use_is_not_unloaded)
{
	struct world *world = world_new("");
	struct krtld_module *a = world_load_object(world, "a", provider("fa", NULL));
	struct krtld_module *b = world_load_object(world, "b", provider("fb", "fa"));
	struct krtld_module *c = world_load_object(world, "c", provider("fc", "fb"));
	struct krtld_module *d = world_load_object(world, "d", provider("fd", "fb"));

	cr_expect(a->users == 1 && b->users == 2 && c->users == 0, "%u %u %u", a->users, b->users,
		  c->users);
	expect_busy(world, a);
	expect_busy(world, b);
	world_unload(world, c);
	expect_busy(world, b);
	world_unload(world, d);
	expect_busy(world, a);
	world_unload(world, b);
	cr_expect_eq(a->users, 0);
	world_unload(world, a);
	world_expect_empty(world);
}

Test(users, a_module_used_twice_by_one_other_counts_once)
{
	struct world *world = world_new("");
	struct krtld_module *a = world_load_object(world, "a", provider("fa", NULL)), *b;
	struct object *object = object_new();
	unsigned data =
	    object_data(object, ".data", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	unsigned fa = object_undefined(object, "fa");

	object_rela(object, data, 0, R_X86_64_64, fa, 0);
	object_rela(object, data, 8, R_X86_64_64, fa, 0);
	b = world_load_object(world, "b", object);
	cr_expect_eq(a->users, 1, "%u", a->users);
	world_unload(world, b);
	cr_expect_eq(a->users, 0);
}

Test(users, a_module_of_which_several_symbols_are_used_counts_once)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	unsigned text = object_text(object, ".text", "c3 c3");
	struct krtld_module *a, *b;

	object_global(object, "one", text, 0);
	object_global(object, "two_of_a", text, 1);
	a = world_load_object(world, "a", object);
	object = object_new();
	text = object_text(object, ".text", "e8 00 00 00 00 e8 00 00 00 00");
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "one"), -4);
	object_rela(object, text, 6, R_X86_64_PLT32, object_undefined(object, "two_of_a"), -4);
	b = world_load_object(world, "b", object);
	cr_expect_eq(a->users, 1, "%u", a->users);
	world_unload(world, b);
	cr_expect_eq(a->users, 0, "%u", a->users);
}

/* Memory of which what was freed last is what the next one of that size gets, as in a kernel. */
static struct {
	void *bytes;
	size_t size;
} kept[WORLD_BLOCKS];
static unsigned nkept, nreused;
static struct krtld_ops fakes;

static void *alloc_again(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			 uint64_t *address)
{
	for (unsigned i = nkept; kind == KRTLD_META && i-- > 0;) {
		void *bytes = kept[i].bytes;

		if (kept[i].size != size || (uintptr_t)bytes & (align - 1))
			continue;
		kept[i] = kept[--nkept];
		nreused++;
		return memset(bytes, 0, size);
	}
	return fakes.alloc(ctx, kind, size, align, address);
}

static void keep(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	if (kind != KRTLD_META) {
		fakes.free(ctx, kind, bytes, address, size);
		return;
	}
	kept[nkept].bytes = bytes;
	kept[nkept++].size = size;
}

Test(users, a_module_where_another_was_before_is_counted_as_well)
{
	struct world *world = world_new("");
	struct krtld_module *a, *b, *c;

	fakes = world->ops;
	world->ops.alloc = alloc_again;
	world->ops.free = keep;
	a = world_load_object(world, "a", provider("fa", NULL));
	for (unsigned i = 1; i <= 4; i++) {
		struct krtld_module *users[4];

		for (unsigned j = 0; j < i; j++) {
			users[j] = world_load_object(world, &"bcde"[j], provider(&"bcde"[j], "fa"));
			cr_expect_eq(a->users, j + 1, "%u after %u were loaded", a->users, j + 1);
		}
		for (unsigned j = 0; j < i; j++)
			world_unload(world, users[j]);
		cr_expect_eq(a->users, 0, "%u", a->users);
	}
	cr_expect(nreused > 4, "the twin: memory is used again");
	b = world_load_object(world, "b", provider("fb", NULL));
	cr_expect_eq(a->users, 0, "b uses nothing of a");
	c = world_load_object(world, "c", provider("fc", "fb"));
	cr_expect(a->users == 0 && b->users == 1 && c->users == 0);
}

Test(users, a_held_module_is_not_unloaded)
{
	struct world *world = world_new("");
	struct krtld_module *a = world_load_object(world, "a", provider("fa", NULL));

	krtld_hold(a);
	krtld_hold(a);
	expect_busy(world, a);
	cr_expect(krtld_release(a));
	expect_busy(world, a);
	cr_expect(krtld_release(a));
	world_unload(world, a);
}

Test(users, a_release_without_a_hold_changes_nothing)
{
	struct world *world = world_new("");
	struct krtld_module *a = world_load_object(world, "a", provider("fa", NULL)), *b;

	cr_expect(!krtld_release(a), "nothing holds it");
	cr_expect_eq(a->users, 0, "%u", a->users);
	b = world_load_object(world, "b", provider("fb", "fa"));
	cr_expect(!krtld_release(a), "what refers to it is not a hold");
	expect_busy(world, a);
	krtld_hold(a);
	cr_expect(krtld_release(a), "the twin: one hold, one release");
	cr_expect(!krtld_release(a), "and not another");
	expect_busy(world, a);
	world_unload(world, b);
	world_unload(world, a);
}

Test(users, modules_may_be_unloaded_in_any_order)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	static const unsigned orders[][4] = {
	    {0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}};

	for (unsigned o = 0; o < 4; o++) {
		struct world *world = world_new("");
		struct krtld_module *modules[4];

		for (unsigned i = 0; i < 4; i++)
			modules[i] = world_load_object(world, names[i], provider(names[i], NULL));
		for (unsigned i = 0; i < 4; i++) {
			uint64_t value;

			world_unload(world, modules[orders[o][i]]);
			cr_expect(!krtld_find(&world->krtld, names[orders[o][i]]));
			cr_expect(!krtld_lookup(&world->krtld, names[orders[o][i]], &value));
			for (unsigned j = i + 1; j < 4; j++)
				cr_expect_eq(krtld_find(&world->krtld, names[orders[o][j]]),
					     modules[orders[o][j]]);
		}
		world_expect_empty(world);
	}
}

Test(place, a_section_goes_where_it_is_wanted)
{
	struct world *world = world_new("smap");
	struct object *object = sample_caller("xsmap");
	unsigned data = object_data(object, ".data", "00 00 00 00 00 00 00 00");
	struct krtld_module *module;
	uint8_t want[8];

	object_rela(object, data, 0, R_X86_64_64, object_section_symbol(object, 1), 0);
	world->placed = "it";
	world->places[1] = 0xffffffff90000010;
	module = world_load_object(world, "it", object);
	cr_expect_eq(world_section(module, ".text")->address, 0xffffffff90000010);
	cr_expect_eq(bytes_get(world_section(module, ".data")->bytes, 8), 0xffffffff90000010);
	bytes_hex("0f 01 ca 66 90", want, 8);
	bytes_expect("patched", world_section(module, ".text")->bytes, want, 5);
	cr_assert_eq(module->ntexts, 1);
	cr_expect_eq(module->texts[0].address, 0xffffffff90000010);
}

Test(place, texts_are_sorted_by_address_whatever_the_order_of_their_sections)
{
	struct world *world = world_new("smap");
	struct object *object = object_new();
	unsigned stub = object_undefined(object, "xsmap");
	struct krtld_module *module;

	for (unsigned i = 1; i <= 3; i++) {
		static const uint64_t places[] = {0xffffffff90002000, 0xffffffff90003000,
						  0xffffffff90001000};
		unsigned text = object_text(object, ".text", "90 90 e8 00 00 00 00");

		object_rela(object, text, 3, R_X86_64_PLT32, stub, -4);
		world->places[i] = places[i - 1];
	}
	world->placed = "it";
	module = world_load_object(world, "it", object);
	cr_assert_eq(module->ntexts, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(module->texts[i].address, 0xffffffff90001000 + 0x1000 * i);
		cr_expect_eq(module->texts[i].nsites, 1);
		cr_expect_eq(bytes_get(module->texts[i].bytes + 2, 5), 0x9066ca010f);
	}
}

Test(place, out_of_reach_of_the_stub_is_refused)
{
	struct world *world = world_new("smap");
	struct object *object = sample_caller("xsmap");

	world->placed = "it";
	world->places[1] = 0x400000;
	world_refuse_object(world, "it", object, KRTLD_E_RANGE);
	world_expect_empty(world);
}

Test(place, sections_of_a_kind_share_a_region_and_keep_their_alignment)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	struct krtld_module *module;
	static const char bytes[64];

	for (unsigned i = 0; i < 9; i++) {
		static const uint64_t flags[] = {SHF_EXECINSTR, 0, SHF_WRITE};
		char name[16];

		snprintf(name, sizeof(name), ".s%u", i);
		object_section(object, name, SHT_PROGBITS, SHF_ALLOC | flags[i % 3], 1ul << i,
			       bytes, 1 + 7 * i);
	}
	module = world_load_object(world, "it", object);
	for (unsigned i = 1; i < 10; i++) {
		const struct krtld_section *s = &module->sections[i];
		const struct krtld_region *r = &module->regions[s->kind];

		cr_expect_eq(s->kind, (i - 1) % 3);
		cr_expect_eq(s->address % (1ul << (i - 1)), 0, "%s at %#lx", s->name, s->address);
		cr_expect(s->address >= r->address && s->address + s->size <= r->address + r->size);
		cr_expect_eq(s->bytes - r->bytes, (ptrdiff_t)(s->address - r->address));
		for (unsigned j = 1; j < i; j++)
			cr_expect(module->sections[j].address + module->sections[j].size <=
					  s->address ||
				      s->address + s->size <= module->sections[j].address,
				  "%s and %s overlap", module->sections[j].name, s->name);
	}
}

/* int3: what is between two functions is never run, and if it is, it traps. */
Test(place, gaps_in_text_trap)
{
	struct world *world = world_new("");
	struct object *object = object_new();
	const struct krtld_region *text;
	struct krtld_module *module;

	object_text(object, ".text.a", "c3");
	object_text(object, ".text.b", "c3");
	module = world_load_object(world, "it", object);
	text = &module->regions[KRTLD_TEXT];
	cr_assert(text->size > 16);
	for (unsigned i = 1; i < 16; i++)
		cr_expect_eq(text->bytes[i], 0xcc, "byte %u: %02x", i, text->bytes[i]);
}

Test(place, an_address_that_is_not_aligned_is_refused)
{
	struct world *world = world_new("");

	world->placed = "it";
	world->places[1] = WORLD_TEXT + 8;
	world_refuse_object(world, "it", sample_caller("xsmap"), KRTLD_E_FORMAT);
}

Test(place, a_section_that_would_reach_past_the_last_address_is_refused)
{
	struct world *world = world_new("");
	struct object *object = object_new();

	object_data(object, ".data", "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	world->placed = "it";
	world->places[1] = UINT64_MAX - 7;
	world_refuse_object(world, "it", object, KRTLD_E_FORMAT);
	world->places[1] = UINT64_MAX - 15;
	world_load_object(world, "it", object);
}

/* ---- What is asked for ---- */

static size_t asked[KRTLD_REGIONS]; /* alignment of each region */
static void *(*plain_alloc)(void *, enum krtld_kind, size_t, size_t, uint64_t *);

static void *asking_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			  uint64_t *address)
{
	if (kind < KRTLD_META)
		asked[kind] = align;
	return plain_alloc(ctx, kind, size, align, address);
}

Test(place, a_region_has_the_alignment_of_its_widest_section_wherever_that_is)
{
	static const size_t aligns[3][3] = {{64, 8, 1}, {8, 64, 1}, {1, 8, 64}};
	struct world *world = world_new("");

	plain_alloc = world->ops.alloc;
	world->ops.alloc = asking_alloc;
	for (unsigned i = 0; i < 3; i++) {
		struct object *object = object_new();

		for (unsigned k = 0; k < 3; k++)
			object_section(object, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE,
				       aligns[i][k], "12345678", 8);
		world_unload(world, world_load_object(world, "it", object));
		cr_expect_eq(asked[KRTLD_DATA], 64, "row %u: %zu", i, asked[KRTLD_DATA]);
	}
}

/* Whatever else it is; a copy of the flag on a section that is not loaded does not matter. */
Test(place, a_thread_local_section_is_refused_by_name)
{
	static const unsigned flags[] = {SHF_WRITE, 0, SHF_EXECINSTR};
	struct world *world = world_new("");
	struct object *object;

	for (unsigned i = 0; i < 6; i++) {
		object = object_new();
		object_section(object, ".tdata", i < 3 ? SHT_PROGBITS : SHT_NOBITS,
			       SHF_ALLOC | SHF_TLS | flags[i % 3], 8, "12345678", 8);
		world_refuse_object(world, "it", object, KRTLD_E_TYPE);
		cr_expect_str_eq(world->reports[0].section, ".tdata");
	}
	object = object_new();
	object_section(object, ".tdata", SHT_PROGBITS, SHF_TLS, 8, "12345678", 8);
	world_unload(world, world_load_object(world, "it", object));
}

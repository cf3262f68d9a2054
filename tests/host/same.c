/*
 * The host tool answers as the kernel does. The same objects are loaded by krtld as the kernel calls
 * it (unix first, then the decision, then modules, one after the other) and by the program
 * build/bin/krtld at the same addresses: both must refuse the same objects in the same words, and
 * make the same bytes, slots of the GOT included, of those that they load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "hottable.h"
#include "tests/host/run.h"
#include "tests/host/sample.h"
#include "tests/host/world.h"

#define ZEROS "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
#define MAX   6

struct both {
	struct world *world;
	unsigned n;
	const char *paths[MAX];
	struct image images[MAX];
	struct krtld_module *modules[MAX]; /* NULL: refused */
	char layouts[MAX][2048]; /* where its sections are, or were until it was refused */
	char said[RUN_TEXT];     /* by the kernel's krtld */
};

static struct both *both_new(void)
{
	return calloc(1, sizeof(struct both));
}

static void add(struct both *both, const struct image *image)
{
	char name[16];

	cr_assert(both->n < MAX);
	snprintf(name, sizeof(name), "%u.o", both->n);
	both->images[both->n] = *image;
	both->paths[both->n++] = run_write(name, image->bytes, image->size);
}

static void add_object(struct both *both, const struct object *object)
{
	struct image image = object_image(object);

	add(both, &image);
}

static void add_unix(struct both *both)
{
	add_object(both, sample_unix(&hot_table, NULL));
}

/* ---- As the kernel does ---- */

static void decide(struct world *world)
{
	struct hot_features set;

	table_features(&hot_table, "smap", &set);
	for (unsigned i = 0; i < hot_table.nfeatures; i++) {
		const struct hot_feature *feature = &hot_table.features[i];

		if (feature->kind == HOT_DERIVED &&
		    hot_condition(&hot_table, &set, feature->condition))
			set.set[i / 64] |= 1ul << (i % 64);
	}
	hot_decide(world->machine, &set);
}

/* The place of a module in a layout. */
static void keep_layout(struct both *both, unsigned i, const struct krtld_module *module)
{
	char *text = both->layouts[i];
	size_t size = sizeof(both->layouts[i]), length;

	length = (size_t)snprintf(text, size, "object %s\n", both->paths[i]);
	for (uint32_t s = 0; s < module->nsections; s++) {
		if (module->sections[s].bytes)
			length += (size_t)snprintf(text + length, size - length, "section %u %lx\n",
						   s, module->sections[s].address);
	}
	cr_assert(length < size);
}

static struct both *loading;
static void (*report)(void *ctx, const struct krtld_error *error); /* the world's own */

/* A report may name an address in a module that is gone when krtld_load() returns. It is in the list
 * of modules until then. */
static void report_and_keep(void *ctx, const struct krtld_error *error)
{
	const struct krtld_module *module = krtld_find(&loading->world->krtld, error->module);

	for (unsigned i = 0; module && i < loading->n; i++) {
		if (!strcmp(loading->paths[i], error->module))
			keep_layout(loading, i, module);
	}
	report(ctx, error);
}

static void load_as_kernel(struct both *both)
{
	struct world *world = world_with(&hot_table, NULL);
	struct hot_error error;

	memset(world->machine->stubs, 0, sizeof(uint64_t) * hot_table.nhotinlines);
	memset(world->machine->symbols, 0, sizeof(uint64_t) * hot_table.nsymbols);
	world->nexternals = 0;
	world->places_once = true;
	report = world->ops.report;
	world->ops.report = report_and_keep;
	both->world = world;
	loading = both;
	for (unsigned i = 0; i < both->n; i++) {
		world->nreports = 0;
		both->modules[i] = krtld_load(&world->krtld, both->paths[i], both->images[i].bytes,
					      both->images[i].size);
		if (both->modules[i])
			keep_layout(both, i, both->modules[i]);
		for (unsigned r = 0; r < world->nreports; r++) {
			size_t length = strlen(both->said);

			snprintf(both->said + length, RUN_TEXT - length, "krtld: %s\n",
				 world->lines[r]);
		}
		if (i)
			continue;
		if (!both->modules[0])
			return;
		decide(world);
		cr_assert(do_hotinlines(world->machine, both->modules[0]->texts,
					both->modules[0]->ntexts, &error));
	}
}

/* ---- As the tool does, at the same addresses ---- */

/* Of all objects that had an address, or only of those that are loaded. */
static void write_layout(const struct both *both, bool refused)
{
	char text[MAX * sizeof(both->layouts[0])] = "";

	for (unsigned i = 0; i < both->n; i++) {
		if (refused || both->modules[i])
			strcat(text, both->layouts[i]);
	}
	run_write_text("layout", text);
}

static void expect_file(const char *path, const uint8_t *bytes, size_t size, const char *what)
{
	FILE *file = fopen(path, "rb");
	uint8_t *found = calloc(1, size + 1);

	cr_assert(file, "%s: no %s", what, path);
	cr_expect_eq(fread(found, 1, size + 1, file), size, "%s: %s: not %zu bytes", what, path,
		     size);
	cr_expect(!memcmp(found, bytes, size), "%s: %s: other bytes", what, path);
	fclose(file);
	free(found);
}

static void expect_bytes(const struct krtld_module *module, unsigned i, const char *what)
{
	uint32_t nslots;
	uint64_t address;
	const uint8_t *slots = krtld_got(module, &nslots, &address);
	char folder[300], path[400];

	snprintf(folder, sizeof(folder), i ? "%s/dump/%u" : "%s/dump", run_directory(), i + 1);
	for (uint32_t s = 0; s < module->nsections; s++) {
		snprintf(path, sizeof(path), "%s/sec%u.bin", folder, s);
		if (module->sections[s].bytes)
			expect_file(path, module->sections[s].bytes, module->sections[s].size,
				    what);
	}
	snprintf(path, sizeof(path), "%s/got%lx.bin", folder, address);
	if (nslots)
		expect_file(path, slots, (size_t)nslots * KRTLD_SLOT, what);
}

/* Of the objects that were loaded, which depend on no other, all bytes are those that the kernel has. */
static void expect_same_bytes(const struct both *both, const char *what)
{
	char command[1024] = KRTLD "--cpu smap --layout $T/layout --dump $T/dump";
	const struct run *r;

	write_layout(both, false);
	for (unsigned i = 0; i < both->n; i++) {
		if (both->modules[i])
			strcat(strcat(command, " "), both->paths[i]);
	}
	r = run("rm -rf $T/dump; %s", command);
	cr_assert_eq(r->status, 0, "%s: refused, without what was refused: %s", what, r->errors);
	for (unsigned i = 0, number = 0; i < both->n; i++) {
		if (both->modules[i])
			expect_bytes(both->modules[i], number++, what);
	}
}

/* Returns how many objects were loaded. */
static unsigned expect_same(struct both *both, const char *what)
{
	char command[1024] = KRTLD "--cpu smap --layout $T/layout";
	unsigned loaded = 0;
	const struct run *r;

	load_as_kernel(both);
	write_layout(both, true);
	for (unsigned i = 0; i < both->n; i++) {
		strcat(strcat(command, " "), both->paths[i]);
		loaded += both->modules[i] != NULL;
	}
	r = run("%s", command);
	cr_expect_str_eq(r->errors, both->said, "%s: not the kernel's words:\n%s but:\n%s", what,
			 both->said, r->errors);
	cr_expect_eq(r->status, loaded == both->n ? 0 : 2, "%s: status %d, %u of %u loaded", what,
		     r->status, loaded, both->n);
	if (loaded)
		expect_same_bytes(both, what);
	return loaded;
}

/* ---- unix ---- */

Test(same, a_symbol_of_an_alternative_may_be_weak_hidden_or_common_in_unix)
{
	static const struct {
		unsigned bind, visibility;
		bool common;
	} rows[] = {{STB_GLOBAL, STV_DEFAULT, false}, {STB_WEAK, STV_DEFAULT, false},
		    {STB_GLOBAL, STV_HIDDEN, false},  {STB_WEAK, STV_HIDDEN, false},
		    {STB_GLOBAL, STV_DEFAULT, true},  {STB_GLOBAL, STV_HIDDEN, true}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct both *both = both_new();
		struct object *object = sample_unix(&hot_table, NULL);
		struct image image;
		Elf64_Sym *symbol;

		object_data(object, ".data", ZEROS);
		image = object_image(object);
		symbol = image_symbol(&image, hot_table.symbols[0]);
		symbol->st_info = (unsigned char)ELF64_ST_INFO(rows[i].bind, STT_FUNC);
		symbol->st_other = (unsigned char)rows[i].visibility;
		if (rows[i].common) {
			symbol->st_shndx = SHN_COMMON;
			symbol->st_value = symbol->st_size = 16;
		}
		add(both, &image);
		add_object(both, sample_caller("copy_bytes"));
		cr_expect_eq(expect_same(both, "a symbol of an alternative"), 2, "row %u", i);
	}
}

Test(same, a_unix_that_lacks_a_stub_or_a_symbol_is_refused)
{
	struct both *both = both_new();
	struct image image = object_image(sample_unix(&hot_table, NULL));

	add_object(both, sample_unix(&hot_table, "smap_enable"));
	cr_expect_eq(expect_same(both, "a stub"), 0);
	both = both_new();
	image_symbol(&image, hot_table.symbols[0])->st_name++;
	add(both, &image);
	cr_expect_eq(expect_same(both, "a symbol"), 0);
}

Test(same, a_stub_may_be_hidden_in_unix_and_is_no_modules_to_define)
{
	struct both *both = both_new();
	struct image image = object_image(sample_unix(&hot_table, NULL));
	struct object *rogue = object_new();

	for (unsigned i = 0; i < hot_table.nhotinlines; i++)
		image_symbol(&image, hot_table.hotinlines[i].name)->st_other = STV_HIDDEN;
	add(both, &image);
	add_object(both, sample_caller("smap_enable"));
	object_global(rogue, "smap_enable", object_text(rogue, ".text", ZEROS), 0);
	add_object(both, rogue);
	cr_expect_eq(expect_same(both, "hidden stubs"), 2);
}

/* ---- Who defines a name ---- */

/* An object with pointers to `it' and to `other', of which it defines what has a binding. */
static struct object *with(unsigned bind, unsigned section, const char *name, const char *other)
{
	struct object *object = object_new();
	unsigned data = object_data(object, ".data", ZEROS ZEROS);

	object_rela(
	    object, data, 0, R_X86_64_64,
	    object_symbol(object, name, bind, STT_OBJECT, section ? data : SHN_UNDEF, 16, 8), 0);
	if (other)
		object_rela(object, data, 8, R_X86_64_64, object_undefined(object, other), 0);
	return object;
}

Test(same, peers_37_the_first_definition_counts_and_a_strong_one_after_it_is_refused)
{
	static const struct {
		unsigned first, second, loaded;
	} rows[] = {{STB_WEAK, STB_GLOBAL, 2},           {STB_GLOBAL, STB_GLOBAL, 2},
		    {STB_GLOBAL, STB_WEAK, 3},           {STB_WEAK, STB_WEAK, 3},
		    {STB_GNU_UNIQUE, STB_GNU_UNIQUE, 3}, {STB_GNU_UNIQUE, STB_GLOBAL, 2}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct both *both = both_new();

		add_unix(both);
		add_object(both, with(rows[i].first, 1, "it", NULL));
		add_object(both, with(rows[i].second, 1, "it", NULL));
		cr_expect_eq(expect_same(both, "two definitions"), rows[i].loaded, "row %u", i);
	}
}

Test(same, peers_37_a_module_refers_to_those_before_it_only)
{
	struct both *both = both_new();

	add_unix(both);
	add_object(both, with(STB_GLOBAL, 1, "a", "b")); /* forward, and in a circle */
	add_object(both, with(STB_GLOBAL, 1, "b", "a"));
	cr_expect_eq(expect_same(both, "a circle"), 1);
	both = both_new();
	add_unix(both);
	add_object(both, with(STB_WEAK, 0, "a", NULL)); /* 0, whoever comes later */
	add_object(both, with(STB_GLOBAL, 1, "a", NULL));
	add_object(both, with(STB_WEAK, 0, "a", NULL));
	add_object(both, with(STB_GLOBAL, 1, "b", "a"));
	cr_expect_eq(expect_same(both, "a weak reference"), 5);
}

static struct object *common(uint64_t size, uint64_t align)
{
	struct object *object = with(STB_GLOBAL, 1, "own", NULL);

	object_rela(object, 1, 24, R_X86_64_64,
		    object_symbol(object, "it", STB_GLOBAL, STT_OBJECT, SHN_COMMON, align, size),
		    0);
	return object;
}

Test(same, peers_37_a_common_symbol_is_the_first_ones)
{
	struct both *both = both_new();
	struct image image = object_image(common(16, 32)), other = object_image(common(16, 8));

	image_symbol(&image, "own")->st_other = image_symbol(&other, "own")->st_other = STV_HIDDEN;
	add_unix(both);
	add(both, &image);
	add(both, &other);
	cr_expect_eq(expect_same(both, "COMMON"), 3);
	both = both_new();
	add_unix(both);
	add(both, &other);
	image_symbol(&image, "it")->st_size = 400;
	add(both, &image);
	other = image_copy(&image, image.size);
	image_symbol(&other, "it")->st_other = STV_HIDDEN;
	add(both, &other);
	cr_expect_eq(expect_same(both, "a larger COMMON"), 3);
}

/* Its address is in what is said, so both have placed it, though it is not loaded. */
Test(same, a_refused_module_is_refused_at_its_own_address)
{
	struct both *both = both_new();
	struct object *object = object_new();

	add_unix(both);
	object_global(object, "_init", object_data(object, ".data", ZEROS), 8);
	add_object(both, object);
	add_object(both, with(STB_GLOBAL, 1, "it", NULL)); /* not where the refused one was */
	cr_expect_eq(expect_same(both, "an _init in data"), 2);
	cr_expect(strstr(both->said, "executable sections, address 0xffffffff"), "%s", both->said);
}

/* Twin: a tool that places it elsewhere does not say the same. */
Test(same, another_address_of_a_refused_module_is_noticed)
{
	struct both *both = both_new();
	struct object *object = object_new();
	const struct run *r;

	add_unix(both);
	object_global(object, "_init", object_data(object, ".data", ZEROS), 8);
	add_object(both, object);
	load_as_kernel(both);
	write_layout(both, false);
	r = run(KRTLD "--cpu smap --layout $T/layout %s %s", both->paths[0], both->paths[1]);
	cr_expect_eq(r->status, 2);
	cr_expect_str_neq(r->errors, both->said);
	cr_expect(strstr(r->errors, "executable sections, address 0xffffffff"), "%s", r->errors);
}

/* ---- Anything ---- */

/* A name that an object defines in one of many ways, refers to, or does not mention at all. */
static unsigned any_symbol(struct object *object, const char *name, unsigned way, unsigned text,
			   unsigned data, unsigned note)
{
	switch (way) {
	case 0: return object_symbol(object, name, STB_GLOBAL, STT_OBJECT, data, 8, 8);
	case 1: return object_symbol(object, name, STB_WEAK, STT_FUNC, text, 4, 0);
	case 2: return object_symbol(object, name, STB_GNU_UNIQUE, STT_OBJECT, data, 16, 8);
	case 3: return object_symbol(object, name, STB_GLOBAL, STT_OBJECT, SHN_COMMON, 8, 24);
	case 4: return object_symbol(object, name, STB_WEAK, STT_OBJECT, SHN_COMMON, 32, 8);
	case 5: return object_local(object, name, data, 8);
	case 6: return object_global(object, name, SHN_ABS, 0x1234);
	case 7: return object_symbol(object, name, STB_WEAK, STT_NOTYPE, SHN_UNDEF, 0, 0);
	case 8: return object_global(object, name, note, 2);
	default: return object_undefined(object, name);
	}
}

static struct image any_object(unsigned *seed)
{
	static const char *const names[] = {"a", "b", "c", "_init", "d"};
	static const unsigned visibilities[] = {STV_DEFAULT, STV_DEFAULT,  STV_DEFAULT,
						STV_HIDDEN,  STV_INTERNAL, STV_PROTECTED};
	struct object *object = object_new();
	unsigned text = object_text(object, ".text",
				    "e8 00 00 00 00 48 8b 05 00 00 00 00 48 8b 05 00 00 00 00 c3");
	unsigned data = object_data(object, ".data", ZEROS ZEROS ZEROS);
	unsigned note = object_section(object, ".comment", SHT_PROGBITS, 0, 1, "a note", 7);
	struct image image;

	object_rodata(object, ".rodata", ZEROS);
	object_bss(object, ".bss", 100);
	object_rela(object, text, 1, R_X86_64_PLT32, object_undefined(object, "smap_enable"), -4);
	for (unsigned i = 0; i < 5; i++) {
		unsigned way = (unsigned)rand_r(seed) % 14, symbol;

		if (way == 13 && i < 4)
			continue;
		if (i == 3 && (unsigned)rand_r(seed) % 8)
			way = 1; /* an _init outside of .text is refused: an eighth are anything */
		symbol = any_symbol(object, names[i], way, text, data, note);
		if (i < 4 && way != 8)
			object_rela(object, data, 8 * i, R_X86_64_64, symbol, 0);
		if (i < 2 && way != 8)
			object_rela(object, text, 8 + 7 * i, R_X86_64_REX_GOTPCRELX, symbol, -4);
	}
	image = object_image(object);
	for (unsigned i = 0; i < 5; i++) {
		unsigned visibility = visibilities[(unsigned)rand_r(seed) % 6];
		Elf64_Sym *symbol = image_symbol_if_any(&image, names[i]);

		if (symbol && symbol->st_shndx != SHN_UNDEF)
			symbol->st_other = (unsigned char)visibility;
	}
	return image;
}

/* Two to four objects after unix that refer to each other in whatever way. */
Test(same, peers_37_whatever_modules_define_the_tool_says_what_the_kernel_says, .timeout = 600)
{
	unsigned all = 0, refused = 0;

	for (unsigned seed = 1; seed <= 40; seed++) {
		struct both *both = both_new();
		unsigned state = seed, n = 2 + seed % 3, loaded;
		char what[32];

		add_unix(both);
		for (unsigned i = 0; i < n; i++) {
			struct image image = any_object(&state);

			add(both, &image);
		}
		snprintf(what, sizeof(what), "seed %u", seed);
		loaded = expect_same(both, what);
		all += loaded - 1;
		refused += n + 1 - loaded;
	}
	cr_expect(all > 20 && refused > 20, "%u loaded, %u refused: too few", all, refused);
}

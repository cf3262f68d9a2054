/*
 * The fifth phase: which references to a stub are sites? Called by krtld.c once the module is
 * relocated, so that what is looked at here is what the engine will see.
 *
 * A first pass counts, a second fills: one array of sites for the module, sorted by address, and
 * one of the references that are none. Only relocations that relocate.c has marked are looked at,
 * and a string is never compared.
 *
 * unix has a site more for each hotinline, the body of its stub.
 */
#include "alternatives/arch.h"
#include "loader/load.h"

/* A relocation and its surroundings, as they are looked at one after the other. */
struct look {
	const struct krtld *krtld;
	const struct krtld_module *module;
	const struct krtld_section *section;
	struct elf64_rela rela;
	struct krtld_relocs relocs; /* where it is from */
	uint32_t index;             /* of that section */
	uint64_t first;             /* number of relocations in those before */
	uint64_t next;              /* of these, to look at */
};

enum finding { FOUND_NOTHING, FOUND_SITE, FOUND_REFERENCE };

static const struct krtld_value *symbol_of(const struct look *look)
{
	return &look->module->private->values[ELF64_R_SYM(look->rela.r_info)];
}

static const struct krtld_row *row_of(const struct look *look)
{
	return &krtld_arch_rows[ELF64_R_TYPE(look->rela.r_info)];
}

/*
 * What is not the stub by name may still lead to it, by its section and an addend. A field that is
 * relative to its own end has an addend that is smaller by its width.
 */
static unsigned neighbour_of(const struct look *look)
{
	uint64_t target = symbol_of(look)->value + (uint64_t)look->rela.r_addend;

	if (row_of(look)->formula == KRTLD_S_A_P)
		target += row_of(look)->width;
	return krtld_stub_at(look->krtld, look->module, target);
}

static unsigned hotinline_of(const struct look *look)
{
	unsigned flags = symbol_of(look)->flags;

	if (flags & KRTLD_IS_STUB)
		return symbol_of(look)->hotinline;
	return flags & KRTLD_NEAR_STUB ? neighbour_of(look) : HOT_NONE;
}

static enum finding plain(struct krtld_reference *reference, enum krtld_plain reason)
{
	reference->reason = (uint8_t)reason;
	return FOUND_REFERENCE;
}

static enum finding examine(const struct look *look, struct hot_site *site,
			    struct krtld_reference *reference)
{
	unsigned hotinline = hotinline_of(look);
	const struct krtld_section *section = look->section;

	if (hotinline == HOT_NONE || !row_of(look)->width)
		return FOUND_NOTHING;
	reference->address = section->address + look->rela.r_offset;
	reference->type = ELF64_R_TYPE(look->rela.r_info);
	reference->hotinline = (uint16_t)hotinline;
	if (section->kind != KRTLD_TEXT)
		return plain(reference, KRTLD_PLAIN_DATA);
	if (!row_of(look)->branch)
		return plain(reference, KRTLD_PLAIN_TYPE);
	if (!(symbol_of(look)->flags & KRTLD_IS_STUB))
		return plain(reference, KRTLD_PLAIN_SECTION);
	if (look->rela.r_addend != row_of(look)->branch)
		return plain(reference, KRTLD_PLAIN_ADDEND);
	if (!hot_arch_prove(section->bytes, section->size, look->rela.r_offset,
			    look->krtld->machine->table->hotinlines[hotinline].size, site))
		return plain(reference, KRTLD_PLAIN_OPCODE);
	site->hotinline = (uint16_t)hotinline;
	return FOUND_SITE;
}

/* What is known of a section while its sites are collected. */
struct tally {
	uint32_t nsites;
	uint32_t text; /* index of the hot_text that it is */
};

static bool next_section(struct look *look)
{
	look->first += look->relocs.count;
	look->next = 0;
	if (!krtld_next_relocs(look->module, &look->index, &look->relocs))
		return false;
	look->section = &look->module->sections[look->relocs.target];
	return true;
}

/* The next relocation of the section whose symbol is, or might be, a stub. */
static bool next_in_section(struct look *look)
{
	while (look->next < look->relocs.count) {
		uint64_t number = look->first + look->next;
		uint64_t marks = look->module->private->marks[number / 64] >> number % 64;

		look->next += marks ? (unsigned)__builtin_ctzll(marks) : 64 - number % 64;
		if (marks && look->next < look->relocs.count) {
			look->rela = krtld_rela(&look->relocs, look->next++);
			return true;
		}
	}
	return false;
}

static bool next_marked(struct look *look)
{
	while (!next_in_section(look)) {
		if (!next_section(look))
			return false;
	}
	return true;
}

static uint32_t nstubs(const struct krtld *krtld, const struct krtld_module *module)
{
	return module->private->is_unix ? krtld->machine->table->nhotinlines : 0;
}

static void count(const struct krtld *krtld, struct krtld_module *module, struct tally *tallies)
{
	struct look look = {.krtld = krtld, .module = module};
	struct krtld_reference reference;
	struct hot_site site;

	while (next_marked(&look)) {
		enum finding found = examine(&look, &site, &reference);

		tallies[look.relocs.target].nsites += found == FOUND_SITE;
		module->nreferences += found == FOUND_REFERENCE;
	}
	for (uint32_t i = 0; i < nstubs(krtld, module); i++)
		tallies[module->private->stubs[i].section].nsites++;
	for (uint32_t i = 0; i < module->nsections; i++) {
		module->nsites += tallies[i].nsites;
		module->ntexts += tallies[i].nsites > 0;
	}
}

static bool make_room(struct krtld *krtld, struct krtld_module *module)
{
	module->texts = krtld_meta(krtld, module, module->ntexts, sizeof *module->texts);
	if (!module->texts)
		return false;
	module->sites = krtld_meta(krtld, module, module->nsites, sizeof *module->sites);
	if (!module->sites)
		return false;
	module->references =
	    krtld_meta(krtld, module, module->nreferences, sizeof *module->references);
	return module->references != NULL;
}

static uint64_t text_address(const void *element)
{
	return ((const struct hot_text *)element)->address;
}

static uint64_t site_offset(const void *element)
{
	return ((const struct hot_site *)element)->offset;
}

static uint64_t reference_address(const void *element)
{
	return ((const struct krtld_reference *)element)->address;
}

/* Which of the sorted texts begins there. */
static uint32_t text_at(const struct krtld_module *module, uint64_t address)
{
	uint32_t low = 0, high = module->ntexts;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (module->texts[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* A text for each section with sites, sorted by address, and for each text its part of the array,
 * still empty. */
static void share_out(struct krtld_module *module, struct tally *tallies)
{
	struct hot_site *sites = module->sites;
	uint32_t n = 0;

	for (uint32_t i = 0; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];

		if (tallies[i].nsites)
			module->texts[n++] =
			    (struct hot_text){section->address, section->bytes, sites,
					      (uint32_t)section->size, tallies[i].nsites};
	}
	krtld_sort(module->texts, n, sizeof *module->texts, text_address);
	for (uint32_t i = 0; i < n; i++) {
		module->texts[i].sites = sites;
		sites += module->texts[i].nsites;
		module->texts[i].nsites = 0;
	}
	for (uint32_t i = 0; i < module->nsections; i++) {
		if (tallies[i].nsites)
			tallies[i].text = text_at(module, module->sections[i].address);
	}
}

static struct hot_site *next_site(struct krtld_module *module, const struct tally *tally)
{
	struct hot_text *text = &module->texts[tally->text];

	return &module->sites[text->sites - module->sites + text->nsites++];
}

static void fill(const struct krtld *krtld, struct krtld_module *module,
		 const struct tally *tallies)
{
	struct look look = {.krtld = krtld, .module = module};
	struct krtld_reference reference = {0, 0, 0, 0};
	struct hot_site site = {0, 0, 0, 0};
	uint32_t nreferences = 0;

	for (uint32_t i = 0; i < nstubs(krtld, module); i++) {
		const struct krtld_stub *stub = &module->private->stubs[i];
		uint64_t offset = stub->address - module->sections[stub->section].address;

		*next_site(module, &tallies[stub->section]) =
		    (struct hot_site){(uint32_t)offset, stub->hotinline, HOT_STUB, 0};
	}
	while (next_marked(&look)) {
		enum finding found = examine(&look, &site, &reference);

		if (found == FOUND_SITE)
			*next_site(module, &tallies[look.relocs.target]) = site;
		else if (found == FOUND_REFERENCE)
			module->references[nreferences++] = reference;
	}
}

/* The last of a text's sites that begins before that offset, near the one found before. */
static uint32_t site_before(const struct hot_text *text, uint64_t offset, uint32_t guess)
{
	uint32_t low = 0, high = text->nsites;

	for (uint32_t i = guess; i < text->nsites && i < guess + 2; i++) {
		bool ends = i + 1 == text->nsites || text->sites[i + 1].offset >= offset;

		if (text->sites[i].offset < offset && ends)
			return i;
	}
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (text->sites[middle].offset < offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * Whether a relocation writes into a site, other than the one that made it. The bodies of stubs are
 * made of relocated code and checked by the engine.
 */
static bool intrudes(const struct look *look, const struct hot_site *site)
{
	uint64_t field = look->rela.r_offset;
	unsigned size = hot_site_size(look->krtld->machine->table, site);
	struct krtld_reference reference;
	struct hot_site own;

	if (site->form == HOT_STUB || field + row_of(look)->width <= site->offset ||
	    field >= (uint64_t)site->offset + size || !row_of(look)->width)
		return false;
	return examine(look, &own, &reference) != FOUND_SITE || own.offset != site->offset;
}

static bool overlaps(const struct krtld *krtld, const struct krtld_module *module,
		     const struct look *look)
{
	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = look->section->name,
		      .offset = look->rela.r_offset,
		      .symbol = krtld_symbol_title(module, ELF64_R_SYM(look->rela.r_info)),
		      .type = row_of(look)->name, .what = "the relocation's field overlaps a site");
}

/* Two relocations that made one site have left two, at one offset. */
static bool check_twins(const struct krtld *krtld, const struct krtld_module *module,
			const struct look *look, const struct hot_text *text)
{
	for (uint32_t i = 1; i < text->nsites; i++) {
		struct look twin = *look;

		if (text->sites[i - 1].offset != text->sites[i].offset ||
		    text->sites[i - 1].form == HOT_STUB || text->sites[i].form == HOT_STUB)
			continue;
		twin.rela.r_offset = text->sites[i].offset + 1;
		return overlaps(krtld, module, &twin);
	}
	return true;
}

/* Refuses a relocation that would change a site behind the engine's back. */
static bool check_intruders(const struct krtld *krtld, const struct krtld_module *module,
			    const struct tally *tallies)
{
	struct look look = {.krtld = krtld, .module = module};

	while (next_section(&look)) {
		const struct tally *tally = &tallies[look.relocs.target];
		const struct hot_text *text = &module->texts[tally->text];
		uint32_t near = 0;

		for (uint64_t i = 0; tally->nsites && i < look.relocs.count; i++) {
			look.rela = krtld_rela(&look.relocs, i);
			near = site_before(text, look.rela.r_offset + row_of(&look)->width, near);
			if (intrudes(&look, &text->sites[near]))
				return overlaps(krtld, module, &look);
		}
		if (tally->nsites && !check_twins(krtld, module, &look, text))
			return false;
	}
	return true;
}

static bool collect(struct krtld *krtld, struct krtld_module *module, struct tally *tallies)
{
	count(krtld, module, tallies);
	if (!make_room(krtld, module))
		return false;
	share_out(module, tallies);
	fill(krtld, module, tallies);
	for (uint32_t i = 0; i < module->ntexts; i++)
		krtld_sort(module->sites + (module->texts[i].sites - module->sites),
			   module->texts[i].nsites, sizeof(struct hot_site), site_offset);
	krtld_sort(module->references, module->nreferences, sizeof *module->references,
		   reference_address);
	return check_intruders(krtld, module, tallies);
}

bool krtld_collect(struct krtld *krtld, struct krtld_module *module)
{
	size_t size = module->nsections * sizeof(struct tally);
	struct tally *tallies;
	bool ok;

	if (!module->private->refers)
		return true;
	tallies = krtld_scratch(krtld, module, size);
	if (!tallies)
		return false;
	ok = collect(krtld, module, tallies);
	krtld_unscratch(krtld, tallies, size);
	krtld_drop_marks(krtld, module);
	return ok;
}

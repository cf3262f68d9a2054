/*
 * The fifth phase: which references to a stub are sites?
 *
 * relocate.c hands over each relocation whose symbol is or might be a stub, in passing, while the
 * relocation and the text around it are in the cache. Here it is examined, and becomes a site, a
 * reference that is none, or nothing; a string is never compared. When all are relocated,
 * krtld_collect(), called by krtld.c, makes one array of the sites and one of the references.
 *
 * What was examined must be what the engine will see, so that no other relocation may write into a
 * site. Where fields are in order, as every assembler leaves them, a look at the two neighbours
 * tells; where they are not, every relocation is looked at in the end.
 *
 * A call or jmp of a stub through the GOT is relaxed to a direct one when all is collected, where the
 * psABI allows that (GOTPCRELX) and the stub is within reach. It is a site of six bytes then.
 *
 * unix has a site more for each hotinline, the body of its stub.
 */
#include "alternatives/arch.h"
#include "loader/load.h"

/* A relocation and what it is about. */
struct look {
	const struct krtld_section *section;
	const struct krtld_row *row;
	const struct krtld_value *symbol;
	struct elf64_rela rela;
};

static struct look look_at(const struct krtld_module *module, const struct krtld_relocs *relocs,
			   uint64_t i)
{
	struct elf64_rela rela = krtld_rela(relocs, i);

	return (struct look){&module->sections[relocs->target],
			     &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)],
			     &module->private->values[ELF64_R_SYM(rela.r_info)], rela};
}

/*
 * What is not the stub by name may still lead to it, by its section and an addend. A field that is
 * relative to its own end has an addend that is smaller by its width.
 */
static unsigned neighbour_of(const struct krtld *krtld, const struct krtld_module *module,
			     const struct look *look)
{
	uint64_t target = look->symbol->value + (uint64_t)look->rela.r_addend;

	if (look->row->formula == KRTLD_S_A_P)
		target += look->row->width;
	return krtld_stub_at(krtld, module, target);
}

static unsigned hotinline_of(const struct krtld *krtld, const struct krtld_module *module,
			     const struct look *look)
{
	unsigned flags = look->symbol->flags;

	if (!look->row->width)
		return HOT_NONE;
	if (flags & KRTLD_IS_STUB)
		return look->symbol->hotinline;
	return flags & KRTLD_NEAR_STUB ? neighbour_of(krtld, module, look) : HOT_NONE;
}

#define PROVEN (-1)

/* The same for a call or jmp through the GOT: whether psABI 1.0, B.2 lets it become a direct one. */
static int examine_indirect(const struct look *look, struct hot_site *site)
{
	uint8_t relaxed[HOT_ARCH_GOT];

	if (!(look->symbol->flags & KRTLD_IS_STUB) ||
	    !hot_arch_prove_got(look->section->bytes, look->section->size, look->rela.r_offset,
				site))
		return KRTLD_PLAIN_TYPE;
	if (look->rela.r_addend != look->row->indirect)
		return KRTLD_PLAIN_ADDEND;
	if (!hot_arch_relax(relaxed, look->section->address + site->offset, look->symbol->value,
			    site->form == HOT_JMP))
		return KRTLD_PLAIN_REACH;
	site->hotinline = look->symbol->hotinline;
	return PROVEN;
}

/* Whether it is PROVEN that a relocation which leads to a stub makes a site of that width, or else
 * why not, an enum krtld_plain. */
static int examine(const struct look *look, unsigned width, struct hot_site *site)
{
	if (look->section->kind != KRTLD_TEXT)
		return KRTLD_PLAIN_DATA;
	if (look->row->indirect)
		return examine_indirect(look, site);
	if (!look->row->branch)
		return KRTLD_PLAIN_TYPE;
	if (!(look->symbol->flags & KRTLD_IS_STUB))
		return KRTLD_PLAIN_SECTION;
	if (look->rela.r_addend != look->row->branch)
		return KRTLD_PLAIN_ADDEND;
	if (!hot_arch_prove(look->section->bytes, look->section->size, look->rela.r_offset, width,
			    site))
		return KRTLD_PLAIN_OPCODE;
	site->hotinline = look->symbol->hotinline;
	return PROVEN;
}

static bool overlaps(const struct krtld *krtld, const struct krtld_module *module,
		     const struct krtld_relocs *relocs, uint64_t i)
{
	struct look look = look_at(module, relocs, i);

	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = look.section->name,
		      .offset = look.rela.r_offset,
		      .symbol = krtld_symbol_title(module, ELF64_R_SYM(look.rela.r_info)),
		      .type = look.row->name, .what = "the relocation's field overlaps a site");
}

static unsigned width_of(const struct krtld_relocs *relocs, uint64_t i)
{
	return krtld_arch_rows[ELF64_R_TYPE(krtld_rela(relocs, i).r_info)].width;
}

/* Whether relocation i writes into a site. */
static bool intrudes(const struct krtld_relocs *relocs, uint64_t i, const struct hot_site *site,
		     unsigned size)
{
	uint64_t field = krtld_rela(relocs, i).r_offset;
	unsigned width = width_of(relocs, i);

	return width && field + width > site->offset && field < (uint64_t)site->offset + size;
}

/* In fields that are in order: is the site, made by relocation i, clear of the field before it and
 * the one behind it? */
static bool is_clear(const struct krtld *krtld, const struct krtld_module *module,
		     const struct krtld_relocs *relocs, uint64_t i, const struct hot_site *site)
{
	unsigned size = hot_site_size(krtld->machine->table, site);
	uint64_t before = i, behind = i + 1;

	while (before > 0 && !width_of(relocs, before - 1))
		before--;
	while (behind < relocs->count && !width_of(relocs, behind))
		behind++;
	if (before > 0 && intrudes(relocs, before - 1, site, size))
		return overlaps(krtld, module, relocs, before - 1);
	if (behind < relocs->count && intrudes(relocs, behind, site, size))
		return overlaps(krtld, module, relocs, behind);
	return true;
}

/* A relocation that leads to a stub and is proven to be no site. */
static bool refer(struct krtld *krtld, struct krtld_module *module, const struct look *look,
		  unsigned hotinline, int reason)
{
	struct krtld_pile *pile = &module->private->found.references;
	struct krtld_reference *references;

	if (!krtld_make_room(krtld, module, pile, 1, sizeof *references))
		return false;
	references = pile->items;
	references[pile->n++] = (struct krtld_reference){
	    look->section->address + look->rela.r_offset, ELF64_R_TYPE(look->rela.r_info),
	    (uint16_t)hotinline, (uint8_t)reason};
	return true;
}

bool krtld_note(struct krtld *krtld, struct krtld_module *module, const struct krtld_relocs *relocs,
		const uint64_t *numbers, unsigned n)
{
	struct krtld_pile *pile = &module->private->found.sites;
	const struct hotinline *hotinlines = krtld->machine->table->hotinlines;
	struct hot_site *sites;

	if (!krtld_make_room(krtld, module, pile, n, sizeof *sites))
		return false;
	sites = pile->items;
	for (unsigned i = 0; i < n; i++) {
		struct look look = look_at(module, relocs, numbers[i]);
		unsigned hotinline = hotinline_of(krtld, module, &look);
		struct hot_site *site = &sites[pile->n];
		int finding;

		if (hotinline == HOT_NONE)
			continue;
		finding = examine(&look, hotinlines[hotinline].size, site);
		if (finding != PROVEN) {
			if (!refer(krtld, module, &look, hotinline, finding))
				return false;
			continue;
		}
		if (site->flags & HOT_GOT)
			module->private->found.indirect = true;
		if (module->private->ordered && !is_clear(krtld, module, relocs, numbers[i], site))
			return false;
		pile->n++;
	}
	return true;
}

static bool add_stubs(struct krtld *krtld, struct krtld_module *module, uint32_t section)
{
	const struct krtld_private *own = module->private;
	struct krtld_pile *pile = &module->private->found.sites;
	struct hot_site *sites;

	for (unsigned i = 0; i < krtld->machine->table->nhotinlines; i++) {
		uint64_t offset = own->stubs[i].address + krtld->machine->table->entry -
				  module->sections[section].address;

		if (own->stubs[i].section != section)
			continue;
		if (!krtld_make_room(krtld, module, pile, 1, sizeof *sites))
			return false;
		sites = pile->items;
		sites[pile->n++] =
		    (struct hot_site){(uint32_t)offset, own->stubs[i].hotinline, HOT_STUB, 0};
	}
	return true;
}

bool krtld_noted(struct krtld *krtld, struct krtld_module *module, uint32_t section)
{
	const struct krtld_section *s = &module->sections[section];
	struct krtld_private *own = module->private;
	struct krtld_found *found = &own->found;
	struct hot_text *texts;
	uint32_t nsites;

	if (own->is_unix && own->holds_stubs[section] && !add_stubs(krtld, module, section))
		return false;
	nsites = found->sites.n - found->shared_out;
	if (!nsites)
		return true;
	if (!krtld_make_room(krtld, module, &found->texts, 1, sizeof *texts))
		return false;
	texts = found->texts.items;
	texts[found->texts.n++] =
	    (struct hot_text){s->address, s->bytes, NULL, (uint32_t)s->size, nsites};
	found->shared_out = found->sites.n;
	return true;
}

static bool note_other_stubs(struct krtld *krtld, struct krtld_module *module)
{
	const struct krtld_private *own = module->private;

	for (uint32_t i = 1; own->is_unix && i < module->nsections; i++) {
		if (own->holds_stubs[i] && !own->relocs[i].count && !krtld_noted(krtld, module, i))
			return false;
	}
	return true;
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

/* The arrays that stay, for as long as the module does. */
static bool settle(struct krtld *krtld, struct krtld_module *module)
{
	const struct krtld_found *found = &module->private->found;

	module->texts = krtld_settle(krtld, module, &found->texts, sizeof *module->texts);
	if (!module->texts)
		return false;
	module->sites = krtld_settle(krtld, module, &found->sites, sizeof *module->sites);
	if (!module->sites)
		return false;
	module->references =
	    krtld_settle(krtld, module, &found->references, sizeof *module->references);
	if (!module->references)
		return false;
	module->ntexts = found->texts.n;
	module->nsites = found->sites.n;
	module->nreferences = found->references.n;
	return true;
}

/* Gives each text its part of the sites, which are in the order in which texts were found. */
static void share_out(struct krtld_module *module)
{
	struct hot_site *sites = module->sites;

	for (uint32_t i = 0; i < module->ntexts; i++) {
		module->texts[i].sites = sites;
		krtld_sort(sites, module->texts[i].nsites, sizeof *sites, site_offset);
		sites += module->texts[i].nsites;
	}
	krtld_sort(module->texts, module->ntexts, sizeof *module->texts, text_address);
	krtld_sort(module->references, module->nreferences, sizeof *module->references,
		   reference_address);
}

/* The text that a section is; NULL: it has no sites. */
static const struct hot_text *text_of(const struct krtld_module *module, uint32_t section)
{
	uint32_t low = 0, high = module->ntexts;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (module->texts[middle].bytes == module->sections[section].bytes)
			return &module->texts[middle];
		if (module->texts[middle].address <= module->sections[section].address)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The last of a text's sites that begins before that offset; the first if none does. */
static uint32_t site_before(const struct hot_text *text, uint64_t offset)
{
	uint32_t low = 0, high = text->nsites;

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
static bool is_intruder(const struct krtld *krtld, const struct krtld_module *module,
			const struct krtld_relocs *relocs, uint64_t i, const struct hot_text *text)
{
	struct look look = look_at(module, relocs, i);
	const struct hot_site *site =
	    &text->sites[site_before(text, look.rela.r_offset + look.row->width)];
	bool got = site->flags & HOT_GOT;
	int addend = got ? look.row->indirect : look.row->branch;
	bool made = look.rela.r_offset == site->offset + (got ? 2ull : 1ull) && addend &&
		    look.rela.r_addend == addend && (look.symbol->flags & KRTLD_IS_STUB) &&
		    look.symbol->hotinline == site->hotinline;

	return site->form != HOT_STUB && !made &&
	       intrudes(relocs, i, site, hot_site_size(krtld->machine->table, site));
}

/* Two relocations that made one site have left two, at one offset: whether number i is of them. */
static bool is_twin(const struct krtld_relocs *relocs, uint64_t i, const struct hot_text *text)
{
	uint64_t field = krtld_rela(relocs, i).r_offset;
	uint32_t at = site_before(text, field);

	return at > 0 && field - text->sites[at].offset <= 2 &&
	       text->sites[at].offset == text->sites[at - 1].offset &&
	       text->sites[at].form != HOT_STUB && text->sites[at - 1].form != HOT_STUB;
}

/* Every relocation of a text against every site, and once more what is in front of each. */
static bool check_text(const struct krtld *krtld, const struct krtld_module *module,
		       const struct krtld_relocs *relocs, const struct hot_text *text)
{
	struct hot_site *sites = module->sites + (text->sites - module->sites);

	for (uint64_t i = 0; i < relocs->count; i++) {
		if (is_intruder(krtld, module, relocs, i, text) || is_twin(relocs, i, text))
			return overlaps(krtld, module, relocs, i);
	}
	for (uint32_t i = 0; i < text->nsites; i++) {
		unsigned width = krtld->machine->table->hotinlines[sites[i].hotinline].size;
		bool proven = sites[i].form == HOT_STUB ||
			      (sites[i].flags & HOT_GOT
				   ? hot_arch_prove_got(text->bytes, text->size,
							sites[i].offset + 2ull, &sites[i])
				   : hot_arch_prove(text->bytes, text->size, sites[i].offset + 1ull,
						    width, &sites[i]));

		(void)proven; /* as before: nobody has written into it since */
	}
	return true;
}

static bool check_intruders(const struct krtld *krtld, const struct krtld_module *module)
{
	const struct krtld_relocs *relocs;

	for (uint32_t i = 0; (relocs = krtld_next_relocs(module, &i));) {
		const struct hot_text *text = text_of(module, i);

		if (text && !check_text(krtld, module, relocs, text))
			return false;
	}
	return true;
}

/* Makes direct calls of those through the GOT, now that all fields have been looked at as they were.
 * It is known that they reach. */
static void relax(const struct krtld *krtld, const struct krtld_module *module)
{
	for (uint32_t t = 0; t < module->ntexts; t++) {
		const struct hot_text *text = &module->texts[t];

		for (uint32_t i = 0; i < text->nsites; i++) {
			const struct hot_site *site = &text->sites[i];

			if (site->flags & HOT_GOT)
				(void)!hot_arch_relax(
				    text->bytes + site->offset, text->address + site->offset,
				    krtld->machine->stubs[site->hotinline], site->form == HOT_JMP);
		}
	}
}

void krtld_drop_found(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_found *found = &module->private->found;

	krtld_drop_pile(krtld, &found->sites, sizeof(struct hot_site));
	krtld_drop_pile(krtld, &found->references, sizeof(struct krtld_reference));
	krtld_drop_pile(krtld, &found->texts, sizeof(struct hot_text));
}

bool krtld_collect(struct krtld *krtld, struct krtld_module *module)
{
	if (!module->private->refers)
		return true;
	if (!note_other_stubs(krtld, module) || !settle(krtld, module))
		return false;
	krtld_drop_found(krtld, module);
	share_out(module);
	if (!module->private->ordered && !check_intruders(krtld, module))
		return false;
	if (module->private->found.indirect)
		relax(krtld, module);
	return true;
}

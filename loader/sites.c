/*
 * Which references to a stub are sites? relocate.c finds them, is_site() answers, krtld_add_sites()
 * records what it said, and krtld_finish_sites() makes of the records what the engine takes.
 * Everything else a module does with stubs is a reference that is not a site; it is recorded as well,
 * with the reason. No string is compared here.
 *
 * A call or jmp of a stub through the GOT is relaxed to a direct one at the end, where the psABI
 * allows that (GOTPCRELX) and the stub is within reach. It is a site of six bytes then.
 *
 * unix has one more site for each hotinline, the body of its stub.
 */
#include "alternatives/arch.h"
#include "loader/load.h"
#include "loader/report.h"
#include "loader/sort.h"

#define RELA sizeof(struct elf64_rela)

/* A relocation whose symbol is a stub or near one. */
struct candidate {
	const struct krtld_section *section;
	const struct krtld_row *row;
	const struct krtld_value *symbol;
	struct elf64_rela rela;
	unsigned hotinline; /* whose stub it leads to, or HOT_NONE */
};

/*
 * The stub that a relocation leads to: by name; or by another symbol of its section and an addend.
 * A field that is relative to its own end has an addend that is smaller by its width.
 */
static unsigned stub_of(const struct krtld_load *load, const struct candidate *c)
{
	uint64_t target = c->symbol->value + (uint64_t)c->rela.r_addend;

	if (!c->row->width)
		return HOT_NONE;
	if (c->symbol->flags & KRTLD_IS_STUB)
		return c->symbol->hotinline;
	if (!(c->symbol->flags & KRTLD_NEAR_STUB))
		return HOT_NONE;
	return krtld_stub_at(load,
			     c->row->formula == KRTLD_S_A_P ? target + c->row->width : target);
}

static struct candidate candidate_of(const struct krtld_load *load,
				     const struct krtld_relocs *relocs, const uint8_t *at)
{
	struct elf64_rela rela = krtld_rela(at);
	struct candidate c = {&load->module->sections[relocs->section],
			      &krtld_arch_rows[ELF64_R_TYPE(rela.r_info)],
			      &load->values[ELF64_R_SYM(rela.r_info)], rela, HOT_NONE};

	c.hotinline = stub_of(load, &c);
	return c;
}

#define IS_SITE (-1)

/*
 * The rule that the project exists for; the numbers are those of README.md. IS_SITE, with *site made,
 * or why not, an enum krtld_plain. That no other relocation writes into it is_clear() says.
 */
static int is_site(const struct krtld_load *load, const struct candidate *c, struct hot_site *site)
{
	const struct krtld_section *section = c->section;
	unsigned width = load->krtld->machine->table->hotinlines[c->hotinline].size;
	bool through_got = c->row->indirect != 0;
	uint8_t relaxed[HOT_ARCH_GOT];

	/* 1. It lies in executable text. */
	if (section->kind != KRTLD_TEXT)
		return KRTLD_PLAIN_DATA;
	/* 2. Its type is one that branches have: direct, or through the GOT and allowed to be relaxed. */
	if (!c->row->branch && !through_got)
		return KRTLD_PLAIN_TYPE;
	/* 3. It names the stub; it does not only lead to it. */
	if (!(c->symbol->flags & KRTLD_IS_STUB))
		return through_got ? KRTLD_PLAIN_TYPE : KRTLD_PLAIN_SECTION;
	/* 4. The addend is the one with which a branch leads to the stub's first byte. */
	if (c->rela.r_addend != c->row->branch + c->row->indirect)
		return KRTLD_PLAIN_ADDEND;
	/* 5. The bytes before the field are the opcode of a call or jmp with such an operand. */
	if (through_got &&
	    !hot_arch_prove_got(section->bytes, section->size, c->rela.r_offset, site))
		return KRTLD_PLAIN_TYPE;
	if (!through_got &&
	    !hot_arch_prove(section->bytes, section->size, c->rela.r_offset, width, site))
		return KRTLD_PLAIN_OPCODE;
	/* 6. A direct branch reaches the stub. (One that is direct already has been range-checked.) */
	if (through_got && !hot_arch_relax(relaxed, section->address + site->offset,
					   c->symbol->value, site->form == HOT_JMP))
		return KRTLD_PLAIN_REACH;
	site->hotinline = (uint16_t)c->hotinline;
	return IS_SITE;
}

/* Bytes of a relocation's field. The one after a site may not have been looked at yet. */
static unsigned width_of(const uint8_t *at)
{
	uint32_t type = ELF64_R_TYPE(krtld_rela(at).r_info);

	return type < KRTLD_TYPES ? krtld_arch_rows[type].width : 0;
}

/* Whether relocation `at` writes into a site. False after a report. */
static bool keeps_out(const struct krtld_load *load, const struct krtld_relocs *relocs,
		      const uint8_t *at, const struct hot_site *site, unsigned size)
{
	struct elf64_rela rela = krtld_rela(at);
	unsigned width = width_of(at);

	if (!width || rela.r_offset + width <= site->offset ||
	    rela.r_offset >= (uint64_t)site->offset + size)
		return true;
	return krtld_refuse_rela(
	    load, relocs, &rela,
	    (struct krtld_error){.reason = KRTLD_E_FORMAT,
				 .what = "the relocation's field overlaps a site"});
}

/* 7. No other relocation writes into it: neither the field before it nor the one after it, in a
 * table whose fields are in order. False after a report. */
static bool is_clear(const struct krtld_load *load, const struct krtld_relocs *relocs,
		     const uint8_t *at, const struct hot_site *site)
{
	unsigned size = hot_site_size(load->krtld->machine->table, site);
	const uint8_t *first = relocs->table, *end = first + relocs->count * RELA;
	const uint8_t *before = at, *after = at + RELA;

	while (before != first && !width_of(before - RELA))
		before -= RELA;
	while (after != end && !width_of(after))
		after += RELA;
	return (before == first || keeps_out(load, relocs, before - RELA, site, size)) &&
	       (after == end || keeps_out(load, relocs, after, site, size));
}

static bool add_reference(struct krtld_load *load, const struct candidate *c, int reason)
{
	struct krtld_vector *references = &load->module->private->references;

	if (!krtld_vector_grow(load->krtld, load->object->name, references, 1,
			       sizeof(struct krtld_reference)))
		return false;
	((struct krtld_reference *)references->items)[references->n++] = (struct krtld_reference){
	    c->section->address + c->rela.r_offset, ELF64_R_TYPE(c->rela.r_info),
	    (uint16_t)c->hotinline, (uint8_t)reason};
	return true;
}

bool krtld_add_sites(struct krtld_load *load, const struct krtld_relocs *relocs,
		     const uint8_t *const *at, unsigned n)
{
	struct krtld_vector *sites = &load->module->private->sites;

	if (!krtld_vector_grow(load->krtld, load->object->name, sites, n, sizeof(struct hot_site)))
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct hot_site *site = (struct hot_site *)sites->items + sites->n;
		struct candidate c = candidate_of(load, relocs, at[i]);
		int finding;

		if ((c.symbol->flags & (KRTLD_ABSENT | KRTLD_UNDEFINED)) &&
		    !krtld_check_target(load, relocs, &c.rela))
			return false;
		if (c.hotinline == HOT_NONE)
			continue;
		finding = is_site(load, &c, site);
		if (finding != IS_SITE) {
			if (!add_reference(load, &c, finding))
				return false;
			continue;
		}
		if (!is_clear(load, relocs, at[i], site))
			return false;
		load->relaxes |= (site->flags & HOT_GOT) != 0;
		sites->n++;
	}
	return true;
}

static uint64_t rela_offset(const void *element)
{
	return krtld_rela(element).r_offset;
}

bool krtld_add_unordered(struct krtld_load *load, const struct krtld_relocs *relocs)
{
	struct krtld_pool pool = {NULL};
	struct krtld_relocs sorted = *relocs;
	uint8_t *table;
	bool ok = true;

	if (!load->refers)
		return true;
	table = krtld_pool_alloc(load->krtld, load->object->name, &pool, relocs->count, RELA);
	if (!table)
		return false;
	memcpy(table, relocs->table, relocs->count * RELA);
	krtld_sort(table, relocs->count, RELA, rela_offset);
	sorted.table = table;
	load->module->private->sites.n = load->first_site;
	load->module->private->references.n = load->first_reference;
	for (uint64_t i = 0; ok && i < sorted.count; i++) {
		const uint8_t *at = table + i * RELA;

		ok = !load->values[ELF64_R_SYM(krtld_rela(at).r_info)].flags ||
		     krtld_add_sites(load, &sorted, &at, 1);
	}
	krtld_pool_free(load->krtld, &pool);
	return ok;
}

/* unix: the bodies of the stubs in that section. */
static bool add_stubs(struct krtld_load *load, uint32_t section)
{
	struct krtld_vector *sites = &load->module->private->sites;
	const struct krtld_section *s = &load->module->sections[section];
	const struct krtld_stub *stubs;
	uint64_t entry;
	uint32_t n;

	if (!load->stubs || !load->holds_stubs[section])
		return true;
	entry = load->krtld->machine->table->entry;
	stubs = krtld_stubs_in(load, section, &n);
	if (!krtld_vector_grow(load->krtld, load->object->name, sites, n, sizeof(struct hot_site)))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t offset = stubs[i].address + entry - s->address;

		((struct hot_site *)sites->items)[sites->n++] =
		    (struct hot_site){(uint32_t)offset, stubs[i].hotinline, HOT_STUB, 0};
	}
	return true;
}

/* A section's sites become a text of the engine's. */
bool krtld_finish_section(struct krtld_load *load, uint32_t section)
{
	const struct krtld_section *s = &load->module->sections[section];
	struct krtld_private *own = load->module->private;
	struct hot_text text = {s->address, s->bytes, NULL, (uint32_t)s->size, 0};

	if (!add_stubs(load, section))
		return false;
	text.nsites = own->sites.n - load->first_site;
	load->first_site = own->sites.n;
	load->first_reference = own->references.n;
	if (!text.nsites)
		return true;
	if (!krtld_vector_grow(load->krtld, load->object->name, &own->texts, 1, sizeof text))
		return false;
	((struct hot_text *)own->texts.items)[own->texts.n++] = text;
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

/* Makes direct calls of those through the GOT. It is known that they reach. */
static void relax(const struct krtld_load *load, const struct hot_text *text)
{
	for (uint32_t i = 0; i < text->nsites; i++) {
		const struct hot_site *site = &text->sites[i];

		if (site->flags & HOT_GOT)
			(void)!hot_arch_relax(
			    text->bytes + site->offset, text->address + site->offset,
			    load->krtld->machine->stubs[site->hotinline], site->form == HOT_JMP);
	}
}

/* The module's arrays: they grow no more. */
static bool publish(struct krtld_load *load)
{
	struct krtld_module *module = load->module;
	struct krtld_private *own = module->private;

	if (!krtld_vector_trim(load->krtld, module->name, &own->sites, sizeof *module->sites) ||
	    !krtld_vector_trim(load->krtld, module->name, &own->references,
			       sizeof *module->references) ||
	    !krtld_vector_trim(load->krtld, module->name, &own->texts, sizeof *module->texts))
		return false;
	module->sites = own->sites.items;
	module->nsites = own->sites.n;
	module->references = own->references.items;
	module->nreferences = own->references.n;
	module->texts = own->texts.items;
	module->ntexts = own->texts.n;
	return true;
}

bool krtld_finish_sites(struct krtld_load *load)
{
	struct krtld_module *module = load->module;
	struct hot_site *sites;

	for (uint32_t i = 1; load->stubs && i < module->nsections; i++) {
		if (load->holds_stubs[i] && !load->object->relocs[i].count &&
		    !krtld_finish_section(load, i))
			return false;
	}
	if (!publish(load))
		return false;
	sites = module->sites;
	for (uint32_t i = 0; i < module->ntexts; i++) {
		struct hot_text *text = &module->texts[i];

		text->sites = sites;
		krtld_sort(sites, text->nsites, sizeof *sites, site_offset);
		sites += text->nsites;
		if (load->relaxes)
			relax(load, text);
	}
	krtld_sort(module->texts, module->ntexts, sizeof *module->texts, text_address);
	krtld_sort(module->references, module->nreferences, sizeof *module->references,
		   reference_address);
	return true;
}

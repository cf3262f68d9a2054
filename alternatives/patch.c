/*
 * From a choice to the bytes of a site: do_hotinlines() and hot_verify(). Called by krtld for each
 * module, and by a kernel for itself. The theory is in hotinline.h.
 */
#include "alternatives/arch.h"
#include "alternatives/memory.h"

/* A site's bytes in the making. */
struct rendering {
	const struct hot_machine *machine;
	const struct hot_alternative *alternative;
	uint64_t address; /* of the site */
	unsigned room;    /* bytes of the site */
	uint8_t *bytes;
	struct hot_error *error;
};

static bool refuse(struct hot_error *error, enum hot_reason reason)
{
	error->reason = reason;
	return false;
}

unsigned hot_site_size(const struct hot_table *table, const struct hot_site *site)
{
	unsigned size = table->hotinlines[site->hotinline].size;

	if (site->form == HOT_STUB)
		return size + 1;
	return site->flags & HOT_WIDE ? size : HOT_ARCH_BRANCH;
}

/* Re-bases the fix-ups of an alternative whose code starts at bytes + at. */
static bool fix_up(const struct rendering *r, unsigned at)
{
	const struct hot_table *table = r->machine->table;

	for (unsigned i = 0; i < r->alternative->nfixups; i++) {
		const struct hot_fixup *fixup = &table->fixups[r->alternative->fixups + i];
		uint64_t symbol = r->machine->symbols[fixup->symbol];
		unsigned field = at + fixup->offset;

		r->error->symbol = fixup->symbol;
		if (symbol == 0)
			return refuse(r->error, HOT_E_SYMBOL);
		if (!hot_arch_fixup(r->bytes + field, r->address + field, symbol, fixup->addend))
			return refuse(r->error, HOT_E_REACH);
	}
	r->error->symbol = HOT_NONE;
	return true;
}

/* Code and, where control must not fall out of the site, a return; NOPs to both sides of it. */
static bool write_code(const struct rendering *r, unsigned at, bool returns)
{
	const struct hot_alternative *a = r->alternative;
	unsigned end = at + a->size;

	hot_arch_pad(r->bytes, at);
	memcpy(r->bytes + at, r->machine->table->code + a->code, a->size);
	if (!fix_up(r, at))
		return false;
	if (returns && a->tail)
		hot_arch_tail(r->bytes + end - HOT_ARCH_BRANCH);
	else if (returns)
		end += hot_arch_return(r->bytes + end);
	hot_arch_pad(r->bytes + end, r->room - end);
	return true;
}

/* The branch to the stub that the relocator left, and behind it the mark of a wide site. */
static bool write_branch(const struct rendering *r, const struct hot_site *site)
{
	uint64_t stub = r->machine->stubs[site->hotinline];

	if (r->room > HOT_ARCH_BRANCH)
		hot_arch_mark(r->bytes + HOT_ARCH_BRANCH, r->room - HOT_ARCH_BRANCH);
	if (!hot_arch_branch(r->bytes, r->address, stub, site->form == HOT_JMP))
		return refuse(r->error, HOT_E_REACH);
	return true;
}

/* Where in the site the chosen code goes; -1: it does not fit. */
static int fit(const struct rendering *r, const struct hot_site *site)
{
	const struct hot_alternative *a = r->alternative;
	bool returns = site->form != HOT_CALL && !a->tail;
	unsigned size = a->size + (returns ? HOT_ARCH_RETURN : 0u);
	unsigned prefix = (site->flags & HOT_PREFIXED) >> HOT_PREFIX_SHIFT;

	if (size > r->room)
		return -1;
	if (!prefix || a->behind >> prefix & 1)
		return 0;
	return r->room - size >= HOT_ARCH_ABSORBER ? (int)(r->room - size) : -1;
}

unsigned hot_site_bytes(const struct hot_machine *machine, const struct hot_text *text,
			const struct hot_site *site, enum hot_state state, uint8_t *bytes,
			struct hot_error *error)
{
	const struct hot_table *table = machine->table;
	const struct hotinline *h;
	struct rendering r = {.machine = machine, .bytes = bytes, .error = error};
	int at;

	*error = (struct hot_error){.address = text->address + site->offset,
				    .hotinline = site->hotinline,
				    .symbol = HOT_NONE};
	if (site->hotinline >= table->nhotinlines || site->form > HOT_STUB)
		return refuse(error, HOT_E_SITE);
	if (state == HOT_NOW && !machine->decided)
		return refuse(error, HOT_E_UNDECIDED);
	h = &table->hotinlines[site->hotinline];
	r.alternative = &table->alternatives[h->alternatives];
	r.alternative += state == HOT_NOW ? machine->chosen[site->hotinline] : h->nalternatives - 1;
	r.address = error->address;
	r.room = hot_site_size(table, site);
	if (r.room > text->size || site->offset > text->size - r.room)
		return refuse(error, HOT_E_BOUNDS);
	at = fit(&r, site);
	if (at < 0 || (state == HOT_BEFORE && site->form != HOT_STUB))
		return write_branch(&r, site) ? r.room : 0;
	return write_code(&r, (unsigned)at, site->form != HOT_CALL) ? r.room : 0;
}

static bool same_bytes(const uint8_t *expected, const uint8_t *found, unsigned size,
		       enum hot_reason reason, struct hot_error *error)
{
	if (memcmp(expected, found, size) == 0)
		return true;
	error->size = (uint8_t)size;
	memcpy(error->expected, expected, size);
	memcpy(error->found, found, size);
	return refuse(error, reason);
}

/* Whether one site is in bounds, clear of the one before it, and can be what it is to become.
 * *end: where the site before it ended, and then where this one does. */
static bool plan_site(const struct hot_machine *machine, const struct hot_text *text,
		      const struct hot_site *site, uint64_t *end, struct hot_error *error)
{
	uint8_t before[HOT_SITE_MAX + 1], now[HOT_SITE_MAX + 1];
	unsigned size = hot_site_bytes(machine, text, site, HOT_BEFORE, before, error);

	if (size == 0)
		return false;
	if (site->offset < *end)
		return refuse(error, HOT_E_OVERLAP);
	*end = (uint64_t)site->offset + size;
	if (!same_bytes(before, text->bytes + site->offset, size, HOT_E_OLD_BYTES, error))
		return false;
	return hot_site_bytes(machine, text, site, HOT_NOW, now, error) != 0;
}

static bool plan(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		 struct hot_error *error)
{
	for (unsigned t = 0; t < ntexts; t++) {
		uint64_t end = 0;

		for (unsigned i = 0; i < texts[t].nsites; i++) {
			if (!plan_site(machine, &texts[t], &texts[t].sites[i], &end, error))
				return false;
		}
	}
	return true;
}

/* Writes what a plan has proven can be written. */
static void commit(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		   enum hot_state state)
{
	uint8_t bytes[HOT_SITE_MAX + 1];
	struct hot_error error;

	for (unsigned t = 0; t < ntexts; t++) {
		for (unsigned i = 0; i < texts[t].nsites; i++) {
			const struct hot_site *site = &texts[t].sites[i];
			unsigned size =
			    hot_site_bytes(machine, &texts[t], site, state, bytes, &error);

			memcpy(texts[t].bytes + site->offset, bytes, size);
		}
	}
}

bool hot_verify(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		enum hot_state state, struct hot_error *error)
{
	uint8_t bytes[HOT_SITE_MAX + 1];

	for (unsigned t = 0; t < ntexts; t++) {
		for (unsigned i = 0; i < texts[t].nsites; i++) {
			const struct hot_site *site = &texts[t].sites[i];
			unsigned size =
			    hot_site_bytes(machine, &texts[t], site, state, bytes, error);

			if (size == 0 || !same_bytes(bytes, texts[t].bytes + site->offset, size,
						     HOT_E_VERIFY, error))
				return false;
		}
	}
	error->reason = HOT_OK;
	return true;
}

bool do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		   struct hot_error *error)
{
	*error = (struct hot_error){.hotinline = HOT_NONE, .symbol = HOT_NONE};
	if (!machine->decided)
		return refuse(error, HOT_E_UNDECIDED);
	if (!plan(machine, texts, ntexts, error))
		return false;
	commit(machine, texts, ntexts, HOT_NOW);
	if (hot_verify(machine, texts, ntexts, HOT_NOW, error))
		return true;
	commit(machine, texts, ntexts, HOT_BEFORE);
	return false;
}

const char *hot_reason_text(enum hot_reason reason)
{
	switch (reason) {
	case HOT_OK: return "no error";
	case HOT_E_UNDECIDED: return "the machine's features are not decided yet";
	case HOT_E_SITE: return "the site names no hotinline of the table, or no form";
	case HOT_E_BOUNDS: return "the site reaches beyond its text";
	case HOT_E_OVERLAP: return "the site overlaps the one before it";
	case HOT_E_OLD_BYTES: return "the text does not hold what the relocator left there";
	case HOT_E_REACH: return "a branch or reference of the site does not reach its target";
	case HOT_E_SYMBOL: return "a symbol that the alternative refers to has no address";
	case HOT_E_VERIFY: return "the text does not hold what was written";
	}
	return "unknown reason";
}

/*
 * From a choice to the bytes of a site: do_hotinlines() and hot_verify(). Called by krtld for each
 * module, and by a kernel for itself. The theory is in hotinline.h.
 */
#include "alternatives/arch.h"
#include "alternatives/bytes.h"

/* A site's bytes in the making. */
struct rendering {
	const struct hot_machine *machine;
	const struct hot_site *site;
	const struct hot_alternative *alternative;
	uint64_t address; /* of the site */
	unsigned room;    /* bytes of the site */
	uint8_t *bytes;
	struct hot_error *error;
};

/* Field by field: a compiler would call memset for the whole. */
static bool say(struct hot_error *error, enum hot_reason reason, uint64_t address,
		unsigned hotinline, unsigned symbol)
{
	error->reason = reason;
	error->address = address;
	error->hotinline = (uint16_t)hotinline;
	error->symbol = (uint16_t)symbol;
	error->size = 0;
	return reason == HOT_OK;
}

static bool refuse(const struct rendering *r, enum hot_reason reason, unsigned symbol)
{
	return say(r->error, reason, r->address, r->site->hotinline, symbol);
}

static unsigned return_size(const struct hot_table *table)
{
	return table->return_thunk == HOT_NONE ? HOT_ARCH_RETURN : HOT_ARCH_BRANCH;
}

static unsigned prefix_of(const struct hot_site *site)
{
	return (site->flags & HOT_PREFIXED) >> HOT_PREFIX_SHIFT;
}

static bool is_sound(const struct hot_table *table, const struct hot_site *site)
{
	return site->hotinline < table->nhotinlines && site->form <= HOT_STUB &&
	       !(site->flags & ~(HOT_WIDE | HOT_PREFIXED | HOT_GOT)) &&
	       prefix_of(site) <= HOT_ARCH_SEVERAL &&
	       !(site->flags & HOT_GOT && (site->flags & HOT_WIDE || site->form == HOT_STUB));
}

unsigned hot_site_size(const struct hot_table *table, const struct hot_site *site)
{
	unsigned size;

	if (!is_sound(table, site))
		return 0;
	size = table->hotinlines[site->hotinline].size;
	if (site->form == HOT_STUB)
		return size + return_size(table);
	if (site->flags & HOT_GOT)
		return HOT_ARCH_GOT;
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

		if (symbol == 0)
			return refuse(r, HOT_E_SYMBOL, fixup->symbol);
		if (!hot_arch_fixup(r->bytes + field, r->address + field, symbol, fixup->addend))
			return refuse(r, HOT_E_REACH, fixup->symbol);
	}
	return true;
}

/* Whether control must leave the site, and not go on after it. */
static bool returns(const struct hot_site *site)
{
	return site->form != HOT_CALL;
}

/* Bytes of the alternative's code in a site: NOPs before a return are no code. */
static unsigned code_size(const struct rendering *r)
{
	return returns(r->site) && r->alternative->nop ? 0 : r->alternative->size;
}

/* A return at bytes + *end, which moves on. */
static bool write_return(const struct rendering *r, unsigned *end)
{
	unsigned thunk = r->machine->table->return_thunk;
	uint8_t *bytes = r->bytes + *end;
	uint64_t from = r->address + *end;

	*end += return_size(r->machine->table);
	if (thunk == HOT_NONE) {
		hot_arch_return(bytes);
		return true;
	}
	if (!r->machine->symbols[thunk])
		return refuse(r, HOT_E_SYMBOL, thunk);
	return hot_arch_branch(bytes, from, r->machine->symbols[thunk], true) ||
	       refuse(r, HOT_E_REACH, thunk);
}

/* NOPs, the code, and NOPs; or, where control must not fall out of the site, a return after the
 * code, and what traps. */
static bool write_code(const struct rendering *r, unsigned at)
{
	const struct hot_alternative *a = r->alternative;
	unsigned end = at + code_size(r);

	hot_arch_absorb(r->bytes, at);
	hot_copy(r->bytes + at, r->machine->table->code + a->code, end - at);
	if (end > at && !fix_up(r, at))
		return false;
	if (!returns(r->site)) {
		hot_arch_pad(r->bytes + end, r->room - end);
		return true;
	}
	if (a->tail)
		hot_arch_tail(r->bytes + end - HOT_ARCH_BRANCH);
	else if (!write_return(r, &end))
		return false;
	hot_arch_trap(r->bytes + end, r->room - end);
	return true;
}

/* The branch to the stub that the relocator left, and after it the mark of a wide site. */
static bool write_branch(const struct rendering *r)
{
	uint64_t stub = r->machine->stubs[r->site->hotinline];
	bool tail = r->site->form == HOT_JMP;

	if (!stub)
		return refuse(r, HOT_E_STUB, HOT_NONE);
	if (r->site->flags & HOT_GOT)
		return hot_arch_relax(r->bytes, r->address, stub, tail) ||
		       refuse(r, HOT_E_REACH, HOT_NONE);
	if (r->room > HOT_ARCH_BRANCH)
		hot_arch_mark(r->bytes + HOT_ARCH_BRANCH, r->room - HOT_ARCH_BRANCH);
	return hot_arch_branch(r->bytes, r->address, stub, tail) ||
	       refuse(r, HOT_E_REACH, HOT_NONE);
}

/* After which prefixes the first instruction of the site means the same, as of `behind`. */
static unsigned same_after(const struct rendering *r)
{
	if (!returns(r->site) || !r->alternative->nop)
		return r->alternative->behind;
	/* A return, or a jmp to it. 66 c3 would pop 2 bytes. */
	return r->machine->table->return_thunk == HOT_NONE ? 0 : 0xff;
}

/* Where in the site the chosen code goes; -1: it does not fit. */
static int fit(const struct rendering *r)
{
	bool adds_return = returns(r->site) && !r->alternative->tail;
	unsigned size = code_size(r) + (adds_return ? return_size(r->machine->table) : 0);
	unsigned prefix = r->site->form == HOT_STUB ? 0 : prefix_of(r->site);

	if (size > r->room)
		return -1;
	if (!prefix || same_after(r) >> (prefix - 1) & 1)
		return 0;
	return r->room - size >= HOT_ARCH_ABSORBER ? (int)(r->room - size) : -1;
}

enum { DEPENDS, READY_BYTES, READY_BRANCH, READY_STUB }; /* struct hot_ready's kind */

/* Of nearly every site: what the machine has ready, or the branch to the stub. 0: look closer. */
static inline __attribute__((always_inline)) unsigned
ready_bytes(const struct hot_machine *machine, const struct hot_text *text,
	    const struct hot_site *site, enum hot_state state, uint8_t *bytes)
{
	const struct hot_ready *ready = &machine->ready[2 * site->hotinline + site->form];
	uint64_t address = text->address + site->offset;
	uint64_t to = machine->stubs[site->hotinline];

	if (state == HOT_NOW && ready->kind == READY_BYTES) {
		bytes[0] = ready->bytes[0];
		hot_copy4(bytes + 1, ready->bytes + 1);
		return HOT_ARCH_BRANCH;
	}
	if (state == HOT_NOW && ready->kind == READY_BRANCH)
		to = machine->symbols[ready->symbol];
	else if (state == HOT_NOW && ready->kind == DEPENDS)
		to = 0;
	return to && hot_arch_branch(bytes, address, to, site->form == HOT_JMP) ? HOT_ARCH_BRANCH
										: 0;
}

/* Any site. */
static __attribute__((noinline)) unsigned render(const struct hot_machine *machine,
						 const struct hot_text *text,
						 const struct hot_site *site, enum hot_state state,
						 uint8_t *bytes, struct hot_error *error)
{
	const struct hot_table *table = machine->table;
	struct rendering r = {machine, site, NULL, text->address + site->offset, 0, bytes, error};
	const struct hotinline *h;
	int at;

	if (!is_sound(table, site))
		return refuse(&r, HOT_E_SITE, HOT_NONE);
	if (state == HOT_NOW && !machine->decided)
		return refuse(&r, HOT_E_UNDECIDED, HOT_NONE);
	h = &table->hotinlines[site->hotinline];
	r.alternative = &table->alternatives[h->alternatives];
	r.alternative += state == HOT_NOW ? machine->chosen[site->hotinline] : h->nalternatives - 1;
	r.room = hot_site_size(table, site);
	if (r.room > text->size || site->offset > text->size - r.room)
		return refuse(&r, HOT_E_BOUNDS, HOT_NONE);
	if (site->form == HOT_STUB && (!machine->stubs[site->hotinline] ||
				       r.address != machine->stubs[site->hotinline] + table->entry))
		return refuse(&r, HOT_E_STUB, HOT_NONE);
	at = fit(&r);
	if (at < 0 || (state == HOT_BEFORE && site->form != HOT_STUB))
		return write_branch(&r) ? r.room : 0;
	return write_code(&r, (unsigned)at) ? r.room : 0;
}

static inline __attribute__((always_inline)) unsigned
site_bytes(const struct hot_machine *machine, const struct hot_text *text,
	   const struct hot_site *site, enum hot_state state, uint8_t *bytes,
	   struct hot_error *error)
{
	bool usual = site->form < HOT_STUB && !site->flags &&
		     site->hotinline < machine->table->nhotinlines &&
		     (uint64_t)site->offset + HOT_ARCH_BRANCH <= text->size &&
		     (state == HOT_BEFORE || machine->decided);
	unsigned size = usual ? ready_bytes(machine, text, site, state, bytes) : 0;

	return size ? size : render(machine, text, site, state, bytes, error);
}

unsigned hot_site_bytes(const struct hot_machine *machine, const struct hot_text *text,
			const struct hot_site *site, enum hot_state state, uint8_t *bytes,
			struct hot_error *error)
{
	error->reason = HOT_OK;
	return site_bytes(machine, text, site, state, bytes, error);
}

/* The machine's choice for one form, if it is the same at every site of 5 bytes. */
static void make_ready(struct hot_machine *machine, uint16_t hotinline, enum hot_form form)
{
	struct hot_ready *ready = &machine->ready[2 * hotinline + form];
	const struct hot_table *table = machine->table;
	const struct hot_alternative *chosen =
	    &table->alternatives[table->hotinlines[hotinline].alternatives +
				 machine->chosen[hotinline]];
	struct hot_site site = {0, hotinline, (uint8_t)form, 0};
	uint8_t bytes[HOT_BYTES_MAX];
	struct rendering r = {machine, &site, chosen, 0, HOT_ARCH_BRANCH, bytes, NULL};

	*ready = (struct hot_ready){.kind = DEPENDS};
	if (chosen->tail && chosen->size == HOT_ARCH_BRANCH) {
		ready->kind = READY_BRANCH;
		ready->symbol = table->fixups[chosen->fixups].symbol;
	} else if (fit(&r) < 0) {
		ready->kind = READY_STUB;
	} else if (form == HOT_JMP && table->return_thunk != HOT_NONE) {
		ready->kind = READY_BRANCH; /* there is room for nothing but the return */
		ready->symbol = table->return_thunk;
	} else if (!chosen->nfixups) {
		ready->kind = READY_BYTES;
		(void)write_code(&r, 0);
		hot_copy(ready->bytes, bytes, sizeof ready->bytes);
	}
}

void hot_decide(struct hot_machine *machine, const struct hot_features *features)
{
	hot_copy(&machine->features, features, sizeof *features);
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		machine->chosen[i] = (uint8_t)hot_select(machine->table, features, i);
		make_ready(machine, (uint16_t)i, HOT_CALL);
		make_ready(machine, (uint16_t)i, HOT_JMP);
	}
	machine->decided = true;
}

/* Most sites are a branch, which is compared and copied as it was made: an opcode and a word. */
static bool same(const uint8_t *a, const uint8_t *b, unsigned size)
{
	if (size == HOT_ARCH_BRANCH)
		return a[0] == b[0] && hot_load4(a + 1) == hot_load4(b + 1);
	return hot_same(a, b, size);
}

static void copy(uint8_t *to, const uint8_t *from, unsigned size)
{
	to[0] = from[0];
	if (size == HOT_ARCH_BRANCH)
		hot_copy4(to + 1, from + 1);
	else
		hot_copy(to + 1, from + 1, size - 1);
}

static bool refuse_site(const struct hot_text *text, const struct hot_site *site,
			enum hot_reason reason, struct hot_error *error)
{
	return say(error, reason, text->address + site->offset, site->hotinline, HOT_NONE);
}

static bool refuse_bytes(const struct hot_text *text, const struct hot_site *site,
			 enum hot_reason reason, const uint8_t *expected, unsigned size,
			 struct hot_error *error)
{
	(void)refuse_site(text, site, reason, error);
	error->size = (uint8_t)size;
	hot_copy(error->expected, expected, size);
	hot_copy(error->found, text->bytes + site->offset, size);
	return false;
}

/* Whether each text has what it says, and begins after the one before it ended. */
static bool texts_are_sound(const struct hot_text *texts, unsigned ntexts, struct hot_error *error)
{
	uint64_t end = 0;

	if (ntexts && !texts)
		return say(error, HOT_E_TEXT, 0, HOT_NONE, HOT_NONE);
	for (unsigned t = 0; t < ntexts; t++) {
		const struct hot_text *text = &texts[t];

		if (text->address < end || text->address + text->size < text->address ||
		    (text->nsites && (!text->bytes || !text->sites)))
			return say(error, HOT_E_TEXT, text->address, HOT_NONE, HOT_NONE);
		end = text->address + text->size;
	}
	return true;
}

/* Whether one site is in bounds, clear of the one before it, and can be what it is to become.
 * *end: where the site before it ended, and then where this one does. */
static bool plan_site(const struct hot_machine *machine, const struct hot_text *text,
		      const struct hot_site *site, uint64_t *end, struct hot_error *error)
{
	uint8_t bytes[HOT_BYTES_MAX];
	unsigned size = site_bytes(machine, text, site, HOT_BEFORE, bytes, error);

	if (size == 0)
		return false;
	if (site->offset < *end)
		return refuse_site(text, site, HOT_E_OVERLAP, error);
	*end = (uint64_t)site->offset + size;
	if (!same(bytes, text->bytes + site->offset, size))
		return refuse_bytes(text, site, HOT_E_OLD_BYTES, bytes, size, error);
	return site_bytes(machine, text, site, HOT_NOW, bytes, error) != 0;
}

static bool plan(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		 struct hot_error *error)
{
	unsigned missing;

	if (!texts_are_sound(texts, ntexts, error))
		return false;
	for (unsigned t = 0; t < ntexts; t++) {
		uint64_t end = 0;

		for (unsigned i = 0; i < texts[t].nsites; i++) {
			if (!plan_site(machine, &texts[t], &texts[t].sites[i], &end, error))
				return false;
		}
	}
	missing = hot_uncovered(machine, texts, ntexts);
	return missing == HOT_NONE ||
	       say(error, HOT_E_COVER, machine->stubs[missing], missing, HOT_NONE);
}

/* Writes what a plan has proven can be written. */
static void commit(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		   enum hot_state state)
{
	uint8_t bytes[HOT_BYTES_MAX];
	struct hot_error error;

	for (unsigned t = 0; t < ntexts; t++) {
		for (unsigned i = 0; i < texts[t].nsites; i++) {
			const struct hot_site *site = &texts[t].sites[i];
			unsigned size = site_bytes(machine, &texts[t], site, state, bytes, &error);

			copy(texts[t].bytes + site->offset, bytes, size);
		}
	}
}

static bool verify_site(const struct hot_machine *machine, const struct hot_text *text,
			const struct hot_site *site, enum hot_state state, struct hot_error *error)
{
	uint8_t bytes[HOT_BYTES_MAX];
	unsigned size = site_bytes(machine, text, site, state, bytes, error);

	if (size == 0)
		return false;
	return same(bytes, text->bytes + site->offset, size) ||
	       refuse_bytes(text, site, HOT_E_VERIFY, bytes, size, error);
}

bool hot_verify(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		enum hot_state state, struct hot_error *error)
{
	if (!texts_are_sound(texts, ntexts, error))
		return false;
	for (unsigned t = 0; t < ntexts; t++) {
		for (unsigned i = 0; i < texts[t].nsites; i++) {
			if (!verify_site(machine, &texts[t], &texts[t].sites[i], state, error))
				return false;
		}
	}
	return say(error, HOT_OK, 0, HOT_NONE, HOT_NONE);
}

bool do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		   struct hot_error *error)
{
	if (!machine->decided)
		return say(error, HOT_E_UNDECIDED, 0, HOT_NONE, HOT_NONE);
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
	case HOT_E_STUB: return "the machine has no address for the stub, or another one";
	case HOT_E_COVER: return "the text holds this stub, and its body is not one of the sites";
	case HOT_E_TEXT: return "a text has no bytes or no sites, or overlaps the one before it";
	case HOT_E_LAYOUT:
		return "the patch table has another layout than this engine: run hotc "
		       "and build both again";
	case HOT_E_EMPTY: return "the patch table declares no hotinline";
	case HOT_E_TABLE: return "an index or a size in the patch table is out of range";
	}
	return "unknown reason";
}

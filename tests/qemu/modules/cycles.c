/*
 * Loads, patches, calls and unloads modules, as often as the boot argument cycles.count=N says: in an
 * order without pattern, so that they lie at other addresses each time, with those that are refused
 * among them. Then all memory must be as it was. Its _init does it; ../cycles.py boots and reads.
 *
 * cycles.subject=MODULE puts a canary in the place of the module answer.
 */
#include "hottable.h"
#include "tests/qemu/modules/answer.h"

#define REPORTS 20 /* how often it says how far it is, and looks at the memory */
#define SHOWN   8  /* differences that are shown one by one */

/* A module of the archive, and what is right for it. */
struct subject {
	const char *name;
	enum krtld_reason refused; /* why it never is loaded; or KRTLD_OK */
	const char *function;      /* of it that is called; or NULL */
	bool (*right)(uint64_t function);
};

/* What must be as it was. */
struct memory {
	struct kas kas;
	struct krtld krtld;
	uint64_t users;                              /* of unix */
	uint64_t mapped[KAS_SIZE / PAGE_SIZE / 64];  /* bit i: page i of kas is mapped */
	uint64_t nfree;                              /* what pages.c counts, */
	uint64_t listed;                             /* what its list holds, */
	uint64_t free[PHYSMAP_MAX / PAGE_SIZE / 64]; /* and which pages these are */
};

static struct memory before, after;
static enum krtld_reason told; /* krtld's last refusal */
static char told_line[256];
static uint64_t ncycles, nrefused;

/* ---- What the modules do ---- */

static uint64_t bits(uint64_t x)
{
	uint64_t n = 0;

	for (; x; x &= x - 1)
		n++;
	return n;
}

static bool is_answer(uint64_t function)
{
	uint64_t open = cpu_smap_enabled() ? EFLAGS_AC : 0;

	return ((uint64_t(*)(uint64_t))function)(ncycles) == (open | bits(ncycles));
}

static bool is_popcount(uint64_t function)
{
	return ((uint64_t(*)(uint64_t))function)(ncycles) == bits(ncycles);
}

/* What is in the user page, seen from elsewhere. */
static const uint8_t *user_page(void)
{
	uint64_t physical = 0;

	return paging_lookup(PROBE_PAGE, &physical, NULL) ? physmap(physical) : NULL;
}

static bool is_fill(uint64_t function)
{
	uint8_t byte = (uint8_t)ncycles;

	((void (*)(void *, uint8_t, uint64_t))function)((void *)PROBE_PAGE, byte, 16);
	return user_page()[0] == byte && user_page()[15] == byte && !(read_flags() & EFLAGS_AC);
}

static bool is_sum(uint64_t function)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 16; i++)
		sum += user_page()[i];
	return ((uint64_t(*)(const uint8_t *, uint64_t))function)((uint8_t *)PROBE_PAGE, 16) == sum;
}

static struct subject subjects[] = {
    {"answer", KRTLD_OK, "answer", is_answer},
    {"usercopy", KRTLD_OK, "user_fill", is_fill},
    {"window", KRTLD_OK, "window_sum", is_sum},
    {"counters", KRTLD_OK, NULL, NULL},
    {"clock", KRTLD_OK, NULL, NULL},
    {"ring", KRTLD_OK, NULL, NULL},
    {"forms", KRTLD_OK, "forms_prefixed", is_popcount},
    {"crosspage", KRTLD_OK, "crosspage_jmp", is_popcount},
    {"unresolved", KRTLD_E_UNDEFINED, NULL, NULL},
    {"badinit", KRTLD_E_START, NULL, NULL},
    {"thief", KRTLD_E_STUB, NULL, NULL},
    {"tls", KRTLD_E_TYPE, NULL, NULL},
    {"overflow", KRTLD_E_RANGE, NULL, NULL},
};

#define NSUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

/* ---- One at a time ---- */

static bool complain(const char *what, const struct subject *subject)
{
	console_mute(false);
	kprintf("cycles: %lu done, %lu refused; %s: %s%s%s\n", ncycles, nrefused, subject->name,
		what, told != KRTLD_OK ? "; krtld: " : "", told != KRTLD_OK ? told_line : "");
	return false;
}

/* Whether the module's pages, at its addresses, are those of its page tables: a translation of the
 * module that was there before would show others. */
static bool is_mapped_right(const struct krtld_region *region)
{
	for (uint64_t at = 0; at < region->size; at += PAGE_SIZE) {
		uint64_t physical;

		if (!paging_lookup(region->address + at, &physical, NULL))
			return false;
		for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
			if (((uint64_t *)(region->address + at))[i] !=
			    ((uint64_t *)physmap(physical))[i])
				return false;
	}
	return true;
}

static bool look(const struct subject *subject, const struct krtld_module *module)
{
	struct hot_error error;
	uint64_t function;

	if (!module->nsites ||
	    !hot_verify(krtld.machine, module->texts, module->ntexts, HOT_NOW, &error))
		return complain("its sites are not what the features demand", subject);
	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++)
		if (!is_mapped_right(&module->regions[kind]))
			return complain("its addresses are another's memory", subject);
	if (!subject->function)
		return true;
	if (!krtld_module_symbol(module, subject->function, &function))
		return complain("the function to call is missing", subject);
	return subject->right(function) || complain("a wrong answer", subject);
}

static bool load(const struct subject *subject)
{
	enum krtld_reason expected = subject->refused;

	if (module_load(subject->name) != (expected == KRTLD_OK) || told != expected)
		return complain("loaded or refused, against what is right", subject);
	nrefused += expected != KRTLD_OK;
	return expected != KRTLD_OK || look(subject, krtld_find(&krtld, subject->name));
}

static bool unload(const struct subject *subject, const struct krtld_module *module)
{
	enum krtld_reason expected = module->users ? KRTLD_E_BUSY : KRTLD_OK;

	if (!look(subject, module))
		return false;
	if (module_unload(subject->name) != (expected == KRTLD_OK) || told != expected)
		return complain("unloaded or kept, against what is right", subject);
	nrefused += expected != KRTLD_OK;
	ncycles += expected == KRTLD_OK;
	return true;
}

static bool toggle(const struct subject *subject)
{
	const struct krtld_module *module = krtld_find(&krtld, subject->name);

	told = KRTLD_OK;
	return module ? unload(subject, module) : load(subject);
}

/* The later ones need the earlier ones. */
static bool unload_all(void)
{
	for (unsigned i = NSUBJECTS; i > 0; i--)
		if (krtld_find(&krtld, subjects[i - 1].name) && !toggle(&subjects[i - 1]))
			return false;
	return true;
}

/* ---- Memory ---- */

static void mark(uint64_t *bitmap, uint64_t bit)
{
	bitmap[bit / 64] |= 1ul << bit % 64;
}

static void note(struct memory *memory)
{
	memset(memory, 0, sizeof(*memory));
	memory->kas = kas;
	memory->krtld = krtld;
	memory->users = krtld.first->users;
	for (uint64_t i = 0; i < KAS_SIZE / PAGE_SIZE; i++)
		if (paging_lookup(kas.base + i * PAGE_SIZE, NULL, NULL))
			mark(memory->mapped, i);
	memory->nfree = pages.nfree;
	for (uint64_t at = pages.next; at < pages.end; at += PAGE_SIZE, memory->listed++)
		mark(memory->free, at / PAGE_SIZE);
	for (uint64_t at = pages.freed; at && memory->listed <= memory->nfree;
	     at = *(uint64_t *)physmap(at), memory->listed++)
		mark(memory->free, at / PAGE_SIZE);
}

/* How many bits differ; the first are shown. base: the address that the first bit stands for. */
static uint64_t differences(const char *what, const uint64_t *old, const uint64_t *new, size_t size,
			    uint64_t base)
{
	uint64_t n = 0;

	for (uint64_t bit = 0; bit < size * 8; bit++) {
		bool was = old[bit / 64] >> bit % 64 & 1, is = new[bit / 64] >> bit % 64 & 1;

		if (old[bit / 64] == new[bit / 64])
			bit |= 63;
		else if (was != is && n++ < SHOWN)
			kprintf("cycles: %lx %s %s, and %s\n", base + bit * PAGE_SIZE,
				was ? "was" : "was not", what, is ? "is" : "is not");
	}
	return n;
}

static bool is_same(void)
{
	uint64_t nfree, nused, nmapped, nothers;
	bool same;

	note(&after);
	console_mute(false);
	nfree = differences("free", before.free, after.free, sizeof(before.free), 0);
	nused = differences("taken", before.kas.used, after.kas.used, sizeof(before.kas.used),
			    kas.base);
	nmapped =
	    differences("mapped", before.mapped, after.mapped, sizeof(before.mapped), kas.base);
	nothers = (before.nfree != after.nfree) + (after.nfree != after.listed) +
		  (before.users != after.users) +
		  (memcmp(&before.krtld, &after.krtld, sizeof(before.krtld)) != 0);
	same = nfree + nused + nmapped + nothers == 0;
	kprintf("cycles: %lu done, %lu refused; free pages: %lu before, %lu now; differences: %lu "
		"in pages, %lu in addresses, %lu in mappings, %lu in counters%s\n",
		ncycles, nrefused, before.nfree, after.nfree, nfree, nused, nmapped, nothers,
		same ? "" : ": MEMORY IS NOT AS IT WAS");
	return same;
}

/* ---- All of it ---- */

static void report(void *ctx, const struct krtld_error *error)
{
	(void)ctx;
	told = error->reason;
	krtld_error_line(error, &hot_table, told_line, sizeof(told_line));
}

/* Marsaglia's xorshift64: the same order each time. */
static unsigned choose(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 32) % NSUBJECTS;
}

static bool run(uint64_t n)
{
	note(&before);
	for (unsigned part = 1; part <= REPORTS; part++) {
		console_mute(true);
		while (ncycles < n * part / REPORTS)
			if (!toggle(&subjects[choose()]))
				return false;
		if (!unload_all() || !is_same())
			return false;
	}
	return true;
}

int _init(void)
{
	static char name[ARG_MAX];
	const struct krtld_ops *usual = krtld.ops;
	struct krtld_ops ops = *usual;
	char value[ARG_MAX];
	uint64_t n;
	bool ok;

	if (boot_argument("cycles.subject", name, sizeof(name)))
		subjects[0].name = name;
	if (!boot_argument("cycles.count", value, sizeof(value)) || !parse_number(value, &n))
		return 1;
	ops.report = report;
	krtld.ops = &ops;
	ok = run(n);
	console_mute(false);
	krtld.ops = usual;
	if (!ok)
		verdict_fail("cycles of modules");
	return ok ? 0 : 1;
}

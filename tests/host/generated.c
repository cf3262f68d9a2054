/*
 * The patch table that hotc wrote for the declarations of this tree keeps every promise of
 * alternatives/hotinline.h that the engine builds on without looking.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "alternatives/hotinline.h"
#include "hottable.h"
#include "tests/host/cpu.h"

static const struct hot_table *const t = &hot_table;

/* Operands left by the program, or -1 where it takes more than there are or goes too deep. */
static int operands(uint32_t condition, unsigned nfeatures)
{
	int depth = 0;

	for (const uint16_t *op = t->conditions + condition; *op != HOT_OP_END; op++) {
		if (*op == HOT_OP_NOT)
			depth += depth < 1 ? -1000 : 0;
		else if (*op == HOT_OP_AND || *op == HOT_OP_OR)
			depth += depth < 2 ? -1000 : -1;
		else
			depth += *op < nfeatures ? 1 : -1000;
		if (depth < 0 || depth > HOT_DEPTH_MAX)
			return -1;
	}
	return depth;
}

Test(generated, names_are_sorted_and_each_is_there_once)
{
	cr_expect(t->nhotinlines >= 8 && t->nfeatures >= 6 && t->nfeatures <= HOT_FEATURES_MAX);
	for (unsigned i = 1; i < t->nhotinlines; i++)
		cr_expect(strcmp(t->hotinlines[i - 1].name, t->hotinlines[i].name) < 0, "%s, %s",
			  t->hotinlines[i - 1].name, t->hotinlines[i].name);
	for (unsigned i = 0; i < t->nfeatures; i++)
		for (unsigned j = 0; j < i; j++)
			cr_expect(strcmp(t->features[i].name, t->features[j].name), "%s twice",
				  t->features[i].name);
}

Test(generated, derived_features_come_after_what_they_use)
{
	for (unsigned i = 0; i < t->nfeatures; i++) {
		cr_expect(t->features[i].kind <= HOT_DERIVED, "%s", t->features[i].name);
		cr_expect(t->features[i].reg < 4 && t->features[i].bit < 32);
		if (t->features[i].kind == HOT_DERIVED)
			cr_expect_eq(operands(t->features[i].condition, i), 1, "%s",
				     t->features[i].name);
	}
}

Test(generated, the_last_alternative_is_the_baseline_and_no_other)
{
	for (unsigned i = 0; i < t->nhotinlines; i++) {
		const struct hotinline *h = &t->hotinlines[i];

		cr_assert(h->nalternatives >= 1);
		for (unsigned a = 0; a < h->nalternatives; a++) {
			uint32_t condition = t->alternatives[h->alternatives + a].condition;
			bool last = a + 1u == h->nalternatives;

			cr_expect_eq(condition == HOT_ALWAYS, last, "%s, alternative %u", h->name,
				     a);
			if (!last)
				cr_expect_eq(operands(condition, t->nfeatures), 1, "%s", h->name);
		}
	}
}

static void expect_alternative(const struct hotinline *h, const struct hot_alternative *a)
{
	const uint8_t *code = t->code + a->code;
	bool ends_in_fixup = false;

	cr_expect(a->size <= h->size, "%s: %s has %u bytes of %u", h->name, a->text, a->size,
		  h->size);
	/* In a jmp site `ret` would be the first behind the prefix, and 66 c3 returns elsewhere. */
	cr_expect(a->size || !a->behind, "%s: %s", h->name, a->text);
	for (unsigned i = 0; i < a->nfixups; i++) {
		const struct hot_fixup *fixup = &t->fixups[a->fixups + i];

		cr_expect(fixup->symbol < t->nsymbols && fixup->offset + 4u <= a->size, "%s: %s",
			  h->name, a->text);
		ends_in_fixup |= fixup->offset + 4u == a->size && fixup->addend == -4;
	}
	if (a->tail)
		cr_expect(a->size >= 5 && code[a->size - 5] == 0xe8 && ends_in_fixup, "%s: %s",
			  h->name, a->text);
}

Test(generated, alternatives_fit_their_hotinline_and_fixups_their_alternative)
{
	for (unsigned i = 0; i < t->nhotinlines; i++) {
		const struct hotinline *h = &t->hotinlines[i];

		cr_expect(h->size == 5 || (h->size >= 7 && h->size <= HOT_SITE_MAX), "%s: %u",
			  h->name, h->size);
		for (unsigned a = 0; a < h->nalternatives; a++)
			expect_alternative(h, &t->alternatives[h->alternatives + a]);
	}
}

Test(generated, smap_enable_is_what_the_manual_says)
{
	unsigned i = hot_find(t, "smap_enable");
	const struct hotinline *h = &t->hotinlines[i];

	cr_assert_neq(i, HOT_NONE);
	cr_assert_eq(h->nalternatives, 2);
	cr_expect(!memcmp(t->code + t->alternatives[h->alternatives].code, "\x0f\x01\xca", 3),
		  "clac, Intel SDM vol. 2A");
	cr_expect_str_eq(t->alternatives[h->alternatives].text, "clac");
}

static const char *chosen(struct cpu *cpu, const char *name)
{
	struct hot_env env = cpu_env(cpu);
	struct hot_features features;
	unsigned i = hot_find(t, name);

	hot_features_read(t, &env, &features);
	return t->alternatives[t->hotinlines[i].alternatives + hot_select(t, &features, i)].text;
}

/* clflush is ordered with stores on Intel's CPUs only; lfence waits on those, and where AMD's and
 * Hygon's say so. What is not ordered by itself has the fences that all of them obey. */
Test(generated, peers_45_no_vendor_s_order_is_taken_for_another_s)
{
	static const struct {
		const char *vendor;
		bool lfence_serializing;
		const char *clean, *order, *timestamp;
	} rows[] = {
	    {"GenuineIntel", false, "clflush [rdi]", "lfence", "{ lfence; rdtsc }"},
	    {"AuthenticAMD", false, "{ mfence; clflush [rdi]; mfence }", "{ mfence; lfence }",
	     "{ mfence; lfence; rdtsc }"},
	    {"AuthenticAMD", true, "{ mfence; clflush [rdi]; mfence }", "lfence",
	     "{ lfence; rdtsc }"},
	    {"HygonGenuine", false, "{ mfence; clflush [rdi]; mfence }", "{ mfence; lfence }",
	     "{ mfence; lfence; rdtsc }"},
	    {"HygonGenuine", true, "{ mfence; clflush [rdi]; mfence }", "lfence",
	     "{ lfence; rdtsc }"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cpu cpu;

		cpu_make(&cpu, 1, 0x80000021);
		cpu_vendor(&cpu, rows[i].vendor);
		cpu_regs(&cpu, 0x80000021, 0)[0] = rows[i].lfence_serializing ? 1u << 2 : 0;
		cr_expect_str_eq(chosen(&cpu, "clean_line"), rows[i].clean, "row %u", i);
		cr_expect_str_eq(chosen(&cpu, "order_loads"), rows[i].order, "row %u", i);
		cr_expect_str_eq(chosen(&cpu, "timestamp"), rows[i].timestamp, "row %u", i);
	}
}

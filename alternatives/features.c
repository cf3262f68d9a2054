/*
 * From a machine to a choice: features are read once, conditions evaluated, alternatives selected.
 * Called by a kernel before do_hotinlines(unix), by the host tool, and by the tests.
 */
#include "alternatives/bytes.h"
#include "alternatives/hotinline.h"

enum { EAX, EBX, ECX, EDX };

/* What CPUID says about its own extent, and its last answer. */
struct leaves {
	const struct hot_env *env;
	uint32_t basic;    /* highest basic leaf */
	uint32_t extended; /* highest leaf 8000_xxxx, 0: none */
	bool hypervisor;   /* CPUID 1 ecx[31]: leaves 4000_xxxx mean something */
	uint32_t cached_leaf, cached_subleaf;
	uint32_t cached[4];
	bool valid; /* of the three above */
};

static void cpuid(struct leaves *leaves, uint32_t leaf, uint32_t subleaf)
{
	if (leaves->valid && leaves->cached_leaf == leaf && leaves->cached_subleaf == subleaf)
		return;
	leaves->env->cpuid(leaves->env->ctx, leaf, subleaf, leaves->cached);
	leaves->cached_leaf = leaf;
	leaves->cached_subleaf = subleaf;
	leaves->valid = true;
}

static void leaves_init(struct leaves *leaves, const struct hot_env *env)
{
	hot_fill(leaves, 0, sizeof *leaves);
	leaves->env = env;
	cpuid(leaves, 0, 0);
	leaves->basic = leaves->cached[EAX];
	cpuid(leaves, 0x80000000, 0);
	if (leaves->cached[EAX] >= 0x80000000)
		leaves->extended = leaves->cached[EAX];
	if (leaves->basic >= 1) {
		cpuid(leaves, 1, 0);
		leaves->hypervisor = leaves->cached[ECX] >> 31;
	}
}

/* Whether three registers, in this order, spell the signature. */
static bool spells(const char *signature, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t regs[3] = {a, b, c};

	for (unsigned i = 0; i < 12; i++) {
		char wanted = *signature ? *signature++ : 0;

		if ((char)(regs[i / 4] >> (i % 4 * 8)) != wanted)
			return false;
	}
	return true;
}

/*
 * The highest leaf of a hypervisor's block of 256, which its first leaf tells. 0: there is no such
 * block; what came back was another leaf's data, or nothing. Old KVM hosts say 0 and have one more
 * (Linux, Documentation/virt/kvm/x86/cpuid.rst).
 */
static uint32_t highest_of_block(struct leaves *leaves, uint32_t block)
{
	const uint32_t *regs = leaves->cached;

	if (!leaves->hypervisor)
		return 0;
	cpuid(leaves, block, 0);
	if (regs[EAX] == 0 && spells("KVMKVMKVM", regs[EBX], regs[ECX], regs[EDX]))
		return block + 1;
	return (regs[EAX] & 0xffffff00) == block ? regs[EAX] : 0;
}

/*
 * Intel SDM vol. 2A, CPUID: a leaf above the highest returns the data of the highest basic leaf.
 * Leaf 7 reports its highest subleaf in eax; of other leaves an absent subleaf reads as zeros.
 */
static bool leaf_exists(struct leaves *leaves, uint32_t leaf, uint32_t subleaf)
{
	if (leaf < 0x40000000)
		return leaf <= leaves->basic &&
		       (leaf != 7 || subleaf == 0 ||
			(cpuid(leaves, 7, 0), subleaf <= leaves->cached[EAX]));
	if (leaf < 0x80000000)
		return leaf <= highest_of_block(leaves, leaf & 0xffffff00);
	return leaf <= leaves->extended;
}

/* Each hypervisor interface has a block of 256 leaves; one may come after another (Xen's after
 * Viridian's), so that its signature need not be in the first. */
static bool hypervisor_is(struct leaves *leaves, const char *signature)
{
	for (uint32_t leaf = 0x40000000; leaf < 0x40010000; leaf += 0x100) {
		if (!leaf_exists(leaves, leaf, 0))
			continue;
		cpuid(leaves, leaf, 0);
		if (spells(signature, leaves->cached[EBX], leaves->cached[ECX],
			   leaves->cached[EDX]))
			return true;
	}
	return false;
}

static bool read_feature(const struct hot_table *table, const struct hot_feature *feature,
			 struct leaves *leaves, const struct hot_features *so_far)
{
	const struct hot_env *env = leaves->env;

	if (env->disabled && env->disabled(env->ctx, feature->name))
		return false;
	switch ((enum hot_feature_kind)feature->kind) {
	case HOT_CPUID:
		if (!leaf_exists(leaves, feature->leaf, feature->subleaf))
			return false;
		cpuid(leaves, feature->leaf, feature->subleaf);
		return leaves->cached[feature->reg & 3] >> (feature->bit & 31) & 1;
	case HOT_VENDOR:
		cpuid(leaves, 0, 0);
		return spells(feature->signature, leaves->cached[EBX], leaves->cached[EDX],
			      leaves->cached[ECX]);
	case HOT_HYPERVISOR: return hypervisor_is(leaves, feature->signature);
	case HOT_BOOT: return env->boot && env->boot(env->ctx, feature->name);
	case HOT_DERIVED: return hot_condition(table, so_far, feature->condition);
	}
	return false;
}

void hot_features_read(const struct hot_table *table, const struct hot_env *env,
		       struct hot_features *features)
{
	enum hot_reason reason = hot_table_check(table);
	struct leaves leaves;

	hot_fill(features, 0, sizeof *features);
	if (reason != HOT_OK && reason != HOT_E_EMPTY)
		return;
	leaves_init(&leaves, env);
	for (unsigned i = 0; i < table->nfeatures; i++) {
		if (read_feature(table, &table->features[i], &leaves, features))
			features->set[i / 64] |= 1ull << i % 64;
	}
}

bool hot_has(const struct hot_features *features, unsigned feature)
{
	return feature < HOT_FEATURES_MAX && features->set[feature / 64] >> feature % 64 & 1;
}

/* The operands are single bits, so that a word is the whole stack: the top is bit 0. */
bool hot_condition(const struct hot_table *table, const struct hot_features *features,
		   uint32_t condition)
{
	uint64_t stack = 0;

	if (condition == HOT_ALWAYS)
		return true;
	for (uint64_t i = condition; i < table->nconditions; i++) {
		uint16_t op = table->conditions[i];

		switch (op) {
		case HOT_OP_END: return stack & 1;
		case HOT_OP_NOT: stack ^= 1; break;
		case HOT_OP_AND: stack = stack >> 1 & (~1ull | stack); break;
		case HOT_OP_OR: stack = stack >> 1 | (stack & 1); break;
		default: stack = stack << 1 | hot_has(features, op);
		}
	}
	return false;
}

unsigned hot_select(const struct hot_table *table, const struct hot_features *features,
		    unsigned hotinline)
{
	const struct hotinline *h = &table->hotinlines[hotinline];
	unsigned i = 0;

	if (hotinline >= table->nhotinlines)
		return HOT_NONE;
	while (i + 1 < h->nalternatives &&
	       !hot_condition(table, features, table->alternatives[h->alternatives + i].condition))
		i++;
	return i;
}

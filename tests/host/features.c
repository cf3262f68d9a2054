/* Features: what hot_features_read() takes from CPUID, the boot arguments and other features. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/cpu.h"
#include "tests/host/table.h"

static bool has(struct cpu *cpu, const struct table *table, const char *name)
{
	struct hot_env env = cpu_env(cpu);
	struct hot_features features;

	memset(&features, 0xa5, sizeof(features));
	hot_features_read(&table->t, &env, &features);
	return hot_has(&features, table_feature(&table->t, name));
}

Test(features, a_cpuid_bit_is_read_from_its_register_and_place)
{
	for (unsigned reg = 0; reg < 4; reg++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			struct table *table = table_new();
			struct cpu cpu;

			table_cpuid(table, "it", 0xd, 1, reg, bit);
			cpu_make(&cpu, 0xd, 0);
			cpu_regs(&cpu, 0xd, 1)[reg] = 1u << bit;
			cr_expect(has(&cpu, table, "it"), "register %u bit %u is set", reg, bit);
			for (unsigned other = 0; other < 4; other++)
				cpu_regs(&cpu, 0xd, 1)[other] = ~0u;
			cpu_regs(&cpu, 0xd, 1)[reg] = ~(1u << bit);
			cr_expect(!has(&cpu, table, "it"), "register %u bit %u is clear", reg, bit);
		}
	}
}

Test(features, a_leaf_beyond_the_highest_counts_as_zero)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "smap", 7, 0, 1, 20);
	cpu_make(&cpu, 6, 0);
	memset(cpu_regs(&cpu, 6, 0), 0xff, 16);
	memset(cpu_regs(&cpu, 7, 0), 0xff, 16);
	cr_expect(!has(&cpu, table, "smap"), "highest leaf 6, yet leaf 7 was believed");
}

Test(features, the_highest_leaf_itself_is_read)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "smap", 7, 0, 1, 20);
	cpu_make(&cpu, 7, 0);
	cpu_regs(&cpu, 7, 0)[1] = 1u << 20;
	cr_expect(has(&cpu, table, "smap"), "highest leaf 7");
}

Test(features, a_subleaf_beyond_the_highest_counts_as_zero)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "it", 7, 1, 0, 4);
	cpu_make(&cpu, 7, 0);
	memset(cpu_regs(&cpu, 7, 1), 0xff, 16);
	cpu_regs(&cpu, 7, 0)[0] = 0;
	cr_expect(!has(&cpu, table, "it"), "highest subleaf of 7 is 0, yet 7.1 was believed");
	cpu_regs(&cpu, 7, 0)[0] = 1;
	cr_expect(has(&cpu, table, "it"), "highest subleaf of 7 is 1");
}

Test(features, an_extended_leaf_has_a_limit_of_its_own)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "rdtscp", 0x80000001, 0, 3, 27);
	cpu_make(&cpu, 2, 0x80000001);
	cpu_regs(&cpu, 0x80000001, 0)[3] = 1u << 27;
	cr_expect(has(&cpu, table, "rdtscp"), "highest extended leaf 80000001");
	cpu_regs(&cpu, 0x80000000, 0)[0] = 0x80000000;
	memset(cpu_regs(&cpu, 2, 0), 0xff, 16);
	cr_expect(!has(&cpu, table, "rdtscp"), "highest extended leaf 80000000");
}

Test(features, a_cpu_without_extended_leaves_has_none)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "rdtscp", 0x80000001, 0, 3, 27);
	cpu_make(&cpu, 2, 0);
	/* Its answer to 80000000 is that of leaf 2: neither a limit nor a feature. */
	memset(cpu_regs(&cpu, 2, 0), 0xff, 16);
	cpu_regs(&cpu, 2, 0)[0] = 0x7fffffff;
	cr_expect(!has(&cpu, table, "rdtscp"));
}

Test(features, a_leaf_of_the_hypervisor_is_read_only_under_one)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "pv", 0x40000001, 0, 0, 3);
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM", 0x40000001);
	cpu_regs(&cpu, 0x40000001, 0)[0] = 1u << 3;
	cr_expect(has(&cpu, table, "pv"), "a hypervisor with leaf 40000001");
	cpu_regs(&cpu, 0x40000000, 0)[0] = 0x40000000;
	cr_expect(!has(&cpu, table, "pv"), "its highest leaf is 40000000");
	cpu_regs(&cpu, 0x40000000, 0)[0] = 0x40000001;
	cpu_regs(&cpu, 1, 0)[2] = 0;
	cr_expect(!has(&cpu, table, "pv"), "no hypervisor: CPUID 1 ecx[31] is clear");
}

Test(features, no_other_bit_of_leaf_1_says_that_there_is_a_hypervisor)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "pv", 0x40000001, 0, 0, 3);
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM", 0x40000001);
	cpu_regs(&cpu, 0x40000001, 0)[0] = 1u << 3;
	for (unsigned bit = 0; bit < 32; bit++) {
		cpu_regs(&cpu, 1, 0)[2] = 1u << bit;
		cr_expect_eq(has(&cpu, table, "pv"), bit == 31, "ecx[%u]", bit);
	}
}

Test(features, a_vendor_is_its_whole_signature)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "amd", HOT_VENDOR, "AuthenticAMD");
	table_signature(table, "intel", HOT_VENDOR, "GenuineIntel");
	cpu_make(&cpu, 1, 0);
	cr_expect(has(&cpu, table, "intel") && !has(&cpu, table, "amd"), "GenuineIntel");
	cpu_vendor(&cpu, "AuthenticAMD");
	cr_expect(!has(&cpu, table, "intel") && has(&cpu, table, "amd"), "AuthenticAMD");
	cpu_vendor(&cpu, "AuthenticAMd");
	cr_expect(!has(&cpu, table, "amd"), "the last letter differs");
	cpu_vendor(&cpu, "authenticAMD");
	cr_expect(!has(&cpu, table, "amd"), "the first letter differs");
	cpu_vendor(&cpu, "AuthcAMDenti");
	cr_expect(!has(&cpu, table, "amd"), "the letters stand in the wrong registers");
}

Test(features, a_hypervisor_is_found_at_its_first_leaf)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	table_signature(table, "kvm", HOT_HYPERVISOR, "KVMKVMKVM");
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0x40000004);
	cr_expect(has(&cpu, table, "xen") && !has(&cpu, table, "kvm"), "Xen at 40000000");
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM\0\0\0", 0x40000001);
	cr_expect(!has(&cpu, table, "xen") && has(&cpu, table, "kvm"), "KVM at 40000000");
}

/* Xen with Viridian leaves, and others, move their own up by 0x100 (Xen's cpuid.h). */
Test(features, a_hypervisor_is_found_at_0x40000100_too)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "Microsoft Hv", 0x40000006);
	cr_expect(!has(&cpu, table, "xen"), "only Hyper-V's leaves");
	cpu_hypervisor(&cpu, 0x40000100, "XenVMMXenVMM", 0x40000104);
	cr_expect(has(&cpu, table, "xen"), "at 40000100, behind Hyper-V's");
}

/* Linux, Documentation/virt/kvm/x86/cpuid.rst: old hosts set eax to 0, which means 40000001. */
Test(features, an_old_kvm_says_0_and_has_leaf_40000001)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "kvm", HOT_HYPERVISOR, "KVMKVMKVM");
	table_signature(table, "other", HOT_HYPERVISOR, "OtherOtherOt");
	table_cpuid(table, "clock", 0x40000001, 0, 0, 3);
	table_cpuid(table, "beyond", 0x40000002, 0, 0, 3);
	cpu_make(&cpu, 7, 0);
	cpu_regs(&cpu, 0x40000001, 0)[0] = 1u << 3;
	cpu_regs(&cpu, 0x40000002, 0)[0] = 1u << 3;
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM", 0);
	cr_expect(has(&cpu, table, "kvm") && has(&cpu, table, "clock"), "KVM, eax 0");
	cr_expect(!has(&cpu, table, "beyond"), "leaf 40000002 of KVM, eax 0");
	cpu_hypervisor(&cpu, 0x40000000, "OtherOtherOt", 0);
	cr_expect(!has(&cpu, table, "other") && !has(&cpu, table, "clock"), "another, eax 0");
	cpu_regs(&cpu, 1, 0)[2] = 0;
	cpu_regs(&cpu, 0x40000000, 0)[0] = 0;
	cr_expect(!has(&cpu, table, "kvm") && !has(&cpu, table, "clock"), "no hypervisor bit");
}

Test(features, a_hypervisor_is_its_whole_signature)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "kvm", HOT_HYPERVISOR, "KVMKVMKVM");
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM", 0x40000001);
	cr_expect(has(&cpu, table, "kvm"));
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVMKVM", 0x40000001);
	cr_expect(!has(&cpu, table, "kvm"), "another begins with its name");
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKV", 0x40000001);
	cr_expect(!has(&cpu, table, "kvm"), "its name begins with another");
}

/* Blocks begin at 40000000, 40000100 … 4000ff00; what is not there ends no search. */
Test(features, a_hypervisor_is_found_in_any_of_256_blocks)
{
	static const uint32_t blocks[] = {0x40000000, 0x40000100, 0x40000200, 0x40000300,
					  0x40000400, 0x40008000, 0x4000fe00, 0x4000ff00};

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct table *table = table_new();
		struct cpu cpu;

		table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
		cpu_make(&cpu, 7, 0);
		cpu_hypervisor(&cpu, blocks[i], "XenVMMXenVMM", blocks[i] + 4);
		cr_expect(has(&cpu, table, "xen"), "at %x, behind blocks that are not there",
			  blocks[i]);
	}
}

Test(features, a_hypervisor_is_found_in_no_block_after_the_256th)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40010000, "XenVMMXenVMM", 0x40010004);
	cr_expect(!has(&cpu, table, "xen"), "at 40010000");
	cpu_hypervisor(&cpu, 0x40000080, "XenVMMXenVMM", 0x40000084);
	cr_expect(!has(&cpu, table, "xen"), "at 40000080, where no block begins");
}

Test(features, a_block_of_a_hypervisor_ends_within_its_256_leaves)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	table_cpuid(table, "pv", 0x40000001, 0, 0, 3);
	cpu_make(&cpu, 7, 0);
	cpu_regs(&cpu, 0x40000001, 0)[0] = 1u << 3;
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0x400000ff);
	cr_expect(has(&cpu, table, "xen") && has(&cpu, table, "pv"), "400000ff");
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0xffffffff);
	cr_expect(!has(&cpu, table, "xen") && !has(&cpu, table, "pv"), "data of another leaf");
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0x40000104);
	cr_expect(!has(&cpu, table, "xen") && !has(&cpu, table, "pv"), "another block's");
}

Test(features, a_signature_without_the_hypervisor_bit_is_none)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	cpu_make(&cpu, 7, 0);
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0x40000004);
	cpu_regs(&cpu, 1, 0)[2] = 0;
	cr_expect(!has(&cpu, table, "xen"), "CPUID 1 ecx[31] is clear");
}

Test(features, a_cpu_without_leaf_1_has_no_hypervisor)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_signature(table, "xen", HOT_HYPERVISOR, "XenVMMXenVMM");
	cpu_make(&cpu, 0, 0);
	cpu_hypervisor(&cpu, 0x40000000, "XenVMMXenVMM", 0x40000004);
	cr_expect(!has(&cpu, table, "xen"));
	cpu_vendor(&cpu, "GenuineInte\xec"); /* leaf 0's ecx, which leaf 1 has, too */
	cr_expect(!has(&cpu, table, "xen"), "another leaf's data have the bit");
	cpu_regs(&cpu, 0, 0)[0] = 1;
	cr_expect(has(&cpu, table, "xen"), "leaf 1 is the highest");
}

/* Its features are nobody's, whatever is in them. */
Test(features, a_table_that_is_refused_has_none)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_boot(table, "up");
	cpu_make(&cpu, 7, 0);
	cpu.boot = "up";
	cr_expect(has(&cpu, table, "up"));
	table->t.entry = 1;
	cr_expect_eq(hot_table_check(&table->t), HOT_E_TABLE);
	cr_expect(!has(&cpu, table, "up"), "a table that is out of range");
	table->t.entry = 0;
	table->t.layout = 0;
	cr_expect(!has(&cpu, table, "up"), "a table of another layout");
}

Test(features, a_boot_feature_is_the_kernels_to_say)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_boot(table, "up");
	table_boot(table, "upper");
	cpu_make(&cpu, 7, 0);
	cr_expect(!has(&cpu, table, "up"), "no boot callback: none holds");
	cpu.boot = "upper";
	cr_expect(!has(&cpu, table, "up") && has(&cpu, table, "upper"), "only \"upper\" holds");
	cpu.boot = "up";
	cr_expect(has(&cpu, table, "up") && !has(&cpu, table, "upper"), "only \"up\" holds");
}

Test(features, a_derived_feature_is_its_condition)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_boot(table, "a");
	table_boot(table, "b");
	table_derived(table, "both", "a b &");
	table_derived(table, "only", "both ! a &");
	cpu_make(&cpu, 7, 0);
	cpu.boot = "a";
	cr_expect(!has(&cpu, table, "both") && has(&cpu, table, "only"), "a");
	cpu.boot = "a b";
	cr_expect(has(&cpu, table, "both") && !has(&cpu, table, "only"), "a and b");
	cpu.boot = "b";
	cr_expect(!has(&cpu, table, "both") && !has(&cpu, table, "only"), "b");
}

Test(features, a_disabled_feature_is_absent_whatever_its_kind)
{
	static const char *const names[] = {"bit", "maker", "hyper", "up", "made"};
	struct table *table = table_new();
	struct cpu cpu;

	table_cpuid(table, "bit", 7, 0, 1, 20);
	table_signature(table, "maker", HOT_VENDOR, "GenuineIntel");
	table_signature(table, "hyper", HOT_HYPERVISOR, "KVMKVMKVM");
	table_boot(table, "up");
	table_derived(table, "made", "bit up &");
	cpu_make(&cpu, 7, 0);
	cpu_regs(&cpu, 7, 0)[1] = 1u << 20;
	cpu_hypervisor(&cpu, 0x40000000, "KVMKVMKVM", 0x40000001);
	cpu.boot = "up";
	for (unsigned i = 0; i < 5; i++) {
		cpu.disabled = NULL;
		cr_expect(has(&cpu, table, names[i]), "%s, not disabled", names[i]);
		cpu.disabled = names[i];
		cr_expect(!has(&cpu, table, names[i]), "%s, disabled", names[i]);
	}
}

Test(features, disabling_a_feature_reaches_those_derived_from_it)
{
	struct table *table = table_new();
	struct cpu cpu;

	table_boot(table, "a");
	table_derived(table, "b", "a");
	table_derived(table, "c", "b !");
	cpu_make(&cpu, 7, 0);
	cpu.boot = "a";
	cr_expect(has(&cpu, table, "b") && !has(&cpu, table, "c"));
	cpu.disabled = "a";
	cr_expect(!has(&cpu, table, "b") && has(&cpu, table, "c"), "a is disabled");
	cpu.disabled = "b";
	cr_expect(has(&cpu, table, "a") && has(&cpu, table, "c"), "b is disabled");
}

Test(features, all_512_features_are_kept_apart)
{
	struct table *table = table_new();
	char names[HOT_FEATURES_MAX][8];
	struct hot_features features;
	struct hot_env env;
	struct cpu cpu;

	for (unsigned i = 0; i < HOT_FEATURES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%u", i);
		table_boot(table, names[i]);
	}
	for (unsigned i = 0; i < HOT_FEATURES_MAX; i += 73) {
		cpu_make(&cpu, 7, 0);
		cpu.boot = names[i];
		env = cpu_env(&cpu);
		hot_features_read(&table->t, &env, &features);
		for (unsigned j = 0; j < HOT_FEATURES_MAX; j++)
			cr_expect_eq(hot_has(&features, j), i == j, "feature %u of only %u", j, i);
	}
}

Test(features, reading_twice_gives_the_same)
{
	const struct hot_table *table = table_common();
	struct hot_features one, two;
	struct hot_env env;
	struct cpu cpu;

	cpu_make(&cpu, 7, 0);
	cpu_regs(&cpu, 7, 0)[1] = 1u << 20 | 1u << 9;
	env = cpu_env(&cpu);
	memset(&one, 0, sizeof(one));
	memset(&two, 0xff, sizeof(two));
	hot_features_read(table, &env, &one);
	hot_features_read(table, &env, &two);
	cr_expect(!memcmp(&one, &two, sizeof(one)), "what was in the memory before shows through");
	cr_expect(cpu.asked > 0);
}

/* hotc writes no other kind; a table of a later one might. */
Test(features, a_feature_of_an_unknown_kind_is_absent)
{
	struct table *table = table_new();
	unsigned odd = table_boot(table, "odd");
	struct cpu cpu;

	cpu_make(&cpu, 7, 0);
	cpu.boot = "odd";
	cr_expect(has(&cpu, table, "odd"));
	table->features[odd].kind = HOT_DERIVED + 1;
	cr_expect(!has(&cpu, table, "odd"));
}

Test(features, a_feature_beyond_the_last_is_absent)
{
	struct hot_features all;

	memset(&all, 0xff, sizeof(all));
	cr_expect(hot_has(&all, HOT_FEATURES_MAX - 1));
	cr_expect(!hot_has(&all, HOT_FEATURES_MAX));
	cr_expect(!hot_has(&all, UINT32_MAX));
}

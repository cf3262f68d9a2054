/*
 * The machine's features: read once into krtld.machine, by which every choice is made from then on.
 * main.c calls features_init() before unix is patched; the prompt shows what was found.
 *
 * Boot arguments: disable_FEATURE=1 takes any feature for absent. FEATURE=1 says that a feature
 * declared `boot` holds; of `up` the kernel also knows by itself, if ACPI lists one CPU. It starts
 * none that ACPI does not list. Without ACPI their number is unknown, and that is not `up`.
 */
#include "hottable.h"
#include "kernel/defs.h"

static unsigned ncpus;

static bool argument_is_1(const char *prefix, const char *name)
{
	char argument[ARG_MAX], value[ARG_MAX];

	ksnprintf(argument, sizeof(argument), "%s%s", prefix, name);
	return boot_argument(argument, value, sizeof(value)) && strcmp(value, "1") == 0;
}

bool feature_disabled(void *ctx, const char *name)
{
	(void)ctx;
	return argument_is_1("disable_", name);
}

static bool feature_boot(void *ctx, const char *name)
{
	(void)ctx;
	return argument_is_1("", name) || (ncpus == 1 && strcmp(name, "up") == 0);
}

static const struct hot_env env = {
    .cpuid = cpu_cpuid,
    .boot = feature_boot,
    .disabled = feature_disabled,
};

void features_init(const struct bootinfo *info)
{
	struct hot_features features;

	ncpus = acpi_count_cpus(info->rsdp);
	hot_features_read(&hot_table, &env, &features);
	hot_decide(krtld.machine, &features);
}

bool feature_has(unsigned feature)
{
	return hot_has(&krtld.machine->features, feature);
}

static const char *feature_note(const struct hot_feature *feature)
{
	if (feature_disabled(NULL, feature->name))
		return "disabled by boot argument";
	if (feature->kind == HOT_BOOT)
		return argument_is_1("", feature->name) ? "decided by boot argument"
							: "decided by boot";
	return "-";
}

/* One line a feature, with tabs between: name, yes or no, as declared, and who decided. */
void features_list(void)
{
	for (unsigned i = 0; i < hot_table.nfeatures; i++) {
		const struct hot_feature *feature = &hot_table.features[i];

		kprintf("%-16s\t%-3s\t%-32s\t%s\n", feature->name, feature_has(i) ? "yes" : "no",
			feature->source, feature_note(feature));
	}
}

/* The names of those that are there: for the banner. */
void features_print(void)
{
	kprintf("features:");
	for (unsigned i = 0; i < hot_table.nfeatures; i++)
		if (feature_has(i))
			kprintf(" %s", hot_table.features[i].name);
	kprintf("\n");
}

/*
 * Patches unix, through a second mapping of its text that can be written and not executed and that
 * is gone afterwards. Modules need none of this: krtld patches them before they are protected.
 */
#include "hotinline.h"
#include "hottable.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"

/* A refusal, in one line. */
static void report(const char *what, const struct hot_error *error)
{
	const char *name = error->hotinline < hot_table.nhotinlines
			       ? hot_table.hotinlines[error->hotinline].name
			       : "?";
	char where[128];

	kprintf("%s: %s: %s: %s", what, name_address(error->address, where, sizeof(where)), name,
		hot_reason_text(error->reason));
	if (error->size) {
		kprintf(": expected");
		print_bytes(error->expected, error->size);
		kprintf(", found");
		print_bytes(error->found, error->size);
	}
	kprintf("\n");
}

/* Lets the engine see a module's text at other addresses, that many bytes away. */
static void move_texts(struct krtld_module *module, int64_t distance)
{
	for (unsigned i = 0; i < module->ntexts; i++)
		module->texts[i].bytes += distance;
}

static void patch(struct krtld_module *module)
{
	const struct krtld_region *text = &module->regions[KRTLD_TEXT];
	uint8_t *alias = kas_alias(text->bytes, text->size);
	struct hot_error error;
	bool ok, on;

	if (!alias)
		panic("no memory for a writable view of %s", module->name);
	mdb_patch_begin();
	move_texts(module, alias - text->bytes);
	on = interrupts_off();
	boot_times.patch = rdtsc();
	ok = do_hotinlines(krtld.machine, module->texts, module->ntexts, &error);
	boot_times.patch = rdtsc() - boot_times.patch;
	cpu_synchronise();
	interrupts_restore(on);
	move_texts(module, text->bytes - alias);
	kas_unalias(alias, text->size);
	mdb_patch_end();
	if (ok)
		return;
	report("hotinline", &error);
	panic("%s cannot be patched", module->name);
}

/*
 * No interrupt may run text that is half written, nor before the core has seen all of it. An NMI
 * cannot be stopped; until traps_patched() it goes to code without a site. What runs here while
 * interrupts are off calls no hotinline (tests/qemu/test_reach.py).
 *
 * Another exception here is a fault of the engine, and goes to trap_common, which has sites. On the
 * way to the panic they are calls of stubs or the chosen code, and either works, unless the fault
 * came while that very site was half written: then the machine may stop without a word.
 */
void startup_smap(void)
{
	patch(krtld.first);
	if (feature_has(HOT_FEATURE_SMAP))
		cpu_enable_smap();
	smap_enable();
}

/* Not in startup_smap(), which ends in the site that SMAP's procedure looks at. */
void unix_start(void)
{
	if (!krtld_start(&krtld, krtld.first))
		panic("unix cannot be started");
}

/* Whether a module's live text is what the table and the features demand; if not, says where. */
bool hotpatch_verify(const struct krtld_module *module)
{
	struct hot_error error;

	if (hot_verify(krtld.machine, module->texts, module->ntexts, HOT_NOW, &error))
		return true;
	report("MISMATCH", &error);
	return false;
}

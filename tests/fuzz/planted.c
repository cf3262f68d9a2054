/*
 * Bugs that krtld and the engine do not have, planted to see that the fuzz targets find them: each
 * function below is called in place of the one it is named after (ld --wrap). PLANTED in the
 * environment says which bug is on. Linked only into the replayers with -planted in their names.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/load.h"

bool __real_krtld_place(struct krtld_load *load);
bool __wrap_krtld_place(struct krtld_load *load);
void __real_krtld_unplace(struct krtld *krtld, struct krtld_module *module);
void __wrap_krtld_unplace(struct krtld *krtld, struct krtld_module *module);
bool __real_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error);
bool __wrap_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error);

static bool is_planted(const char *bug)
{
	const char *planted = getenv("PLANTED");

	return planted && strcmp(planted, bug) == 0;
}

/* "bounds": a field may lie 128 KiB after the end of its section. */
bool __wrap_krtld_place(struct krtld_load *load)
{
	bool ok = __real_krtld_place(load);

	for (uint32_t i = 1; ok && is_planted("bounds") && i < load->module->nsections; i++)
		load->module->sections[i].size += load->module->sections[i].bytes ? 0x20000 : 0;
	return ok;
}

/* "leak": text, data and constants are never given back. */
void __wrap_krtld_unplace(struct krtld *krtld, struct krtld_module *module)
{
	if (!is_planted("leak"))
		__real_krtld_unplace(krtld, module);
}

/* "beside": the byte behind the first site is changed as well; "forgets": no site is patched. */
bool __wrap_do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts,
			  unsigned ntexts, struct hot_error *error)
{
	const struct hot_site *site = ntexts ? &texts[0].sites[0] : NULL;
	uint32_t behind;

	if (is_planted("forgets"))
		return true;
	if (!__real_do_hotinlines(machine, texts, ntexts, error))
		return false;
	behind = site ? site->offset + hot_site_size(machine->table, site) : 0;
	if (site && is_planted("beside") && behind < texts[0].size)
		texts[0].bytes[behind] ^= 1;
	return true;
}

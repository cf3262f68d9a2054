/*
 * Bugs that krtld and the engine do not have, planted to see that the fuzz targets find them: each
 * function below is called in place of the one it is named after (ld --wrap). PLANTED in the
 * environment says which bug is on. Linked only into the replayers with -planted in their names.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/load.h"

bool __real_krtld_check(struct krtld *krtld, struct krtld_module *module);
bool __wrap_krtld_check(struct krtld *krtld, struct krtld_module *module);
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

static struct krtld_error kept;

static void keep(void *ctx, const struct krtld_error *error)
{
	(void)ctx;
	kept = *error;
}

/* "bounds": what is wrong with a relocation does not matter. */
bool __wrap_krtld_check(struct krtld *krtld, struct krtld_module *module)
{
	const struct krtld_ops *ops = krtld->ops;
	struct krtld_ops keeping = *ops;
	bool ok;

	if (!is_planted("bounds"))
		return __real_krtld_check(krtld, module);
	keeping.report = keep;
	krtld->ops = &keeping;
	ok = __real_krtld_check(krtld, module);
	krtld->ops = ops;
	return ok || module->private->values || krtld_refuse(krtld, &kept);
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

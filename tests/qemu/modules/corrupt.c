/* Canary: changes a byte of one site of unix, through a view of its own. `hotinlines -v` must find
 * it. */
#include "kernel/defs.h"

int _init(void)
{
	const struct krtld_module *module = krtld.first;
	const struct hot_text *text = &module->texts[0];
	uint8_t *site = kas_alias(text->bytes + text->sites[0].offset, 1);

	if (!site)
		return 1;
	*site ^= 1;
	kas_unalias(site, 1);
	return 0;
}

/*
 * The symbols of a module, one after the other: for a debugger that lists and completes them.
 */
#include "loader/load.h"

/* The symbol at *position, which moves on; start with 0. Sections, files and what is not loaded or
 * defined elsewhere are left out. False: no more. */
bool krtld_next_symbol(const struct krtld_module *module, uint32_t *position, const char **name,
		       uint64_t *value, uint64_t *size)
{
	const struct krtld_private *own = module->private;

	while (++*position < own->nsymbols) {
		struct elf64_sym symbol = krtld_symbol(module, *position);
		unsigned type = ELF64_ST_TYPE(symbol.st_info);

		*name = krtld_symbol_name(module, &symbol);
		if (krtld_is_undefined(module, &symbol, *position) || type == STT_SECTION ||
		    type == STT_FILE || own->values[*position].flags & KRTLD_ABSENT || !**name)
			continue;
		*value = own->values[*position].value;
		*size = symbol.st_size;
		return true;
	}
	return false;
}

/*
 * Addresses and their names: module:symbol+0xoffset, in both directions. Used by the panic, by the
 * listings, and to read what is typed at the prompt.
 */
#include "kernel/defs.h"

/* Writes the name of an address, or the bare address where no module is. Returns line. */
const char *name_address(uint64_t address, char *line, size_t size)
{
	const struct krtld_module *module;
	const char *symbol;
	uint64_t offset, symbol_size;

	module = krtld_name(&krtld, address, &symbol, &offset, &symbol_size);
	if (!module)
		ksnprintf(line, size, "0x%lx", address);
	else if (!symbol)
		ksnprintf(line, size, "%s:0x%lx", module->name, address);
	else
		ksnprintf(line, size, "%s:%s+0x%lx", module->name, symbol, offset);
	return line;
}

/* A global of any module, then a local of each, or with MODULE: in front of that module only. */
static bool find_symbol(char *name, uint64_t *value)
{
	char *colon = strchr(name, ':');

	if (colon) {
		const struct krtld_module *module;

		*colon = '\0';
		module = krtld_find(&krtld, name);
		*colon = ':';
		return module && krtld_module_symbol(module, colon + 1, value);
	}
	if (krtld_lookup(&krtld, name, value))
		return true;
	for (const struct krtld_module *m = krtld.first; m; m = m->next)
		if (krtld_module_symbol(m, name, value))
			return true;
	return false;
}

/* Reads [MODULE:]SYMBOL[+OFFSET], or a hexadecimal address. */
bool name_lookup(const char *text, uint64_t *address)
{
	char name[128];
	uint64_t offset = 0;
	char *plus;

	if (ksnprintf(name, sizeof(name), "%s", text) >= (int)sizeof(name))
		return false;
	plus = strchr(name, '+');
	if (plus) {
		*plus = '\0';
		if (!parse_number(plus + 1, &offset))
			return false;
	}
	if (!find_symbol(name, address) && !parse_hex(name, address))
		return false;
	*address += offset;
	return true;
}

/* One line, with tabs between: address, name, size in bytes (0: unknown). */
void name_show(uint64_t address)
{
	const char *symbol;
	uint64_t offset, size = 0;
	char line[128];

	(void)krtld_name(&krtld, address, &symbol, &offset, &size);
	kprintf("%016lx\t%s\t%lu\n", address, name_address(address, line, sizeof(line)), size);
}

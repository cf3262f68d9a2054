/*
 * Reading symbols and relocations out of an object that check.c has found sound. The file may be
 * at any address, so that its structures are copied and not pointed to. Used by all of loader/.
 */
#include "loader/load.h"

const char *krtld_symbol_title(const struct krtld_module *module, uint32_t index)
{
	struct elf64_sym symbol = krtld_symbol(module, index);
	uint32_t section = krtld_symbol_section(module, &symbol, index);

	if (!symbol.st_name && section < module->nsections)
		return module->sections[section].name;
	return krtld_symbol_name(module, &symbol);
}

bool krtld_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

size_t krtld_length(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

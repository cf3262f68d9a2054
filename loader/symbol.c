/*
 * Reading symbols and relocations out of an object that check.c has found sound. The file may be
 * at any address, so that its structures are copied and not pointed to. Used by all of loader/.
 */
#include "loader/load.h"

uint32_t krtld_symbol_section(const struct krtld_module *module, const struct elf64_sym *symbol,
			      uint32_t index)
{
	uint32_t section = symbol->st_shndx;

	if (section == SHN_XINDEX && module->private->indices) {
		memcpy(&section, module->private->indices + (size_t)index * sizeof section,
		       sizeof section);
		return section;
	}
	if (section == SHN_ABS)
		return KRTLD_IN_ABS;
	if (section == SHN_COMMON || section == krtld_arch_common)
		return KRTLD_IN_COMMON;
	return section;
}

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

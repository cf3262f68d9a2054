/*
 * What modules offer one another: each module has a hash table of the globals that it defines, and
 * a name is looked for in the modules in the order they were loaded, so that unix is asked first.
 * A table per module makes unloading, and undoing a load, a matter of freeing it.
 * Called by resolve.c, stubs.c and krtld.c.
 */
#include "loader/load.h"

/* Exports that may share a bucket. There are at least as many buckets, so that of a million names no
 * more than some ten do by chance, and each look-up has a bound even if names collide on purpose. */
#define CHAIN_MAX 64

/* FNV-1a, 32 bits. */
uint32_t krtld_hash(const char *name)
{
	uint32_t hash = 0x811c9dc5;

	while (*name)
		hash = (hash ^ (uint8_t)*name++) * 0x01000193;
	return hash;
}

static const char *name_of(const struct krtld_module *module, uint32_t index)
{
	struct elf64_sym symbol = krtld_symbol(module, index);

	return krtld_symbol_name(module, &symbol);
}

bool krtld_export_room(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	if (!own->room)
		return true;
	for (own->nbuckets = 1; own->nbuckets < own->room;)
		own->nbuckets *= 2;
	own->exports = krtld_meta(krtld, module, own->room, sizeof *own->exports);
	if (!own->exports)
		return false;
	own->buckets = krtld_meta(krtld, module, own->nbuckets, sizeof *own->buckets);
	return own->buckets != NULL;
}

static uint32_t find(const struct krtld_module *module, const char *name, uint32_t hash)
{
	const struct krtld_private *own = module->private;
	uint32_t number = own->nbuckets ? own->buckets[hash & (own->nbuckets - 1)] : 0;

	while (number) {
		const struct krtld_export *export = &own->exports[number - 1];

		if (export->hash == hash && krtld_same(name_of(module, export->symbol), name))
			return export->symbol;
		number = export->next;
	}
	return 0;
}

bool krtld_is_own(const struct krtld *krtld, const struct krtld_module *module,
		  const struct elf64_sym *symbol)
{
	const char *name = krtld_symbol_name(module, symbol);
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);

	if (visibility != STV_DEFAULT && visibility != STV_PROTECTED) /* gABI, st_other */
		return true;
	if (!*name || krtld_same(name, "_init") || krtld_same(name, "_fini"))
		return true;
	return krtld->ops->exported && !krtld->ops->exported(krtld->ctx, module->name, name);
}

static unsigned chain_length(const struct krtld_private *own, uint32_t number)
{
	unsigned length = 0;

	for (; number; number = own->exports[number - 1].next)
		length++;
	return length;
}

bool krtld_export(struct krtld *krtld, struct krtld_module *module, uint32_t index, uint32_t hash)
{
	struct krtld_private *own = module->private;
	struct elf64_sym symbol = krtld_symbol(module, index);
	const char *name = krtld_symbol_name(module, &symbol);
	uint32_t *bucket;

	if (find(module, name, hash))
		return REFUSE(krtld, module, KRTLD_E_DUPLICATE, .symbol = name,
			      .what = module->name);
	bucket = &own->buckets[hash & (own->nbuckets - 1)];
	if (chain_length(own, *bucket) >= CHAIN_MAX)
		return REFUSE(krtld, module, KRTLD_E_FORMAT, .symbol = name,
			      .section = module->sections[own->symtab].name,
			      .offset = (uint64_t)index * sizeof symbol,
			      .what = "names of globals whose hashes collide, in one group",
			      .value = CHAIN_MAX + 1, .limit = CHAIN_MAX);
	own->exports[own->nexports] = (struct krtld_export){index, hash, *bucket};
	*bucket = ++own->nexports;
	return true;
}

uint32_t krtld_exported(const struct krtld_module *module, const char *name)
{
	return find(module, name, krtld_hash(name));
}

struct krtld_module *krtld_search(const struct krtld *krtld, const char *name, uint32_t hash,
				  uint32_t *symbol)
{
	for (struct krtld_module *module = krtld->first; module; module = module->next) {
		*symbol = find(module, name, hash);
		if (*symbol)
			return module;
	}
	return NULL;
}

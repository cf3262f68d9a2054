/*
 * The third phase: one value for every symbol of the module, so that a relocation needs no name.
 *
 * What the module defines has its own value, unless it is weak or COMMON, is exported, and another
 * module, or the surroundings, define it too: the first definition counts. What it does not define
 * is, in this order: a stub; an end of a set of its own (sets.c); what a loaded module exports, which is then in use by this one; what the
 * surroundings know; the GOT; or 0 if the reference is weak. Called by krtld.c.
 */
#include "loader/load.h"

/* The module uses another's symbol: so that it is counted once, the other remembers who asked. */
static void need(struct krtld_module *module, struct krtld_module *other)
{
	struct krtld_private *own = module->private;

	if (other->private->needed_by == module)
		return;
	other->private->needed_by = module;
	own->needs[own->nneeds++] = other;
}

static bool needs_room(struct krtld *krtld, struct krtld_module *module)
{
	uint32_t modules = 0;

	for (struct krtld_module *other = krtld->first; other; other = other->next) {
		other->private->needed_by = NULL;
		modules++;
	}
	if (!modules)
		return true;
	module->private->needs = krtld_meta(krtld, module, modules, sizeof(struct krtld_module *));
	return module->private->needs != NULL;
}

static bool ask_outside(const struct krtld *krtld, const char *name, uint64_t *value)
{
	return krtld->ops->external && *name && krtld->ops->external(krtld->ctx, name, value);
}

/* Takes the symbol of another module; or, where there is none (NULL), what the surroundings know. */
static bool take(const struct krtld *krtld, struct krtld_module *module, const char *name,
		 struct krtld_module *other, uint32_t symbol, uint64_t *value)
{
	if (!other)
		return ask_outside(krtld, name, value);
	*value = other->private->values[symbol].value;
	need(module, other);
	return true;
}

static bool find_elsewhere(const struct krtld *krtld, struct krtld_module *module, const char *name,
			   uint64_t *value)
{
	uint32_t symbol;
	struct krtld_module *other = krtld_search(krtld, name, krtld_hash(name), &symbol);

	return take(krtld, module, name, other, symbol, value);
}

static unsigned hotinline_of(const struct krtld *krtld, const char *name)
{
	return krtld->machine ? hot_find(krtld->machine->table, name) : HOT_NONE;
}

/* A reference to a stub. False: the stub has no address. */
static bool use_stub(struct krtld *krtld, struct krtld_module *module, struct krtld_value *value,
		     unsigned hotinline)
{
	uint64_t address = krtld->machine->stubs[hotinline];

	if (!address)
		return false;
	value->value = address;
	value->hotinline = (uint16_t)hotinline;
	value->flags |= KRTLD_IS_STUB;
	module->private->refers = true;
	if (krtld->first && krtld->first->private->is_unix)
		need(module, krtld->first);
	return true;
}

static void resolve_undefined(struct krtld *krtld, struct krtld_module *module,
			      const struct elf64_sym *symbol, struct krtld_value *value)
{
	const char *name = krtld_symbol_name(module, symbol);
	unsigned hotinline = hotinline_of(krtld, name);

	if (hotinline == HOT_NONE && krtld_set_end(module, name, &value->value))
		return;
	if (hotinline != HOT_NONE ? use_stub(krtld, module, value, hotinline)
				  : find_elsewhere(krtld, module, name, &value->value))
		return;
	if (krtld_same(name, "_GLOBAL_OFFSET_TABLE_")) {
		value->value = module->private->got;
	} else if (ELF64_ST_BIND(symbol->st_info) != STB_WEAK) {
		value->flags |= KRTLD_UNDEFINED;
		module->private->nundefined++;
	}
}

static void resolve_own(struct krtld_module *module, const struct elf64_sym *symbol,
			uint32_t section, struct krtld_value *value)
{
	if (section == KRTLD_IN_ABS)
		value->value = symbol->st_value;
	else if (section == KRTLD_IN_COMMON)
		value->value += module->regions[KRTLD_DATA].address; /* to its offset: place.c */
	else if (krtld_is_loaded(&module->private->shdrs[section]))
		value->value = module->sections[section].address + symbol->st_value;
	else
		value->flags |= KRTLD_ABSENT;
}

/* A COMMON symbol gives way only to what is as large and as aligned. A size of 0 is not known. */
static bool holds_common(const struct krtld_module *other, uint32_t i,
			 const struct elf64_sym *common)
{
	uint64_t size = krtld_symbol(other, i).st_size;
	uint64_t align = common->st_value ? common->st_value : 1;

	return (!size || size >= common->st_size) &&
	       !(other->private->values[i].value & (align - 1));
}

/* A definition that is not local. What others cannot see cannot collide with theirs. */
static bool define_global(struct krtld *krtld, struct krtld_module *module, uint32_t i,
			  const struct elf64_sym *symbol, bool common)
{
	struct krtld_value *value = &module->private->values[i];
	const char *name = krtld_symbol_name(module, symbol);
	unsigned hotinline = hotinline_of(krtld, name);
	bool yields = common || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL;
	uint32_t hash, theirs;
	struct krtld_module *other;

	if (hotinline != HOT_NONE && !krtld_define_stub(krtld, module, i, hotinline))
		return false;
	if ((value->flags & KRTLD_ABSENT) || krtld_is_own(krtld, module, symbol))
		return true;
	hash = krtld_hash(name);
	if (hotinline != HOT_NONE)
		return krtld_export(krtld, module, i, hash);
	other = krtld_search(krtld, name, hash, &theirs);
	if (other && (!yields || (common && !holds_common(other, theirs, symbol))))
		return REFUSE(krtld, module, KRTLD_E_DUPLICATE, .symbol = name, .what = other->name,
			      .value = yields ? symbol->st_size : 0);
	if (yields && take(krtld, module, name, other, theirs, &value->value))
		return true;
	return krtld_export(krtld, module, i, hash);
}

static bool resolve_symbol(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_value *value = &module->private->values[i];
	struct elf64_sym symbol = krtld_symbol(module, i);
	uint32_t section = krtld_symbol_section(module, &symbol, i);

	value->hotinline = HOT_NONE;
	if (section == SHN_UNDEF) {
		resolve_undefined(krtld, module, &symbol, value);
		return true;
	}
	resolve_own(module, &symbol, section, value);
	return ELF64_ST_BIND(symbol.st_info) == STB_LOCAL ||
	       define_global(krtld, module, i, &symbol, section == KRTLD_IN_COMMON);
}

/*
 * Reports each symbol that a relocation wants and nobody defines, with the first place that wants
 * it. An object may well list names that it never uses.
 */
static bool report_undefined(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	const struct krtld_relocs *relocs;
	bool ok = true;

	for (uint32_t i = 0; (relocs = krtld_next_relocs(module, &i));) {
		for (uint64_t j = 0; j < relocs->count; j++) {
			struct elf64_rela rela = krtld_rela(relocs, j);
			uint32_t symbol = ELF64_R_SYM(rela.r_info);

			if (!(own->values[symbol].flags & KRTLD_UNDEFINED))
				continue;
			own->values[symbol].flags = 0;
			ok = REFUSE(krtld, module, KRTLD_E_UNDEFINED,
				    .section = module->sections[i].name, .offset = rela.r_offset,
				    .symbol = krtld_symbol_title(module, symbol));
		}
	}
	return ok;
}

bool krtld_resolve(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	if (!krtld_export_room(krtld, module) || !needs_room(krtld, module))
		return false;
	if (own->got_wanted)
		(void)ask_outside(krtld, "_GLOBAL_OFFSET_TABLE_", &own->got);
	for (uint32_t i = 1; i < own->nsymbols; i++) {
		if (!resolve_symbol(krtld, module, i))
			return false;
	}
	return krtld_take_stubs(krtld, module) &&
	       (!own->nundefined || report_undefined(krtld, module));
}

/*
 * The third phase: one value for every symbol of the module, so that a relocation needs no name.
 *
 * What the module defines has its own value, unless it is weak or COMMON and another module, or
 * the surroundings, define it too: the first definition counts. What it does not define is, in this
 * order: a stub; a global of a loaded module, which is then in use by this one; the GOT;
 * what the surroundings know; or 0 if the reference is weak. Called by krtld.c.
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

/* Whether somebody else defines the name. */
static bool find_elsewhere(struct krtld *krtld, struct krtld_module *module, const char *name,
			   uint32_t hash, uint64_t *value)
{
	uint32_t symbol;
	struct krtld_module *other = krtld_search(krtld, name, hash, &symbol);

	if (!other)
		return ask_outside(krtld, name, value);
	*value = other->private->values[symbol].value;
	need(module, other);
	return true;
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

	if (hotinline != HOT_NONE
		? use_stub(krtld, module, value, hotinline)
		: find_elsewhere(krtld, module, name, krtld_hash(name), &value->value))
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

static bool duplicate(const struct krtld *krtld, const struct krtld_module *module,
		      const struct krtld_module *other, const char *name)
{
	return REFUSE(krtld, module, KRTLD_E_DUPLICATE, .symbol = name, .what = other->name);
}

static bool is_hidden(const struct elf64_sym *symbol)
{
	unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);

	return visibility != STV_DEFAULT && visibility != STV_PROTECTED;
}

/* A definition that others can see. */
static bool define_global(struct krtld *krtld, struct krtld_module *module, uint32_t i,
			  const struct elf64_sym *symbol, bool yields)
{
	const char *name = krtld_symbol_name(module, symbol);
	unsigned hotinline = hotinline_of(krtld, name);
	uint32_t hash = krtld_hash(name);
	uint64_t elsewhere;
	uint32_t other_symbol;
	struct krtld_module *other;

	if (hotinline != HOT_NONE)
		return krtld_define_stub(krtld, module, i, hotinline) &&
		       krtld_export(krtld, module, i, hash);
	if (module->private->values[i].flags & KRTLD_ABSENT)
		return true;
	if (yields && !is_hidden(symbol) && find_elsewhere(krtld, module, name, hash, &elsewhere)) {
		module->private->values[i].value = elsewhere;
		return true;
	}
	other = is_hidden(symbol) ? NULL : krtld_search(krtld, name, hash, &other_symbol);
	if (other)
		return duplicate(krtld, module, other, name);
	return krtld_export(krtld, module, i, hash);
}

static bool resolve_symbol(struct krtld *krtld, struct krtld_module *module, uint32_t i)
{
	struct krtld_value *value = &module->private->values[i];
	struct elf64_sym symbol = krtld_symbol(module, i);
	uint32_t section = krtld_symbol_section(module, &symbol, i);
	unsigned binding = ELF64_ST_BIND(symbol.st_info);

	value->hotinline = HOT_NONE;
	if (section == SHN_UNDEF) {
		resolve_undefined(krtld, module, &symbol, value);
		return true;
	}
	resolve_own(module, &symbol, section, value);
	if (binding == STB_LOCAL)
		return true;
	return define_global(krtld, module, i, &symbol,
			     binding != STB_GLOBAL || section == KRTLD_IN_COMMON);
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

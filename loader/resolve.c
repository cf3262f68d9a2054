/*
 * One value for every symbol of the object, so that a relocation needs no name; and what others will
 * know of them. Called by krtld.c.
 *
 * What the object defines has its own value, unless it is weak or COMMON, is exported, and another
 * module, or the surroundings, define it too: the first definition counts. What it does not define
 * is, in this order: a stub; an end of a set of its own (sets.c); what a loaded module exports,
 * which is then in use by this one; what the surroundings know; the GOT; or 0 if the reference is
 * weak.
 *
 * A chunk of symbols is read twice: first the names that have to be looked up, so that the table of
 * names is on its way from memory when each is.
 */
#include "loader/load.h"
#include "loader/object_parts.h"
#include "loader/report.h"
#include "loader/text.h"

#define CHUNK 64 /* symbols */

/* A symbol under work. */
struct symbol {
	uint32_t index;
	uint32_t section;
	struct elf64_sym elf;
	struct krtld_key key; /* of a symbol that is not local */
};

/* The module uses another's symbol: so that it is counted once, the other remembers which load it
 * was. */
static bool need(struct krtld_load *load, struct krtld_module *other)
{
	struct krtld_vector *needs = &load->module->private->needs;

	if (other->private->needed_in == load->krtld->names->loads)
		return true;
	if (!krtld_vector_grow(load->krtld, load->object->name, needs, 1, sizeof other))
		return false;
	other->private->needed_in = load->krtld->names->loads;
	((struct krtld_module **)needs->items)[needs->n++] = other;
	return true;
}

/* Whether the surroundings know the symbol. */
static bool ask_outside(const struct krtld *krtld, const char *name, uint64_t *value)
{
	return krtld->ops->external && *name && krtld->ops->external(krtld->ctx, name, value);
}

/* What another module exports, or the surroundings know. *found: whether there is such a thing.
 * False after a report. */
static bool take(struct krtld_load *load, const char *name, const struct krtld_entry *entry,
		 struct krtld_value *value, bool *found)
{
	*found = entry || ask_outside(load->krtld, name, &value->value);
	if (!entry)
		return true;
	value->value = entry->module->private->symbols[entry->symbol].value;
	return need(load, entry->module);
}

/* A reference to a stub: sites count as uses of unix, whose functions an alternative may call. */
static bool use_stub(struct krtld_load *load, unsigned hotinline, struct krtld_value *value,
		     bool *found)
{
	struct krtld_module *first = load->krtld->first;

	value->value = load->krtld->machine->stubs[hotinline];
	*found = value->value != 0;
	if (!*found)
		return true;
	value->hotinline = (uint16_t)hotinline;
	value->flags |= KRTLD_IS_STUB;
	load->refers = true;
	return !first || !first->private->machine_before || need(load, first);
}

static bool resolve_undefined(struct krtld_load *load, const struct symbol *symbol,
			      struct krtld_value *value)
{
	struct krtld_found known = krtld_names_find(load->krtld, &symbol->key);
	const char *name = symbol->key.text;
	bool found;

	if (known.hotinline == HOT_NONE && krtld_set_end(load, name, &value->value))
		return true;
	if (!(known.hotinline != HOT_NONE ? use_stub(load, known.hotinline, value, &found)
					  : take(load, name, known.symbol, value, &found)))
		return false;
	if (found)
		return true;
	if (load->object->names_got && krtld_same(name, KRTLD_GOT_NAME))
		value->value = load->got;
	else if (ELF64_ST_BIND(symbol->elf.st_info) != STB_WEAK)
		value->flags |= KRTLD_UNDEFINED;
	return true;
}

/* Functions and objects before labels, globals before locals; sections and files say nothing. */
static unsigned rank_of(const struct elf64_sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (type == STT_SECTION || type == STT_FILE)
		return 0;
	return 1u + (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL) +
	       2u * (type == STT_FUNC || type == STT_OBJECT);
}

/* A definition stays with the module. Returns its index there. */
static inline uint32_t keep(struct krtld_load *load, const struct symbol *symbol, uint64_t value)
{
	struct krtld_private *own = load->module->private;

	own->symbols[own->nsymbols] =
	    (struct krtld_symbol){.value = value,
				  .size = symbol->elf.st_size,
				  .name = symbol->elf.st_name,
				  .section = symbol->section & 0xffffff,
				  .rank = rank_of(&symbol->elf) & 7,
				  .global = ELF64_ST_BIND(symbol->elf.st_info) != STB_LOCAL};
	return own->nsymbols++;
}

/* A COMMON symbol gives way only to what is as large and as aligned. A size of 0 is not known. */
static bool holds_common(const struct krtld_entry *entry, const struct elf64_sym *common)
{
	const struct krtld_symbol *other = &entry->module->private->symbols[entry->symbol];
	uint64_t align = common->st_value ? common->st_value : 1;

	return (!other->size || other->size >= common->st_size) && !(other->value & (align - 1));
}

static bool refuse_duplicate(const struct krtld_load *load, const struct symbol *symbol,
			     const struct krtld_entry *entry, uint64_t size)
{
	return REFUSE_LOAD(load, KRTLD_E_DUPLICATE, .symbol = symbol->key.text,
			   .what = entry->module->name, .value = size);
}

/* Others may see it from now on, once the module is linked. */
static bool export(struct krtld_load *load, const struct symbol *symbol, uint32_t kept)
{
	struct krtld_private *own = load->module->private;
	struct krtld_entry *entry = &own->exports[own->nexports];

	*entry = (struct krtld_entry){.name = krtld_name_of(load->module, kept),
				      .module = load->module,
				      .length = symbol->key.length,
				      .hash = symbol->key.hash,
				      .symbol = kept};
	if (!krtld_names_add(load->krtld, entry))
		return REFUSE_LOAD(load, KRTLD_E_FORMAT, .symbol = symbol->key.text,
				   .section = krtld_load_section(load, load->object->symtab),
				   .offset = (uint64_t)symbol->index * sizeof symbol->elf,
				   .what = "exported names share one hash chain",
				   .value = KRTLD_CHAIN_MAX + 1, .limit = KRTLD_CHAIN_MAX);
	own->nexports++;
	return true;
}

/* A definition that is not local. What others cannot see cannot collide with theirs. */
static bool define_global(struct krtld_load *load, const struct symbol *symbol,
			  struct krtld_value *value)
{
	struct krtld_found known = krtld_names_find(load->krtld, &symbol->key);
	const struct krtld_entry *other = known.symbol;
	bool common = symbol->section == KRTLD_IN_COMMON, found = false;
	bool yields = common || ELF64_ST_BIND(symbol->elf.st_info) != STB_GLOBAL;
	uint32_t kept;

	if (known.hotinline != HOT_NONE && !krtld_define_stub(load, symbol->index, known.hotinline))
		return false;
	if (value->flags & KRTLD_ABSENT)
		return true;
	kept = keep(load, symbol, value->value);
	if (krtld_is_own(load->object, &symbol->elf))
		return true;
	if (other && other->module == load->module)
		return refuse_duplicate(load, symbol, other, 0);
	if (known.hotinline != HOT_NONE)
		other = NULL;
	if (other && (!yields || (common && !holds_common(other, &symbol->elf))))
		return refuse_duplicate(load, symbol, other, yields ? symbol->elf.st_size : 0);
	if (yields && known.hotinline == HOT_NONE &&
	    !take(load, symbol->key.text, other, value, &found))
		return false;
	if (!found)
		return export(load, symbol, kept);
	load->module->private->symbols[kept].value = value->value;
	load->module->private->symbols[kept].section = KRTLD_IN_ABS; /* not of this module */
	return true;
}

/* The value that a definition has in the module itself. */
static inline void define(const struct krtld_load *load, const struct symbol *symbol,
			  struct krtld_value *value)
{
	if (symbol->section == KRTLD_IN_ABS)
		value->value = symbol->elf.st_value;
	else if (symbol->section == KRTLD_IN_COMMON)
		value->value =
		    load->module->regions[KRTLD_DATA].address + load->layout.commons[symbol->index];
	else if (krtld_is_loaded(&load->object->shdrs[symbol->section]))
		value->value =
		    load->module->sections[symbol->section].address + symbol->elf.st_value;
	else
		value->flags |= KRTLD_ABSENT;
}

static inline bool has_key(const struct elf64_sym *symbol)
{
	return ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;
}

/* Reads the names of a chunk that have to be looked up. */
static bool read_names(struct krtld_load *load, uint32_t first, uint32_t end,
		       struct krtld_key keys[CHUNK])
{
	const struct krtld_object *object = load->object;

	for (uint32_t i = first; i < end; i++) {
		struct elf64_sym symbol = krtld_object_symbol(object, i);

		if (!has_key(&symbol))
			continue;
		keys[i - first] = symbol.st_name ? krtld_key(object->strings + symbol.st_name,
							     object->strings + object->strings_size)
						 : krtld_key_of("");
		krtld_names_prefetch(load->krtld, &keys[i - first]);
		if (!krtld_count_names(object, &load->names, i, keys[i - first].length))
			return false;
	}
	return true;
}

static bool resolve_chunk(struct krtld_load *load, uint32_t first, uint32_t end,
			  const struct krtld_key keys[CHUNK])
{
	for (uint32_t i = first; i < end; i++) {
		struct krtld_value *value = &load->values[i];
		struct symbol symbol; /* field by field: to clear it first would take as long */

		symbol.index = i;
		symbol.elf = krtld_object_symbol(load->object, i);
		symbol.section = krtld_symbol_section(load->object, &symbol.elf, i);
		value->hotinline = HOT_NONE;
		if (has_key(&symbol.elf))
			symbol.key = keys[i - first];
		if (symbol.section != SHN_UNDEF)
			define(load, &symbol, value);
		if (has_key(&symbol.elf)) {
			if (!(symbol.section == SHN_UNDEF ? resolve_undefined(load, &symbol, value)
							  : define_global(load, &symbol, value)))
				return false;
		} else if (symbol.section == SHN_UNDEF) {
			value->flags |= KRTLD_UNDEFINED;
		} else if (symbol.elf.st_name && rank_of(&symbol.elf) && !value->flags) {
			(void)keep(load, &symbol, value->value);
		}
	}
	return true;
}

static bool allocate(struct krtld_load *load)
{
	const struct krtld_object *object = load->object;
	struct krtld_private *own = load->module->private;

	load->values = krtld_pool_alloc(load->krtld, object->name, &load->pool, object->nsymbols,
					sizeof *load->values);
	if (!load->values)
		return false;
	own->symbols = krtld_pool_alloc(load->krtld, object->name, &own->pool, object->nsymbols,
					sizeof *own->symbols);
	if (!own->symbols)
		return false;
	own->exports = krtld_pool_alloc(load->krtld, object->name, &own->pool, object->ndefined,
					sizeof *own->exports);
	return own->exports && krtld_names_grow(load->krtld, object->name, object->ndefined + 1);
}

bool krtld_resolve(struct krtld_load *load)
{
	uint32_t nsymbols = load->object->nsymbols;
	struct krtld_key keys[CHUNK];

	if (!allocate(load))
		return false;
	load->krtld->names->loads++;
	load->names = load->object->names;
	for (uint32_t first = 1; first < nsymbols; first += CHUNK) {
		uint32_t end = nsymbols - first > CHUNK ? first + CHUNK : nsymbols;

		if (!read_names(load, first, end, keys) || !resolve_chunk(load, first, end, keys))
			return false;
	}
	for (uint32_t i = 0; load->slots->numbers && i < nsymbols; i++)
		load->values[i].slot = load->slots->numbers[i];
	return krtld_take_stubs(load);
}

/*
 * The stubs. unix, the first module, defines the stub of every hotinline and every symbol that an
 * alternative refers to; their addresses go into the machine, and from then on a stub's name means
 * that address and no other, whatever a later module would like. Called by resolve.c.
 */
#include "loader/load.h"

static bool refuse(const struct krtld *krtld, const struct krtld_module *module, const char *name,
		   const char *what)
{
	return REFUSE(krtld, module, KRTLD_E_STUB, .symbol = name, .what = what);
}

/* Room for all stubs, when the first is met; and what the machine knew is kept. */
static bool become_unix(struct krtld *krtld, struct krtld_module *module)
{
	const struct hot_machine *machine = krtld->machine;
	size_t stubs = machine->table->nhotinlines, symbols = machine->table->nsymbols;
	struct krtld_private *own = module->private;
	uint64_t *before;

	own->stubs = krtld_meta(krtld, module, stubs, sizeof *own->stubs);
	own->holds_stubs = own->stubs ? krtld_meta(krtld, module, module->nsections, 1) : NULL;
	before =
	    own->holds_stubs ? krtld_meta(krtld, module, stubs + symbols, sizeof *before) : NULL;
	if (!before)
		return false;
	memcpy(before, machine->stubs, stubs * sizeof *before);
	memcpy(before + stubs, machine->symbols, symbols * sizeof *before);
	own->machine_before = before;
	own->is_unix = own->refers = true;
	return true;
}

/* Bytes from a stub's symbol to its end. */
static uint64_t stub_size(const struct hot_table *table, unsigned hotinline)
{
	struct hot_site site = {.hotinline = (uint16_t)hotinline, .form = HOT_STUB};

	return (uint64_t)table->entry + hot_site_size(table, &site);
}

bool krtld_define_stub(struct krtld *krtld, struct krtld_module *module, uint32_t index,
		       unsigned hotinline)
{
	struct krtld_private *own = module->private;
	const struct hot_table *table = krtld->machine->table;
	const struct hotinline *declared = &table->hotinlines[hotinline];
	struct elf64_sym symbol = krtld_symbol(module, index);
	uint32_t section = krtld_symbol_section(module, &symbol, index);
	uint64_t body = stub_size(table, hotinline);

	if (krtld->first || (!own->is_unix && krtld->machine->stubs[hotinline]))
		return refuse(krtld, module, declared->name,
			      "the name of a hotinline, whose stub is defined elsewhere");
	if (!own->is_unix && !become_unix(krtld, module))
		return false;
	if (own->stubs[hotinline].address)
		return refuse(krtld, module, declared->name, "a stub that is defined twice");
	if (section >= module->nsections || !krtld_is_loaded(&own->shdrs[section]) ||
	    module->sections[section].kind != KRTLD_TEXT ||
	    symbol.st_value > module->sections[section].size ||
	    module->sections[section].size - symbol.st_value < body)
		return refuse(
		    krtld, module, declared->name,
		    "a stub whose body, its size and a return, is not in executable text");
	own->stubs[hotinline] =
	    (struct krtld_stub){own->values[index].value, section, (uint16_t)hotinline};
	own->holds_stubs[section] = 1;
	own->values[index].hotinline = (uint16_t)hotinline;
	own->values[index].flags |= KRTLD_IS_STUB;
	return true;
}

/* The global of that name that unix defines: also one that it hides from its modules, for the patch
 * table is its own. 0: none. */
static uint32_t global_of(const struct krtld_module *module, const char *name)
{
	const struct krtld_private *own = module->private;
	uint32_t found = krtld_exported(module, name);

	for (uint32_t i = 1; !found && i < own->nsymbols; i++) {
		struct elf64_sym symbol = krtld_symbol(module, i);

		if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
		    krtld_symbol_section(module, &symbol, i) != SHN_UNDEF &&
		    !(own->values[i].flags & KRTLD_ABSENT) &&
		    krtld_same(krtld_symbol_name(module, &symbol), name))
			found = i;
	}
	return found;
}

static bool fill_symbols(struct krtld *krtld, struct krtld_module *module)
{
	struct hot_machine *machine = krtld->machine;

	for (unsigned i = 0; i < machine->table->nsymbols; i++) {
		uint32_t symbol = global_of(module, machine->table->symbols[i]);

		if (!symbol)
			return refuse(krtld, module, machine->table->symbols[i],
				      "not defined, though an alternative refers to it");
		machine->symbols[i] = module->private->values[symbol].value;
	}
	return true;
}

static uint64_t stub_address(const void *element)
{
	return ((const struct krtld_stub *)element)->address;
}

/* What is in a section with stubs but is not one by name might still be used to refer to one. */
static void mark_neighbours(struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; i < own->nsymbols; i++) {
		struct elf64_sym symbol = krtld_symbol(module, i);
		uint32_t section = krtld_symbol_section(module, &symbol, i);

		if (section < module->nsections && own->holds_stubs[section] &&
		    !(own->values[i].flags & KRTLD_IS_STUB))
			own->values[i].flags |= KRTLD_NEAR_STUB;
	}
}

/* Whether the next module must be unix: it is the first, and nobody has said where the stubs are. */
static bool is_awaited(const struct krtld *krtld)
{
	const struct hot_machine *machine = krtld->machine;

	return !krtld->first && machine && !machine->decided && !krtld->unpatched &&
	       !machine->stubs[0];
}

bool krtld_take_stubs(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct hot_machine *machine = krtld->machine;

	if (!own->is_unix)
		return !is_awaited(krtld) ||
		       refuse(krtld, module, machine->table->hotinlines[0].name,
			      "a stub that the first module does not define: it is not unix, and "
			      "nothing is decided yet");
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		if (!own->stubs[i].address)
			return refuse(krtld, module, machine->table->hotinlines[i].name,
				      "the stub is not defined, though other stubs are");
		machine->stubs[i] = own->stubs[i].address;
	}
	krtld_sort(own->stubs, machine->table->nhotinlines, sizeof *own->stubs, stub_address);
	mark_neighbours(module);
	return fill_symbols(krtld, module);
}

void krtld_drop_stubs(struct krtld *krtld, struct krtld_module *module)
{
	const struct hot_machine *machine = krtld->machine;
	const uint64_t *before = module->private->machine_before;

	if (!module->private->is_unix)
		return;
	memcpy(machine->stubs, before, machine->table->nhotinlines * sizeof *before);
	memcpy(machine->symbols, before + machine->table->nhotinlines,
	       machine->table->nsymbols * sizeof *before);
}

unsigned krtld_stub_at(const struct krtld *krtld, const struct krtld_module *module,
		       uint64_t address)
{
	const struct hot_table *table = krtld->machine->table;
	const struct krtld_stub *stubs = module->private->stubs;
	unsigned low = 0, high = table->nhotinlines;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (stubs[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address - stubs[low - 1].address >= stub_size(table, stubs[low - 1].hotinline))
		return HOT_NONE;
	return stubs[low - 1].hotinline;
}

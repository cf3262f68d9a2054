/*
 * unix, the first module, defines the stub of every hotinline and every symbol that an alternative
 * refers to; their addresses go into the machine, and from then on a stub's name means that address
 * and no other, whatever a later module would like. Called by resolve.c, sites.c and krtld.c.
 */
#include "loader/load.h"
#include "loader/report.h"
#include "loader/sort.h"
#include "loader/text.h"

static bool refuse(const struct krtld_load *load, const char *name, const char *what)
{
	return REFUSE_LOAD(load, KRTLD_E_STUB, .symbol = name, .what = what);
}

/* Room for all stubs, when the first is met; and what the machine knew is kept. */
static bool become_unix(struct krtld_load *load)
{
	const struct hot_machine *machine = load->krtld->machine;
	size_t stubs = machine->table->nhotinlines, symbols = machine->table->nsymbols;
	const char *name = load->object->name;
	uint64_t *before;

	load->holds_stubs = krtld_pool_alloc(load->krtld, name, &load->pool,
					     load->object->nsections, sizeof *load->holds_stubs);
	if (!load->holds_stubs)
		return false;
	load->stubs = krtld_pool_alloc(load->krtld, name, &load->pool, stubs, sizeof *load->stubs);
	if (!load->stubs)
		return false;
	before = krtld_pool_alloc(load->krtld, name, &load->module->private->pool, stubs + symbols,
				  sizeof *before);
	if (!before)
		return false;
	memcpy(before, machine->stubs, stubs * sizeof *before);
	memcpy(before + stubs, machine->symbols, symbols * sizeof *before);
	load->module->private->machine_before = before;
	load->refers = true;
	return true;
}

/* Bytes from a stub's symbol to its end. */
static uint64_t stub_size(const struct hot_table *table, unsigned hotinline)
{
	struct hot_site site = {.hotinline = (uint16_t)hotinline, .form = HOT_STUB};

	return (uint64_t)table->entry + hot_site_size(table, &site);
}

bool krtld_define_stub(struct krtld_load *load, uint32_t index, unsigned hotinline)
{
	const struct hot_machine *machine = load->krtld->machine;
	const struct krtld_object *object = load->object;
	const char *name = machine->table->hotinlines[hotinline].name;
	struct elf64_sym symbol = krtld_object_symbol(object, index);
	uint32_t section = krtld_symbol_section(object, &symbol, index);
	uint64_t body = stub_size(machine->table, hotinline);

	if (load->krtld->first || (!load->stubs && machine->stubs[hotinline]))
		return refuse(load, name,
			      "the name of a hotinline, whose stub is defined elsewhere");
	if (!load->stubs && !become_unix(load))
		return false;
	if (load->stubs[hotinline].address)
		return refuse(load, name, "a stub that is defined twice");
	if (section >= object->nsections || !krtld_is_loaded(&object->shdrs[section]) ||
	    krtld_kind_of(&object->shdrs[section]) != KRTLD_TEXT ||
	    symbol.st_value > object->shdrs[section].sh_size ||
	    object->shdrs[section].sh_size - symbol.st_value < body)
		return refuse(
		    load, name,
		    "a stub whose body, its size and a return, is not in executable text");
	load->stubs[hotinline] =
	    (struct krtld_stub){load->values[index].value, section, (uint16_t)hotinline};
	load->holds_stubs[section] = true;
	load->values[index].hotinline = (uint16_t)hotinline;
	load->values[index].flags |= KRTLD_IS_STUB;
	return true;
}

/* The global of that name that unix hides from its modules: the patch table is its own. */
static bool hidden_value(const struct krtld_load *load, const char *name, uint64_t *value)
{
	for (uint32_t i = 1; i < load->object->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(load->object, i);

		if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL ||
		    krtld_symbol_section(load->object, &symbol, i) == SHN_UNDEF ||
		    (load->values[i].flags & KRTLD_ABSENT) ||
		    !krtld_same(krtld_symbol_name(load->object, &symbol), name))
			continue;
		*value = load->values[i].value;
		return true;
	}
	return false;
}

static bool fill_symbols(const struct krtld_load *load)
{
	const struct hot_machine *machine = load->krtld->machine;

	for (unsigned i = 0; i < machine->table->nsymbols; i++) {
		const char *name = machine->table->symbols[i];
		struct krtld_key key = krtld_key_of(name);
		const struct krtld_entry *entry = krtld_names_find(load->krtld, &key).symbol;

		if (entry)
			machine->symbols[i] = load->module->private->symbols[entry->symbol].value;
		else if (!hidden_value(load, name, &machine->symbols[i]))
			return refuse(load, name,
				      "not defined, though an alternative refers to it");
	}
	return true;
}

/* What is in a section with stubs but is not one by name might still be used to refer to one. */
static void mark_neighbours(struct krtld_load *load)
{
	for (uint32_t i = 1; i < load->object->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(load->object, i);
		uint32_t section = krtld_symbol_section(load->object, &symbol, i);

		if (section < load->object->nsections && load->holds_stubs[section] &&
		    !(load->values[i].flags & KRTLD_IS_STUB))
			load->values[i].flags |= KRTLD_NEAR_STUB;
	}
}

/* Whether the next module must be unix: it is the first, and the machine does not know the stubs. */
static bool is_awaited(const struct krtld_load *load)
{
	const struct hot_machine *machine = load->krtld->machine;

	return !load->krtld->first && machine && !machine->decided &&
	       !(load->placement && load->placement->unpatched) && !machine->stubs[0];
}

static uint64_t stub_address(const void *element)
{
	return ((const struct krtld_stub *)element)->address;
}

bool krtld_take_stubs(struct krtld_load *load)
{
	struct hot_machine *machine = load->krtld->machine;

	if (!load->stubs)
		return !is_awaited(load) ||
		       refuse(load, machine->table->hotinlines[0].name,
			      "a stub that the first module does not define: it is not unix, and "
			      "nothing is decided yet");
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		if (!load->stubs[i].address)
			return refuse(load, machine->table->hotinlines[i].name,
				      "the stub is not defined, though other stubs are");
		machine->stubs[i] = load->stubs[i].address;
	}
	krtld_sort(load->stubs, machine->table->nhotinlines, sizeof *load->stubs, stub_address);
	mark_neighbours(load);
	return fill_symbols(load);
}

void krtld_drop_stubs(struct krtld *krtld, struct krtld_module *module)
{
	const struct hot_machine *machine = krtld->machine;
	const uint64_t *before = module->private->machine_before;

	if (!before)
		return;
	memcpy(machine->stubs, before, machine->table->nhotinlines * sizeof *before);
	memcpy(machine->symbols, before + machine->table->nhotinlines,
	       machine->table->nsymbols * sizeof *before);
}

/* The first stub that begins after an address. */
static unsigned first_after(const struct krtld_load *load, uint64_t address)
{
	unsigned low = 0, high = load->krtld->machine->table->nhotinlines;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (load->stubs[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

unsigned krtld_stub_at(const struct krtld_load *load, uint64_t address)
{
	const struct krtld_stub *stub = &load->stubs[first_after(load, address)];

	if (stub == load->stubs || address - stub[-1].address >=
				       stub_size(load->krtld->machine->table, stub[-1].hotinline))
		return HOT_NONE;
	return stub[-1].hotinline;
}

const struct krtld_stub *krtld_stubs_in(const struct krtld_load *load, uint32_t section,
					uint32_t *n)
{
	const struct krtld_section *s = &load->module->sections[section];
	unsigned first = s->address ? first_after(load, s->address - 1) : 0;
	unsigned end = first_after(load, s->address + (s->size - 1));

	*n = end - first;
	return &load->stubs[first];
}

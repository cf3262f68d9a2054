/*
 * Addresses for the host tool. What the layout file says holds; all else (sections, COMMON
 * symbols, GOTs, stubs) is put right behind the sections that it mentions, so that 32 bits reach
 * it, and never onto an address that it mentions. Without a layout everything begins where kernels
 * have their modules.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/tool.h"

#define DEFAULT_BASE 0xffffffffa0000000u
#define PAGE         0x1000u
#define STUB_ALIGN   16

/* A section that the layout places. */
struct laid_out {
	const struct layout_section *item;
	struct extent extent;
};

static const char *section_name(const struct tool *tool, const struct layout_section *item)
{
	return tool->objects[item->object].checked->sections[item->section].name;
}

/* Checks one line against its object. Returns an exit status; *use: whether it places something. */
static int check_item(const struct tool *tool, const struct layout_section *item, bool *use)
{
	const struct object *object = &tool->objects[item->object];
	const struct elf64_shdr *shdr;

	*use = false;
	if (item->section >= object->checked->nsections) {
		complain("%s:%u: no section %u in %s, which has sections 1 to %u",
			 tool->layout.path, item->line, item->section, object->path,
			 object->checked->nsections - 1);
		return EXIT_USE;
	}
	shdr = &object->checked->private->shdrs[item->section];
	if (!krtld_is_loaded(shdr)) {
		complain("%s:%u: line ignored, section %u (%s) of %s is not loaded",
			 tool->layout.path, item->line, item->section, section_name(tool, item),
			 object->path);
		return EXIT_LOADED;
	}
	if (shdr->sh_addralign && item->address % shdr->sh_addralign) {
		complain(
		    "%s:%u: section %u (%s) at 0x%lx is not aligned, expected a multiple of 0x%lx",
		    tool->layout.path, item->line, item->section, section_name(tool, item),
		    item->address, shdr->sh_addralign);
		return EXIT_REFUSED;
	}
	if (item->address + shdr->sh_size < item->address) {
		complain("%s:%u: section %u (%s) at 0x%lx reaches past the last address",
			 tool->layout.path, item->line, item->section, section_name(tool, item),
			 item->address);
		return EXIT_REFUSED;
	}
	*use = true;
	return EXIT_LOADED;
}

static int by_start(const void *a, const void *b)
{
	const struct laid_out *x = a, *y = b;

	return (x->extent.start > y->extent.start) - (x->extent.start < y->extent.start);
}

static int check_overlap(const struct tool *tool, struct laid_out *all, size_t n)
{
	qsort(all, n, sizeof *all, by_start);
	for (size_t i = 1; i < n; i++) {
		if (all[i].extent.start >= all[i - 1].extent.end)
			continue;
		complain("%s:%u: section %u (%s) at 0x%lx overlaps section %u (%s) of line %u",
			 tool->layout.path, all[i].item->line, all[i].item->section,
			 section_name(tool, all[i].item), all[i].item->address,
			 all[i - 1].item->section, section_name(tool, all[i - 1].item),
			 all[i - 1].item->line);
		return EXIT_REFUSED;
	}
	return EXIT_LOADED;
}

static void take(struct tool *tool, uint64_t start, uint64_t size)
{
	if (size)
		tool->taken[tool->ntaken++] = (struct extent){start, start + size};
}

/* Applies the section lines. The last line about a section holds. */
static int lay_out_sections(struct tool *tool)
{
	struct laid_out *all = claim(tool->layout.nsections, sizeof *all);
	size_t n = 0;
	int status = EXIT_LOADED;

	for (size_t i = 0; status == EXIT_LOADED && i < tool->layout.nsections; i++) {
		const struct layout_section *item = &tool->layout.sections[i];
		struct object *object = &tool->objects[item->object];
		uint64_t size;
		bool use;

		status = check_item(tool, item, &use);
		if (!use)
			continue;
		size = object->checked->sections[item->section].size;
		object->addresses[item->section] = item->address;
		object->placed[item->section] = true;
		take(tool, item->address, size);
		if (size)
			all[n++] = (struct laid_out){item, {item->address, item->address + size}};
	}
	if (status == EXIT_LOADED)
		status = check_overlap(tool, all, n);
	free(all);
	return status;
}

static uint64_t size_at(const struct tool *tool, const char *name)
{
	const struct hot_table *table = tool->krtld.machine->table;
	struct hot_site stub = {.hotinline = (uint16_t)hot_find(table, name), .form = HOT_STUB};

	return stub.hotinline == HOT_NONE ? 1
					  : table->entry + (uint64_t)hot_site_size(table, &stub);
}

static int extent_by_start(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Upper bound for all that give_address() will be asked for. */
static uint64_t room_needed(const struct tool *tool)
{
	uint64_t room = PAGE;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		const struct krtld_module *module = tool->objects[i].checked;

		/* Twice: krtld asks for a region, too, though all sections in it are placed. The
		 * region begins where its sections' largest alignment says. */
		for (uint32_t j = 1; j < module->nsections; j++) {
			if (krtld_is_loaded(&module->private->shdrs[j]))
				room += 2 * module->sections[j].size +
					3 * module->private->shdrs[j].sh_addralign;
		}
		room += (uint64_t)module->private->nslots * KRTLD_SLOT + PAGE;
	}
	for (size_t i = 0; i < tool->ndefinitions; i++) {
		if (tool->definitions[i].section == KRTLD_IN_COMMON)
			room += 2 * (tool->definitions[i].size + tool->definitions[i].align);
	}
	return room + (uint64_t)tool->krtld.machine->table->nhotinlines * 2 * HOT_SITE_MAX +
	       (uint64_t)tool->krtld.machine->table->nsymbols * STUB_ALIGN;
}

/* Behind the highest section that the layout places; where that is the end, before the lowest. */
static void choose_base(struct tool *tool)
{
	uint64_t lowest = UINT64_MAX, highest = 0, room = room_needed(tool);

	tool->cursor = DEFAULT_BASE;
	for (size_t i = 0; i < tool->ntaken; i++) {
		lowest = tool->taken[i].start < lowest ? tool->taken[i].start : lowest;
		highest = tool->taken[i].end > highest ? tool->taken[i].end : highest;
	}
	if (!tool->ntaken)
		return;
	tool->cursor = (highest + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (tool->cursor + room < highest)
		tool->cursor =
		    lowest >= room + PAGE ? (lowest - room) & ~(uint64_t)(PAGE - 1) : PAGE;
}

uint64_t give_address(struct tool *tool, uint64_t size, uint64_t align)
{
	for (;;) {
		uint64_t start = (tool->cursor + align - 1) & ~(align - 1);
		const struct extent *taken = &tool->taken[tool->next_taken];

		if (start < tool->cursor || start + size < start)
			return 0;
		if (tool->next_taken < tool->ntaken && taken->end <= start) {
			tool->next_taken++;
		} else if (tool->next_taken < tool->ntaken && taken->start < start + size) {
			tool->cursor = taken->end;
		} else {
			tool->cursor = start + size;
			return start;
		}
	}
}

static bool place_rest(struct tool *tool, struct object *object, enum krtld_kind kind)
{
	const struct krtld_module *module = object->checked;

	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &module->private->shdrs[i];

		if (!krtld_is_loaded(shdr) || object->placed[i] || module->sections[i].kind != kind)
			continue;
		object->addresses[i] =
		    give_address(tool, shdr->sh_size, shdr->sh_addralign ? shdr->sh_addralign : 1);
		if (!object->addresses[i])
			return false;
	}
	return true;
}

static bool place_definitions(struct tool *tool)
{
	for (size_t i = 0; i < tool->ndefinitions; i++) {
		struct definition *definition = &tool->definitions[i];
		const struct layout_symbol *said = layout_symbol(&tool->layout, definition->name);

		if (definition->section == KRTLD_IN_COMMON) {
			definition->value =
			    said ? said->address
				 : give_address(tool, definition->size, definition->align);
			if (!definition->value)
				return false;
		} else if (definition->section != KRTLD_IN_ABS) {
			definition->value +=
			    tool->objects[definition->object].addresses[definition->section];
		}
	}
	return true;
}

static uint64_t symbol_address(struct tool *tool, const char *name, uint64_t size)
{
	const struct definition *defined = find_definition(tool, name);
	const struct layout_symbol *said = layout_symbol(&tool->layout, name);

	if (defined)
		return defined->value;
	return said ? said->address : give_address(tool, size, STUB_ALIGN);
}

/* Where there is no unix, the tool stands in for it. */
static bool place_stubs(struct tool *tool)
{
	struct hot_machine *machine = tool->krtld.machine;

	if (defines_stubs(tool))
		return true;
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		const char *name = machine->table->hotinlines[i].name;

		machine->stubs[i] = symbol_address(tool, name, size_at(tool, name));
	}
	for (unsigned i = 0; i < machine->table->nsymbols; i++)
		machine->symbols[i] = symbol_address(tool, machine->table->symbols[i], STUB_ALIGN);
	return true;
}

static bool place_all(struct tool *tool)
{
	for (unsigned i = 0; i < tool->nobjects; i++) {
		for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
			if (!place_rest(tool, &tool->objects[i], kind))
				return false;
		}
	}
	return place_definitions(tool) && place_stubs(tool);
}

int plan_addresses(struct tool *tool)
{
	int status;

	tool->taken = claim(tool->layout.nsections + tool->layout.nsymbols, sizeof *tool->taken);
	for (unsigned i = 0; i < tool->nobjects; i++) {
		uint32_t n = tool->objects[i].checked->nsections;

		tool->objects[i].addresses = claim(n, sizeof(uint64_t));
		tool->objects[i].placed = claim(n, sizeof(bool));
	}
	status = lay_out_sections(tool);
	if (status != EXIT_LOADED)
		return status;
	choose_base(tool);
	for (size_t i = 0; i < tool->layout.nsymbols; i++)
		take(tool, tool->layout.symbols[i].address,
		     size_at(tool, tool->layout.symbols[i].name));
	qsort(tool->taken, tool->ntaken, sizeof *tool->taken, extent_by_start);
	if (place_all(tool))
		return EXIT_LOADED;
	complain("no address is left for everything, place more sections with --layout");
	return EXIT_REFUSED;
}

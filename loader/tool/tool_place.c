/*
 * Addresses for the host tool. What the layout file says holds; all else is near it, so that 32 bits
 * reach it, and never onto an address that it mentions:
 *
 *	a region of which the layout says nothing goes, whole, after the text of its own OBJECT;
 *	a region that the layout describes as krtld lays it out (modinfo prints such layouts) lies
 *	just there, so that its COMMON symbols and its GOT are where the kernel has them;
 *	of any other region the sections that the layout leaves out, and its COMMON symbols or GOT,
 *	go after the text of their own OBJECT.
 *
 * Without a layout everything begins where kernels have their modules.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/tool/tool.h"

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
	return krtld_section_name(&tool->objects[item->object].view, item->section);
}

/* Checks one line against its object. Returns an exit status; *use: whether it places something. */
static int check_item(const struct tool *tool, const struct layout_section *item, bool *use)
{
	const struct object *object = &tool->objects[item->object];
	const struct elf64_shdr *shdr;

	*use = false;
	if (item->section >= object->view.nsections) {
		complain("%s:%u: no section %u in %s, which has sections 1 to %u",
			 tool->layout.path, item->line, item->section, object->path,
			 object->view.nsections - 1);
		return EXIT_USE;
	}
	shdr = &object->view.shdrs[item->section];
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

/* ---- Addresses that are taken ---- */

/* The number of the first extent that ends after that address. */
static size_t first_after(const struct tool *tool, uint64_t address)
{
	size_t low = 0, high = tool->ntaken;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tool->taken[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replaces n extents by one. */
static void replace(struct tool *tool, size_t at, size_t n, struct extent extent)
{
	if (!n && tool->ntaken == tool->room_taken) {
		tool->room_taken = 2 * tool->room_taken + 64;
		tool->taken = realloc(tool->taken, tool->room_taken * sizeof *tool->taken);
		if (!tool->taken)
			out_of_memory();
	}
	memmove(&tool->taken[at + 1], &tool->taken[at + n],
		(tool->ntaken - at - n) * sizeof *tool->taken);
	tool->ntaken += 1 - n;
	tool->taken[at] = extent;
}

/* What overlaps or touches what is taken already becomes one with it: they stay few. */
static void take(struct tool *tool, uint64_t start, uint64_t size)
{
	uint64_t end = start + size < start ? UINT64_MAX : start + size;
	size_t first = first_after(tool, start), n = 0;

	if (!size)
		return;
	if (first && tool->taken[first - 1].end == start)
		first--;
	for (; first + n < tool->ntaken && tool->taken[first + n].start <= end; n++) {
		const struct extent *other = &tool->taken[first + n];

		start = other->start < start ? other->start : start;
		end = other->end > end ? other->end : end;
	}
	replace(tool, first, n, (struct extent){start, end});
}

/* The first free address for size bytes from there on; 0: none up to the last address. */
static uint64_t first_free(const struct tool *tool, uint64_t from, uint64_t size, uint64_t align)
{
	for (size_t i = first_after(tool, from);; i++) {
		uint64_t start = (from + align - 1) & ~(align - 1);

		if (start < from || start + size < start)
			return 0;
		if (i == tool->ntaken || tool->taken[i].start >= start + size)
			return start;
		from = tool->taken[i].end > start ? tool->taken[i].end : start;
	}
}

uint64_t give_address(struct tool *tool, struct room *room, uint64_t size, uint64_t align)
{
	uint64_t start = first_free(tool, room->next, size, align), floor = room->floor;

	if (start) {
		room->next = start + size;
	} else { /* below: as near as pages are */
		start = floor > size && floor - size > PAGE + align
			    ? (floor - size) & ~(align - 1) & ~(uint64_t)(PAGE - 1)
			    : PAGE;
		start = first_free(tool, start, size, align);
		if (start && start < floor)
			room->floor = start;
	}
	take(tool, start, start ? size : 0);
	return start;
}

/* ---- What the layout says ---- */

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
		size = object->view.shdrs[item->section].sh_size;
		object->addresses[item->section] = item->address;
		object->placed[item->section] = true;
		if (size)
			all[n++] = (struct laid_out){item, {item->address, item->address + size}};
	}
	if (status == EXIT_LOADED)
		status = check_overlap(tool, all, n);
	for (size_t i = 0; i < n; i++)
		take(tool, all[i].extent.start, all[i].extent.end - all[i].extent.start);
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

/* ---- What it leaves out ---- */

static uint64_t page_after(uint64_t end)
{
	uint64_t page = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);

	return page < end ? UINT64_MAX : page;
}

/* After the lowest text of an OBJECT that the layout places, or else after its lowest section. False:
 * it places none. */
static bool room_near(const struct object *object, struct room *room)
{
	uint64_t text = UINT64_MAX, end = 0;

	room->floor = UINT64_MAX;
	for (uint32_t i = 1; i < object->view.nsections; i++) {
		const struct elf64_shdr *shdr = &object->view.shdrs[i];
		uint64_t start = object->addresses[i];

		if (!object->placed[i] || !shdr->sh_size)
			continue;
		if (krtld_kind_of(shdr) == KRTLD_TEXT && start < text) {
			text = start;
			end = start + shdr->sh_size;
		} else if (text == UINT64_MAX && start < room->floor) {
			end = start + shdr->sh_size;
		}
		room->floor = start < room->floor ? start : room->floor;
	}
	room->next = page_after(end);
	return room->floor != UINT64_MAX;
}

/* For what belongs to no OBJECT that the layout mentions: after the highest section of all. */
static struct room room_after_all(const struct tool *tool)
{
	if (!tool->ntaken)
		return (struct room){DEFAULT_BASE, DEFAULT_BASE};
	return (struct room){page_after(tool->taken[tool->ntaken - 1].end), tool->taken[0].start};
}

static bool in_region(const struct object *object, uint32_t i, enum krtld_kind kind)
{
	return krtld_is_loaded(&object->view.shdrs[i]) &&
	       krtld_kind_of(&object->view.shdrs[i]) == kind;
}

/* What of a region's sections the layout says. */
struct described {
	bool any, all;  /* of them it places; empty ones do not matter */
	bool same;      /* those are as far from each other as krtld has them */
	uint64_t start; /* if so: where the region begins */
	uint64_t
	    last; /* offset in it where its sections end, and COMMON symbols or the GOT begin */
};

static struct described describe(const struct object *object, enum krtld_kind kind)
{
	struct described found = {.all = true, .same = true};

	for (uint32_t i = 1; i < object->view.nsections; i++) {
		uint64_t size = object->view.shdrs[i].sh_size;
		uint64_t start = object->addresses[i] - object->plan.sections[i];

		if (!size || !in_region(object, i, kind))
			continue;
		found.last = object->plan.sections[i] + size;
		found.all &= object->placed[i];
		if (!object->placed[i])
			continue;
		found.same &= !found.any || start == found.start;
		found.start = start;
		found.any = true;
	}
	return found;
}

/* Sections that the layout leaves out, in a region that goes there. */
static void place_in_region(struct object *object, enum krtld_kind kind, uint64_t start)
{
	for (uint32_t i = 1; i < object->view.nsections; i++) {
		if (in_region(object, i, kind) && !object->placed[i])
			object->addresses[i] = start + object->plan.sections[i];
	}
}

static bool place_one_by_one(struct tool *tool, struct object *object, enum krtld_kind kind,
			     struct room *room)
{
	for (uint32_t i = 1; i < object->view.nsections; i++) {
		const struct elf64_shdr *shdr = &object->view.shdrs[i];

		if (!in_region(object, i, kind) || object->placed[i])
			continue;
		object->addresses[i] = give_address(tool, room, shdr->sh_size,
						    shdr->sh_addralign ? shdr->sh_addralign : 1);
		if (!object->addresses[i])
			return false;
	}
	return true;
}

/*
 * krtld asks for each region with all that is in it. Where its sections lie elsewhere only its end
 * needs room, and the region is said to begin as far before that as krtld has it.
 */
static bool place_region(struct tool *tool, struct object *object, enum krtld_kind kind,
			 struct room *room)
{
	uint64_t size = object->plan.regions[kind].size, align = object->plan.regions[kind].align;
	struct described found = describe(object, kind);
	uint64_t rest = size - found.last, end = found.start + found.last;

	object->regions[kind] = found.start;
	if (!found.any) {
		object->regions[kind] = give_address(tool, room, size, align);
		place_in_region(object, kind, object->regions[kind]);
		return object->regions[kind] != 0;
	}
	if (found.all && found.same && !(found.start & (align - 1)) &&
	    (!rest || first_free(tool, end, rest, 1) == end)) {
		place_in_region(object, kind, found.start);
		take(tool, end, rest);
		return true;
	}
	if (!place_one_by_one(tool, object, kind, room))
		return false;
	if (!rest)
		return true;
	end = give_address(tool, room, rest + align, align);
	object->regions[kind] = end + (found.last & (align - 1)) - found.last;
	return end != 0;
}

static bool place_object(struct tool *tool, struct object *object, struct room *common)
{
	struct room own;
	bool near = room_near(object, &own);

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		if (!place_region(tool, object, kind, near ? &own : common))
			return false;
	}
	return true;
}

/* Where a definition is: with --link a COMMON symbol of several OBJECTs is one, and has a place of its
 * own. */
static bool place_definitions(struct tool *tool, struct room *room)
{
	for (size_t i = 0; i < tool->ndefinitions; i++) {
		struct definition *definition = &tool->definitions[i];
		const struct object *object = &tool->objects[definition->object];
		const struct layout_symbol *said = layout_symbol(&tool->layout, definition->name);

		if (definition->section == KRTLD_IN_COMMON) {
			if (said)
				definition->value = said->address;
			else if (tool->link)
				definition->value =
				    give_address(tool, room, definition->size, definition->align);
			else
				definition->value += object->regions[KRTLD_DATA];
			if (!definition->value)
				return false;
		} else if (definition->section != KRTLD_IN_ABS) {
			definition->value += object->addresses[definition->section];
		}
	}
	return true;
}

static uint64_t symbol_address(struct tool *tool, struct room *room, const char *name,
			       uint64_t size)
{
	const struct definition *defined = find_definition(tool, name);
	const struct layout_symbol *said = layout_symbol(&tool->layout, name);

	if (defined)
		return defined->value;
	return said ? said->address : give_address(tool, room, size, STUB_ALIGN);
}

/* Where there is no unix, the tool stands in for it. A stub for which no address is left has none:
 * who refers to it is refused. */
static void place_stubs(struct tool *tool, struct room *room)
{
	struct hot_machine *machine = tool->krtld.machine;

	if (defines_stubs(tool))
		return;
	for (unsigned i = 0; i < machine->table->nhotinlines; i++) {
		const char *name = machine->table->hotinlines[i].name;

		machine->stubs[i] = symbol_address(tool, room, name, size_at(tool, name));
	}
	for (unsigned i = 0; i < machine->table->nsymbols; i++)
		machine->symbols[i] =
		    symbol_address(tool, room, machine->table->symbols[i], STUB_ALIGN);
}

/* COMMON symbols that are one, and stubs, go near the first OBJECT. */
static bool place_all(struct tool *tool, struct room *common)
{
	struct room first;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		if (!place_object(tool, &tool->objects[i], common))
			return false;
	}
	if (!room_near(&tool->objects[0], &first))
		first = *common;
	if (!place_definitions(tool, &first))
		return false;
	place_stubs(tool, &first);
	return true;
}

int plan_addresses(struct tool *tool)
{
	struct room common;
	int status;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		struct object *object = &tool->objects[i];

		object->addresses = claim(object->view.nsections, sizeof(uint64_t));
		object->placed = claim(object->view.nsections, sizeof(bool));
	}
	status = lay_out_sections(tool);
	if (status != EXIT_LOADED)
		return status;
	common = room_after_all(tool);
	for (size_t i = 0; i < tool->layout.nsymbols; i++)
		take(tool, tool->layout.symbols[i].address,
		     size_at(tool, tool->layout.symbols[i].name));
	if (place_all(tool, &common))
		return EXIT_LOADED;
	complain("no address is left for everything, place more sections with --layout");
	return EXIT_REFUSED;
}

/*
 * Layout and memory. The allocated sections of a kind share one region (text, read-only data, data),
 * in the order of the object and each at its own alignment; COMMON symbols follow in the data and
 * the GOT in the read-only data. The bytes between functions trap if they are run. Called by krtld.c;
 * the layout alone by the host tool.
 */
#include "loader/load.h"
#include "loader/report.h"
#include "loader/sets.h"

/* ---- Layout ---- */

/* Makes room for size bytes at that alignment, and says where. False: more than 64 bits hold. */
static bool append(struct krtld_layout *layout, enum krtld_kind kind, uint64_t size, uint64_t align,
		   uint64_t *offset)
{
	uint64_t *end = &layout->regions[kind].size;

	if (!align)
		align = 1;
	if (layout->regions[kind].align < align)
		layout->regions[kind].align = align;
	if (__builtin_add_overflow(*end, align - 1, offset))
		return false;
	*offset &= ~(align - 1);
	return !__builtin_add_overflow(*offset, size, end);
}

/* Each has room here even if it turns out to be defined elsewhere: no name has been looked up yet. */
static bool lay_out_commons(const struct krtld_object *object, struct krtld_layout *layout)
{
	for (uint32_t i = 1; layout->commons && i < object->nsymbols; i++) {
		struct elf64_sym symbol = krtld_object_symbol(object, i);

		if (krtld_symbol_section(object, &symbol, i) == KRTLD_IN_COMMON &&
		    !append(layout, KRTLD_DATA, symbol.st_size, symbol.st_value,
			    &layout->commons[i]))
			return false;
	}
	return true;
}

static bool lay_out(const struct krtld_object *object, uint32_t nslots, struct krtld_layout *layout)
{
	for (uint32_t i = 0; (i = krtld_next_placed(object, layout, i));) {
		const struct elf64_shdr *shdr = &object->shdrs[i];

		if (!append(layout, krtld_kind_of(shdr), shdr->sh_size,
			    krtld_placed_align(object, layout, i), &layout->sections[i]))
			return false;
	}
	if (object->names_got && !nslots)
		nslots = 1; /* so that the GOT has an address near the module */
	return lay_out_commons(object, layout) &&
	       (!nslots || append(layout, KRTLD_RODATA, (uint64_t)nslots * KRTLD_SLOT, KRTLD_SLOT,
				  &layout->got));
}

static bool allocate_layout(const struct krtld_object *object, struct krtld_layout *layout)
{
	layout->sections = krtld_pool_alloc(object->krtld, object->name, &layout->pool,
					    object->nsections, sizeof *layout->sections);
	if (!layout->sections || !object->has_common)
		return layout->sections;
	layout->commons = krtld_pool_alloc(object->krtld, object->name, &layout->pool,
					   object->nsymbols, sizeof *layout->commons);
	return layout->commons;
}

bool krtld_layout_make(const struct krtld_object *object, uint32_t nslots,
		       struct krtld_layout *layout)
{
	*layout = (struct krtld_layout){.sections = NULL};
	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++)
		layout->regions[kind].align = 1;
	if (allocate_layout(object, layout) && krtld_find_sets(object, layout) &&
	    (lay_out(object, nslots, layout) ||
	     REFUSE(object->krtld, object->name, KRTLD_E_MEMORY,
		    .what = "sections that together need more than 64 bits", .value = UINT64_MAX)))
		return true;
	krtld_layout_drop(object, layout);
	return false;
}

void krtld_layout_drop(const struct krtld_object *object, struct krtld_layout *layout)
{
	krtld_pool_free(object->krtld, &layout->pool);
}

/* ---- Memory ---- */

static bool allocate(struct krtld_load *load)
{
	static const char *const names[KRTLD_REGIONS] = {"the text", "the read-only data",
							 "the data"};
	struct krtld *krtld = load->krtld;

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		struct krtld_region *region = &load->module->regions[kind];
		uint64_t size = load->layout.regions[kind].size;

		if (!size)
			continue;
		region->bytes = krtld->ops->alloc(
		    krtld->ctx, kind, size, load->layout.regions[kind].align, &region->address);
		if (!region->bytes)
			return REFUSE_LOAD(load, KRTLD_E_MEMORY, .what = names[kind],
					   .value = size);
		region->size = size;
	}
	return true;
}

static bool bad_address(const struct krtld_load *load, uint32_t i, const char *what)
{
	return REFUSE_LOAD(load, KRTLD_E_FORMAT, .section = krtld_load_section(load, i),
			   .what = what, .value = load->module->sections[i].address);
}

/* text: where the text that is placed already ends, in its region. */
static bool place_section(struct krtld_load *load, uint32_t i, uint64_t *text)
{
	const struct elf64_shdr *shdr = &load->object->shdrs[i];
	struct krtld_section *section = &load->module->sections[i];
	struct krtld_region *region = &load->module->regions[krtld_kind_of(shdr)];
	uint64_t offset = load->layout.sections[i];

	section->kind = (uint8_t)krtld_kind_of(shdr);
	section->size = shdr->sh_size;
	section->bytes = region->bytes ? region->bytes + offset : NULL;
	section->address = region->address + offset;
	if (load->placement && i < load->placement->nsections && load->placement->sections[i])
		section->address = load->placement->sections[i];
	if (shdr->sh_addralign && (section->address & (shdr->sh_addralign - 1)))
		return bad_address(load, i, "the section's address is not aligned");
	if (section->size && section->address + (section->size - 1) < section->address)
		return bad_address(load, i, "the section reaches past the last address");
	if (!section->size)
		return true;
	if (section->kind == KRTLD_TEXT) {
		memset(region->bytes + *text, krtld_arch_trap, offset - *text);
		*text = offset + section->size;
	}
	if (shdr->sh_type != SHT_NOBITS)
		memcpy(section->bytes, load->object->file + shdr->sh_offset, section->size);
	return true;
}

/* A region without memory: its sections, all of them empty, are where another region begins. */
static void place_empty(struct krtld_module *module)
{
	uint64_t somewhere = 0;

	for (unsigned kind = KRTLD_REGIONS; kind > 0; kind--) {
		if (module->regions[kind - 1].bytes)
			somewhere = module->regions[kind - 1].address;
	}
	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		if (!module->regions[kind].bytes)
			module->regions[kind].address = somewhere;
	}
}

bool krtld_place(struct krtld_load *load)
{
	uint64_t text = 0;

	if (!allocate(load))
		return false;
	place_empty(load->module);
	for (uint32_t i = 0; (i = krtld_next_placed(load->object, &load->layout, i));) {
		if (!place_section(load, i, &text))
			return false;
	}
	load->module->private->got_offset = load->layout.got;
	load->module->private->nslots = load->slots->n;
	load->first_slot = load->module->regions[KRTLD_RODATA].address + load->layout.got;
	load->got =
	    load->placement && load->placement->got ? *load->placement->got : load->first_slot;
	return krtld_check_placed(load);
}

void krtld_unplace(struct krtld *krtld, struct krtld_module *module)
{
	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		struct krtld_region *region = &module->regions[kind];

		if (region->bytes)
			krtld->ops->free(krtld->ctx, kind, region->bytes, region->address,
					 region->size);
		region->bytes = NULL;
	}
}

const uint8_t *krtld_got(const struct krtld_module *module, uint32_t *n, uint64_t *address)
{
	const struct krtld_region *region = &module->regions[KRTLD_RODATA];

	*n = module->private->nslots;
	*address = region->address + module->private->got_offset;
	return region->bytes + module->private->got_offset;
}

/*
 * The second phase: memory. The allocated sections of a kind share one region (text, read-only
 * data, data), in the order of the object and each at its own alignment; COMMON symbols follow in
 * the data and the GOT in the read-only data. The bytes between functions trap if they are run.
 * Called by krtld.c.
 */
#include "loader/load.h"

/* Makes room for size bytes at that alignment, and says where. False: more than 64 bits hold. */
static bool append(struct krtld_plan *plan, uint64_t size, uint64_t align, uint64_t *offset)
{
	if (!align)
		align = 1;
	if (plan->align < align)
		plan->align = align;
	if (__builtin_add_overflow(plan->size, align - 1, offset))
		return false;
	*offset &= ~(align - 1);
	return !__builtin_add_overflow(*offset, size, &plan->size);
}

/*
 * A symbol's offset among the COMMON ones is remembered in its value until it is resolved. Each has
 * room here even if it turns out to be defined elsewhere: then nobody could be asked yet.
 */
static bool plan_common(struct krtld_module *module, struct krtld_plan *data)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 1; own->has_common && i < own->nsymbols; i++) {
		struct elf64_sym symbol = krtld_symbol(module, i);

		if (krtld_symbol_section(module, &symbol, i) == KRTLD_IN_COMMON &&
		    !append(data, symbol.st_size, symbol.st_value, &own->values[i].value))
			return false;
	}
	return true;
}

bool krtld_plan(struct krtld_module *module, struct krtld_plan plans[KRTLD_REGIONS])
{
	struct krtld_private *own = module->private;
	uint64_t slots = own->nslots;

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++)
		plans[kind] = (struct krtld_plan){0, 1};
	for (uint32_t i = 0; (i = krtld_next_placed(module, i));) {
		struct krtld_section *section = &module->sections[i];

		if (!append(&plans[section->kind], section->size, krtld_placed_align(module, i),
			    &section->address))
			return false;
	}
	if (own->got_wanted && !slots)
		slots = 1; /* so that the GOT has an address near the module */
	return plan_common(module, &plans[KRTLD_DATA]) &&
	       (!slots ||
		append(&plans[KRTLD_RODATA], slots * KRTLD_SLOT, KRTLD_SLOT, &own->got_offset));
}

static bool no_memory(const struct krtld *krtld, const struct krtld_module *module,
		      const char *what, uint64_t size)
{
	return REFUSE(krtld, module, KRTLD_E_MEMORY, .what = what, .value = size);
}

static bool allocate(struct krtld *krtld, struct krtld_module *module,
		     const struct krtld_plan plans[KRTLD_REGIONS])
{
	static const char *const names[KRTLD_REGIONS] = {"the text", "the read-only data",
							 "the data"};

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		struct krtld_region *region = &module->regions[kind];

		if (!plans[kind].size)
			continue;
		region->bytes = krtld->ops->alloc(krtld->ctx, kind, plans[kind].size,
						  plans[kind].align, &region->address);
		if (!region->bytes)
			return no_memory(krtld, module, names[kind], plans[kind].size);
		region->size = plans[kind].size;
	}
	return true;
}

static bool bad_address(const struct krtld *krtld, const struct krtld_module *module, uint32_t i,
			const char *what)
{
	return REFUSE(krtld, module, KRTLD_E_FORMAT, .section = module->sections[i].name,
		      .what = what, .value = module->sections[i].address);
}

/* text: where the text that is placed already ends, in its region. */
static bool place_section(struct krtld *krtld, struct krtld_module *module, uint32_t i,
			  uint64_t *text)
{
	const struct elf64_shdr *shdr = &module->private->shdrs[i];
	struct krtld_section *section = &module->sections[i];
	struct krtld_region *region = &module->regions[section->kind];
	uint64_t offset = section->address;

	section->bytes = region->bytes ? region->bytes + offset : NULL;
	section->address = region->address + offset;
	if (krtld->ops->place)
		(void)krtld->ops->place(krtld->ctx, module->name, i, &section->address);
	if (shdr->sh_addralign && (section->address & (shdr->sh_addralign - 1)))
		return bad_address(krtld, module, i, "the section's address is not aligned");
	if (section->size && section->address + (section->size - 1) < section->address)
		return bad_address(krtld, module, i, "the section reaches past the last address");
	if (!section->size)
		return true;
	if (section->kind == KRTLD_TEXT) {
		memset(region->bytes + *text, krtld_arch_trap, offset - *text);
		*text = offset + section->size;
	}
	if (shdr->sh_type != SHT_NOBITS)
		memcpy(section->bytes, module->private->file + shdr->sh_offset, section->size);
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

bool krtld_place(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct krtld_plan plans[KRTLD_REGIONS];
	uint64_t text = 0;

	if (!krtld_plan(module, plans))
		return no_memory(krtld, module, "sections that together need more than 64 bits",
				 UINT64_MAX);
	if (!allocate(krtld, module, plans))
		return false;
	place_empty(module);
	for (uint32_t i = 0; (i = krtld_next_placed(module, i));) {
		if (!place_section(krtld, module, i, &text))
			return false;
	}
	own->slots = module->regions[KRTLD_RODATA].address + own->got_offset;
	own->got = own->slots;
	return krtld_check_placed(krtld, module);
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

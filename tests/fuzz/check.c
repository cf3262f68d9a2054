/*
 * The rules for a module that krtld has accepted, and what a file says of itself, read anew and
 * without krtld's help: which calls in it are sites, and how much memory it declares. Called by
 * scene.c and the targets.
 */
#include <criterion/criterion.h>

#include "tests/fuzz/elffile.h"
#include "tests/fuzz/scene.h"

/* ---- Memory ---- */

#define SLOT    8      /* bytes of the GOT for a symbol */
#define LCOMMON 0xff02 /* SHN_X86_64_LCOMMON */

static uint64_t add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t declared_symbols(const struct elffile *file, const Elf64_Shdr *table)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < elffile_records(file, table, sizeof(Elf64_Sym)); i++) {
		Elf64_Sym symbol = elffile_symbol(file, table, i);

		sum = add(sum, SLOT);
		if (symbol.st_shndx == SHN_COMMON || symbol.st_shndx == LCOMMON)
			sum = add(sum, add(symbol.st_size, symbol.st_value));
	}
	return sum;
}

uint64_t check_declared(const uint8_t *bytes, size_t size)
{
	struct elffile file = elffile_open(bytes, size);
	uint64_t sum = 2 * SLOT;

	for (uint32_t i = 1; i < file.count; i++) {
		Elf64_Shdr section = elffile_section(&file, i);

		if (section.sh_type == SHT_SYMTAB)
			sum = add(sum, declared_symbols(&file, &section));
		if (section.sh_type != SHT_NULL && (section.sh_flags & SHF_ALLOC))
			sum = add(sum, add(section.sh_size, section.sh_addralign));
	}
	return sum;
}

/* ---- Sites ---- */

/* The tables that an accepted file has. */
struct tables {
	const struct world *world;
	const struct krtld_module *module;
	struct elffile file;
	Elf64_Shdr symbols, strings, indices;
};

static struct tables find_tables(const struct world *world, const struct krtld_module *module,
				 const struct image *image)
{
	struct tables t = {
	    .world = world, .module = module, .file = elffile_open(image->bytes, image->size)};

	for (uint32_t i = 1; i < t.file.count; i++) {
		Elf64_Shdr section = elffile_section(&t.file, i);

		if (section.sh_type == SHT_SYMTAB)
			t.symbols = section;
		else if (section.sh_type == SHT_SYMTAB_SHNDX)
			t.indices = section;
	}
	t.strings = elffile_section(&t.file, t.symbols.sh_link);
	return t;
}

/* A local name stands for a hotinline only where it is undefined; a weak one may stand for nothing,
 * where no unix has defined the stubs. */
static bool names_hotinline(const struct tables *t, uint64_t index)
{
	Elf64_Sym symbol = elffile_symbol(&t->file, &t->symbols, index);
	uint32_t section = symbol.st_shndx;
	const char *name = (const char *)t->file.bytes + t->strings.sh_offset + symbol.st_name;
	unsigned hotinline;

	if (!index || !symbol.st_name)
		return false;
	if (section == SHN_XINDEX && t->indices.sh_type)
		elffile_copy(&t->file, t->indices.sh_offset + index * sizeof(section), &section,
			     sizeof(section));
	if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL && section != SHN_UNDEF)
		return false;
	hotinline = hot_find(t->world->machine->table, name);
	return hotinline != HOT_NONE && t->world->machine->stubs[hotinline];
}

static bool is_site(const struct tables *t, const Elf64_Shdr *target, const Elf64_Rela *rela)
{
	const uint8_t *field = t->file.bytes + target->sh_offset + rela->r_offset;
	bool branch;

	if (rela->r_addend != -4 || rela->r_offset == 0 || !(target->sh_flags & SHF_EXECINSTR))
		return false;
	switch (ELF64_R_TYPE(rela->r_info)) {
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
	case 39: /* PC32_BND */
	case 40: /* PLT32_BND */ branch = field[-1] == 0xe8 || field[-1] == 0xe9; break;
	case 41: /* GOTPCRELX: call or jmp through the GOT */
		branch = rela->r_offset > 1 && field[-2] == 0xff &&
			 (field[-1] == 0x15 || field[-1] == 0x25);
		break;
	default: return false;
	}
	return branch && names_hotinline(t, ELF64_R_SYM(rela->r_info));
}

/* Bytes of a relocation's field, as of the psABI; never less than there are. */
static unsigned width_of(uint32_t type)
{
	switch (type) {
	case R_X86_64_8:
	case R_X86_64_PC8: return 1;
	case R_X86_64_16:
	case R_X86_64_PC16: return 2;
	case R_X86_64_64:
	case R_X86_64_PC64: return 8;
	default: return type > R_X86_64_PC64 ? 8 : 4;
	}
}

static bool covers(const struct tables *t, const Elf64_Shdr *relocs, uint64_t offset)
{
	for (uint64_t i = 0; i < elffile_records(&t->file, relocs, sizeof(Elf64_Rela)); i++) {
		Elf64_Rela rela = elffile_rela(&t->file, relocs, i);

		if (rela.r_offset <= offset &&
		    offset - rela.r_offset < width_of(ELF64_R_TYPE(rela.r_info)))
			return true;
	}
	return false;
}

/* Whether a relocation of the section writes over that byte: what is there then is no opcode for
 * certain. Such files are few, or this would be too slow. */
static bool is_covered(const struct tables *t, uint32_t section, uint64_t offset)
{
	for (uint32_t i = 1; i < t->file.count; i++) {
		Elf64_Shdr relocs = elffile_section(&t->file, i);

		if (relocs.sh_type == SHT_RELA && relocs.sh_info == section &&
		    covers(t, &relocs, offset))
			return true;
	}
	return false;
}

/* Of two bytes where the call goes through the GOT. */
static bool opcode_is_covered(const struct tables *t, uint32_t section, const Elf64_Rela *rela)
{
	return is_covered(t, section, rela->r_offset - 1) ||
	       (ELF64_R_TYPE(rela->r_info) == 41 && is_covered(t, section, rela->r_offset - 2));
}

/* How many sites the file has, by a loop that knows nothing of krtld's marks. strict: those whose
 * opcode may be written over are left out. */
static uint32_t count_sites(const struct tables *t, bool strict)
{
	uint32_t sites = 0;

	for (uint32_t i = 1; i < t->file.count; i++) {
		Elf64_Shdr relocs = elffile_section(&t->file, i);
		Elf64_Shdr target = elffile_section(&t->file, relocs.sh_info);

		if (relocs.sh_type != SHT_RELA || !relocs.sh_info || target.sh_type == SHT_NULL ||
		    !(target.sh_flags & SHF_ALLOC))
			continue;
		for (uint64_t n = 0; n < relocs.sh_size / sizeof(Elf64_Rela); n++) {
			Elf64_Rela rela = elffile_rela(&t->file, &relocs, n);

			sites += is_site(t, &target, &rela) &&
				 !(strict && opcode_is_covered(t, relocs.sh_info, &rela));
		}
	}
	return sites;
}

static void check_count(const struct world *world, const struct krtld_module *module,
			const struct image *image)
{
	struct tables tables = find_tables(world, module, image);
	uint32_t calls = 0, all;

	for (uint32_t i = 0; i < module->nsites; i++)
		calls += module->sites[i].form != HOT_STUB;
	all = count_sites(&tables, false);
	cr_assert(calls <= all, "%u sites where the file has %u", calls, all);
	cr_assert(calls == all || calls >= count_sites(&tables, true),
		  "%u sites where the file has %u", calls, count_sites(&tables, true));
}

static void check_text(const struct hot_table *table, const struct krtld_module *module,
		       const struct hot_text *text, bool planned)
{
	const struct krtld_region *region = &module->regions[KRTLD_TEXT];
	uint64_t end = 0;

	cr_assert(text->bytes >= region->bytes &&
		      text->bytes + text->size <= region->bytes + region->size,
		  "a text outside of the text");
	for (uint32_t i = 0; i < text->nsites; i++) {
		const struct hot_site *site = &text->sites[i];

		cr_assert(site->hotinline < table->nhotinlines && site->form <= HOT_STUB);
		cr_assert(!i || site->offset >= site[-1].offset, "sites out of order");
		cr_assert(!planned || site->offset >= end, "sites overlap");
		end = (uint64_t)site->offset + hot_site_size(table, site);
		cr_assert(end <= text->size, "a site outside of its text");
	}
}

void check_sites(const struct world *world, const struct krtld_module *module, bool planned)
{
	uint32_t nsites = 0;

	for (uint32_t i = 0; i < module->ntexts; i++) {
		const struct hot_text *text = &module->texts[i];

		cr_assert(!i || text->address >= text[-1].address, "texts out of order");
		cr_assert(text->nsites && text->sites >= module->sites &&
			  text->sites + text->nsites <= module->sites + module->nsites);
		check_text(world->machine->table, module, text, planned);
		nsites += text->nsites;
	}
	cr_assert_eq(nsites, module->nsites, "%u sites of %u", nsites, module->nsites);
	for (uint32_t i = 1; i < module->nreferences; i++)
		cr_assert(module->references[i].address >= module->references[i - 1].address);
}

/* ---- The rest of a module ---- */

/* Sections of a kind lie in their region in order, and do not overlap. */
static void check_sections(const struct krtld_module *module)
{
	const uint8_t *end[KRTLD_REGIONS];

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++)
		end[kind] = module->regions[kind].bytes;
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];
		const struct krtld_region *region = &module->regions[section->kind];

		if (!section->bytes)
			continue;
		cr_assert(section->bytes >= end[section->kind], "sections overlap");
		end[section->kind] = section->bytes + section->size;
		cr_assert(end[section->kind] <= region->bytes + region->size,
			  "a section outside of its region");
	}
}

/* Whatever the symbols say, asking for their names and places does no harm. */
static void check_names(const struct world *world, const struct krtld_module *module)
{
	const char *name, *nearest;
	uint64_t value, size, offset;
	uint32_t position = 0;

	for (unsigned n = 0; n < 3 && krtld_next_symbol(module, &position, &name, &value, &size);
	     n++) {
		cr_assert(*name && krtld_module_symbol(module, name, &size), "%s is lost", name);
		(void)krtld_name(&world->krtld, value, &nearest, &offset, &size);
	}
}

void check_module(const struct world *world, const struct krtld_module *module,
		  const struct image *image, bool patched)
{
	struct hot_error error;
	bool is_unix = module->nsites && module == world->krtld.first && !world->machine->decided;

	check_sections(module);
	check_sites(world, module, patched);
	check_names(world, module);
	if (!world->krtld.machine)
		return;
	check_count(world, module, image);
	if (!is_unix)
		cr_assert(hot_verify(world->machine, module->texts, module->ntexts,
				     patched ? HOT_NOW : HOT_BEFORE, &error),
			  "%#lx: %s", error.address, hot_reason_text(error.reason));
}

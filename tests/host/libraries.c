/*
 * Libraries that everybody knows, from the static archives of the system, made of relocatable
 * objects (libraries.mk) and loaded into this process: what of them krtld relocates and protects,
 * and what it refuses. That they work is for zlib.c, lua.c and sqlite.c to show.
 */
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/libraries.h"

static const char *const libraries[] = {LIBRARY_ZLIB, LIBRARY_LUA, LIBRARY_SQLITE};

struct krtld_module *library_load(struct world *world, const char *path)
{
	struct image image = image_read(path);

	return world_load(world, path, &image);
}

Test(libraries, each_is_loaded_whole_protected_and_unloaded)
{
	static const char *const protections[] = {"r-xp", "r--p", "rw-p"};

	for (unsigned i = 0; i < 3; i++) {
		struct world *world = process_new();
		struct krtld_module *module = library_load(world, libraries[i]);
		uint64_t text = module->regions[KRTLD_TEXT].address;

		for (unsigned r = 0; r < KRTLD_REGIONS; r++)
			if (module->regions[r].size)
				cr_expect_str_eq(process_protection(module->regions[r].address),
						 protections[r], "%s, region %u", libraries[i], r);
		world_unload(world, module);
		world_expect_empty(world);
		cr_expect_str_eq(process_protection(text), "none", "%s", libraries[i]);
	}
}

Test(libraries, one_missing_name_of_the_c_library_is_refused_by_name)
{
	static const char *const names[] = {"snprintf", "stderr", "pthread_mutexattr_settype"};

	for (unsigned i = 0; i < 3; i++) {
		struct world *world = process_new();
		struct image image = image_read(libraries[i]);
		const struct krtld_error *error;

		process_hide(names[i]);
		error = world_refuse(world, libraries[i], &image, KRTLD_E_UNDEFINED);
		cr_expect_str_eq(error->symbol, names[i]);
		cr_expect_eq(world->nreports, 1, "%u reports", world->nreports);
		world_expect_empty(world);
		process_hide(NULL);
		world_unload(world, world_load(world, libraries[i], &image));
	}
}

/* In the middle of a text's relocations: a field behind the end, a symbol and a type that are not
 * there, an addend out of reach. */
Test(libraries, a_damaged_relocation_is_refused_and_nothing_is_left)
{
	for (unsigned i = 0; i < 3; i++) {
		struct world *world = process_new();
		struct image image = image_read(libraries[i]);
		const Elf64_Shdr *relas = image_section(&image, ".rela.text");
		unsigned n = (unsigned)(relas->sh_size / sizeof(Elf64_Rela) / 2);
		Elf64_Rela *rela = image_rela(&image, ".text", n), sound;

		while (ELF64_R_TYPE(rela->r_info) != R_X86_64_PLT32)
			rela++;
		sound = *rela;
		rela->r_offset = image_section(&image, ".text")->sh_size - 3;
		world_refuse(world, libraries[i], &image, KRTLD_E_FORMAT);
		*rela = sound;
		rela->r_info = ELF64_R_INFO(0xffffff, R_X86_64_PLT32);
		world_refuse(world, libraries[i], &image, KRTLD_E_FORMAT);
		*rela = sound;
		rela->r_info = ELF64_R_INFO(ELF64_R_SYM(sound.r_info), 200);
		world_refuse(world, libraries[i], &image, KRTLD_E_TYPE);
		*rela = sound;
		rela->r_addend = 1l << 40;
		world_refuse(world, libraries[i], &image, KRTLD_E_RANGE);
		*rela = sound;
		world_expect_empty(world);
		world_unload(world, world_load(world, libraries[i], &image));
	}
}

/* Far from the C library, its functions are out of reach, and a missing PLT is no reason to call
 * something else. */
Test(libraries, what_is_out_of_reach_is_refused)
{
	struct world *world = process_new(), *far = world_new("");
	struct image image = image_read(LIBRARY_ZLIB);
	const struct krtld_error *error;

	world->ops.alloc = far->ops.alloc;
	world->ops.protect = far->ops.protect;
	error = world_refuse(world, LIBRARY_ZLIB, &image, KRTLD_E_RANGE);
	cr_expect(strstr(error->type, "PLT32") || strstr(error->type, "PC32"), "%s", error->type);
}

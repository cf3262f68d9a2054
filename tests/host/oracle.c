/*
 * GNU ld as oracle: the same object, its sections at the same addresses, must come out byte for byte
 * the same. Only objects without a GOT, whose place is not for an object to say.
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"
#include "tests/host/world.h"

#define OBJECTS "build/tests/objects/"
#define BASE    0x10000000ul
#define STEP    0x10000ul

static const char *const functions[] = {"count", "two", "exact", "wfull"};

/* A script for ld and a layout for krtld: section i at BASE + i * STEP. */
static void write_both(const struct image *object)
{
	char script[8192], layout[4096];
	const Elf64_Shdr *sections =
	    (const Elf64_Shdr *)(object->bytes + image_header(object)->e_shoff);
	const char *names =
	    (const char *)object->bytes + sections[image_header(object)->e_shstrndx].sh_offset;
	size_t s = 0, l = 0;

	for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		s += (size_t)snprintf(script + s, sizeof(script) - s, "%s = %#lx;\n", functions[i],
				      BASE + 0x900000 + 0x10 * i);
		l += (size_t)snprintf(layout + l, sizeof(layout) - l, "symbol %#lx %s\n",
				      BASE + 0x900000 + 0x10 * i, functions[i]);
	}
	s += (size_t)snprintf(script + s, sizeof(script) - s, "SECTIONS {\n");
	for (unsigned i = 1; i < image_header(object)->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;

		if (!(sections[i].sh_flags & SHF_ALLOC))
			continue;
		s += (size_t)snprintf(script + s, sizeof(script) - s, "%s %#lx : { *(%s%s) }\n",
				      name, BASE + i * STEP, name,
				      strcmp(name, ".bss") ? "" : " COMMON");
		l += (size_t)snprintf(layout + l, sizeof(layout) - l, "section %u %#lx\n", i,
				      BASE + i * STEP);
	}
	snprintf(script + s, sizeof(script) - s, "}\n");
	run_write_text("script", script);
	run_write_text("layout", layout);
}

/* ld joins and shortens unwind tables and merges equal strings; krtld leaves them as they are. */
static bool comparable(const Elf64_Shdr *section, const char *name)
{
	return (section->sh_flags & SHF_ALLOC) && section->sh_type == SHT_PROGBITS &&
	       section->sh_size && strcmp(name, ".eh_frame");
}

static void expect_same(const char *path)
{
	struct image object = image_read(path), linked;
	const Elf64_Shdr *sections =
	    (const Elf64_Shdr *)(object.bytes + image_header(&object)->e_shoff);
	const char *names =
	    (const char *)object.bytes + sections[image_header(&object)->e_shstrndx].sh_offset;
	char file[256];
	const struct run *r;

	write_both(&object);
	r = run("rm -rf $T/dump $T/linked; ld -e 0 --no-relax --no-warn-rwx-segments -T $T/script "
		"-o $T/linked %s && build/bin/krtld --layout $T/layout --dump $T/dump %s",
		path, path);
	cr_assert_eq(r->status, 0, "%s: %s", path, r->errors);
	snprintf(file, sizeof(file), "%s/linked", run_directory());
	linked = image_read(file);
	for (unsigned i = 1; i < image_header(&object)->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;
		const Elf64_Shdr *there;
		struct image dump;

		if (!comparable(&sections[i], name))
			continue;
		there = image_section(&linked, name);
		snprintf(file, sizeof(file), "%s/dump/sec%u.bin", run_directory(), i);
		dump = image_read(file);
		cr_expect_eq(dump.size, sections[i].sh_size, "%s %s: %zu bytes", path, name,
			     dump.size);
		cr_assert(there->sh_size >= dump.size, "%s %s", path, name);
		cr_expect_eq(there->sh_addr, BASE + i * STEP);
		cr_expect(!memcmp(linked.bytes + there->sh_offset, dump.bytes, dump.size),
			  "%s %s: ld and krtld differ", path, name);
	}
}

Test(oracle, ordinary_objects_are_as_ld_makes_them)
{
	static const char *const compilers[] = {"gcc", "clang"};
	static const char *const ways[] = {"O0", "O2", "Os", "kernel", "large", "sections"};
	char path[128];

	for (unsigned c = 0; c < 2; c++) {
		for (unsigned w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
			snprintf(path, sizeof(path), OBJECTS "data-%s-%s.o", compilers[c], ways[w]);
			expect_same(path);
			snprintf(path, sizeof(path), OBJECTS "calls-%s-%s.o", compilers[c],
				 ways[w]);
			expect_same(path);
		}
	}
}

/* The canary: an oracle that agrees with everything would not notice one wrong byte. */
Test(oracle, an_object_with_another_addend_differs)
{
	struct image object = image_read(OBJECTS "data-gcc-O2.o");
	struct image linked, dump;
	char file[256];
	const Elf64_Shdr *text;

	write_both(&object);
	image_rela(&object, ".text", 0)->r_addend += 16;
	run_write("other.o", object.bytes, object.size);
	cr_assert_eq(run("ld -e 0 --no-relax -T $T/script -o $T/linked " OBJECTS
			 "data-gcc-O2.o && build/bin/krtld --layout $T/layout --dump $T/dump "
			 "$T/other.o")
			 ->status,
		     0);
	snprintf(file, sizeof(file), "%s/linked", run_directory());
	linked = image_read(file);
	text = image_section(&linked, ".text");
	snprintf(file, sizeof(file), "%s/dump/sec%u.bin", run_directory(),
		 image_section_index(&object, ".text"));
	dump = image_read(file);
	cr_expect(memcmp(linked.bytes + text->sh_offset, dump.bytes, dump.size));
}

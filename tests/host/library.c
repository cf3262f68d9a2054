/*
 * What the library is made of: the C that its headers claim, for gcc and clang; and an engine that
 * calls nothing from outside, because what it called might be what it patches (PEERS 40).
 */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"

#define FREESTANDING "-ffreestanding -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -fno-pic"
#define FILES        "alternatives/*.c alternatives/arch/amd64/*.c"

Test(library, is_c11_for_gcc_and_clang)
{
	const struct run *r =
	    run("for cc in gcc clang; do for f in " FILES " loader/arch/amd64/*.c "
		"$(ls loader/*.c | grep -v loader/tool); do "
		"$cc -std=c11 -pedantic-errors -Wall -Wextra -Werror " FREESTANDING
		" -I. -fsyntax-only $f || exit 1; done; done");

	run_expect(r, 0, "");
}

/* Twin: what GNU C has besides is noticed. */
Test(library, gnu_c_is_noticed)
{
	const char *file = run_write_text("gnu.c", "int a[256] = {[1 ... 3] = 1};\n");
	const struct run *r = run("gcc -std=c11 -pedantic-errors -fsyntax-only %s", file);

	cr_expect_neq(r->status, 0, "%s", r->errors);
}

/* Undefined symbols of objects, other than the engine's own, in each of six ways. */
#define UNDEFINED                                                                                  \
	"for cc in gcc clang; do for o in 0 2 s; do for f in %s; do "                              \
	"$cc -std=c11 -O$o " FREESTANDING " -I. -c $f -o $T/o.o && nm -u $T/o.o | "                \
	"grep -v ' U hot_' | sed \"s,^,$f -O$o $cc,\"; done; done; done"

Test(library, the_engine_calls_nothing_from_outside)
{
	const struct run *r = run(UNDEFINED, FILES);

	cr_expect_str_empty(r->out, "%s", r->out);
	cr_expect_str_empty(r->errors, "%s", r->errors);
}

/* Twin: a plain assignment becomes a call. */
Test(library, a_copy_that_becomes_a_call_is_noticed)
{
	const char *file = run_write_text("large.c", "struct large { char bytes[4096]; };\n"
						     "void f(struct large *a, struct large *b);\n"
						     "void f(struct large *a, struct large *b)\n"
						     "{ *a = *b; }\n");

	run_expect(run(UNDEFINED, file), 0, "");
	cr_expect(strstr(run(UNDEFINED, file)->out, "memcpy"));
}

/* A freestanding build that uses SSE is refused in words. Twin: as the manual says. */
Test(library, a_freestanding_build_with_sse_is_refused)
{
	const struct run *r;

	r = run("gcc -std=c11 -ffreestanding -O2 -I. -fsyntax-only alternatives/patch.c");
	cr_expect_neq(r->status, 0);
	cr_expect(strstr(r->errors, "-mgeneral-regs-only"), "%s", r->errors);
	r = run("clang -std=c11 -ffreestanding -O2 -I. -fsyntax-only alternatives/patch.c");
	cr_expect_neq(r->status, 0);
	run_expect(run("gcc -std=c11 " FREESTANDING " -I. -fsyntax-only alternatives/patch.c"), 0,
		   "");
	run_expect(run("gcc -std=c11 -ffreestanding -DHOT_WITH_SSE -I. -fsyntax-only "
		       "alternatives/patch.c"),
		   0, "");
}

/* A kernel whose memcpy, memset and memcmp call a hotinline: when the engine patches its stub they
 * must not run. Here they end the program with status 3 once patching has begun. */
static const char client[] =
    "#include <stddef.h>\n"
    "#include <unistd.h>\n"
    "static volatile int patching;\n"
    "static void called(void) { if (patching) _exit(3); }\n"
    "void *memcpy(void *to, const void *from, size_t n) { called(); for (size_t i = 0; i < n; i++) "
    "((volatile char *)to)[i] = ((const char *)from)[i]; return to; }\n"
    "void *memset(void *to, int c, size_t n) { called(); for (size_t i = 0; i < n; i++) ((volatile "
    "char *)to)[i] = (char)c; return to; }\n"
    "int memcmp(const void *a, const void *b, size_t n) { called(); for (size_t i = 0; i < n; i++) "
    "if (((const volatile char *)a)[i] != ((const char *)b)[i]) return 1; return 0; }\n";

Test(library, a_memcpy_that_is_a_client_is_never_called)
{
	static char source[8192];
	const char *file;

	snprintf(source, sizeof(source), "%s%s", client,
		 "#include \"hottable.h\"\n"
		 "static uint8_t text[4096];\n"
		 "static uint64_t memory[1 << 13];\n"
		 "int main(void) {\n"
		 "struct hot_machine *m = hot_machine_init(memory, &hot_table);\n"
		 "struct hot_features all; struct hot_error e; struct hot_site sites[512];\n"
		 "struct hot_text t = {0x100000, text, sites, sizeof text, 0};\n"
		 "for (unsigned i = 0; i < 64; i++) all.set[i % 8] = ~0ull;\n"
		 "for (unsigned i = 0; i < hot_table.nhotinlines; i++) m->stubs[i] = t.address + "
		 "128 * i;\n"
		 "for (unsigned i = 0; i < hot_table.nsymbols; i++) m->symbols[i] = 0x200000;\n"
		 "patching = 1;\n"
		 "hot_decide(m, &all);\n"
		 "t.nsites = hot_add_stubs(m, &t, sites, 0, 512);\n"
		 "for (unsigned i = 0; i < t.nsites; i++)\n"
		 "if (!hot_site_bytes(m, &t, &sites[i], HOT_BEFORE, text + sites[i].offset, &e)) "
		 "return 4;\n"
		 "if (!do_hotinlines(m, &t, 1, &e) || !hot_verify(m, &t, 1, HOT_NOW, &e)) return "
		 "5;\n"
		 "for (unsigned i = 0; i < sizeof text; i++) text[i] = 0;\n"
		 "if (do_hotinlines(m, &t, 1, &e) || e.reason != HOT_E_OLD_BYTES) return 6;\n"
		 "#ifdef TWIN\n"
		 "memcpy(text, sites, (size_t)t.nsites);\n"
		 "#endif\n"
		 "patching = 0; return t.nsites ? 0 : 7; }\n");
	file = run_write_text("client.c", source);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const ways[] = {"gcc -O0", "gcc -O2", "clang -O1", "clang -O3"};

		run_expect(run("%s -fno-builtin -I. -Igenerated %s generated/hottable.c " FILES
			       " -o $T/client && $T/client",
			       ways[i], file),
			   0, "");
		run_expect(
		    run("%s -DTWIN -fno-builtin -I. -Igenerated %s generated/hottable.c " FILES
			" -o $T/client && $T/client",
			ways[i], file),
		    3, "");
	}
}

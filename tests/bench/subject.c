/*
 * An object under test: reading it, memory to load it into, a unix that defines all it wants, and
 * the tables of the simple contenders, which are made from what krtld computes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/bench/subject.h"

#define LINE_SIZE 4096 /* bytes of a message */
#define LARGE     64   /* bytes: alignment of everything, a cache line */

_Noreturn void give_up(const char *what, const char *why)
{
	fprintf(stderr, "relocation: %s: %s\n", what, why);
	exit(1);
}

/* Aligned, so that what is compared begins on a line of the caches. */
static void *claim(size_t n, size_t size)
{
	void *memory = aligned_alloc(LARGE, (n * size + LARGE) & ~(size_t)(LARGE - 1));

	if (!memory)
		give_up("memory", strerror(errno));
	return memset(memory, 0, n * size);
}

/* ---- Memory and the other things that krtld asks for ---- */

static void *bench_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			 uint64_t *address)
{
	struct arena *arena = ctx;
	size_t start = (arena->used + align - 1) & ~(align - 1);

	(void)kind;
	if (start + size > arena->size)
		return NULL;
	arena->used = start + size;
	*address = BENCH_ADDRESS + start;
	return arena->bytes + start;
}

static void bench_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)kind;
	(void)bytes;
	(void)address;
	(void)size;
}

static bool bench_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			  size_t size)
{
	(void)ctx;
	(void)kind;
	(void)bytes;
	(void)address;
	(void)size;
	return true;
}

static void bench_report(void *ctx, const struct krtld_error *error)
{
	char line[LINE_SIZE];

	(void)ctx;
	fprintf(stderr, "relocation: %s\n",
		krtld_error_line(error, &bench_table, line, sizeof line));
}

static const struct krtld_ops ops = {
    .alloc = bench_alloc, .free = bench_free, .protect = bench_protect, .report = bench_report};

static void arena_open(struct arena *arena, size_t size)
{
	size = (size + KRTLD_ALIGN_MAX) & ~(size_t)(KRTLD_ALIGN_MAX - 1);
	arena->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (arena->bytes == MAP_FAILED)
		give_up("memory", strerror(errno));
	arena->size = size;
}

void arena_reset(struct arena *arena)
{
	memset(arena->bytes + arena->kept, 0, arena->used - arena->kept);
	arena->used = arena->kept;
}

/* ---- The object, and unix ---- */

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;

	if (!file || fseek(file, 0, SEEK_END) != 0)
		give_up(path, strerror(errno));
	*size = (size_t)ftell(file);
	rewind(file);
	bytes = claim(*size, 1);
	if (fread(bytes, 1, *size, file) != *size)
		give_up(path, "cannot be read");
	fclose(file);
	return bytes;
}

static void load_unix(struct subject *subject, const char *folder)
{
	char path[LINE_SIZE];
	static const struct hot_features features = {{1}};
	struct hot_machine *machine =
	    hot_machine_init(claim(1, hot_machine_size(&bench_table)), &bench_table);
	const uint8_t *file;
	size_t size;

	snprintf(path, sizeof path, "%s/%s.unix", folder, subject->name);
	file = read_file(path, &size);
	subject->krtld.machine = machine;
	if (!krtld_load(&subject->krtld, "unix", file, size))
		give_up(path, "does not load");
	hot_decide(machine, &features);
	subject->arena.kept = subject->arena.used;
}

/* ---- What the simple contenders need ---- */

void fill_pieces(const struct subject *subject)
{
	for (uint32_t i = 0; i < subject->npieces; i++)
		memcpy(subject->pieces[i].to, subject->pieces[i].from, subject->pieces[i].size);
}

static void make_pieces(struct subject *subject, const struct krtld_object *object,
			const struct krtld_module *module)
{
	subject->pieces = claim(module->nsections, sizeof *subject->pieces);
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];
		const struct elf64_shdr *shdr = &object->shdrs[i];

		if (!krtld_is_loaded(shdr) || shdr->sh_type == SHT_NOBITS || !section->size)
			continue;
		subject->pieces[subject->npieces++] =
		    (struct piece){.from = subject->file + shdr->sh_offset,
				   .to = section->bytes,
				   .size = section->size,
				   .address = section->address,
				   .relocs.section = i};
	}
}

/* Moves the pieces to memory of their own, at the same distances. */
static void move_pieces(struct subject *subject)
{
	size_t low = SIZE_MAX, high = 0;

	for (uint32_t i = 0; i < subject->npieces; i++) {
		size_t start = (size_t)(subject->pieces[i].to - subject->arena.bytes);
		size_t end = start + subject->pieces[i].size;

		low = start < low ? start : low;
		high = end > high ? end : high;
	}
	low &= ~(size_t)(LARGE - 1);
	subject->bytes_size = high > low ? high - low : 0;
	subject->bytes = claim(subject->bytes_size, 1);
	for (uint32_t i = 0; i < subject->npieces; i++)
		subject->pieces[i].to = subject->bytes + (subject->pieces[i].to -
							  subject->arena.bytes - (ptrdiff_t)low);
}

static void add_word(struct subject *subject, const struct piece *piece, uint64_t offset,
		     const uint8_t *field, unsigned width)
{
	uint32_t at = (uint32_t)(piece->to - subject->bytes + (ptrdiff_t)offset);

	if (width == 4) {
		struct word32 *word = &subject->words32[subject->nwords32++];

		word->offset = at;
		memcpy(&word->word, field, 4);
	} else if (width == 8) {
		struct word64 *word = &subject->words64[subject->nwords64++];

		word->offset = at;
		memcpy(word->words, field, 8);
	} else if (width) {
		give_up(subject->name, "fields of 1 or 2 bytes are not what the floor is made for");
	}
}

/* The relocations of each piece, and as words what krtld has made of them. */
static void make_words(struct subject *subject, const struct krtld_object *object,
		       const struct krtld_module *module)
{
	const struct krtld_relocs *relocs;

	for (uint32_t i = 0; (relocs = krtld_next_relocs(object, &i));) {
		struct piece *piece = subject->pieces;

		while (piece->relocs.section != i)
			piece++;
		piece->relocs = *relocs;
		for (uint64_t j = 0; j < relocs->count; j++) {
			struct elf64_rela rela =
			    krtld_rela(relocs->table + j * sizeof(struct elf64_rela));

			add_word(subject, piece, rela.r_offset,
				 module->sections[i].bytes + rela.r_offset,
				 krtld_arch_rows[ELF64_R_TYPE(rela.r_info)].width);
		}
	}
}

static struct subject *preparing;

/* The symbols with their values, as only the load has them. */
static void make_symbols(const struct krtld_load *load)
{
	preparing->nsymbols = load->object->nsymbols;
	preparing->symbols = claim(preparing->nsymbols, sizeof *preparing->symbols);
	for (uint32_t i = 0; i < preparing->nsymbols; i++) {
		preparing->symbols[i] = krtld_object_symbol(load->object, i);
		preparing->symbols[i].st_value = load->values[i].value;
	}
}

/* Whoever computes something else than krtld is not measured. */
static void compare(const struct subject *subject, const struct krtld_module *module,
		    const char *who)
{
	for (uint32_t i = 0; i < subject->npieces; i++) {
		const struct piece *piece = &subject->pieces[i];

		if (memcmp(piece->to, module->sections[piece->relocs.section].bytes, piece->size))
			give_up(subject->name, who);
	}
}

static void prepare(struct subject *subject, const struct krtld_module *module)
{
	struct krtld_object object;

	if (!krtld_object_open(&subject->krtld, &object, subject->name, subject->file,
			       subject->size))
		give_up(subject->name, "does not open");
	for (uint32_t i = 1; i < module->nsections; i++)
		subject->nrelocs += object.relocs[i].count;
	subject->nsites = module->nsites;
	make_pieces(subject, &object, module);
	move_pieces(subject);
	subject->words32 = claim(subject->nrelocs, sizeof *subject->words32);
	subject->words64 = claim(subject->nrelocs, sizeof *subject->words64);
	make_words(subject, &object, module);
	krtld_object_close(&object);
	fill_pieces(subject);
	if (!plain_relocate(subject))
		give_up(subject->name, "the plain loop refuses what krtld loads");
	compare(subject, module, "the plain loop's bytes differ from krtld's");
	fill_pieces(subject);
	store_words(subject);
	compare(subject, module, "the floor's bytes differ from krtld's");
}

void subject_open(struct subject *subject, const char *folder, const char *path)
{
	static const struct krtld_placement unpatched = {.unpatched = true};
	const char *slash = strrchr(path, '/');
	struct krtld_module *module;

	*subject = (struct subject){.name = slash ? slash + 1 : path};
	subject->file = read_file(path, &subject->size);
	arena_open(&subject->arena, 8 * subject->size + ((size_t)32 << 20));
	subject->krtld.ops = &ops;
	subject->krtld.ctx = &subject->arena;
	load_unix(subject, folder);
	preparing = subject;
	phases.before_relocate = make_symbols;
	module =
	    krtld_load_at(&subject->krtld, subject->name, subject->file, subject->size, &unpatched);
	phases.before_relocate = NULL;
	if (!module)
		give_up(path, "does not load");
	prepare(subject, module);
	if (!krtld_unload(&subject->krtld, module))
		give_up(path, "does not unload");
	subject->arena.kept = subject->arena.used; /* the table of names may have grown */
}

void subject_close(struct subject *subject)
{
	munmap(subject->arena.bytes, subject->arena.size);
	free(subject->file);
	free(subject->pieces);
	free(subject->symbols);
	free(subject->bytes);
	free(subject->words32);
	free(subject->words64);
}

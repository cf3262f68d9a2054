/*
 * Modules: read from the boot archive, loaded by krtld, listed, unloaded. unix itself is the first
 * of them; the boot program has loaded it, with its own copy of krtld and of the patch table, and
 * modules_init() takes it over.
 */
#include "hotinline.h"
#include "hottable.h"
#include "kernel/defs.h"
#include "loader/elf64.h"

#define NAME_MAX_SIZE 48
#define WIPED         0xdb
#define BOOT_REST     (1ul << 20) /* bytes */

struct krtld krtld;
static struct archive archive;

/* Loaded at boot, as on illumos: the debugger's disassembler, and the tracer. */
static const char *const at_boot[] = {"capstone", "dtrace"};

/* A copy of a module's object, aligned, for as long as it is asked what the module needs. krtld reads
 * the archive where it is. */
struct object {
	size_t size; /* bytes of all this */
	uint8_t bytes[] __attribute__((aligned(16)));
};

static void report(void *ctx, const struct krtld_error *error)
{
	char line[512];

	(void)ctx;
	kprintf("krtld: %s\n", krtld_error_line(error, &hot_table, line, sizeof(line)));
}

static int start(void *ctx, uint64_t address)
{
	(void)ctx;
	return ((int (*)(void))address)();
}

/* Of a module that is unloaded, or whose _init has failed: a breakpoint may have been set there. */
static void forget_and_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			    size_t size)
{
	if (kind == KRTLD_TEXT)
		mdb_break_forget(address, size);
	memory_free(ctx, kind, bytes, address, size);
}

static const struct krtld_ops unix_ops = {
    .alloc = memory_alloc,
    .free = forget_and_free,
    .protect = memory_protect,
    .start = start,
    .report = report,
};

/* Call it while the boot program is still mapped: its table is compared with that of unix. */
void modules_init(const struct bootinfo *info)
{
	krtld = info->krtld;
	archive = info->archive;
	krtld.ops = &unix_ops;
	if (krtld.machine->table->fingerprint != hot_table.fingerprint)
		panic("boot.elf and unix come from different declarations: build both again");
	krtld.machine->table = &hot_table;
}

bool archive_find(const char *name, struct archive *file)
{
	return cpio_find(&archive, name, file);
}

static bool find_object(const char *name, struct archive *file)
{
	char path[NAME_MAX_SIZE + 16];

	ksnprintf(path, sizeof(path), "modules/%s.ko", name);
	return strlen(name) < NAME_MAX_SIZE && archive_find(path, file);
}

bool module_in_archive(const char *name)
{
	struct archive file;

	return find_object(name, &file);
}

/* NULL after a message. */
static struct object *read_object(const char *name)
{
	struct archive file;
	struct object *object;

	if (!find_object(name, &file)) {
		kprintf("modload: no module %s in the boot archive; modinfo lists what there is\n",
			name);
		return NULL;
	}
	object = kas_alloc(sizeof(*object) + file.size, PAGE_SIZE);
	if (!object) {
		kprintf("modload: no memory for the %lu bytes of %s\n", file.size, name);
		return NULL;
	}
	object->size = sizeof(*object) + file.size;
	copy_bytes(object->bytes, file.bytes, file.size);
	return object;
}

/* A pointer that was kept to a name or a symbol in it shall not look right by accident. */
static void forget_object(struct object *object)
{
	size_t size = object->size;

	fill_bytes(object, WIPED, size);
	kas_free(object, size);
}

/* ---- What a module needs: the modules that its string _depends_on names, as on illumos ---- */

#define NEEDS_MAX 16 /* modules that one modload loads, and how deep they may need each other */

struct request {
	const char *loading[NEEDS_MAX]; /* each needs the next */
	unsigned depth;
	struct krtld_module *loaded[NEEDS_MAX]; /* what is unloaded again if the request fails */
	unsigned n;
};

/* n bytes of an object at an offset; NULL: it has not so many. */
static const void *part(const struct object *object, uint64_t offset, uint64_t n)
{
	size_t size = object->size - sizeof(*object);

	return offset <= size && n <= size - offset && offset % 8 == 0 ? object->bytes + offset
								       : NULL;
}

/* The string at a symbol, with its NUL inside the symbol's section; NULL: there is none. */
static const char *string_at(const struct object *object, const struct elf64_shdr *sections,
			     unsigned nsections, const struct elf64_sym *symbol)
{
	const struct elf64_shdr *section = &sections[symbol->st_shndx];
	const char *string;

	if (symbol->st_shndx >= nsections || section->sh_type != SHT_PROGBITS ||
	    symbol->st_value >= section->sh_size)
		return NULL;
	string =
	    part(object, section->sh_offset & ~7ul, section->sh_size + (section->sh_offset & 7));
	if (!string)
		return NULL;
	string += (section->sh_offset & 7) + symbol->st_value;
	for (uint64_t i = 0; i < section->sh_size - symbol->st_value; i++)
		if (!string[i])
			return string;
	return NULL;
}

/* "" where the object has no such symbol, or makes no sense: krtld will say so. */
static const char *depends_on(const struct object *object)
{
	const struct elf64_ehdr *header = part(object, 0, sizeof(*header));
	const struct elf64_shdr *sections =
	    header ? part(object, header->e_shoff, header->e_shnum * sizeof(*sections)) : NULL;

	for (unsigned i = 0; sections && i < header->e_shnum; i++) {
		const struct elf64_sym *symbols;
		const struct elf64_shdr *names = &sections[sections[i].sh_link];
		const char *found;

		if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum)
			continue;
		symbols = part(object, sections[i].sh_offset, sections[i].sh_size);
		for (uint64_t s = 0; symbols && s < sections[i].sh_size / sizeof(*symbols); s++) {
			struct elf64_sym name = {.st_value = symbols[s].st_name,
						 .st_shndx = (uint16_t)sections[i].sh_link};
			struct elf64_shdr strings = *names;

			strings.sh_type = SHT_PROGBITS;
			name.st_shndx = 0;
			found = string_at(object, &strings, 1, &name);
			if (!found || strcmp(found, "_depends_on") != 0)
				continue;
			found = string_at(object, sections, header->e_shnum, &symbols[s]);
			return found ? found : "";
		}
	}
	return "";
}

static const struct krtld_module *load_one(const char *name, struct request *request);

/* Each word of needs. False after a message. */
static bool load_needs(const char *name, const char *needs, struct request *request)
{
	char word[NAME_MAX_SIZE];

	while (*needs) {
		size_t n = 0;

		for (; *needs && *needs != ' '; needs++)
			if (n + 1 < sizeof(word))
				word[n++] = *needs;
		word[n] = '\0';
		while (*needs == ' ')
			needs++;
		if (!n || krtld_find(&krtld, word))
			continue;
		if (!load_one(word, request)) {
			kprintf("modload: %s needs %s, which cannot be loaded\n", name, word);
			return false;
		}
		kprintf("%s: loaded, because %s needs it\n", word, name);
	}
	return true;
}

/* NULL after a message. */
static const struct krtld_module *load_one(const char *name, struct request *request)
{
	struct krtld_module *module = NULL;
	struct object *object;
	struct archive file;
	bool ready;

	for (unsigned i = 0; i < request->depth; i++)
		if (strcmp(request->loading[i], name) == 0) {
			kprintf("modload: %s needs itself, by way of %s\n", name,
				request->loading[request->depth - 1]);
			return NULL;
		}
	if (request->depth == NEEDS_MAX || request->n == NEEDS_MAX) {
		kprintf("modload: more than %u modules for one: at %s\n", NEEDS_MAX, name);
		return NULL;
	}
	object = read_object(name);
	if (!object)
		return NULL;
	request->loading[request->depth++] = name;
	ready = load_needs(name, depends_on(object), request);
	forget_object(object);
	if (ready && find_object(name, &file))
		module = krtld_load(&krtld, name, file.bytes, file.size);
	request->depth--;
	if (module && request->n < NEEDS_MAX)
		request->loaded[request->n++] = module;
	if (!module)
		kprintf("modload: %s is not loaded\n", name);
	return module;
}

/* All or nothing: what was loaded only for a module that is refused is unloaded again. */
static const struct krtld_module *load(const char *name)
{
	struct request request = {.depth = 0};
	const struct krtld_module *module = load_one(name, &request);

	while (!module && request.n)
		module_unload(request.loaded[--request.n]->name);
	return module;
}

bool module_load(const char *name)
{
	const struct krtld_module *module = krtld_find(&krtld, name);
	uint64_t then = timestamp();

	if (module) {
		kprintf("modload: %s is loaded already, at 0x%lx, number of users: %u\n", name,
			module->regions[KRTLD_TEXT].address, module->users);
		return false;
	}
	module = load(name);
	if (module)
		kprintf("%s: loaded, %u sites patched, in %lu cycles\n", name, module->nsites,
			timestamp() - then);
	return module;
}

/* The module, the copy of its object, and a rest of which the boot still needs a little. */
static bool has_room(const char *name)
{
	struct archive file;
	uint64_t need, have = pages.nfree * PAGE_SIZE;

	if (!find_object(name, &file))
		return true; /* load() says so */
	need = 2 * file.size + BOOT_REST;
	if (need > have)
		kprintf("modload: %s is not loaded at boot: it wants %lu bytes of memory, free are "
			"%lu\n",
			name, need, have);
	return need <= have;
}

/* A machine works without them: what is missing is said, and no more than that. */
void modules_boot(void)
{
	uint64_t then = timestamp();

	for (unsigned i = 0; i < sizeof(at_boot) / sizeof(at_boot[0]); i++)
		if (has_room(at_boot[i]))
			(void)load(at_boot[i]);
	boot_times.modules = timestamp() - then;
}

bool module_unload(const char *name)
{
	struct krtld_module *module = krtld_find(&krtld, name);
	char gone[NAME_MAX_SIZE]; /* the name may be the module's own */

	if (!module || module == krtld.first) {
		kprintf("modunload: %s %s\n", name,
			module ? "is the kernel, and stays"
			       : "is not loaded; modinfo lists what is");
		return false;
	}
	ksnprintf(gone, sizeof(gone), "%s", name);
	if (!krtld_unload(&krtld, module))
		return false;
	kprintf("%s: unloaded\n", gone);
	return true;
}

static void list_module(const struct krtld_module *m)
{
	kprintf("%-12s %016lx %7lu %7lu %7lu %6u %6u %6u\n", m->name,
		m->regions[KRTLD_TEXT].address, m->regions[KRTLD_TEXT].size,
		m->regions[KRTLD_RODATA].size, m->regions[KRTLD_DATA].size, m->nsites,
		m->nreferences, m->users);
}

/* Pages of the kernel's address space that are in use, with those that stay unmapped between. */
static uint64_t kas_used(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < sizeof(kas.used) / sizeof(kas.used[0]); i++)
		n += popcount64(kas.used[i]);
	return n;
}

/* The next module in the archive, its name put into line; NULL: no more. */
static const char *next_in_archive(size_t *position, char *line)
{
	const char *name;

	while ((name = cpio_list(&archive, position))) {
		size_t n = strlen(name);

		if (strncmp(name, "modules/", 8) != 0 || n < 12 || strcmp(name + n - 3, ".ko") != 0)
			continue;
		ksnprintf(line, n - 10 < NAME_MAX_SIZE ? n - 10 : NAME_MAX_SIZE, "%s", name + 8);
		return line;
	}
	return NULL;
}

void modules_offer(struct completion *completion)
{
	char line[NAME_MAX_SIZE];

	for (size_t position = 0; next_in_archive(&position, line);)
		line_offer(completion, line);
}

/* What is loaded, what could be, and how much memory is left. */
void modules_list(void)
{
	char line[NAME_MAX_SIZE];
	size_t position = 0;

	kprintf("%-12s %-16s %7s %7s %7s %6s %6s %6s\n", "module", "text at", "text", "rodata",
		"data", "sites", "plain", "users");
	for (const struct krtld_module *m = krtld.first; m; m = m->next)
		list_module(m);
	kprintf("in the archive:");
	while (next_in_archive(&position, line))
		kprintf(" %s", line);
	kprintf("\nfree pages: %lu of %lu bytes; kernel addresses: %lu of %lu pages in use\n",
		pages.nfree, PAGE_SIZE, kas_used(), KAS_SIZE / PAGE_SIZE);
}

/* The sections of one module, as a layout that the host tool `krtld --layout` takes. */
void module_show(const struct krtld_module *module)
{
	for (uint32_t i = 0; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];

		if (section->bytes)
			kprintf("section %u 0x%lx %lu %s\n", i, section->address, section->size,
				section->name);
	}
}

/*
 * Modules: read from the boot archive, loaded by krtld, listed, unloaded. unix itself is the first
 * of them; the boot program has loaded it, with its own copy of krtld and of the patch table, and
 * modules_init() takes it over.
 */
#include "hotinline.h"
#include "hottable.h"
#include "kernel/defs.h"

#define NAME_MAX_SIZE 48
#define WIPED         0xdb
#define BOOT_REST     (1ul << 20) /* bytes */

struct krtld krtld;
static struct archive archive;

/* Loaded at boot, as on illumos: the debugger's disassembler, and the tracer. */
static const char *const at_boot[] = {"capstone", "dtrace"};

/* A module's name and object: krtld keeps pointers to both for as long as it is loaded. */
struct object {
	char name[NAME_MAX_SIZE];
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

/* A copy of the object, which lives and dies with the module. NULL after a message. */
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
	ksnprintf(object->name, sizeof(object->name), "%s", name);
	object->size = sizeof(*object) + file.size;
	copy_bytes(object->bytes, file.bytes, file.size);
	return object;
}

/* A pointer that somebody kept to a name or a symbol of it shall not look right by accident. */
static void forget_object(struct object *object)
{
	size_t size = object->size;

	fill_bytes(object, WIPED, size);
	kas_free(object, size);
}

/* NULL after a message. */
static const struct krtld_module *load(const char *name)
{
	struct object *object = read_object(name);
	const struct krtld_module *module;

	if (!object)
		return NULL;
	module = krtld_load(&krtld, object->name, object->bytes, object->size - sizeof(*object));
	if (!module) {
		forget_object(object);
		kprintf("modload: %s is not loaded\n", name);
	}
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
	struct object *object;

	if (!module || module == krtld.first) {
		kprintf("modunload: %s %s\n", name,
			module ? "is the kernel, and stays"
			       : "is not loaded; modinfo lists what is");
		return false;
	}
	object = (struct object *)module->name; /* its first member */
	if (!krtld_unload(&krtld, module))
		return false;
	kprintf("%s: unloaded\n", name);
	forget_object(object);
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

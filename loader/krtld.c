/*
 * krtld: a relocator that notices calls to hotinlines.
 *
 * The life of a module
 * --------------------
 * A module is an object file as the compiler or `ld -r` left it (ET_REL): sections without
 * addresses, and a list of fields that are waiting for them. It is not linked any further, and for
 * a reason: a linker resolves calls and forgets where they were. As long as the relocations are
 * there, each of them says "at this place somebody refers to that name", and for a hotinline that
 * is all anybody needs to know. So the kernel itself is such an object, is called unix, and is the
 * first module; those loaded later take the same path through the same code.
 *
 * krtld_load() is that path, a phase a line:
 *
 *	check      Nothing in the file is believed before every header, size, index and offset has
 *	           been looked at. Afterwards nobody has to look again, and the loops are short.
 *	place      Three allocations, for text, read-only data and data, since each will be
 *	           protected in its own way. The contents are copied into them.
 *	resolve    One value for each symbol. This is where names are compared, and the only place:
 *	           a symbol that is a stub is given its hotinline's index here.
 *	relocate   One loop over all relocations: value, range, store. In passing, those that
 *	           refer to stubs are examined: is it proven to be a site (a direct call or jmp)?
 *	           If not, it is kept in a list of its own, with the reason.
 *	collect    The sites of the module become one sorted array.
 *	patch      do_hotinlines(), while the text is still writable and nobody runs it.
 *	protect    Text becomes executable and stops being writable.
 *	publish    Others may find it, and the modules that it uses are in use.
 *	start      Its constructors and its _init run, and _init may still refuse.
 *
 * Patching comes after relocating because a site's old bytes contain the stub's address, and the
 * engine insists on seeing them. It comes before protecting so that text never has to be opened
 * again. For unix it is left to the kernel: krtld runs in the boot program then, the features are
 * not decided, and boot arguments have a say. Any further module must wait for that decision,
 * because two modules that were patched for two machines would disagree about, say, who clears AC.
 *
 * All or nothing. A phase that fails reports why and returns false, and krtld_destroy() undoes all
 * that was done before it: memory, users, stubs. A module's tables hang in one list, so
 * that freeing them cannot forget one. Allocation, protection and _init may fail at any time, and
 * the tests make each of them fail.
 *
 * Who may define what. Hidden symbols are a module's own, and so are _init, _fini and what
 * ops->exported says no to: no other module sees them, they collide with nothing, and within the
 * module they win. All other globals are exported, and of them the first definition of a name counts,
 * in the order of loading. A second one is refused if it is meant (a strong symbol), and gives way if
 * it is not (weak, COMMON, C++'s unique ones in COMDAT groups); a COMMON symbol only to a definition
 * that has its size and alignment. So a kernel whose modules each define `metadata` or `init` hides
 * those (-fvisibility=hidden), or has a list. Within one object every second definition is refused,
 * weak or not: no assembler and no `ld -r` writes one. A stub's name is special: once unix has defined
 * it, it means that stub, and a module that defines it as well, hidden or not, is refused, or it would
 * capture calls.
 *
 * __start_NAME and __stop_NAME are the ends of a module's own sections of that name, where it refers
 * to them and does not define them, as a linker has it (sets.c).
 *
 * A module that uses a symbol of another keeps it from being unloaded. Sites count as uses of
 * unix, whose functions an alternative may call.
 *
 * Limits. Objects for one processor, with addends (SHT_RELA). Relocated values are what GNU ld
 * would put there at the same addresses without relaxing; there is no PLT, so that what is out of
 * reach is refused. Thread-local storage and IFUNC are refused. No string or constant is merged
 * between sections. Modules refer to those loaded before
 * them and not to each other in a circle. Time and memory are linear in the size of the file but
 * for sorting, whatever the file is made to be (tests/fuzz shows the curves), and a symbol that is
 * not the module's own is looked for in each module that is loaded. Not reentrant, except that a
 * module's own functions may load and unload other modules: the caller brings a lock.
 */
#include "loader/load.h"

bool krtld_refuse(const struct krtld *krtld, const struct krtld_error *error)
{
	struct krtld_error told = *error;

	/* No name at all is a byte of the module, which will be gone; all others are the file's. */
	if (told.section && !*told.section)
		told.section = "";
	if (told.symbol && !*told.symbol)
		told.symbol = "";
	krtld->ops->report(krtld->ctx, &told);
	return false;
}

static void *allocate(const struct krtld *krtld, const char *module, uint64_t size)
{
	void *memory =
	    krtld->ops->alloc(krtld->ctx, KRTLD_META, size, _Alignof(max_align_t), &(uint64_t){0});

	if (!memory)
		(void)krtld_refuse(krtld, &(struct krtld_error){.reason = KRTLD_E_MEMORY,
								.module = module,
								.value = size});
	return memory;
}

void *krtld_scratch(struct krtld *krtld, const struct krtld_module *module, size_t size)
{
	return allocate(krtld, module->name, size);
}

void krtld_unscratch(struct krtld *krtld, void *memory, size_t size)
{
	krtld->ops->free(krtld->ctx, KRTLD_META, memory, 0, size);
}

void *krtld_meta(struct krtld *krtld, struct krtld_module *module, uint64_t n, size_t item)
{
	size_t size = sizeof(struct krtld_meta) + n * item; /* n is bounded by the file's size */
	struct krtld_meta *meta = allocate(krtld, module->name, size);

	if (!meta)
		return NULL;
	*meta = (struct krtld_meta){module->private->metas, size};
	module->private->metas = meta;
	return meta + 1;
}

struct body {
	struct krtld_module module;
	struct krtld_private own;
};

struct krtld_module *krtld_create(struct krtld *krtld, const char *name, const void *file,
				  size_t size)
{
	struct body *body = allocate(krtld, name, sizeof *body);

	if (!body)
		return NULL;
	body->module.name = name;
	body->module.private = &body->own;
	body->own.file = file;
	body->own.size = size;
	return &body->module;
}

static void unlink_module(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_module **link = &krtld->first, *previous = NULL;

	while (*link != module) {
		previous = *link;
		link = &(*link)->next;
	}
	*link = module->next;
	if (krtld->last == module)
		krtld->last = previous;
}

static void withdraw(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	if (!own->linked)
		return;
	unlink_module(krtld, module);
	for (uint32_t i = 0; i < own->nneeds; i++)
		own->needs[i]->users--;
	own->linked = false;
}

void krtld_destroy(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_meta *meta = module->private->metas;

	withdraw(krtld, module);
	krtld_drop_found(krtld, module);
	krtld_drop_stubs(krtld, module);
	krtld_unplace(krtld, module);
	while (meta) {
		struct krtld_meta *next = meta->next;

		krtld_unscratch(krtld, meta, meta->size);
		meta = next;
	}
	krtld_unscratch(krtld, (struct body *)module, sizeof(struct body));
}

/* Before anything is read: does a module of that name fit in here, now? */
static bool admit(const struct krtld *krtld, const char *name)
{
	if (krtld_find(krtld, name))
		return krtld_refuse(
		    krtld, &(struct krtld_error){.reason = KRTLD_E_DUPLICATE, .module = name});
	if (krtld->first && krtld->machine && !krtld->machine->decided && !krtld->unpatched)
		return krtld_refuse(
		    krtld, &(struct krtld_error){.reason = KRTLD_E_UNDECIDED, .module = name});
	if (krtld->first && krtld->first->private->nconstructors &&
	    !krtld->first->private->constructed && !krtld->first->private->running)
		return krtld_refuse(
		    krtld,
		    &(struct krtld_error){.reason = KRTLD_E_START,
					  .module = name,
					  .what = "too early, the constructors of the first module "
						  "have not run: call krtld_start()"});
	return true;
}

bool krtld_is_early(const struct krtld *krtld, const struct krtld_module *module)
{
	bool first = !krtld->first || krtld->first == module;

	return first && krtld->machine && !krtld->machine->decided;
}

static bool patch(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_error error = {.reason = KRTLD_E_HOTINLINE, .module = module->name};
	const char *symbol;
	uint64_t offset, size;

	if (!module->nsites || krtld->unpatched || krtld_is_early(krtld, module))
		return true;
	if (do_hotinlines(krtld->machine, module->texts, module->ntexts, &error.hot))
		return true;
	error.section = krtld_locate(module, error.hot.address, &error.offset);
	krtld_nearest(module, error.hot.address, &symbol, &offset, &size);
	error.symbol = symbol;
	return krtld_refuse(krtld, &error);
}

static bool protect(struct krtld *krtld, struct krtld_module *module)
{
	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		struct krtld_region *region = &module->regions[kind];

		if (region->bytes && !krtld->ops->protect(krtld->ctx, kind, region->bytes,
							  region->address, region->size))
			return REFUSE(krtld, module, KRTLD_E_PROTECT, .value = region->address);
	}
	return true;
}

static bool publish(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;

	for (uint32_t i = 0; i < own->nneeds; i++)
		own->needs[i]->users++;
	if (krtld->last)
		krtld->last->next = module;
	else
		krtld->first = module;
	krtld->last = module;
	own->linked = true;
	return true;
}

/* What the kernel patches itself it starts itself, too: krtld_start(). */
static bool start(struct krtld *krtld, struct krtld_module *module)
{
	return krtld_is_early(krtld, module) || krtld_begin(krtld, module);
}

struct krtld_module *krtld_load(struct krtld *krtld, const char *name, const void *file,
				size_t size)
{
	struct krtld_module *module;

	if (!admit(krtld, name))
		return NULL;
	module = krtld_create(krtld, name, file, size);
	if (!module)
		return NULL;
	if (krtld_check(krtld, module) &&          /* everything in the file is in range */
	    krtld_place(krtld, module) &&          /* it has memory, and so addresses */
	    krtld_resolve(krtld, module) &&        /* every symbol has a value */
	    krtld_relocate(krtld, module) &&       /* every field has its own */
	    krtld_find_functions(krtld, module) && /* its constructors are its own code */
	    krtld_collect(krtld, module) &&        /* it is known where hotinlines are called */
	    patch(krtld, module) &&                /* those calls are code for this machine */
	    protect(krtld, module) &&              /* text is read-only from here on */
	    publish(krtld, module) &&              /* others can find it */
	    start(krtld, module))                  /* and it agrees to be here */
		return module;
	if (!krtld_end(krtld, module)) /* somebody has come to use it meanwhile: it cannot go */
		return module;
	krtld_destroy(krtld, module);
	return NULL;
}

bool krtld_unload(struct krtld *krtld, struct krtld_module *module)
{
	if (!krtld_end(krtld, module))
		return false;
	krtld_destroy(krtld, module);
	return true;
}

void krtld_hold(struct krtld_module *module)
{
	module->private->holds++;
	module->users++;
}

bool krtld_release(struct krtld_module *module)
{
	if (!module->private->holds)
		return false;
	module->private->holds--;
	module->users--;
	return true;
}

struct krtld_module *krtld_find(const struct krtld *krtld, const char *name)
{
	for (struct krtld_module *module = krtld->first; module; module = module->next) {
		if (krtld_same(module->name, name))
			return module;
	}
	return NULL;
}

bool krtld_lookup(const struct krtld *krtld, const char *name, uint64_t *value)
{
	uint32_t symbol;
	const struct krtld_module *module = krtld_search(krtld, name, krtld_hash(name), &symbol);

	if (module)
		*value = module->private->values[symbol].value;
	return module != NULL;
}

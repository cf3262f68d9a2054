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
 * krtld_load() is that path. What it knows lives in three places (object.h, load.h, module.h): the
 * *object* is a constant view of the file, the *load* is what one call needs, on its stack, and the
 * *module* is what stays. A phase a line:
 *
 *	object     Every header, section and symbol in the file is looked at, once; object.c and
 *	           object_symbols.c. Afterwards nothing has to be asked again, and the loops are short.
 *	layout     How large each region will be, and where in it each section is; place.c, sets.c.
 *	place      Three allocations, for text, read-only data and data, since each will be
 *	           protected in its own way. The contents are copied into them.
 *	resolve    One value for each symbol. This is where names are compared, and the only place:
 *	           a symbol that is a stub is given its hotinline's index here.
 *	relocate   One loop over all relocations: each is checked, computed and stored. Those whose
 *	           symbols are stubs are put aside in passing, and sites.c answers: is it a site (a
 *	           direct call or jmp, say), or a reference that is not one, and why?
 *	finish     The sites of the module become sorted arrays.
 *	patch      do_hotinlines(), while the text is still writable and no CPU runs it.
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
 * All or nothing. Nothing of a module is reachable before all of it has been looked at: no other
 * module finds its symbols, no page of it is executable, and the machine's stubs are put back. Memory
 * that only the load holds may have been written by then, for a relocation is checked where it is
 * stored. A phase that fails reports why and returns false, and destroy() undoes all that was done
 * before it: memory, users, names, stubs. Allocation, protection and _init may fail at any time, and
 * the tests make each of them fail.
 *
 * A GOT is rare in a kernel, and to find out how large it must be takes a look at every relocation.
 * So a load counts on none; where it meets a relocation that needs one it undoes itself, counts, and
 * starts again.
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
 * between sections. Modules refer to those loaded before them and not to each other in a circle. Time
 * and memory are linear in the size of the file but for sorting, whatever the file is made to be
 * (tests/fuzz shows the curves), and do not depend on how many modules are loaded: all names are in
 * one table (names.c). Who may call what, and when, is said in krtld.h.
 */
#include "loader/load.h"
#include "loader/report.h"

/* ---- A module's memory ---- */

/* A module, in the first block of its own pool; its sections and its names follow. */
struct body {
	struct krtld_module module;
	struct krtld_private own;
};

/* Copies the names of the module, its symbols and sections: the file will be gone. */
static void copy_names(struct krtld_module *module, const struct krtld_object *object, char *names)
{
	struct krtld_key name = krtld_key_of(object->name);
	char *sections = names + (object->strings_size ? object->strings_size : 1);
	char *own = sections + object->section_names_size + 1;

	if (object->strings_size)
		memcpy(names, object->strings, object->strings_size);
	if (object->section_names_size)
		memcpy(sections, object->section_names, object->section_names_size);
	memcpy(own, name.text, name.length);
	for (uint32_t i = 0; i < module->nsections; i++)
		module->sections[i].name = sections + object->shdrs[i].sh_name;
	module->name = own;
	module->private->names = names;
	module->private->entry = (struct krtld_entry){.name = own,
						      .module = module,
						      .length = name.length,
						      .hash = name.hash,
						      .symbol = KRTLD_NO_SYMBOL};
}

/* A module of which nothing is known but its names. */
static bool create(struct krtld_load *load)
{
	const struct krtld_object *object = load->object;
	struct krtld_pool pool = {NULL};
	uint64_t names = object->strings_size + object->section_names_size +
			 krtld_key_of(object->name).length + 3;
	uint64_t sections = object->nsections * sizeof(struct krtld_section);
	struct body *body =
	    krtld_pool_alloc(load->krtld, object->name, &pool, sizeof *body + sections + names, 1);
	struct krtld_module *module;

	if (!body)
		return false;
	module = load->module = &body->module;
	module->private = &body->own;
	module->private->pool = pool;
	module->nsections = object->nsections;
	module->sections = (struct krtld_section *)(body + 1);
	copy_names(module, object, (char *)(module->sections + module->nsections));
	return true;
}

/* Takes it out of the list of modules and the table of names, and from what it uses. */
static void withdraw(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct krtld_module **needs = own->needs.items;

	for (uint32_t i = 0; i < own->nexports; i++)
		krtld_names_remove(krtld, &own->exports[i]);
	if (!own->linked)
		return;
	krtld_names_remove(krtld, &own->entry);
	for (uint32_t i = 0; i < own->needs.n; i++)
		needs[i]->users--;
	*(own->previous ? &own->previous->next : &krtld->first) = module->next;
	*(module->next ? &module->next->private->previous : &krtld->last) = own->previous;
	own->linked = false;
}

/* Undoes every phase that was done, and frees the module. */
static void destroy(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	struct krtld_pool pool;

	withdraw(krtld, module);
	krtld_drop_stubs(krtld, module);
	krtld_unplace(krtld, module);
	krtld_vector_free(krtld, &own->needs, sizeof(struct krtld_module *));
	krtld_vector_free(krtld, &own->sites, sizeof *module->sites);
	krtld_vector_free(krtld, &own->references, sizeof *module->references);
	krtld_vector_free(krtld, &own->texts, sizeof *module->texts);
	pool = own->pool;
	krtld_pool_free(krtld, &pool);
	if (!krtld->first)
		krtld_names_free(krtld);
}

/* ---- The phases that are short ---- */

/* Before anything is read: does a module of that name fit in here, now? */
static bool admit(const struct krtld *krtld, const char *name,
		  const struct krtld_placement *placement)
{
	const struct krtld_module *first = krtld->first;

	if (krtld_find(krtld, name))
		return REFUSE(krtld, name, KRTLD_E_DUPLICATE);
	if (first && krtld->machine && !krtld->machine->decided &&
	    !(placement && placement->unpatched))
		return REFUSE(krtld, name, KRTLD_E_UNDECIDED);
	if (first && first->private->nconstructors && !first->private->constructed &&
	    !first->private->running)
		return REFUSE(krtld, name, KRTLD_E_START,
			      .what = "too early, the constructors of the first module "
				      "have not run: call krtld_start()");
	return true;
}

/* The engine's refusal, with the names that the file has. */
static bool refuse_site(const struct krtld_load *load, struct krtld_error *error)
{
	const struct krtld_module *module = load->module;
	uint64_t offset, size;

	error->module = load->object->name;
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];

		if (section->bytes && error->hot.address - section->address < section->size) {
			error->section = krtld_load_section(load, i);
			error->offset = error->hot.address - section->address;
		}
	}
	if (krtld_nearest(module, error->hot.address, &error->symbol, &offset, &size))
		error->symbol = load->object->strings + (error->symbol - module->private->names);
	return krtld_refuse(load->krtld, error);
}

static bool patch(const struct krtld_load *load)
{
	struct krtld_module *module = load->module;
	struct krtld_error error = {.reason = KRTLD_E_HOTINLINE};

	return !module->nsites || (load->placement && load->placement->unpatched) ||
	       krtld_is_early(load->krtld, module) ||
	       do_hotinlines(load->krtld->machine, module->texts, module->ntexts, &error.hot) ||
	       refuse_site(load, &error);
}

static bool protect(const struct krtld_load *load)
{
	struct krtld *krtld = load->krtld;

	for (unsigned kind = 0; kind < KRTLD_REGIONS; kind++) {
		struct krtld_region *region = &load->module->regions[kind];

		if (region->bytes && !krtld->ops->protect(krtld->ctx, kind, region->bytes,
							  region->address, region->size))
			return REFUSE_LOAD(load, KRTLD_E_PROTECT, .value = region->address);
	}
	return true;
}

/* Others can find it, and what it uses is in use. */
static bool publish(const struct krtld_load *load)
{
	struct krtld *krtld = load->krtld;
	struct krtld_module *module = load->module;
	struct krtld_private *own = module->private;
	struct krtld_module **needs;

	if (!krtld_vector_trim(krtld, module->name, &own->needs, sizeof *needs))
		return false;
	if (!krtld_names_add(krtld, &own->entry))
		return REFUSE_LOAD(load, KRTLD_E_FORMAT,
				   .what = "names of modules share one hash chain",
				   .value = KRTLD_CHAIN_MAX + 1, .limit = KRTLD_CHAIN_MAX);
	needs = own->needs.items;
	for (uint32_t i = 0; i < own->needs.n; i++)
		needs[i]->users++;
	own->previous = krtld->last;
	*(krtld->last ? &krtld->last->next : &krtld->first) = module;
	krtld->last = module;
	own->linked = true;
	return true;
}

/* ---- The load ---- */

/* From the object to a module that others can find. What a failure leaves destroy() undoes. */
static bool make(struct krtld_load *load)
{
	return krtld_layout_make(load->object,
				 load->slots->n ? load->slots->n : load->slots->wanted,
				 &load->layout) && /* it is known how large it will be */
	       create(load) &&
	       krtld_place(load) &&    /* it has memory, and so addresses */
	       krtld_resolve(load) &&  /* every symbol has a value */
	       krtld_relocate(load) && /* every field has its own, and sites are known */
	       krtld_find_functions(load->krtld, load->module, load->object) &&
	       krtld_finish_sites(load) && /* they are what the engine takes */
	       patch(load) &&              /* calls of hotinlines are code for this machine */
	       protect(load) &&            /* text is read-only from here on */
	       publish(load);              /* others can find it */
}

static struct krtld_module *attempt(struct krtld *krtld, const struct krtld_object *object,
				    const struct krtld_placement *placement,
				    struct krtld_slots *slots)
{
	struct krtld_load load = {
	    .krtld = krtld, .placement = placement, .object = object, .slots = slots};

	if (!make(&load)) {
		if (load.module)
			destroy(krtld, load.module);
		krtld_names_undo(krtld);
		load.module = NULL;
	}
	krtld_pool_free(krtld, &load.pool);
	krtld_layout_drop(object, &load.layout);
	return load.module;
}

static bool count_slots(struct krtld_slots *slots, const struct krtld_object *object)
{
	slots->numbers = krtld_pool_alloc(object->krtld, object->name, &slots->pool,
					  object->nsymbols, sizeof *slots->numbers);
	if (slots->numbers)
		slots->n = krtld_count_slots(object, slots->numbers, &slots->wanted);
	return slots->numbers != NULL;
}

static struct krtld_module *load_object(struct krtld *krtld, const struct krtld_object *object,
					const struct krtld_placement *placement)
{
	struct krtld_slots slots = {.missing = object->names_got};
	struct krtld_module *module =
	    slots.missing ? NULL : attempt(krtld, object, placement, &slots);

	if (slots.missing && count_slots(&slots, object))
		module = attempt(krtld, object, placement, &slots);
	krtld_pool_free(krtld, &slots.pool);
	return module;
}

struct krtld_module *krtld_load_at(struct krtld *krtld, const char *name, const void *file,
				   size_t size, const struct krtld_placement *placement)
{
	struct krtld_object object;
	struct krtld_module *module;

	if (!admit(krtld, name, placement) || !krtld_object_open(krtld, &object, name, file, size))
		return NULL;
	module = load_object(krtld, &object, placement);
	krtld_object_close(&object);
	/* What the kernel patches it starts, too. A module that refuses goes, if no other has come to
	 * use it meanwhile. */
	if (module && !krtld_is_early(krtld, module) && !krtld_begin(krtld, module) &&
	    krtld_end(krtld, module)) {
		destroy(krtld, module);
		krtld_names_undo(krtld);
		return NULL;
	}
	krtld_names_keep(krtld);
	return module;
}

struct krtld_module *krtld_load(struct krtld *krtld, const char *name, const void *file,
				size_t size)
{
	return krtld_load_at(krtld, name, file, size, NULL);
}

bool krtld_unload(struct krtld *krtld, struct krtld_module *module)
{
	if (!krtld_end(krtld, module))
		return false;
	destroy(krtld, module);
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
	struct krtld_key key = krtld_key_of(name);
	const struct krtld_entry *entry = krtld_names_find(krtld, &key).module;

	return entry ? entry->module : NULL;
}

bool krtld_lookup(const struct krtld *krtld, const char *name, uint64_t *value)
{
	struct krtld_key key = krtld_key_of(name);
	const struct krtld_entry *entry = krtld_names_find(krtld, &key).symbol;

	if (!entry || !entry->module->private->linked)
		return false;
	*value = entry->module->private->symbols[entry->symbol].value;
	return true;
}

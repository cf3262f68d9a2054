/*
 * The last phase, and the first of unloading: the module's own functions. In the order of a C
 * runtime: constructors (.preinit_array, then .init_array and .ctors by priority), _init, which is
 * to a module what main() is to a program; at unload _fini, then the destructors (.fini_array and
 * .dtors) the other way round. Called by krtld.c.
 *
 * A function is called only if it lies in the module's own executable sections: a pointer that was
 * left 0, or that leads into data or to another module, is refused before any of them runs.
 *
 * While one of them runs the module is neither unloaded nor started a second time; what it may do is
 * said in krtld.h. Each step says in the module that it is done before the next one begins, since
 * whatever is called may load and unload modules.
 */
#include "loader/module.h"
#include "loader/report.h"
#include "loader/sort.h"
#include "loader/text.h"

#define PRIORITIES 65536 /* 0 to 65535; what has none comes after them */

/* An array of functions, with its place in the order in which they are called. */
struct array {
	uint64_t order;
	uint32_t section; /* index */
	bool destructs;
	bool backwards; /* its last function is called first */
	bool sentinels; /* 0 and -1 are not functions: crtbegin.o and crtend.o write them */
};

/* A piece of the module's text. */
struct code {
	uint64_t start;
	uint64_t size;
};

static bool is_called(const char *name, const char *array)
{
	size_t n = krtld_length(array);

	return memcmp(name, array, krtld_length(name) < n ? krtld_length(name) : n) == 0 &&
	       krtld_length(name) >= n && (!name[n] || name[n] == '.');
}

/* The number after the last dot of ".init_array.100"; PRIORITIES where there is none. */
static uint64_t priority_of(const char *suffix)
{
	uint64_t priority = 0;

	if (suffix[0] != '.' || !suffix[1])
		return PRIORITIES;
	for (suffix++; *suffix >= '0' && *suffix <= '9'; suffix++) {
		priority = 10 * priority + (uint64_t)(*suffix - '0');
		if (priority >= PRIORITIES)
			priority = PRIORITIES - 1;
	}
	return *suffix ? PRIORITIES : priority;
}

/* As GNU ld sorts them: .ctors and .dtors have the highest priority last. False: not an array. */
static bool array_of(const struct krtld_object *object, uint32_t i, struct array *array)
{
	static const struct {
		char name[16];
		uint32_t type; /* or 0 */
		uint8_t stage;
		bool destructs, backwards, old;
	} kinds[] = {
	    {".preinit_array", SHT_PREINIT_ARRAY, 0, false, false, false},
	    {".init_array", SHT_INIT_ARRAY, 1, false, false, false},
	    {".ctors", 0, 1, false, true, true},
	    {".fini_array", SHT_FINI_ARRAY, 2, true, true, false},
	    {".dtors", 0, 2, true, false, true},
	};
	const struct elf64_shdr *shdr = &object->shdrs[i];
	const char *name = krtld_section_name(object, i);

	if (!krtld_is_loaded(shdr) || !shdr->sh_size)
		return false;
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		bool called = is_called(name, kinds[k].name);
		uint64_t priority = PRIORITIES, index = i;

		if (!called && (!kinds[k].type || shdr->sh_type != kinds[k].type))
			continue;
		if (called)
			priority = priority_of(name + krtld_length(kinds[k].name));
		if (kinds[k].old && priority < PRIORITIES)
			priority = PRIORITIES - 1 - priority;
		if (kinds[k].destructs) {
			priority = PRIORITIES - priority;
			index = UINT32_MAX - index;
		}
		*array = (struct array){(uint64_t)kinds[k].stage << 60 | priority << 32 | index, i,
					kinds[k].destructs, kinds[k].backwards, kinds[k].old};
		return true;
	}
	return false;
}

static uint64_t order_of(const void *element)
{
	return ((const struct array *)element)->order;
}

static uint64_t start_of(const void *element)
{
	return ((const struct code *)element)->start;
}

static bool is_text(const struct krtld_module *module, uint32_t i)
{
	return module->sections[i].bytes && module->sections[i].size &&
	       module->sections[i].kind == KRTLD_TEXT;
}

/* Whether an address is in one of n pieces, which are sorted. */
static bool is_in(const struct code *code, uint32_t n, uint64_t address)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (code[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address - code[low - 1].start < code[low - 1].size;
}

bool krtld_is_early(const struct krtld *krtld, const struct krtld_module *module)
{
	bool first = !krtld->first || krtld->first == module;

	return first && krtld->machine && !krtld->machine->decided;
}

static const char *array_fault(const struct krtld *krtld, const struct krtld_module *module,
			       const struct elf64_shdr *shdr)
{
	if (shdr->sh_type == SHT_NOBITS)
		return "an array of functions without contents (SHT_NOBITS), size";
	if (shdr->sh_size % sizeof(uint64_t))
		return "the size of an array of functions is not a multiple of 8 (sh_size)";
	return !krtld->ops->start && !krtld_is_early(krtld, module)
		   ? "constructors or destructors, which krtld_ops has no start to call, bytes"
		   : NULL;
}

/* Counts the arrays, the functions in them at most, and the pieces of text. */
static bool count(const struct krtld *krtld, const struct krtld_module *module,
		  const struct krtld_object *object, uint32_t *narrays, uint32_t *ncode,
		  uint64_t *nfunctions)
{
	for (uint32_t i = 1; i < module->nsections; i++) {
		const struct elf64_shdr *shdr = &object->shdrs[i];
		const char *fault;
		struct array array;

		*ncode += is_text(module, i);
		if (!array_of(object, i, &array))
			continue;
		fault = array_fault(krtld, module, shdr);
		if (fault)
			return REFUSE(krtld, object->name, KRTLD_E_START,
				      .section = krtld_section_name(object, i), .what = fault,
				      .value = shdr->sh_size);
		++*narrays;
		*nfunctions += shdr->sh_size / sizeof(uint64_t);
	}
	return true;
}

/* Appends the functions of an array to the module's. */
static bool take_array(const struct krtld *krtld, struct krtld_module *module,
		       const struct krtld_object *object, const struct array *array,
		       const struct code *code, uint32_t ncode)
{
	struct krtld_private *own = module->private;
	const struct krtld_section *section = &module->sections[array->section];
	uint64_t n = section->size / sizeof(uint64_t), function;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t offset = sizeof function * (array->backwards ? n - 1 - i : i);

		memcpy(&function, section->bytes + offset, sizeof function);
		if (array->sentinels && (!function || function == UINT64_MAX))
			continue;
		if (!is_in(code, ncode, function))
			return REFUSE(krtld, object->name, KRTLD_E_START,
				      .section = krtld_section_name(object, array->section),
				      .offset = offset,
				      .what = "the function is not in the module's own executable "
					      "sections, address",
				      .value = function);
		own->functions[own->nconstructors + own->ndestructors] = function;
		if (array->destructs)
			own->ndestructors++;
		else
			own->nconstructors++;
	}
	return true;
}

bool krtld_find_functions(struct krtld *krtld, struct krtld_module *module,
			  const struct krtld_object *object)
{
	struct krtld_private *own = module->private;
	struct krtld_pool pool = {NULL};
	uint32_t narrays = 0, ncode = 0, a = 0, c = 0;
	uint64_t nfunctions = 0;
	struct array *arrays;
	struct code *code;
	bool ok = true;

	if (!count(krtld, module, object, &narrays, &ncode, &nfunctions))
		return false;
	if (!narrays)
		return true;
	own->functions =
	    krtld_pool_alloc(krtld, object->name, &own->pool, nfunctions, sizeof(uint64_t));
	if (!own->functions)
		return false;
	arrays = krtld_pool_alloc(krtld, object->name, &pool,
				  narrays * sizeof *arrays + ncode * sizeof *code, 1);
	if (!arrays)
		return false;
	code = (struct code *)(arrays + narrays);
	for (uint32_t i = 1; i < module->nsections; i++) {
		a += array_of(object, i, &arrays[a < narrays ? a : narrays - 1]);
		if (is_text(module, i))
			code[c++] =
			    (struct code){module->sections[i].address, module->sections[i].size};
	}
	krtld_sort(arrays, narrays, sizeof *arrays, order_of);
	krtld_sort(code, ncode, sizeof *code, start_of);
	for (a = 0; ok && a < narrays; a++)
		ok = take_array(krtld, module, object, &arrays[a], code, ncode);
	krtld_pool_free(krtld, &pool);
	return ok;
}

/* ---- Calls ---- */

static int call(struct krtld *krtld, struct krtld_module *module, uint64_t function)
{
	int result;

	module->private->running = true;
	result = krtld->ops->start(krtld->ctx, function);
	module->private->running = false;
	return result;
}

/* Constructors and destructors return nothing that could be looked at. */
static void call_all(struct krtld *krtld, struct krtld_module *module, const uint64_t *functions,
		     uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		(void)call(krtld, module, functions[i]);
}

/* Whether _init or _fini is there, as its address; one that krtld must not call is refused. */
static bool find(struct krtld *krtld, struct krtld_module *module, const char *name,
		 uint64_t *address)
{
	*address = 0;
	if (!krtld->ops->start || !krtld_module_symbol(module, name, address))
		return true;
	for (uint32_t i = 1; i < module->nsections; i++) {
		if (is_text(module, i) &&
		    *address - module->sections[i].address < module->sections[i].size)
			return true;
	}
	return REFUSE(krtld, module->name, KRTLD_E_START, .symbol = name,
		      .what = "it is not in the module's own executable sections, address",
		      .value = *address);
}

/* Calls it if it is there. */
static bool run(struct krtld *krtld, struct krtld_module *module, const char *name,
		uint64_t address)
{
	int result = address ? call(krtld, module, address) : 0;

	return !result || REFUSE(krtld, module->name, KRTLD_E_START, .symbol = name,
				 .value = (uint64_t)result);
}

bool krtld_begin(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	uint64_t init, fini;

	if (!find(krtld, module, "_init", &init) || !find(krtld, module, "_fini", &fini))
		return false;
	if (!own->constructed)
		call_all(krtld, module, own->functions, own->nconstructors);
	own->constructed = true;
	own->started = run(krtld, module, "_init", init);
	return own->started;
}

/* False after a report: the module has users. Those may have come while one of its functions ran. */
static bool is_free(const struct krtld *krtld, const struct krtld_module *module)
{
	return !module->users || REFUSE(krtld, module->name, KRTLD_E_BUSY, .value = module->users);
}

bool krtld_end(struct krtld *krtld, struct krtld_module *module)
{
	struct krtld_private *own = module->private;
	uint64_t fini;

	if (own->running)
		return REFUSE(krtld, module->name, KRTLD_E_BUSY,
			      .what = "one of its own functions has not returned");
	if (!is_free(krtld, module))
		return false;
	if (own->started &&
	    (!find(krtld, module, "_fini", &fini) || !run(krtld, module, "_fini", fini)))
		return false;
	own->started = false;
	if (!is_free(krtld, module))
		return false;
	if (own->constructed)
		call_all(krtld, module, own->functions + own->nconstructors, own->ndestructors);
	own->constructed = false;
	return is_free(krtld, module);
}

bool krtld_start(struct krtld *krtld, struct krtld_module *module)
{
	const struct krtld_private *own = module->private;

	if (own->started)
		return true;
	if (own->running)
		return REFUSE(krtld, module->name, KRTLD_E_BUSY,
			      .what = "one of its own functions has not returned");
	if (own->nconstructors + own->ndestructors && !krtld->ops->start)
		return REFUSE(krtld, module->name, KRTLD_E_START,
			      .what = "constructors or destructors, which krtld_ops has no start "
				      "to call");
	return krtld_begin(krtld, module);
}

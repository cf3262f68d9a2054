/*
 * The host tool `krtld` (build/bin/krtld): loads objects as the kernel would, at given addresses
 * and for a given machine, and shows or dumps the result. Its krtld, engine and patch table are
 * the kernel's own, compiled for the host. --help says how it is used.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hottable.h"
#include "loader/tool/tool.h"

#define VERSION "1.0"

static const char help[] =
    "Usage: krtld [OPTION]... OBJECT...\n"
    "Loads relocatable objects as the kernel would, and shows the result.\n"
    "\n"
    "  --cpu LIST     patch for a machine with these features: names separated by commas,\n"
    "                 `none', or `host' for the machine this runs on. Derived features\n"
    "                 follow from the others. Without it nothing is patched.\n"
    "  --layout FILE  take addresses from FILE, one item a line, further columns ignored:\n"
    "                   section INDEX ADDRESS    a section of the object, by its index\n"
    "                   symbol ADDRESS NAME      an undefined symbol, or a stub\n"
    "                   object PATH              whose sections follow (at first: the\n"
    "                                            first OBJECT's)\n"
    "  --dump DIR     write each allocated section's final bytes to DIR/sec<INDEX>.bin;\n"
    "                 and the slots of the GOT, if there are any, to\n"
    "                 DIR/got<ADDRESS>.bin; the second OBJECT's to DIR/2, and so on\n"
    "  --sites        print one site a line, tab-separated: address, object:symbol+offset,\n"
    "                 form, hotinline, index and text of the alternative, bytes before,\n"
    "                 bytes after; then the references that are no sites: address,\n"
    "                 object:symbol+offset, `reference', hotinline, relocation, reason\n"
    "  --json         print the same as JSON\n"
    "  --link         resolve all OBJECTs as one set, as a link of them would: in any\n"
    "                 order and in circles; a strong definition wins over a weak one,\n"
    "                 and COMMON symbols of a name are one. The kernel does not do so\n"
    "  --own LIST     names, separated by commas, that no OBJECT exports: each has its\n"
    "                 own, as if it were hidden\n"
    "  --help         print this\n"
    "  --version      print the version and what patch table is built in\n"
    "\n"
    "Without --dump, --sites and --json it prints the addresses, in the form of a layout.\n"
    "OBJECTs are loaded in their order, as the kernel loads modules: each may refer to\n"
    "those before it, and the first definition of a name counts. If the first one\n"
    "defines the stubs it is unix; otherwise stubs get addresses near the first one.\n"
    "Nothing of an OBJECT is run, neither its _init nor its constructors.\n"
    "Exit status: 0 loaded; 2 refused, with the reasons on stderr; 64 wrong use.\n";

void complain(const char *format, ...)
{
	va_list arguments;

	flockfile(stderr);
	fputs("krtld: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	putc('\n', stderr);
	funlockfile(stderr);
}

_Noreturn void out_of_memory(void)
{
	complain("no memory is left");
	exit(EXIT_REFUSED);
}

void *claim(size_t n, size_t size)
{
	void *memory = calloc(n ? n : 1, size);

	if (!memory)
		out_of_memory();
	return memory;
}

/* ---- What krtld asks for ---- */

/* A region takes no memory before something is stored in it: there may be any number of zeros. */
static void *tool_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			uint64_t *address)
{
	const struct tool *tool = ctx;
	void *bytes;

	(void)align;
	if (kind == KRTLD_META)
		return calloc(1, size);
	*address = tool->loading->regions[kind];
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return bytes == MAP_FAILED ? NULL : bytes;
}

static void tool_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)address;
	if (kind == KRTLD_META)
		free(bytes);
	else
		munmap(bytes, size);
}

static bool tool_protect(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address,
			 size_t size)
{
	(void)ctx;
	(void)kind;
	(void)bytes;
	(void)address;
	(void)size;
	return true;
}

static bool tool_external(void *ctx, const char *name, uint64_t *value)
{
	const struct tool *tool = ctx;
	const struct definition *definition = tool->link ? find_definition(tool, name) : NULL;
	const struct layout_symbol *symbol = layout_symbol(&tool->layout, name);

	if (definition)
		*value = definition->value;
	else if (symbol)
		*value = symbol->address;
	return definition || symbol;
}

/* Names of C++ may be of any length. */
static void tool_report(void *ctx, const struct krtld_error *error)
{
	size_t size = 1 << 16; /* a quarter of it for a name: krtld_error_line() */
	char *line = claim(1, size);

	(void)ctx;
	while (strlen(krtld_error_line(error, &hot_table, line, size)) == size - 1) {
		free(line);
		size *= 2;
		line = claim(1, size);
	}
	complain("%s", line);
	free(line);
}

/* Whether that word is one of a list's, which are separated by commas. */
static bool in_list(const char *list, const char *word)
{
	size_t length = strlen(word);

	while (list) {
		if (strncmp(list, word, length) == 0 && (!list[length] || list[length] == ','))
			return true;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return false;
}

static bool tool_exported(void *ctx, const char *module, const char *name)
{
	const struct tool *tool = ctx;

	(void)module;
	return !in_list(tool->own, name);
}

/* What the kernel would run is accepted as there, and not run. */
static int tool_start(void *ctx, uint64_t address)
{
	(void)ctx;
	(void)address;
	return 0;
}

static const struct krtld_ops ops = {.alloc = tool_alloc,
				     .free = tool_free,
				     .protect = tool_protect,
				     .external = tool_external,
				     .start = tool_start,
				     .report = tool_report,
				     .exported = tool_exported};

/* ---- The command line ---- */

static void print_version(void)
{
	printf("krtld (hotinline) " VERSION "\npatch table %016lx: %u features, %u hotinlines\n",
	       hot_table.fingerprint, hot_table.nfeatures, hot_table.nhotinlines);
}

static int wrong_use(const char *what, const char *which)
{
	complain("%s%s%s, see `krtld --help'", what, which ? " " : "", which ? which : "");
	return EXIT_USE;
}

/* Returns an exit status, or -1 to go on. */
static int read_options(struct tool *tool, int argc, char **argv, const char **layout)
{
	static const struct option options[] = {
	    {"cpu", required_argument, NULL, 'c'},  {"layout", required_argument, NULL, 'l'},
	    {"dump", required_argument, NULL, 'd'}, {"sites", no_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},       {"help", no_argument, NULL, 'h'},
	    {"own", required_argument, NULL, 'o'},  {"link", no_argument, NULL, 'k'},
	    {"version", no_argument, NULL, 'v'},    {NULL, 0, NULL, 0}};

	for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		switch (option) {
		case 'c': tool->cpu = optarg; break;
		case 'l': *layout = optarg; break;
		case 'd': tool->dump = optarg; break;
		case 's': tool->sites = true; break;
		case 'j': tool->json = true; break;
		case 'k': tool->link = true; break;
		case 'o': tool->own = optarg; break;
		case 'h': fputs(help, stdout); return EXIT_LOADED;
		case 'v': print_version(); return EXIT_LOADED;
		case ':': return wrong_use("an option lacks its argument:", argv[optind - 1]);
		default: return wrong_use("unknown option", argv[optind - 1]);
		}
	}
	if (optind == argc)
		return wrong_use("no OBJECT to load", NULL);
	return tool->sites && tool->json ? wrong_use("--sites and --json exclude each other", NULL)
					 : -1;
}

static int name_objects(struct tool *tool, int argc, char **argv)
{
	tool->nobjects = (unsigned)argc;
	tool->objects = claim(tool->nobjects, sizeof *tool->objects);
	for (int i = 0; i < argc; i++) {
		tool->objects[i].path = argv[i];
		for (int j = 0; j < i; j++) {
			if (strcmp(argv[i], argv[j]) == 0)
				return wrong_use("an OBJECT is given twice:", argv[i]);
		}
	}
	return EXIT_LOADED;
}

/* ---- The run ---- */

static bool open_object(struct tool *tool, struct object *object)
{
	uint32_t *numbers, slots;
	bool wanted, ok;

	if (!krtld_object_open(&tool->krtld, &object->view, object->path, object->bytes,
			       object->size))
		return false;
	numbers = claim(object->view.nsymbols, sizeof *numbers);
	slots = krtld_count_slots(&object->view, numbers, &wanted);
	free(numbers);
	ok = krtld_layout_make(&object->view, slots ? slots : wanted, &object->plan);
	if (!ok)
		krtld_object_close(&object->view);
	object->opened = ok;
	return ok;
}

static int check_objects(struct tool *tool)
{
	int status = EXIT_LOADED;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		struct object *object = &tool->objects[i];

		if (!read_object(object)) {
			status = EXIT_REFUSED;
			continue;
		}
		if (!open_object(tool, object))
			status = EXIT_REFUSED;
	}
	return status;
}

static struct krtld_module *load_object(struct tool *tool, const struct object *object)
{
	uint64_t got;
	const struct krtld_placement placement = {
	    .sections = object->addresses,
	    .nsections = object->view.nsections,
	    .got = tool_external(tool, KRTLD_GOT_NAME, &got) ? &got : NULL,
	    .unpatched = tool->unpatched};

	return krtld_load_at(&tool->krtld, object->path, object->bytes, object->size, &placement);
}

/* Goes on after a refusal, so that the user hears of everything; but not without the stubs. */
static int load_objects(struct tool *tool)
{
	int status = EXIT_LOADED;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		struct object *object = &tool->objects[i];

		tool->loading = object;
		object->module = load_object(tool, object);
		if (object->module)
			continue;
		status = EXIT_REFUSED;
		if (i == 0 && defines_stubs(tool))
			break;
	}
	return status;
}

static int show(struct tool *tool)
{
	if (tool->dump && !dump_sections(tool))
		return EXIT_REFUSED;
	if (tool->sites)
		print_sites(tool);
	if (tool->json)
		print_json(tool);
	if (!tool->dump && !tool->sites && !tool->json)
		print_layout(tool);
	return EXIT_LOADED;
}

static int run(struct tool *tool, const char *layout)
{
	int status = decide(tool);

	if (status == EXIT_LOADED && layout)
		status = read_layout(tool, layout);
	if (status == EXIT_LOADED)
		status = check_objects(tool);
	if (status != EXIT_LOADED)
		return status;
	collect_definitions(tool);
	status = plan_addresses(tool);
	if (status == EXIT_LOADED)
		status = load_objects(tool);
	return status == EXIT_LOADED ? show(tool) : status;
}

/* Frees everything, so that a sanitizer has nothing to say about what is left. */
static void clean_up(struct tool *tool, void *machine)
{
	while (tool->krtld.last && krtld_unload(&tool->krtld, tool->krtld.last))
		;
	for (unsigned i = 0; i < tool->nobjects; i++) {
		if (tool->objects[i].opened) {
			krtld_layout_drop(&tool->objects[i].view, &tool->objects[i].plan);
			krtld_object_close(&tool->objects[i].view);
		}
		free(tool->objects[i].addresses);
		free(tool->objects[i].placed);
		free(tool->objects[i].bytes);
	}
	free(tool->objects);
	free(tool->definitions);
	free(tool->taken);
	free(tool->layout.sections);
	free(tool->layout.symbols);
	free(tool->layout.text);
	free(machine);
}

int main(int argc, char **argv)
{
	struct tool tool = {.nobjects = 0};
	void *machine = claim(1, hot_machine_size(&hot_table));
	const char *layout = NULL;
	int status;

	tool.krtld.ops = &ops;
	tool.krtld.ctx = &tool;
	tool.krtld.machine = hot_machine_init(machine, &hot_table);
	if (!tool.krtld.machine) {
		complain("%s", hot_reason_text(hot_table_check(&hot_table)));
		return EXIT_REFUSED;
	}
	opterr = 0;
	status = read_options(&tool, argc, argv, &layout);
	if (status < 0) {
		status = name_objects(&tool, argc - optind, argv + optind);
		if (status == EXIT_LOADED)
			status = run(&tool, layout);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("the output cannot be written, %s", strerror(errno));
		status = EXIT_REFUSED;
	}
	clean_up(&tool, machine);
	return status;
}

/*
 * The host tool `krtld` (build/bin/krtld): loads objects as the kernel would, at given addresses
 * and for a given machine, and shows or dumps the result. Its krtld, engine and patch table are
 * the kernel's own, compiled for the host. --help says how it is used.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "hottable.h"
#include "loader/tool.h"

#define VERSION   "1.0"
#define MEMORY    ((uint64_t)1 << 30) /* bytes for the regions of all modules */
#define LINE_SIZE 16384               /* bytes of a message; names are long in C++ */

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
    "  --help         print this\n"
    "  --version      print the version and what patch table is built in\n"
    "\n"
    "Without --dump, --sites and --json it prints the addresses, in the form of a layout.\n"
    "OBJECTs may refer to each other. If the first one defines the stubs it is unix;\n"
    "otherwise stubs get addresses near the objects.\n"
    "Exit status: 0 loaded; 2 refused, with the reasons on stderr; 64 wrong use.\n";

void complain(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	fprintf(stderr, "krtld: %s\n", line);
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

static void *tool_alloc(void *ctx, enum krtld_kind kind, size_t size, size_t align,
			uint64_t *address)
{
	struct tool *tool = ctx;

	if (kind == KRTLD_META)
		return calloc(1, size);
	if (size > tool->memory)
		return NULL;
	*address = give_address(tool, size, align);
	if (!*address)
		return NULL;
	tool->memory -= size;
	return calloc(1, size);
}

static void tool_free(void *ctx, enum krtld_kind kind, void *bytes, uint64_t address, size_t size)
{
	(void)ctx;
	(void)kind;
	(void)address;
	(void)size;
	free(bytes);
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

static bool tool_place(void *ctx, const char *module, unsigned section, uint64_t *address)
{
	struct tool *tool = ctx;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		if (tool->objects[i].path == module)
			*address = tool->objects[i].addresses[section];
	}
	return true;
}

static bool tool_external(void *ctx, const char *name, uint64_t *value)
{
	const struct tool *tool = ctx;
	const struct definition *definition = find_definition(tool, name);
	const struct layout_symbol *symbol = layout_symbol(&tool->layout, name);

	if (definition)
		*value = definition->value;
	else if (symbol)
		*value = symbol->address;
	return definition || symbol;
}

static void tool_report(void *ctx, const struct krtld_error *error)
{
	char line[LINE_SIZE];

	(void)ctx;
	complain("%s", krtld_error_line(error, &hot_table, line, sizeof line));
}

static const struct krtld_ops ops = {.alloc = tool_alloc,
				     .free = tool_free,
				     .protect = tool_protect,
				     .place = tool_place,
				     .external = tool_external,
				     .report = tool_report};

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
	    {"version", no_argument, NULL, 'v'},    {NULL, 0, NULL, 0}};

	for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		switch (option) {
		case 'c': tool->cpu = optarg; break;
		case 'l': *layout = optarg; break;
		case 'd': tool->dump = optarg; break;
		case 's': tool->sites = true; break;
		case 'j': tool->json = true; break;
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

static int check_objects(struct tool *tool)
{
	int status = EXIT_LOADED;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		struct object *object = &tool->objects[i];

		if (!read_object(object)) {
			status = EXIT_REFUSED;
			continue;
		}
		object->checked =
		    krtld_create(&tool->krtld, object->path, object->bytes, object->size);
		if (!object->checked || !krtld_check(&tool->krtld, object->checked))
			status = EXIT_REFUSED;
	}
	return status;
}

/* Goes on after a refusal, so that the user hears of everything; but not without the stubs. */
static int load_objects(struct tool *tool)
{
	int status = EXIT_LOADED;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		struct object *object = &tool->objects[i];

		object->module =
		    krtld_load(&tool->krtld, object->path, object->bytes, object->size);
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
		if (tool->objects[i].checked)
			krtld_destroy(&tool->krtld, tool->objects[i].checked);
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
	struct tool tool = {.memory = MEMORY};
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

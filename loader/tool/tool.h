/*
 * The host tool `krtld`: what its files share. A client of krtld.h and object.h. Private to
 * loader/tool/.
 */
#ifndef HOTINLINE_LOADER_TOOL_TOOL_H
#define HOTINLINE_LOADER_TOOL_TOOL_H

#include <stdarg.h>
#include <stdio.h>

#include "loader/object.h"

enum { EXIT_LOADED = 0, EXIT_REFUSED = 2, EXIT_USE = 64 };

/* A line `section INDEX ADDRESS` or `symbol ADDRESS NAME` of a layout file. */
struct layout_section {
	uint64_t address;
	unsigned line;
	unsigned object; /* index */
	uint32_t section;
};

struct layout_symbol {
	const char *name;
	uint64_t address;
	unsigned line;
};

struct layout {
	const char *path; /* NULL: none was given */
	char *text;
	struct layout_section *sections; /* [nsections] */
	struct layout_symbol *symbols;   /* [nsymbols], sorted by name */
	size_t nsections;
	size_t nsymbols;
};

/* An OBJECT of the command line. */
struct object {
	const char *path;
	uint8_t *bytes;
	size_t size;
	bool opened;
	struct krtld_object view;        /* once it is opened */
	struct krtld_layout plan;        /* likewise: where things would be in their regions */
	struct krtld_module *module;     /* loaded */
	uint64_t regions[KRTLD_REGIONS]; /* where each region goes */
	uint64_t *addresses;             /* [nsections] where each loaded section goes */
	bool *placed;                    /* [nsections] whether the layout says so */
};

/* What OBJECTs define for one another. */
struct definition {
	const char *name;
	uint64_t value;
	uint64_t size;   /* of a COMMON symbol */
	uint64_t align;  /* likewise */
	unsigned object; /* index */
	uint32_t section;
	unsigned rank; /* 0 strong, 1 weak, 2 COMMON */
};

/* Addresses that are taken. */
struct extent {
	uint64_t start;
	uint64_t end; /* after the last byte */
};

/* Where addresses are given away. */
struct room {
	uint64_t next;  /* from there on */
	uint64_t floor; /* or, where there is none up to the last address, below that */
};

struct tool {
	struct object *objects; /* [nobjects] */
	unsigned nobjects;
	const char *cpu; /* --cpu, or NULL */
	const char *dump;
	const char *own; /* --own, or NULL: names separated by commas */
	bool link;       /* --link */
	bool sites;
	bool json;
	struct layout layout;
	struct definition *definitions; /* [ndefinitions], sorted by name, one a name */
	size_t ndefinitions;
	struct extent *taken; /* [ntaken], sorted; none touches another */
	size_t ntaken;
	size_t room_taken;      /* extents that memory holds */
	struct object *loading; /* the OBJECT that is being loaded */
	bool unpatched;         /* no --cpu */
	struct krtld krtld;
};

/* ---- tool.c ---- */
/* "krtld: …" and a newline, on stderr. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void out_of_memory(void);
/* Zeroed, or it does not return. */
void *claim(size_t n, size_t size);

/* ---- tool_file.c ---- */
/* Reads a whole file; NULL after a complaint. *bytes ends in a NUL that *size does not count. */
bool read_file(const char *path, uint8_t **bytes, size_t *size);
bool read_object(struct object *object);
/* Writes DIR/sec<INDEX>.bin for every allocated section, and DIR/got<ADDRESS>.bin. */
bool dump_sections(const struct tool *tool);

/* ---- tool_layout.c ---- */
/* Reads --layout. Returns an exit status. */
int read_layout(struct tool *tool, const char *path);
/* The symbol of that name, or NULL. */
const struct layout_symbol *layout_symbol(const struct layout *layout, const char *name);

/* ---- tool_place.c ---- */
/* Gives every section, region and stub an address. Returns an exit status. */
int plan_addresses(struct tool *tool);
/* Reserves that much; 0 if there is none. */
uint64_t give_address(struct tool *tool, struct room *room, uint64_t size, uint64_t align);

/* ---- tool_define.c ---- */
/* Collects what the OBJECTs define. */
void collect_definitions(struct tool *tool);
const struct definition *find_definition(const struct tool *tool, const char *name);
/* Whether the first OBJECT is unix: it defines a stub, hidden or not. */
bool defines_stubs(const struct tool *tool);

/* ---- tool_cpu.c ---- */
/* Decides the machine as --cpu says. Returns an exit status. */
int decide(struct tool *tool);

/* ---- tool_print.c, tool_json.c ---- */
/* A site and what there is to say about it. */
struct shown {
	const struct krtld_module *module;
	const struct hot_text *text;
	const struct hot_site *site;
	uint64_t address;
	const char *symbol; /* nearest, or the section's name */
	uint64_t offset;
	const char *chosen; /* text of the alternative, or "unpatched" */
	int index;          /* of the alternative, or -1 */
	unsigned size;      /* bytes */
	uint8_t before[HOT_BYTES_MAX];
	uint8_t after[HOT_BYTES_MAX];
};

struct shown_reference {
	const struct krtld_module *module;
	const struct krtld_reference *reference;
	const char *symbol;
	uint64_t offset;
};

/* Calls back for each site, then for each reference that is none, both by address. */
struct show {
	void (*site)(const struct tool *tool, const struct shown *shown, bool first);
	void (*reference)(const struct tool *tool, const struct shown_reference *shown, bool first);
	void (*between)(void);
};
void show_all(struct tool *tool, const struct show *show);
void print_sites(struct tool *tool);
void print_layout(const struct tool *tool);
void print_json(struct tool *tool);

#endif

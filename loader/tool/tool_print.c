/*
 * What the host tool prints as text: sites and references, or the layout that it used.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/tool/tool.h"

/* A site that is patched has bytes before it was; one that is not still holds them. */
static void fill_bytes(const struct tool *tool, struct shown *shown)
{
	const struct hot_machine *machine = tool->krtld.machine;
	struct hot_error error;

	shown->size = hot_site_size(machine->table, shown->site);
	memcpy(shown->after, shown->text->bytes + shown->site->offset, shown->size);
	memcpy(shown->before, shown->after, shown->size);
	shown->chosen = "unpatched";
	shown->index = -1;
	if (tool->unpatched)
		return;
	shown->index = machine->chosen[shown->site->hotinline];
	shown->chosen =
	    machine->table
		->alternatives[machine->table->hotinlines[shown->site->hotinline].alternatives +
			       (unsigned)shown->index]
		.text;
	shown->size =
	    hot_site_bytes(machine, shown->text, shown->site, HOT_BEFORE, shown->before, &error);
}

/* Names a place by the nearest symbol, or else by its section. */
static void name_place(const struct tool *tool, const struct krtld_module *module, uint64_t address,
		       const char **symbol, uint64_t *offset)
{
	uint64_t size;

	(void)krtld_name(&tool->krtld, address, symbol, offset, &size);
	for (uint32_t i = 1; !*symbol && i < module->nsections; i++) {
		const struct krtld_section *section = &module->sections[i];

		if (section->bytes && address - section->address < section->size) {
			*symbol = section->name;
			*offset = address - section->address;
		}
	}
}

static int site_order(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int reference_order(const void *a, const void *b)
{
	const struct shown_reference *x = a, *y = b;

	return (x->reference->address > y->reference->address) -
	       (x->reference->address < y->reference->address);
}

static void show_sites(const struct tool *tool, const struct show *show)
{
	struct shown *all;
	size_t n = 0;

	for (unsigned i = 0; i < tool->nobjects; i++)
		n += tool->objects[i].module->nsites;
	all = claim(n, sizeof *all);
	n = 0;
	for (unsigned i = 0; i < tool->nobjects; i++) {
		const struct krtld_module *module = tool->objects[i].module;

		for (uint32_t t = 0; t < module->ntexts; t++) {
			const struct hot_text *text = &module->texts[t];

			for (uint32_t s = 0; s < text->nsites; s++, n++) {
				all[n].module = module;
				all[n].text = text;
				all[n].site = &text->sites[s];
				all[n].address = text->address + text->sites[s].offset;
			}
		}
	}
	qsort(all, n, sizeof *all, site_order);
	for (size_t i = 0; i < n; i++) {
		name_place(tool, all[i].module, all[i].address, &all[i].symbol, &all[i].offset);
		fill_bytes(tool, &all[i]);
		show->site(tool, &all[i], i == 0);
	}
	free(all);
}

static void show_references(const struct tool *tool, const struct show *show)
{
	struct shown_reference *all;
	size_t n = 0;

	for (unsigned i = 0; i < tool->nobjects; i++)
		n += tool->objects[i].module->nreferences;
	all = claim(n, sizeof *all);
	n = 0;
	for (unsigned i = 0; i < tool->nobjects; i++) {
		const struct krtld_module *module = tool->objects[i].module;

		for (uint32_t r = 0; r < module->nreferences; r++, n++) {
			all[n].module = module;
			all[n].reference = &module->references[r];
		}
	}
	qsort(all, n, sizeof *all, reference_order);
	for (size_t i = 0; i < n; i++) {
		name_place(tool, all[i].module, all[i].reference->address, &all[i].symbol,
			   &all[i].offset);
		show->reference(tool, &all[i], i == 0);
	}
	free(all);
}

void show_all(struct tool *tool, const struct show *show)
{
	for (unsigned i = 0; i < tool->nobjects; i++)
		(void)krtld_index(&tool->krtld, tool->objects[i].module);
	show_sites(tool, show);
	show->between();
	show_references(tool, show);
}

/* One line, whatever the bytes of a name are. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name);
}

static void print_place(const struct krtld_module *module, uint64_t address, const char *symbol,
			uint64_t offset)
{
	printf("0x%lx\t", address);
	print_name(module->name);
	putchar(':');
	print_name(symbol);
	printf("+0x%lx\t", offset);
}

static void print_bytes(const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		printf("%s%02x", i ? " " : "", bytes[i]);
}

static void print_site(const struct tool *tool, const struct shown *shown, bool first)
{
	const struct hotinline *hotinline =
	    &tool->krtld.machine->table->hotinlines[shown->site->hotinline];

	(void)first;
	print_place(shown->module, shown->address, shown->symbol, shown->offset);
	printf("%s\t%s\t", krtld_form_text(shown->site->form), hotinline->name);
	if (shown->index < 0)
		printf("-\t");
	else
		printf("%d\t", shown->index);
	printf("%s\t", shown->chosen);
	print_bytes(shown->before, shown->size);
	putchar('\t');
	print_bytes(shown->after, shown->size);
	putchar('\n');
}

static void print_reference(const struct tool *tool, const struct shown_reference *shown,
			    bool first)
{
	const struct krtld_reference *reference = shown->reference;

	(void)first;
	print_place(shown->module, reference->address, shown->symbol, shown->offset);
	printf("reference\t%s\t%s\t%s\n",
	       tool->krtld.machine->table->hotinlines[reference->hotinline].name,
	       krtld_arch_rows[reference->type].name, krtld_plain_text(reference->reason));
}

static void print_nothing(void)
{
}

void print_sites(struct tool *tool)
{
	static const struct show show = {print_site, print_reference, print_nothing};

	show_all(tool, &show);
}

/* In the form that --layout reads. */
void print_layout(const struct tool *tool)
{
	const struct hot_machine *machine = tool->krtld.machine;

	for (unsigned i = 0; i < tool->nobjects; i++) {
		const struct krtld_module *module = tool->objects[i].module;

		printf("object ");
		print_name(module->name);
		putchar('\n');
		for (uint32_t j = 1; j < module->nsections; j++) {
			if (!krtld_is_loaded(&tool->objects[i].view.shdrs[j]))
				continue;
			printf("section %u %lx %lx ", j, module->sections[j].address,
			       module->sections[j].size);
			print_name(module->sections[j].name);
			putchar('\n');
		}
	}
	for (unsigned i = 0; i < machine->table->nhotinlines; i++)
		printf("symbol %lx %s\n", machine->stubs[i], machine->table->hotinlines[i].name);
	for (unsigned i = 0; i < machine->table->nsymbols; i++)
		printf("symbol %lx %s\n", machine->symbols[i], machine->table->symbols[i]);
}

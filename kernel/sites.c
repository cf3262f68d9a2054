/*
 * The command `hotinlines`: every site of every module, as it was relocated and as it is now. Its
 * lines have tabs between their columns, for tools (kernel/qemu/) as for people.
 */
#include "hottable.h"
#include "kernel/defs.h"

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static const char *hex(const uint8_t *bytes, size_t n, char *line, size_t size)
{
	size_t used = 0;

	line[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)ksnprintf(line + used, size - used, i ? " %02x" : "%02x", bytes[i]);
	return line;
}

static void list_site(const struct hot_text *text, const struct hot_site *site)
{
	const struct hot_machine *machine = krtld.machine;
	const struct hotinline *hotinline = &hot_table.hotinlines[site->hotinline];
	const struct hot_alternative *chosen =
	    &hot_table.alternatives[hotinline->alternatives + machine->chosen[site->hotinline]];
	uint8_t before[HOT_BYTES_MAX];
	char where[128], line[3 * HOT_BYTES_MAX];
	struct hot_error error;
	unsigned size = hot_site_bytes(machine, text, site, HOT_BEFORE, before, &error);

	kprintf("%016lx\t%-36s\t%-4s\t%-14s\t%-14s\t%-22s", text->address + site->offset,
		name_address(text->address + site->offset, where, sizeof(where)),
		krtld_form_text(site->form), hotinline->name, or_dash(chosen->when), chosen->text);
	kprintf("\t%-20s",
		size ? hex(before, size, line, sizeof(line)) : hot_reason_text(error.reason));
	kprintf("\t%s\n", hex(text->bytes + site->offset, hot_site_size(&hot_table, site), line,
			      sizeof(line)));
}

static void list_reference(const struct krtld_reference *reference)
{
	char where[128];

	kprintf("%016lx\t%-36s\t%-4s\t%-14s\t%s\n", reference->address,
		name_address(reference->address, where, sizeof(where)), "-",
		hot_table.hotinlines[reference->hotinline].name,
		krtld_plain_text(reference->reason));
}

static void list_module(const struct krtld_module *module)
{
	for (unsigned t = 0; t < module->ntexts; t++)
		for (unsigned i = 0; i < module->texts[t].nsites; i++)
			list_site(&module->texts[t], &module->texts[t].sites[i]);
	for (unsigned i = 0; i < module->nreferences; i++)
		list_reference(&module->references[i]);
}

/* name: a module, or NULL for all. False: a mismatch. */
bool sites_list(const char *name, bool verify)
{
	bool all_ok = true;

	for (const struct krtld_module *m = krtld.first; m; m = m->next) {
		bool ok;

		if (name && strcmp(name, m->name) != 0)
			continue;
		list_module(m);
		ok = !verify || hotpatch_verify(m);
		kprintf("%s: %u sites, %u plain references%s\n", m->name, m->nsites, m->nreferences,
			!verify ? ""
			: ok    ? ": verified, OK"
				: ": MISMATCH");
		all_ok = all_ok && ok;
	}
	return all_ok;
}

/*
 * --json: the lines of --sites as objects. Addresses are strings, because a number in JSON has 53
 * bits. In a name, a byte that is not printable ASCII becomes the character of that number.
 */
#include "loader/tool/tool.h"

static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			printf("\\%c", byte);
		else if (byte < ' ' || byte >= 0x7f)
			printf("\\u%04x", byte);
		else
			putchar(byte);
	}
	putchar('"');
}

static void json_field(const char *name, const char *text)
{
	printf(", \"%s\": ", name);
	json_string(text);
}

static void json_bytes(const char *name, const uint8_t *bytes, unsigned n)
{
	printf(", \"%s\": \"", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%02x", i ? " " : "", bytes[i]);
	putchar('"');
}

static void json_place(const struct krtld_module *module, uint64_t address, const char *symbol,
		       uint64_t offset, bool first)
{
	printf("%s\n    {\"address\": \"0x%lx\"", first ? "" : ",", address);
	json_field("object", module->name);
	json_field("symbol", symbol);
	printf(", \"offset\": %lu", offset);
}

static void json_site(const struct tool *tool, const struct shown *shown, bool first)
{
	json_place(shown->module, shown->address, shown->symbol, shown->offset, first);
	json_field("form", krtld_form_text(shown->site->form));
	json_field("hotinline",
		   tool->krtld.machine->table->hotinlines[shown->site->hotinline].name);
	if (shown->index < 0)
		printf(", \"index\": null");
	else
		printf(", \"index\": %d", shown->index);
	json_field("text", shown->chosen);
	json_bytes("before", shown->before, shown->size);
	json_bytes("after", shown->after, shown->size);
	putchar('}');
}

static void json_reference(const struct tool *tool, const struct shown_reference *shown, bool first)
{
	const struct krtld_reference *reference = shown->reference;

	json_place(shown->module, reference->address, shown->symbol, shown->offset, first);
	json_field("hotinline", tool->krtld.machine->table->hotinlines[reference->hotinline].name);
	json_field("type", krtld_arch_rows[reference->type].name);
	json_field("reason", krtld_plain_text(reference->reason));
	putchar('}');
}

static void json_between(void)
{
	printf("\n  ],\n  \"references\": [");
}

void print_json(struct tool *tool)
{
	static const struct show show = {json_site, json_reference, json_between};

	printf("{\n  \"sites\": [");
	show_all(tool, &show);
	printf("\n  ]\n}\n");
}

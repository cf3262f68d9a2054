/*
 * What Tab offers in the debugger: commands after ::, : and $, modules as an argument of ::modinfo,
 * ::hotinlines and ::nm, and symbols everywhere else, with MODULE` in front of them or without.
 */
#include "kernel/mdb.h"

static void offer_commands(struct completion *completion)
{
	for (unsigned i = 0; i < mdb_ncommands; i++)
		line_offer(completion, mdb_commands[i].name);
}

void mdb_offer_modules(struct completion *completion, const char *after)
{
	char name[LINE_ROOM];

	for (const struct krtld_module *m = krtld.first; m; m = m->next) {
		ksnprintf(name, sizeof(name), "%s%s", m->name, after);
		line_offer(completion, name);
	}
}

static void offer_symbols(struct completion *completion, const struct krtld_module *module)
{
	uint64_t value, size;
	const char *name;

	for (uint32_t i = 0; krtld_next_symbol(module, &i, &name, &value, &size);)
		line_offer(completion, name);
}

/* Moves the word's start after the last of these characters. False: there is none of them. */
static bool word_behind(struct completion *completion, char c)
{
	const char *end = completion->word + completion->length;

	for (const char *at = end; at > completion->word; at--)
		if (at[-1] == c) {
			completion->word = at;
			completion->length = (size_t)(end - at);
			return true;
		}
	return false;
}

void mdb_offer_symbols(struct completion *completion)
{
	const struct krtld_module *module;
	const char *start = completion->word;
	char name[64];

	if (word_behind(completion, '`')) {
		ksnprintf(name, sizeof(name), "%s", start);
		if ((size_t)(completion->word - start) > sizeof(name))
			return;
		name[completion->word - start - 1] = '\0';
		module = krtld_find(&krtld, name);
		if (module)
			offer_symbols(completion, module);
		return;
	}
	for (module = krtld.first; module; module = module->next)
		offer_symbols(completion, module);
	if (completion->length)
		mdb_offer_modules(completion, "`");
}

static bool takes_module(const char *line)
{
	return strncmp(line, "::modinfo ", 10) == 0 || strncmp(line, "::hotinlines ", 13) == 0 ||
	       strncmp(line, "::nm ", 5) == 0;
}

void mdb_complete(struct completion *completion)
{
	const char *verb = strchr(completion->word, ':');

	if (!verb)
		verb = strchr(completion->word, '$');
	if (verb) {
		completion->length -= (size_t)(verb - completion->word);
		completion->word = verb;
		offer_commands(completion);
	} else if (takes_module(completion->line)) {
		mdb_offer_modules(completion, "");
	} else {
		mdb_offer_symbols(completion);
	}
}

/*
 * The table of names: chains of entries, twice as many buckets as there are entries or more, so that
 * most chains are empty. Look-ups read a name eight bytes at a time, once. Of a million names no more
 * than some ten share a bucket by chance; one module may put KRTLD_CHAIN_MAX entries into a chain, so that each look-up has a bound
 * even if names collide on purpose.
 */
#include "loader/names.h"
#include "loader/text.h"

#define BUCKETS_MIN 64

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
	return ((hash << 5 | hash >> 59) ^ word) *
	       0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
}

/* Eight bytes of a string, or what there is of them up to `end`; zeros after that. */
static inline uint64_t load_word(const char *at, const char *end)
{
	uint64_t word = 0;

	if (end - at >= 8) {
		memcpy(&word, at, 8);
		return word;
	}
	for (unsigned i = 0; at + i < end && at[i]; i++)
		word |= (uint64_t)(uint8_t)at[i] << 8 * i;
	return word;
}

struct krtld_key krtld_key(const char *text, const char *end)
{
	const char *at = text;
	uint64_t hash = 0;

	for (;; at += 8) {
		uint64_t word = load_word(at, end);
		/* In each byte its highest bit, where it or a lower byte is 0. */
		uint64_t zeros = (word - 0x0101010101010101) & ~word & 0x8080808080808080;
		unsigned n;

		if (!zeros) {
			hash = mix(hash, word);
			continue;
		}
		n = (unsigned)__builtin_ctzll(zeros) / 8; /* bytes before the NUL */
		hash = mix(hash, word & (((uint64_t)1 << 8 * n) - 1));
		return (struct krtld_key){text, (uint32_t)(at - text + n),
					  (uint32_t)(hash ^ hash >> 32)};
	}
}

struct krtld_key krtld_key_of(const char *text)
{
	const char *end = text;

	while (*end)
		end++;
	return krtld_key(text, end + 1);
}

static bool is_named(const struct krtld_entry *entry, const struct krtld_key *key)
{
	uint32_t i = 0;

	if (entry->hash != key->hash || entry->length != key->length)
		return false;
	for (; i + 8 <= key->length; i += 8) {
		if (memcmp(entry->name + i, key->text + i, 8) != 0)
			return false;
	}
	for (; i < key->length; i++) {
		if (entry->name[i] != key->text[i])
			return false;
	}
	return true;
}

static struct krtld_entry **chain_of(const struct krtld_buckets *buckets, uint32_t hash)
{
	return &buckets->chains[hash & (buckets->n - 1)];
}

static void link_entry(const struct krtld_buckets *buckets, struct krtld_entry *entry)
{
	struct krtld_entry **chain = chain_of(buckets, entry->hash);

	entry->next = *chain;
	*chain = entry;
}

/* Links all entries there instead of here. */
static void move(const struct krtld_buckets *from, const struct krtld_buckets *to)
{
	for (uint32_t i = 0; i < to->n; i++)
		to->chains[i] = NULL;
	for (uint32_t i = 0; i < from->n; i++) {
		for (struct krtld_entry *entry = from->chains[i], *next; entry; entry = next) {
			next = entry->next;
			link_entry(to, entry);
		}
	}
}

/* Buckets for so many entries, and all entries in them. */
static bool enlarge(struct krtld *krtld, const char *module, uint64_t nentries)
{
	struct krtld_names *names = krtld->names;
	struct krtld_buckets larger = {NULL, BUCKETS_MIN, {NULL}};

	while (larger.n < 2 * nentries)
		larger.n *= 2;
	larger.chains =
	    krtld_pool_alloc(krtld, module, &larger.pool, larger.n, sizeof(struct krtld_entry *));
	if (!larger.chains)
		return false;
	krtld_names_keep(krtld); /* what the load made whose _init this one comes from */
	names->before = names->buckets;
	names->buckets = larger;
	move(&names->before, &names->buckets);
	return true;
}

void krtld_names_keep(struct krtld *krtld)
{
	if (!krtld->names)
		return;
	krtld_pool_free(krtld, &krtld->names->before.pool);
	krtld->names->before = (struct krtld_buckets){NULL, 0, {NULL}};
}

void krtld_names_undo(struct krtld *krtld)
{
	struct krtld_names *names = krtld->names;

	if (!names || !names->before.n)
		return;
	move(&names->buckets, &names->before);
	krtld_pool_free(krtld, &names->buckets.pool);
	names->buckets = names->before;
	names->before = (struct krtld_buckets){NULL, 0, {NULL}};
}

/* The stubs' names, into memory after the structure. They are copied: a boot program's patch table
 * does not outlive it. */
static void add_stubs(struct krtld_names *names, const struct hot_table *table)
{
	struct krtld_entry *entries = (struct krtld_entry *)(names + 1);
	char *text = (char *)(entries + table->nhotinlines);

	for (uint32_t i = 0; i < table->nhotinlines; i++) {
		struct krtld_key key = krtld_key_of(table->hotinlines[i].name);

		memcpy(text, key.text, key.length + 1ull);
		entries[i] = (struct krtld_entry){.name = text,
						  .length = key.length,
						  .hash = key.hash,
						  .symbol = KRTLD_NO_SYMBOL,
						  .hotinline = (uint16_t)i};
		link_entry(&names->buckets, &entries[i]);
		text += key.length + 1;
	}
	names->nentries = table->nhotinlines;
}

/* An empty table, but for the stubs. */
static bool create(struct krtld *krtld, const char *module)
{
	const struct hot_table *table = krtld->machine ? krtld->machine->table : NULL;
	uint32_t nstubs = table ? table->nhotinlines : 0;
	uint64_t size = sizeof(struct krtld_names) + nstubs * sizeof(struct krtld_entry);
	struct krtld_pool pool = {NULL};

	for (uint32_t i = 0; i < nstubs; i++)
		size += krtld_length(table->hotinlines[i].name) + 1;
	krtld->names = krtld_pool_alloc(krtld, module, &pool, size, 1);
	if (!krtld->names)
		return false;
	krtld->names->pool = pool;
	if (!enlarge(krtld, module, nstubs)) {
		krtld_names_free(krtld);
		return false;
	}
	if (table)
		add_stubs(krtld->names, table);
	return true;
}

bool krtld_names_grow(struct krtld *krtld, const char *module, uint32_t nentries)
{
	uint64_t wanted;

	if (!krtld->names && !create(krtld, module))
		return false;
	wanted = (uint64_t)krtld->names->nentries + nentries;
	return 2 * wanted <= krtld->names->buckets.n || enlarge(krtld, module, wanted);
}

void krtld_names_free(struct krtld *krtld)
{
	struct krtld_names *names = krtld->names;
	struct krtld_pool pool;

	if (!names)
		return;
	krtld_names_keep(krtld);
	krtld_pool_free(krtld, &names->buckets.pool);
	pool = names->pool;
	krtld->names = NULL;
	krtld_pool_free(krtld, &pool);
}

void krtld_names_prefetch(const struct krtld *krtld, const struct krtld_key *key)
{
	__builtin_prefetch(chain_of(&krtld->names->buckets, key->hash));
}

struct krtld_found krtld_names_find(const struct krtld *krtld, const struct krtld_key *key)
{
	struct krtld_found found = {NULL, NULL, HOT_NONE};

	if (!krtld->names)
		return found;
	for (struct krtld_entry *entry = *chain_of(&krtld->names->buckets, key->hash); entry;
	     entry = entry->next) {
		if (!is_named(entry, key))
			continue;
		if (!entry->module)
			found.hotinline = entry->hotinline;
		else if (entry->symbol == KRTLD_NO_SYMBOL)
			found.module = entry;
		else
			found.symbol = entry;
	}
	return found;
}

bool krtld_names_add(struct krtld *krtld, struct krtld_entry *entry)
{
	unsigned length = 0;

	for (const struct krtld_entry *other = *chain_of(&krtld->names->buckets, entry->hash);
	     other; other = other->next)
		length += other->module == entry->module;
	if (length >= KRTLD_CHAIN_MAX)
		return false;
	link_entry(&krtld->names->buckets, entry);
	krtld->names->nentries++;
	return true;
}

void krtld_names_remove(struct krtld *krtld, struct krtld_entry *entry)
{
	struct krtld_entry **link = chain_of(&krtld->names->buckets, entry->hash);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	krtld->names->nentries--;
}

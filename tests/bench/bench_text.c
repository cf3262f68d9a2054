/* Text for the benchmark of patching; see bench_text.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "alternatives/arch.h"
#include "hottable.h"
#include "tests/bench/bench_text.h"
#include "tests/bench/result.h"

#define STEP_MIN   16u
#define STEP_MAX   80u
#define STUBS      65536u /* bytes behind the text for stubs and helpers, which nobody runs */
#define STUB       128u   /* bytes from one to the next */
#define FILL       0xcc
#define SITE_BYTES HOT_BYTES_MAX

/* A generator of the xorshift kind: the same numbers everywhere. */
static uint32_t random_below(uint64_t *state, uint32_t bound)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32) % bound;
}

/* ---- The machine ---- */

static bool modern_has(const struct hot_feature *feature)
{
	return feature->kind == HOT_CPUID || strcmp(feature->name, "kvm") == 0;
}

static struct hot_machine *new_machine(uint64_t stubs, bool modern)
{
	struct hot_machine *machine =
	    hot_machine_init(result_memory(hot_machine_size(&hot_table)), &hot_table);
	struct hot_features features = {{0}};

	for (unsigned i = 0; i < hot_table.nfeatures; i++) {
		const struct hot_feature *f = &hot_table.features[i];

		if (modern &&
		    (f->kind == HOT_DERIVED ? hot_condition(&hot_table, &features, f->condition)
					    : modern_has(f)))
			features.set[i / 64] |= (uint64_t)1 << i % 64;
	}
	hot_decide(machine, &features);
	for (unsigned i = 0; i < hot_table.nhotinlines; i++)
		machine->stubs[i] = stubs + STUB * i;
	for (unsigned i = 0; i < hot_table.nsymbols; i++)
		machine->symbols[i] = stubs + STUBS / 2 + STUB * i;
	return machine;
}

/* ---- Sites, as krtld leaves them ---- */

/* What the engine would make of a site if it were at that address. */
static unsigned site_bytes(const struct bench_text *b, const struct hot_site *site,
			   uint64_t address, enum hot_state state, uint8_t *bytes)
{
	struct hot_text text = {.address = address - site->offset, .size = b->text.size};
	struct hot_error error;
	unsigned size = hot_site_bytes(b->machine, &text, site, state, bytes, &error);

	if (size == 0)
		result_refuse("bench_text: site at %#x: %s", site->offset,
			      hot_reason_text(error.reason));
	return size;
}

/* Lays a call or jmp at that offset and has it proven. Returns the site's size. */
static unsigned lay_site(struct bench_text *b, struct hot_site *site, uint32_t offset,
			 uint64_t *seed)
{
	uint16_t hotinline = (uint16_t)random_below(seed, hot_table.nhotinlines);
	unsigned width = hot_table.hotinlines[hotinline].size;
	bool prefix = random_below(seed, 50) == 0, jmp = random_below(seed, 10) == 0;
	uint8_t bytes[SITE_BYTES];
	unsigned size;

	*site = (struct hot_site){.offset = offset,
				  .hotinline = hotinline,
				  .form = jmp ? HOT_JMP : HOT_CALL,
				  .flags = width > HOT_ARCH_BRANCH ? HOT_WIDE : 0};
	size = site_bytes(b, site, b->text.address + offset, HOT_BEFORE, bytes);
	memcpy(b->as_calls + offset, bytes, size);
	b->as_calls[offset - 1] = prefix ? 0x48 : FILL;
	if (!hot_arch_prove(b->as_calls, b->text.size, offset + 1, width, site))
		result_refuse("bench_text: no branch at %#x", offset);
	return size;
}

static void lay_sites(struct bench_text *b, struct hot_site *sites, uint32_t nsites)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;
	uint32_t offset = STEP_MIN;

	b->text.sites = sites;
	b->text.nsites = nsites;
	for (uint32_t i = 0; i < nsites; i++) {
		offset += lay_site(b, &sites[i], offset, &seed);
		offset += STEP_MIN + random_below(&seed, STEP_MAX - STEP_MIN + 1);
	}
}

/* ---- The same, as a section table ---- */

/* The bytes of a site without the NOPs that fill it up. A mark is not one of them: its prefix and
 * its NOP are one instruction. */
static unsigned without_pad(const uint8_t *bytes, unsigned size)
{
	uint8_t pad[SITE_BYTES];

	for (unsigned n = size; n > 0; n--) {
		if (n > 1) {
			hot_arch_mark(pad, n);
			if (memcmp(bytes + size - n, pad, n) == 0)
				return size;
		}
		hot_arch_pad(pad, n);
		if (memcmp(bytes + size - n, pad, n) == 0)
			return size - n;
	}
	return size;
}

/* One record for each alternative but the baseline, the most wanted last. */
static void add_records(struct bench_text *b, const struct hot_site *site)
{
	const struct hotinline *h = &hot_table.hotinlines[site->hotinline];
	uint8_t chosen = b->machine->chosen[site->hotinline];
	uint8_t *at = b->text.bytes + site->offset;

	for (int k = h->nalternatives - 2; k >= 0; k--) {
		struct section_record *r = &b->records[b->nrecords++];
		uint8_t *code = b->replacements + b->nreplacements;
		unsigned size;

		b->machine->chosen[site->hotinline] = (uint8_t)k;
		r->site_size = (uint8_t)site_bytes(b, site, (uint64_t)code, HOT_NOW, code);
		size = without_pad(code, r->site_size);
		r->replacement_size = (uint8_t)size;
		r->feature = h->alternatives + (unsigned)k;
		r->site = (int32_t)(at - (uint8_t *)&r->site);
		r->replacement = (int32_t)(code - (uint8_t *)&r->replacement);
		b->nreplacements += size;
	}
	b->machine->chosen[site->hotinline] = chosen;
}

/* The baseline, which is the site's own code, filled up by an assembler. */
static void lay_baseline(struct bench_text *b, const struct hot_site *site)
{
	uint8_t chosen = b->machine->chosen[site->hotinline];
	uint8_t *at = b->as_baselines + site->offset;
	unsigned size, code;

	b->machine->chosen[site->hotinline] =
	    (uint8_t)(hot_table.hotinlines[site->hotinline].nalternatives - 1);
	size = site_bytes(b, site, b->text.address + site->offset, HOT_NOW, at);
	code = without_pad(at, size);
	memset(at + code, 0x90, size - code);
	b->machine->chosen[site->hotinline] = chosen;
}

static void take_features(struct bench_text *b)
{
	for (unsigned i = 0; i < hot_table.nhotinlines; i++) {
		const struct hotinline *h = &hot_table.hotinlines[i];

		for (unsigned k = h->alternatives; k < h->alternatives + h->nalternatives; k++) {
			if (k / 32 >= sizeof b->features / sizeof b->features[0])
				result_refuse("bench_text: the table has too many alternatives");
			if (hot_condition(&hot_table, &b->machine->features,
					  hot_table.alternatives[k].condition))
				b->features[k / 32] |= 1u << k % 32;
		}
	}
}

/* ---- Both ---- */

/* The text and the sections are in one mapping, since 32 bits lead from one to the other. */
static void map(struct bench_text *b, uint32_t nsites)
{
	uint64_t text = (uint64_t)nsites * (STEP_MAX + HOT_SITE_MAX) + STEP_MIN;
	uint64_t records = 3u * nsites * sizeof(struct section_record);

	b->arena = text + STUBS + records + (uint64_t)nsites * 2 * SITE_BYTES;
	if (text > UINT32_MAX || b->arena > INT32_MAX)
		result_refuse("bench_text: %u sites are out of 32 bits' reach", nsites);
	b->text.size = (uint32_t)text;
	b->text.bytes = mmap(NULL, b->arena, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->text.bytes == MAP_FAILED)
		result_refuse("bench_text: no memory for %u sites", nsites);
	b->text.address = (uint64_t)b->text.bytes;
	b->records = (struct section_record *)(b->text.bytes + text + STUBS);
	b->replacements = b->text.bytes + text + STUBS + records;
}

static void take_final(struct bench_text *b)
{
	uint8_t *at = b->final = result_memory((size_t)b->text.nsites * SITE_BYTES);

	b->sizes = result_memory(b->text.nsites);
	for (uint32_t i = 0; i < b->text.nsites; i++) {
		b->sizes[i] = (uint8_t)site_bytes(
		    b, &b->text.sites[i], b->text.address + b->text.sites[i].offset, HOT_NOW, at);
		at += b->sizes[i];
	}
}

struct bench_text bench_text_new(uint32_t nsites, bool modern)
{
	struct bench_text b = {0};
	struct hot_site *sites = result_memory(nsites * sizeof *sites);
	const struct hot_site *last = &sites[nsites - 1];

	map(&b, nsites);
	b.machine = new_machine(b.text.address + b.text.size, modern);
	b.as_calls = result_memory(b.text.size);
	memset(b.as_calls, FILL, b.text.size);
	lay_sites(&b, sites, nsites);
	b.text.size = last->offset + STEP_MAX;
	b.as_baselines = result_memory(b.text.size);
	memcpy(b.as_baselines, b.as_calls, b.text.size);
	for (uint32_t i = 0; i < nsites; i++) {
		lay_baseline(&b, &sites[i]);
		add_records(&b, &sites[i]);
	}
	take_features(&b);
	take_final(&b);
	return b;
}

void bench_text_free(struct bench_text *b)
{
	munmap(b->text.bytes, b->arena);
	free(b->machine);
	free(b->as_calls);
	free(b->as_baselines);
	free((void *)b->text.sites);
	free(b->final);
	free(b->sizes);
}

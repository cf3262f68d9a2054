/*
 * Patch tables made by hand, so that the tests of the engine and of krtld depend neither on hotc
 * nor on the declarations of the day; and the table that most of them use. Used by every suite.
 */
#ifndef HOTINLINE_TESTS_HOST_TABLE_H
#define HOTINLINE_TESTS_HOST_TABLE_H

#include "alternatives/hotinline.h"

/* A table under construction. Zeroed, or from table_new(); nothing of it is ever freed. */
struct table {
	struct hot_table t;
	struct hot_feature features[HOT_FEATURES_MAX];
	struct hotinline hotinlines[32];
	struct hot_alternative alternatives[128];
	struct hot_fixup fixups[256];
	const char *symbols[64];
	uint16_t conditions[4096];
	uint8_t code[4096];
};

struct table *table_new(void);

/* A copy, of a table made here, that a test may spoil. Free it with free(). */
struct table *table_copy(const struct hot_table *table);

/* Each returns the feature's index. condition: postfix, "smap xen ! &"; operators are ! & |. */
unsigned table_cpuid(struct table *table, const char *name, uint32_t leaf, uint32_t subleaf,
		     unsigned reg, unsigned bit);
unsigned table_signature(struct table *table, const char *name, enum hot_feature_kind kind,
			 const char *signature);
unsigned table_boot(struct table *table, const char *name);
unsigned table_derived(struct table *table, const char *name, const char *condition);

/* The index of a condition's program. NULL: HOT_ALWAYS. */
uint32_t table_condition(struct table *table, const char *condition);

/* The next hotinline; add them in order of their names. Its alternatives follow, in order. */
unsigned table_hotinline(struct table *table, const char *name, unsigned size);

/* code: as of bytes_parse(), where "@NAME+N" makes a fix-up. condition NULL: the baseline. */
void table_alternative(struct table *table, const char *condition, const char *code, bool tail);

unsigned table_symbol(struct table *table, const char *name);
unsigned table_feature(const struct hot_table *table, const char *name);

/*
 * The common table. Features: smap, popcnt, erms (cpuid), amd (vendor), xen (hypervisor), up (boot),
 * fast = erms && !xen. Hotinlines, where a name in brackets is an alternative's condition:
 *
 *	count    5   [popcnt] popcnt rax, rdi | call count_soft (tail)
 *	empty    5   [up] no code at all | nop
 *	exact    5   [up] mov eax, 42 | mov eax, 41
 *	four     5   [up] 4 bytes | nop5
 *	lead     5   [up] 66 90 and 2 bytes | nop5
 *	two      5   [up] 2 bytes | call two_soft (tail)
 *	wclean   8   [fast] 66 0f ae 37 | [erms] 66 0f ae 3f and nop4 | 0f ae 3f
 *	wfull    7   [up] 7 bytes | mov eax, 7
 *	wlong   64   [up] 64 bytes | call long_soft (tail)
 *	wpair   12   [up] lea rax, [rel datum]; call pair_soft (tail) | mov rax, [rel datum+8] | …
 *	xsmap    5   [smap] clac | nop5
 */
const struct hot_table *table_common(void);

/* Where the tests believe stubs and symbols to be: 0x100 bytes apart. */
#define TABLE_STUBS   0xffffffff80100000ul
#define TABLE_SYMBOLS 0xffffffff80200000ul

/*
 * A machine for a table, with its stubs and symbols at the places above, decided for the features
 * named in text ("smap popcnt"); NULL: left undecided. Free it with free().
 */
struct hot_machine *table_machine(const struct hot_table *table, const char *features);

/* Sets the features named in text. */
void table_features(const struct hot_table *table, const char *text, struct hot_features *set);

/* Address of a symbol, or of a stub by its hotinline's name. */
uint64_t table_address(const struct hot_machine *machine, const char *name);

/*
 * The bytes that text says (see bytes_parse()) when they run at that address: "@NAME+N" is
 * NAME + N - address of the field. Returns their number.
 */
size_t table_bytes(const struct hot_machine *machine, const char *text, uint64_t at, uint8_t *out,
		   size_t size);

#endif

/*
 * What the two files that read an object share, and what of it the load needs once more: sets, and the
 * bytes of names that were read. Private to loader/.
 */
#ifndef HOTINLINE_LOADER_OBJECT_PARTS_H
#define HOTINLINE_LOADER_OBJECT_PARTS_H

#include "loader/object.h"

/* Looks at every symbol but for its name. */
bool krtld_check_symbols(struct krtld_object *object);
/* What is wrong with a section as a table of names, as a phrase; NULL: nothing. */
const char *krtld_strings_fault(const struct krtld_object *object, const struct elf64_shdr *shdr);
/* The same of a section as a table of symbols or relocations, which are of one size; and the value
 * that is wrong, or else the table's bytes. */
const char *krtld_table_fault(const struct elf64_shdr *shdr, uint64_t *value);
/*
 * Adds a name's length to the bytes that were read of them. Names may share bytes, one being
 * another's end, which linkers make use of: a file in which all of them share everything would take
 * a time that grows with its square. False after a report.
 */
bool krtld_count_names(const struct krtld_object *object, uint64_t *names, uint32_t symbol,
		       size_t length);
/* Whether a symbol has a name of the form __start_NAME or __stop_NAME (sets.c). */
bool krtld_is_set(const char *symbol);

#endif

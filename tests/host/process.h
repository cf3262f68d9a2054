/*
 * A world whose modules run in this very process: their memory is mapped within reach of the C
 * library and protected for good, and what they do not define is what the process has of that
 * library. Used by the suites that load code written for user mode (libraries.c).
 */
#ifndef HOTINLINE_TESTS_HOST_PROCESS_H
#define HOTINLINE_TESTS_HOST_PROCESS_H

#include "tests/host/world.h"

/* Without hotinlines. */
struct world *process_new(void);

/* With those of a table, decided for these features: functions of the C library, whose stubs they
 * are themselves. The addresses of the table's symbols are the caller's to fill in. */
struct world *process_with(const struct hot_table *table, const char *features);

/* A place within reach of the modules that jumps to a function of the tests, which is not. */
uint64_t process_thunk(const void *function);

/* The process pretends from now on that the C library lacks this name. NULL: it lacks none. */
void process_hide(const char *name);

/* How memory is mapped there, as in /proc/self/maps: "r-xp". */
const char *process_protection(uint64_t address);

/* A function of a loaded module, as its header declares it. To find it by name takes time: loops
 * keep it. */
#define PROCESS_FUNCTION(module, name) ((__typeof__(&name))world_symbol(module, #name))

#endif

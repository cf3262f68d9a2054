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

/* The process pretends from now on that the C library lacks this name. NULL: it lacks none. */
void process_hide(const char *name);

/* How memory is mapped there, as in /proc/self/maps: "r-xp". */
const char *process_protection(uint64_t address);

/* A function of a loaded module, as its header declares it. */
#define PROCESS_FUNCTION(module, name) ((__typeof__(&name))world_symbol(module, #name))

#endif

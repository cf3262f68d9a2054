/*
 * The libraries that libraries.mk makes loadable, for the suites that use them.
 */
#ifndef HOTINLINE_TESTS_HOST_LIBRARIES_H
#define HOTINLINE_TESTS_HOST_LIBRARIES_H

#include "tests/host/process.h"

#define LIBRARY_ZLIB              "build/tests/libraries/z.o"
#define LIBRARY_LUA               "build/tests/libraries/lua5.4.o"
#define LIBRARY_SQLITE            "build/tests/libraries/sqlite3.o"

/* Members of libz.a: one of them, or those that share hidden symbols in one object. */
#define LIBRARY_ZLIB_MEMBER(name) "build/tests/libraries/z/" name ".o"
#define LIBRARY_ZLIB_CORE         "build/tests/libraries/z/core.o"

/* krtld_load() that must succeed. */
struct krtld_module *library_load(struct world *world, const char *path);

#endif

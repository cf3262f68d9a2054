/* Runs a program and keeps what it says, for the suites of the host tool. */
#ifndef HOTINLINE_TESTS_HOST_RUN_H
#define HOTINLINE_TESTS_HOST_RUN_H

#include "tests/host/object.h"

#define RUN_TEXT (1 << 16)

struct run {
	int status; /* exit status; 128 + n if signal n ended it */
	char out[RUN_TEXT];
	char errors[RUN_TEXT];
};

/* A shell command, in the directory of the tree. `$T` in it is a directory of this test's own. */
const struct run *run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The host tool, at the start of a command. `make coverage` has one of its own. */
#define KRTLD "${KRTLD:-build/bin/krtld} "

/* What it said contains that, and its status is that. */
void run_expect(const struct run *run, int status, const char *says);

/* The directory of this test's own, which is removed when the test ends. */
const char *run_directory(void);

/* Writes a file there; returns its path. */
const char *run_write(const char *name, const void *bytes, size_t size);
const char *run_write_text(const char *name, const char *text);
const char *run_write_object(const char *name, const struct object *object);

#endif

/* Runs a program and keeps what it says; see run.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"

static char directory[] = "/tmp/hotinline-XXXXXX";
static char paths[8][256];
static unsigned npaths;

static void remove_directory(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	if (system(command))
		perror(directory);
}

const char *run_directory(void)
{
	static const char *made;

	if (!made) {
		made = mkdtemp(directory);
		cr_assert(made, "mkdtemp %s", directory);
		setenv("T", made, 1);
		atexit(remove_directory);
	}
	return made;
}

const char *run_write(const char *name, const void *bytes, size_t size)
{
	char *path = paths[npaths++ % 8];
	FILE *file;

	snprintf(path, sizeof(paths[0]), "%s/%s", run_directory(), name);
	file = fopen(path, "wb");
	cr_assert(file, "cannot write %s", path);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	cr_assert(!fclose(file));
	return path;
}

const char *run_write_text(const char *name, const char *text)
{
	return run_write(name, text, strlen(text));
}

const char *run_write_object(const char *name, const struct object *object)
{
	struct image image = object_image(object);

	return run_write(name, image.bytes, image.size);
}

static void slurp(const char *name, char text[RUN_TEXT])
{
	char path[256];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", run_directory(), name);
	file = fopen(path, "rb");
	cr_assert(file, "no %s", path);
	n = fread(text, 1, RUN_TEXT - 1, file);
	text[n] = 0;
	fclose(file);
}

const struct run *run(const char *format, ...)
{
	static struct run result;
	char command[4096], redirected[8192];
	va_list arguments;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	snprintf(redirected, sizeof(redirected), "{ %s ; } >%s/out 2>%s/errors", command,
		 run_directory(), run_directory());
	status = system(redirected);
	result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	slurp("out", result.out);
	slurp("errors", result.errors);
	return &result;
}

void run_expect(const struct run *r, int status, const char *says)
{
	cr_expect_eq(r->status, status, "status %d, not %d: %s%s", r->status, status, r->errors,
		     r->out);
	cr_expect(strstr(r->out, says) || strstr(r->errors, says), "not `%s' but: %s%s", says,
		  r->out, r->errors);
}

/*
 * Writes the objects that tests/host/sample.c makes into a directory, as seeds for the fuzz targets:
 * a bit of everything, a unix, and a caller of each hotinline. Called by fuzz.mk.
 */
#include <stdio.h>
#include <criterion/criterion.h>

#include "tests/host/sample.h"
#include "tests/host/table.h"

static void save(const char *directory, const char *name, struct object *object)
{
	struct image image = object_image(object);
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sample-%s.o", directory, name);
	file = fopen(path, "wb");
	cr_assert(file && fwrite(image.bytes, 1, image.size, file) == image.size, "%s", path);
	cr_assert(!fclose(file), "%s", path);
	image_free(&image);
}

int main(int argc, char **argv)
{
	const struct hot_table *table = table_common();

	cr_assert(argc == 2, "usage: seeds DIRECTORY");
	save(argv[1], "everything", sample_object());
	save(argv[1], "unix", sample_unix(table, NULL));
	for (unsigned i = 0; i < table->nhotinlines; i++)
		save(argv[1], table->hotinlines[i].name, sample_caller(table->hotinlines[i].name));
	return 0;
}

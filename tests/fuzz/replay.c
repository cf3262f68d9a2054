/*
 * Runs a fuzz target once on each file named on the command line, without libFuzzer: for `make
 * test`, which replays the corpus and every crash, and for coverage. A rule that is broken ends the
 * process at that file, whose name was printed before. Exit status: 0 if all went well.
 */
#include <stdio.h>
#include <criterion/criterion.h>

#include "tests/host/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct image image;

		fprintf(stderr, "%s\n", argv[i]);
		image = image_read(argv[i]);
		LLVMFuzzerTestOneInput(image.bytes, image.size);
		image_free(&image);
	}
	printf("%d inputs replayed\n", argc - 1);
	return argc > 1 ? 0 : 64;
}

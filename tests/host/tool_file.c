/* The host tool's files: what is no object, what has no size, and what cannot be read or written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/run.h"

/* An object of that many bytes of data, each the low byte of its offset. */
static const char *data_object(const char *file, size_t size)
{
	struct object *object = object_new();
	uint8_t *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)i;
	object_section(object, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8, bytes, size);
	free(bytes);
	return run_write_object(file, object);
}

/* ---- What people give instead of an object ---- */

static void expect_stranger(const char *start, const char *says)
{
	char bytes[64];

	snprintf(bytes, sizeof(bytes), "%s and so on", start);
	run_write_text("it.o", bytes);
	run_expect(run(KRTLD "$T/it.o"), 2, says);
	bytes[1] ^= 1;
	run_write_text("it.o", bytes);
	run_expect(run(KRTLD "$T/it.o"), 2, "not an ELF file");
}

Test(tool_file, an_archive_is_told_from_an_object)
{
	expect_stranger("!<arch>\n", "an archive, not an object: take its members out with `ar x'");
	expect_stranger("!<thin>\n", "a thin archive");
}

Test(tool_file, bitcode_is_told_from_an_object)
{
	expect_stranger("BC\xc0\xde", "compile without -flto");
}

Test(tool_file, an_empty_file_is_told_from_an_object)
{
	run_write_text("it.o", "");
	run_expect(run(KRTLD "$T/it.o"), 2, "the file is empty, expected an object");
	run_write_text("it.o", "BC");
	run_expect(run(KRTLD "$T/it.o"), 2, "not an ELF file");
}

/* Every bad OBJECT is reported, not only the first. */
Test(tool_file, each_bad_object_is_reported)
{
	const struct run *r;

	data_object("good.o", 8);
	run_write_text("bad.o", "!<arch>\n");
	run_write_text("worse.o", "no ELF");
	r = run(KRTLD "$T/bad.o $T/good.o $T/none.o $T/worse.o");
	run_expect(r, 2, "bad.o: an archive");
	run_expect(r, 2, "none.o: cannot be opened");
	run_expect(r, 2, "worse.o: not an ELF file");
	cr_expect(!strstr(r->errors, "good.o"), "%s", r->errors);
}

/* ---- Reading ---- */

/* More than is read at a time, so that the memory for it has to grow. */
Test(tool_file, an_object_may_come_through_a_pipe)
{
	data_object("it.o", 300000);
	run_expect(run("cat $T/it.o | " KRTLD "--dump $T/pipe /dev/stdin && " KRTLD
		       "--dump $T/file $T/it.o && cmp $T/pipe/sec1.bin $T/file/sec1.bin && "
		       "wc -c <$T/pipe/sec1.bin"),
		   0, "300000\n");
	run_expect(run("head -c 200000 $T/it.o | " KRTLD "/dev/stdin"), 2, "the file is cut off");
}

Test(tool_file, what_cannot_be_read_is_refused)
{
	data_object("it.o", 8);
	run_expect(run(KRTLD "$T"), 2, "cannot be read, Is a directory");
	run_expect(run(KRTLD "/proc/self/mem"), 2, "cannot be read, Input/output error");
	run_expect(run(KRTLD "$T/it.o/it.o"), 2, "cannot be opened, Not a directory");
	run_expect(run(KRTLD "--layout $T $T/it.o"), 64, "cannot be read, Is a directory");
}

/* What does not end, and what is larger than memory: address space is made scarce for both. */
Test(tool_file, what_memory_does_not_hold_is_refused)
{
	data_object("it.o", 8);
	run_expect(run("ulimit -v 400000; " KRTLD "/dev/zero"), 2, "no memory is left");
	run_expect(run("truncate -s 8G $T/large.o && ulimit -v 400000 && " KRTLD "$T/large.o"), 2,
		   "no memory is left");
	run_expect(run("ulimit -v 400000; " KRTLD "$T/it.o"), 0, "section 1 ");
}

/* ---- Writing ---- */

Test(tool_file, each_object_is_dumped_to_a_directory_of_its_own)
{
	data_object("a.o", 8);
	data_object("b.o", 16);
	data_object("c.o", 24);
	run_expect(run(KRTLD "--dump $T/dump $T/a.o $T/b.o $T/c.o && cd $T/dump && "
			     "stat -c '%%s %%n' sec1.bin 2/sec1.bin 3/sec1.bin && ls"),
		   0, "8 sec1.bin\n16 2/sec1.bin\n24 3/sec1.bin\n2\n3\nsec1.bin\n");
}

Test(tool_file, a_dump_may_be_made_again)
{
	data_object("a.o", 8);
	run_expect(run(KRTLD "--dump $T/dump $T/a.o && " KRTLD "--dump $T/dump $T/a.o"), 0, "");
}

Test(tool_file, a_dump_that_cannot_be_made_is_refused)
{
	data_object("a.o", 8);
	data_object("b.o", 100000);
	run_expect(run("mkdir -p $T/dump/sec1.bin; " KRTLD "--dump $T/dump $T/a.o"), 2,
		   "dump/sec1.bin: cannot be created, Is a directory");
	run_expect(run("rmdir $T/dump/sec1.bin; ln -s /dev/full $T/dump/sec1.bin; " KRTLD
		       "--dump $T/dump $T/a.o"),
		   2, "dump/sec1.bin: cannot be written, No space left on device");
	run_expect(run(KRTLD "--dump $T/dump $T/b.o"), 2, "dump/sec1.bin: cannot be written");
	run_expect(
	    run("rm $T/dump/sec1.bin; touch $T/dump/2; " KRTLD "--dump $T/dump $T/a.o $T/b.o"), 2,
	    "dump/2/sec1.bin: cannot be created, Not a directory");
	run_expect(run("rm $T/dump/2; " KRTLD "--dump $T/dump $T/a.o $T/b.o"), 0, "");
}

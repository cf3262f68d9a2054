/*
 * zlib, loaded by krtld: it compresses, restores and checks, in one piece and member by member.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <criterion/criterion.h>

#include "tests/host/libraries.h"

#define SIZE 200000

/* Text that repeats itself now and then, and the same every time. */
static const uint8_t *sample(void)
{
	static uint8_t bytes[SIZE];
	uint32_t state = 1;

	for (unsigned i = 0; i < SIZE; i++) {
		state = state * 1664525 + 1013904223;
		bytes[i] = i > 1000 && state >> 29 ? bytes[i - 997] : (uint8_t)(state >> 24 & 63);
	}
	return bytes;
}

static void expect_restored(const struct krtld_module *deflater,
			    const struct krtld_module *inflater, int level)
{
	static uint8_t packed[SIZE + SIZE / 10], restored[SIZE];
	uLongf packed_size = sizeof(packed), size = SIZE;

	cr_assert_eq(
	    PROCESS_FUNCTION(deflater, compress2)(packed, &packed_size, sample(), SIZE, level),
	    Z_OK);
	cr_expect(level ? packed_size < SIZE / 2 : packed_size > SIZE, "level %d: %lu bytes", level,
		  packed_size);
	memset(restored, 0, SIZE);
	cr_assert_eq(PROCESS_FUNCTION(inflater, uncompress)(restored, &size, packed, packed_size),
		     Z_OK);
	cr_expect(size == SIZE && !memcmp(restored, sample(), SIZE), "level %d", level);
	memset(packed + packed_size / 2, 0x55, 16);
	cr_expect_eq(PROCESS_FUNCTION(inflater, uncompress)(restored, &size, packed, packed_size),
		     Z_DATA_ERROR, "level %d: damaged data were restored", level);
}

Test(zlib, what_is_compressed_is_restored_at_every_level)
{
	struct world *world = process_new();
	struct krtld_module *zlib = library_load(world, LIBRARY_ZLIB);

	for (int level = 0; level <= 9; level++)
		expect_restored(zlib, zlib, level);
	cr_expect_str_eq(PROCESS_FUNCTION(zlib, zlibVersion)(), ZLIB_VERSION);
	world_unload(world, zlib);
	world_expect_empty(world);
}

/* The check values that the specifications give for "123456789". */
Test(zlib, checksums_are_those_of_the_specifications)
{
	struct world *world = process_new();
	struct krtld_module *zlib = library_load(world, LIBRARY_ZLIB);
	const uint8_t *digits = (const uint8_t *)"123456789";

	cr_expect_eq(PROCESS_FUNCTION(zlib, crc32)(0, digits, 9), 0xcbf43926);
	cr_expect_eq(PROCESS_FUNCTION(zlib, adler32)(1, digits, 9), 0x091e01de);
}

/* A stream in small pieces: its state machine jumps through tables of relocated addresses. */
Test(zlib, a_stream_in_pieces_is_restored)
{
	struct world *world = process_new();
	struct krtld_module *zlib = library_load(world, LIBRARY_ZLIB);
	static uint8_t packed[2 * SIZE], restored[SIZE];
	z_stream in = {.next_in = (uint8_t *)(uintptr_t)sample(), .next_out = packed};
	z_stream out = {.next_in = packed, .next_out = restored, .avail_out = SIZE};

	cr_assert_eq(PROCESS_FUNCTION(zlib, deflateInit2_)(&in, 6, Z_DEFLATED, 15 + 16, 8,
							   Z_DEFAULT_STRATEGY, ZLIB_VERSION,
							   sizeof(in)),
		     Z_OK);
	in.avail_out = sizeof(packed);
	for (unsigned done = 0; done < SIZE; done += in.avail_in) {
		in.avail_in = SIZE - done < 777 ? SIZE - done : 777;
		unsigned piece = in.avail_in;

		PROCESS_FUNCTION(zlib, deflate)(&in, done % 2 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
		cr_assert_eq(in.avail_in, 0);
		in.avail_in = piece;
	}
	in.avail_in = 0;
	cr_assert_eq(PROCESS_FUNCTION(zlib, deflate)(&in, Z_FINISH), Z_STREAM_END);
	PROCESS_FUNCTION(zlib, deflateEnd)(&in);
	cr_assert_eq(
	    PROCESS_FUNCTION(zlib, inflateInit2_)(&out, 15 + 16, ZLIB_VERSION, sizeof(out)), Z_OK);
	while (out.total_in < in.total_out) {
		out.avail_in = 1 + in.total_out % 13;
		if (PROCESS_FUNCTION(zlib, inflate)(&out, Z_NO_FLUSH) != Z_OK)
			break;
	}
	cr_expect_eq(out.total_out, SIZE);
	cr_expect(!memcmp(restored, sample(), SIZE));
	PROCESS_FUNCTION(zlib, inflateEnd)(&out);
}

/* Members of the archive, each a module, in the order in which they need each other. */
Test(zlib, members_that_are_loaded_one_by_one_work_together)
{
	static const char *const members[] = {
	    LIBRARY_ZLIB_MEMBER("adler32"), LIBRARY_ZLIB_MEMBER("crc32"), LIBRARY_ZLIB_CORE,
	    LIBRARY_ZLIB_MEMBER("compress"), LIBRARY_ZLIB_MEMBER("uncompr")};
	struct world *world = process_new();
	struct krtld_module *modules[5];

	for (unsigned i = 0; i < 5; i++)
		modules[i] = library_load(world, members[i]);
	for (int level = 0; level <= 9; level += 3)
		expect_restored(modules[3], modules[4], level);
	cr_expect(!krtld_unload(&world->krtld, modules[0]), "adler32.o is in use");
	for (unsigned i = 5; i-- > 0;)
		world_unload(world, modules[i]);
	world_expect_empty(world);
}

Test(zlib, a_member_without_those_it_needs_is_refused)
{
	struct world *world = process_new();
	struct image image = image_read(LIBRARY_ZLIB_MEMBER("compress"));
	const struct krtld_error *error;

	error = world_refuse(world, "compress", &image, KRTLD_E_UNDEFINED);
	cr_expect(!strncmp(error->symbol, "deflate", 7), "%s", error->symbol);
	cr_expect_eq(world->nreports, 3, "deflateInit_, deflate, deflateEnd: %u", world->nreports);
}

/* inflate.o calls inflate_fast(), which inffast.o defines and hides. */
Test(zlib, a_hidden_symbol_of_another_member_is_no_definition)
{
	struct world *world = process_new();
	struct image image = image_read(LIBRARY_ZLIB_MEMBER("inflate"));
	bool fast = false;

	library_load(world, LIBRARY_ZLIB_MEMBER("adler32"));
	library_load(world, LIBRARY_ZLIB_MEMBER("crc32"));
	library_load(world, LIBRARY_ZLIB_MEMBER("inffast"));
	world_refuse(world, "inflate", &image, KRTLD_E_UNDEFINED);
	for (unsigned i = 0; i < world->nreports; i++)
		fast |= !strcmp(world->reports[i].symbol, "inflate_fast");
	cr_expect(fast);
}

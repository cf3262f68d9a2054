/*
 * Objects cut short or with any byte wrong. Whatever krtld says to them, it must not read or write
 * where it should not (AddressSanitizer watches), and a refusal leaves nothing behind.
 */
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>

#include "tests/host/sample.h"
#include "tests/host/world.h"

/* Loads whatever it is. If it is accepted it must be possible to unload it again. */
static bool try_load(struct world *world, const struct image *image)
{
	struct krtld_module *module;
	uint64_t before = world_state(world);

	world->nreports = 0;
	module = krtld_load(&world->krtld, "hostile", image->bytes, image->size);
	if (module) {
		cr_expect_eq(world->nreports, 0, "loaded with a report: %s", world->lines[0]);
		world_unload(world, module);
	} else {
		cr_expect(world->nreports > 0, "refused without a report");
	}
	cr_expect_eq(world_state(world), before, "something is left behind: %s", world->lines[0]);
	return module != NULL;
}

Test(hostile, an_object_cut_short_anywhere_is_refused)
{
	struct world *world = world_new("popcnt up");
	struct image whole = sample_image();

	for (size_t size = 0; size < whole.size; size++) {
		struct image image = image_copy(&whole, size);

		cr_expect(!try_load(world, &image), "%zu bytes of %zu were enough", size,
			  whole.size);
		image_free(&image);
	}
	cr_expect(try_load(world, &whole), "the whole object is fine");
}

static void flip(const struct image *good, struct world *world, size_t at, unsigned change)
{
	struct image image = image_copy(good, good->size);

	image.bytes[at] ^= (uint8_t)change;
	try_load(world, &image);
	image_free(&image);
}

static void flip_all(unsigned change)
{
	struct world *world = world_new("popcnt up");
	struct image good = sample_image();

	for (size_t at = 0; at < good.size; at++)
		flip(&good, world, at, change);
	cr_expect(try_load(world, &good), "the object itself is fine");
}

Test(hostile, any_byte_inverted_does_no_harm)
{
	flip_all(0xff);
}

Test(hostile, any_lowest_bit_flipped_does_no_harm)
{
	flip_all(0x01);
}

Test(hostile, any_highest_bit_flipped_does_no_harm)
{
	flip_all(0x80);
}

Test(hostile, any_other_bit_flipped_does_no_harm)
{
	for (unsigned bit = 1; bit < 7; bit++)
		flip_all(1u << bit);
}

/* The fields of the tables, each with the values that break arithmetic. */
Test(hostile, any_field_with_an_extreme_value_does_no_harm)
{
	static const uint64_t values[] = {0,
					  1,
					  7,
					  0x7f,
					  0xff,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xfffffff8,
					  0xffffffff,
					  0x100000000,
					  1ul << 62,
					  INT64_MAX,
					  1ul << 63,
					  UINT64_MAX - 7,
					  UINT64_MAX - 63,
					  UINT64_MAX - 4095,
					  UINT64_MAX};
	struct world *world = world_new("popcnt up");
	struct image good = sample_image();

	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		for (unsigned width = 2; width <= 8; width *= 2) {
			for (size_t at = 0; at + width <= good.size; at += width) {
				struct image image = image_copy(&good, good.size);

				memcpy(image.bytes + at, &values[v], width);
				try_load(world, &image);
				image_free(&image);
			}
		}
	}
}

/* Several bytes at once; a failure prints the seed, which makes it again. */
Test(hostile, random_damage_does_no_harm)
{
	struct world *world = world_new("popcnt up");
	struct image good = sample_image();

	for (unsigned seed = 0; seed < 4000; seed++) {
		struct image image = image_copy(&good, good.size);
		unsigned state = seed;

		for (unsigned n = 1 + seed % 5; n > 0; n--)
			image.bytes[(unsigned)rand_r(&state) % image.size] =
			    (uint8_t)rand_r(&state);
		try_load(world, &image);
		image_free(&image);
	}
}

/* A unix goes through code of its own; what is refused leaves no address in the machine. */
Test(hostile, any_byte_of_a_unix_inverted_does_no_harm)
{
	struct world *world = world_new(NULL);
	struct image good = object_image(sample_unix(world->machine->table, NULL));

	memset(world->machine->stubs, 0, 8ul * world->machine->table->nhotinlines);
	memset(world->machine->symbols, 0, 8ul * world->machine->table->nsymbols);
	world->nexternals = 0;
	for (size_t at = 0; at < good.size; at++)
		flip(&good, world, at, at % 2 ? 0xff : 0x01);
	cr_expect(try_load(world, &good));
	world_expect_empty(world);
}

/* The failing twin of all of the above: an object that is as it should be. */
Test(hostile, an_undamaged_object_is_loaded)
{
	struct world *world = world_new("popcnt up");
	struct image good = sample_image();

	cr_expect(try_load(world, &good));
	world_expect_empty(world);
}

/*
 * The mutator of the target patch: an input holds options and objects (container.h). Most changes
 * are to one object; the others are to the options, or to which objects there are. Called by
 * libFuzzer.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/container.h"
#include "tests/fuzz/mutate.h"

/* Writes the container, as much of it as there is room for. */
static size_t pack(const struct container *c, uint8_t *out, size_t room)
{
	size_t at = sizeof(c->options);

	if (room < at)
		return 0;
	memcpy(out, &c->options, at);
	for (unsigned i = 0; i < c->nobjects; i++) {
		uint32_t length = (uint32_t)c->objects[i].size;

		if (room - at < sizeof(length) || room - at - sizeof(length) < length)
			break;
		memcpy(out + at, &length, sizeof(length));
		memcpy(out + at + sizeof(length), c->objects[i].bytes, length);
		at += sizeof(length) + length;
	}
	return at;
}

static void change_options(struct container *c, uint64_t *state)
{
	uint8_t *bytes = (uint8_t *)&c->options;
	unsigned byte = mutate_random(state, 6);

	if (mutate_random(state, 2))
		bytes[byte] ^= (uint8_t)(1u << mutate_random(state, 8));
	else
		bytes[byte] = (uint8_t)mutate_random(state, byte == 0 ? 256 : 24);
	c->options.victim %= CONTAINER_OBJECTS + 1;
}

/* An object twice, one object less, or two that change places. */
static void change_list(struct container *c, uint64_t *state)
{
	unsigned from = mutate_random(state, c->nobjects), to = mutate_random(state, c->nobjects);
	struct image kept = c->objects[to];

	switch (mutate_random(state, 3)) {
	case 0:
		if (c->nobjects < CONTAINER_OBJECTS)
			c->objects[c->nobjects++] = c->objects[from];
		break;
	case 1:
		if (c->nobjects > 1)
			c->objects[from] = c->objects[--c->nobjects];
		break;
	default: c->objects[to] = c->objects[from]; c->objects[from] = kept;
	}
}

/* object: whose copy has been changed, or NULL. Packs before the memory goes. */
static size_t repack(const struct container *c, uint8_t *data, size_t room, uint8_t *changed)
{
	uint8_t *packed = malloc(room);
	size_t size = pack(c, packed, room);

	memcpy(data, packed, size);
	free(packed);
	free(changed);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint64_t state = 0x9e3779b97f4a7c15ull * (seed + 1ull);
	struct container c = container_open(data, size);
	size_t room = max_size > size ? max_size - size : 0;
	struct image *object;
	uint8_t *copy;

	if (!mutate_random(&state, 32) || !c.nobjects)
		return LLVMFuzzerMutate(data, size, max_size);
	if (!mutate_random(&state, 4))
		change_options(&c, &state);
	if (!mutate_random(&state, 12))
		change_list(&c, &state);
	object = &c.objects[mutate_random(&state, c.nobjects)];
	copy = malloc(object->size + room + 1);
	memcpy(copy, object->bytes, object->size);
	object->size = mutate_object(copy, object->size, object->size + room, &state);
	object->bytes = copy;
	return repack(&c, data, max_size, copy);
}

/* An object of the other input comes in: as one more, or a part of it in one of ours. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_out, unsigned seed)
{
	uint64_t state = 0x9e3779b97f4a7c15ull * (seed + 1ull);
	struct container c = container_open(data1, size1), other = container_open(data2, size2);
	struct image *mine, *theirs;
	uint8_t *copy;

	if (!c.nobjects || !other.nobjects)
		return 0;
	theirs = &other.objects[mutate_random(&state, other.nobjects)];
	if (c.nobjects < CONTAINER_OBJECTS && mutate_random(&state, 2)) {
		c.objects[c.nobjects++] = *theirs;
		return pack(&c, out, max_out);
	}
	mine = &c.objects[mutate_random(&state, c.nobjects)];
	copy = malloc(mine->size + theirs->size + 1);
	memcpy(copy, mine->bytes, mine->size);
	mine->size = mutate_cross(copy, mine->size, mine->size + theirs->size, theirs->bytes,
				  theirs->size, &state);
	mine->bytes = copy;
	return repack(&c, out, max_out, copy);
}

/* The mutator of the target krtld: an input is an object. Called by libFuzzer. */
#include <string.h>

#include "tests/fuzz/mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint64_t state = 0x9e3779b97f4a7c15ull * (seed + 1ull);

	return mutate_object(data, size, max_size, &state);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
				 size_t size2, uint8_t *out, size_t max_out, unsigned seed)
{
	uint64_t state = 0x9e3779b97f4a7c15ull * (seed + 1ull);

	size1 = size1 < max_out ? size1 : max_out;
	memcpy(out, data1, size1);
	return mutate_cross(out, size1, max_out, data2, size2, &state);
}

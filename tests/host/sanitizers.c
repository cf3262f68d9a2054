/*
 * Options of AddressSanitizer for all host tests. Each test is a process of its own, and what the
 * code under test allocates is counted by the fake ops in world.c, so that a search for leaks at the
 * end of each would only cost time.
 */
#include <sanitizer/asan_interface.h>

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=1";
}

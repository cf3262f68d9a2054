/* Executable memory below 2 GiB; see near.h. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "tests/host/near.h"

#define PAGE 4096ul

struct near near_map(size_t size)
{
	struct near near = {.size = (size + PAGE - 1) & ~(PAGE - 1)};
	int fd = memfd_create("near", 0);
	void *runs;

	cr_assert(fd >= 0 && !ftruncate(fd, (off_t)near.size), "memfd of %zu bytes", near.size);
	near.write = mmap(NULL, near.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	runs = mmap(NULL, near.size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_32BIT, fd, 0);
	cr_assert(near.write != MAP_FAILED && runs != MAP_FAILED, "mapping %zu bytes", near.size);
	close(fd);
	memset(near.write, 0xcc, near.size);
	near.address = (uint64_t)runs;
	return near;
}

void near_unmap(const struct near *near)
{
	munmap(near->write, near->size);
	munmap((void *)near->address, near->size);
}

uint64_t near_call(uint64_t address, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t (*function)(uint64_t, uint64_t, uint64_t) =
	    (uint64_t(*)(uint64_t, uint64_t, uint64_t))address;

	return function(a, b, c);
}

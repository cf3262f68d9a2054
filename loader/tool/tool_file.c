/* Files for the host tool: OBJECTs in, sections out. What is wrong with an OBJECT krtld says. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/tool/tool.h"

#define STEP 0x10000 /* bytes to read at a time from what has no size, such as a pipe */

static bool cannot(const char *path, const char *verb)
{
	complain("%s: cannot be %s, %s", path, verb, strerror(errno));
	return false;
}

/* Reads until the end. room: bytes there probably are. */
static bool read_all(int fd, size_t room, uint8_t **bytes, size_t *size)
{
	ssize_t got = 1;

	*size = 0;
	*bytes = claim(room + 1, 1);
	while (got > 0) {
		if (*size == room) {
			room += STEP + room / 2;
			*bytes = realloc(*bytes, room + 1);
			if (!*bytes)
				out_of_memory();
		}
		got = read(fd, *bytes + *size, room - *size);
		if (got > 0)
			*size += (size_t)got;
	}
	(*bytes)[*size] = '\0';
	return got == 0;
}

bool read_file(const char *path, uint8_t **bytes, size_t *size)
{
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return cannot(path, "opened");
	/* One byte more than there is, so that the end shows without growing. */
	ok = fstat(fd, &about) == 0 &&
	     read_all(fd, S_ISREG(about.st_mode) ? (size_t)about.st_size + 1 : STEP, bytes, size);
	if (!ok)
		cannot(path, "read");
	close(fd);
	return ok;
}

bool read_object(struct object *object)
{
	return read_file(object->path, &object->bytes, &object->size);
}

/* Zeros, which sections without contents are, take no room on the disk. */
static bool write_file(const char *path, const uint8_t *bytes, size_t size, bool zeros)
{
	FILE *file = fopen(path, "wb");
	bool ok;

	if (!file)
		return cannot(path, "created");
	ok = (zeros && ftruncate(fileno(file), (off_t)size) == 0) ||
	     fwrite(bytes, 1, size, file) == size;
	if (fclose(file) != 0 || !ok)
		return cannot(path, "written");
	return true;
}

static bool make_directory(const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return true;
	return cannot(path, "created");
}

/* Its name says where its first slot is: that is nobody's choice but krtld's. */
static bool dump_got(const struct krtld_module *module, const char *directory, char *path,
		     size_t size)
{
	uint32_t nslots;
	uint64_t address;
	const uint8_t *slots = krtld_got(module, &nslots, &address);

	if (!nslots)
		return true;
	snprintf(path, size, "%s/got%lx.bin", directory, address);
	return write_file(path, slots, (size_t)nslots * KRTLD_SLOT, false);
}

static bool dump_object(const struct object *object, const char *directory)
{
	size_t size = strlen(directory) + sizeof "/got0123456789abcdef.bin";
	char *path = claim(size, 1);
	bool ok = make_directory(directory) && dump_got(object->module, directory, path, size);

	for (uint32_t i = 1; ok && i < object->module->nsections; i++) {
		const struct krtld_section *section = &object->module->sections[i];
		const struct elf64_shdr *shdr = &object->view.shdrs[i];

		if (!krtld_is_loaded(shdr))
			continue;
		snprintf(path, size, "%s/sec%u.bin", directory, i);
		ok = write_file(path, section->size ? section->bytes : (const uint8_t *)"",
				section->size, shdr->sh_type == SHT_NOBITS);
	}
	free(path);
	return ok;
}

/* The first OBJECT's sections go to DIR, those of the n-th to DIR/n. */
bool dump_sections(const struct tool *tool)
{
	size_t size = strlen(tool->dump) + sizeof "/4294967295";
	char *directory = claim(size, 1);
	bool ok = dump_object(&tool->objects[0], tool->dump);

	for (unsigned i = 1; ok && i < tool->nobjects; i++) {
		snprintf(directory, size, "%s/%u", tool->dump, i + 1);
		ok = dump_object(&tool->objects[i], directory);
	}
	free(directory);
	return ok;
}

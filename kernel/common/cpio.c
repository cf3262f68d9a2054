/*
 * The boot archive: cpio's "newc" format, as `cpio -H newc` writes it. Headers are text; names and
 * contents begin at multiples of 4 bytes (cpio(5)). Read by the boot program for unix, and by
 * modules.c. An archive that is damaged ends where the damage is.
 */
#include "kernel/defs.h"

#define HEADER_SIZE 110
#define SIZE_FIELD  54 /* c_filesize: 8 hexadecimal digits */
#define NAME_FIELD  94 /* c_namesize, with its NUL: likewise */

static bool field(const uint8_t *at, uint64_t *value)
{
	char digits[9];

	memcpy(digits, at, 8);
	digits[8] = '\0';
	return parse_hex(digits, value);
}

/* The member at *position, which moves on to the next. NULL: the end. */
static const char *next(const struct archive *archive, size_t *position, struct archive *file)
{
	const uint8_t *at = archive->bytes + *position;
	size_t left = archive->size - *position, contents;
	uint64_t name_size, file_size;

	if (left < HEADER_SIZE || memcmp(at, "070701", 6) != 0)
		return NULL;
	if (!field(at + NAME_FIELD, &name_size) || !field(at + SIZE_FIELD, &file_size))
		return NULL;
	contents = (HEADER_SIZE + name_size + 3) & ~3ul;
	if (!name_size || contents > left || file_size > left - contents)
		return NULL;
	if (at[HEADER_SIZE + name_size - 1] != '\0')
		return NULL;
	file->bytes = at + contents;
	file->size = file_size;
	*position += (contents + file_size + 3) & ~3ul;
	if (*position > archive->size)
		*position = archive->size;
	return (const char *)at + HEADER_SIZE;
}

bool cpio_find(const struct archive *archive, const char *name, struct archive *file)
{
	const char *found;

	for (size_t position = 0; (found = next(archive, &position, file));)
		if (strcmp(found, name) == 0)
			return true;
	return false;
}

/* The name at *position, which moves on; start with 0. NULL: no more. */
const char *cpio_list(const struct archive *archive, size_t *position)
{
	struct archive file;
	const char *name = next(archive, position, &file);

	return name && strcmp(name, "TRAILER!!!") != 0 ? name : NULL;
}

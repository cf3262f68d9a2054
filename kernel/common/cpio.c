/*
 * The boot archive: cpio's "newc" format, as `cpio -H newc` writes it. Headers are text; names and
 * contents begin at multiples of 4 bytes (cpio(5)). The boot program checks all of it before it takes
 * unix out; modules.c reads the rest.
 */
#include "kernel/defs.h"

#define HEADER_SIZE 110
#define MAGIC       "070701"
#define MAGIC_SIZE  6
#define DIGITS      8    /* of a field */
#define NAME_LIMIT  1024 /* bytes of a name, with its NUL */
#define TRAILER     "TRAILER!!!"

/* The fields after the magic number, of 8 hexadecimal digits each. */
enum { C_FILESIZE = 6, C_NAMESIZE = 11, NFIELDS = 13 };
static const char *const field_names[NFIELDS] = {
    "c_ino",      "c_mode",     "c_uid",       "c_gid",       "c_nlink",    "c_mtime", "c_filesize",
    "c_devmajor", "c_devminor", "c_rdevmajor", "c_rdevminor", "c_namesize", "c_check"};

/* What somebody may have made instead, by the bytes that such files have at an offset. */
#define CPIO "make it with cpio -H newc"
static const struct {
	uint16_t offset, size;
	const char *magic, *what, *cure;
} others[] = {
    {0, 2, "\x1f\x8b", "is compressed with gzip", "decompress it (gunzip)"},
    {0, 5, "\3757zXZ", "is compressed with xz", "decompress it (unxz)"},
    {0, 4, "\x28\xb5\x2f\xfd", "is compressed with zstd", "decompress it (unzstd)"},
    {0, 3, "BZh", "is compressed with bzip2", "decompress it (bunzip2)"},
    {0, 4, "\x04\x22\x4d\x18", "is compressed with lz4", "decompress it (unlz4)"},
    {0, 4, "\x02\x21\x4c\x18", "is compressed with lz4", "decompress it (unlz4)"},
    {0, 3, "\x5d\0\0", "is compressed with lzma", "decompress it (unlzma)"},
    {0, 4, "\x89LZO", "is compressed with lzop", "decompress it (lzop -d)"},
    {0, 2, "\x1f\x9d", "is compressed with compress", "decompress it (uncompress)"},
    {0, 6, "070702", "is cpio's crc format (070702)", CPIO ", not crc"},
    {0, 6, "070707", "is cpio's old portable format (070707)", CPIO ", not odc"},
    {0, 2, "\xc7\x71", "is cpio's old binary format", CPIO ", not bin"},
    {0, 2, "\x71\xc7", "is cpio's old binary format, byte-swapped", CPIO ", not bin"},
    {257, 5, "ustar", "is a tar file", CPIO},
    {0, 4, "\177ELF", "is an ELF file", "pack it: " CPIO},
    {0, 7, "!<arch>", "is an ar archive", CPIO},
    {0, 4, "PK\3\4", "is a zip file", CPIO},
    {0, 4, "hsqs", "is a squashfs image", CPIO},
};

struct member {
	const char *name;
	struct archive file;
	size_t end; /* where the next one begins, or the archive ends */
};

static bool is_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool field(const uint8_t *header, unsigned n, uint64_t *value)
{
	const uint8_t *at = header + MAGIC_SIZE + n * DIGITS;
	char digits[DIGITS + 1] = "";

	for (unsigned i = 0; i < DIGITS; i++)
		if (!is_digit(at[i]))
			return false;
	memcpy(digits, at, DIGITS);
	return parse_hex(digits, value);
}

/* The member at an offset. False: there is none, and why not is in the line. */
static bool read_member(const struct archive *archive, size_t at, struct member *member, char *why,
			size_t size)
{
	const uint8_t *header = archive->bytes + at;
	size_t left = archive->size - at, contents;
	uint64_t value[NFIELDS];

	if (left < HEADER_SIZE) {
		ksnprintf(why, size, "is cut off: at 0x%lx %s", at,
			  left ? "a header is not complete" : "it ends without " TRAILER);
		return false;
	}
	if (memcmp(header, MAGIC, MAGIC_SIZE) != 0) {
		ksnprintf(why, size, "is damaged: at 0x%lx there is no header (" MAGIC ")", at);
		return false;
	}
	for (unsigned i = 0; i < NFIELDS; i++)
		if (!field(header, i, &value[i])) {
			ksnprintf(why, size, "is damaged: at 0x%lx, %s is not hexadecimal", at,
				  field_names[i]);
			return false;
		}
	if (!value[C_NAMESIZE] || value[C_NAMESIZE] > NAME_LIMIT) {
		ksnprintf(why, size, "is damaged: at 0x%lx, c_namesize is 0x%lx, not 1 to 0x%x", at,
			  value[C_NAMESIZE], NAME_LIMIT);
		return false;
	}
	contents = (HEADER_SIZE + value[C_NAMESIZE] + 3) & ~3ul;
	if (contents > left) {
		ksnprintf(why, size, "is cut off: at 0x%lx a name is not complete", at);
		return false;
	}
	member->name = (const char *)header + HEADER_SIZE;
	if (member->name[value[C_NAMESIZE] - 1] != '\0') {
		ksnprintf(why, size, "is damaged: at 0x%lx a name does not end with NUL", at);
		return false;
	}
	if (value[C_FILESIZE] > left - contents) {
		ksnprintf(why, size, "is cut off: %s has 0x%lx bytes, and 0x%lx are there",
			  member->name, value[C_FILESIZE], left - contents);
		return false;
	}
	member->file = (struct archive){header + contents, value[C_FILESIZE]};
	member->end = at + ((contents + value[C_FILESIZE] + 3) & ~3ul);
	if (member->end > archive->size)
		member->end = archive->size;
	return true;
}

static bool is_other(const struct archive *archive, char *why, size_t size)
{
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (archive->size >= others[i].offset + (size_t)others[i].size &&
		    memcmp(archive->bytes + others[i].offset, others[i].magic, others[i].size) ==
			0) {
			ksnprintf(why, size, "%s: %s", others[i].what, others[i].cure);
			return true;
		}
	return false;
}

/* Padding is zeros. Somebody who joined two archives would lose the second. */
static bool is_padding(const struct archive *archive, size_t at, char *why, size_t size)
{
	while (at < archive->size && !archive->bytes[at])
		at++;
	if (at < archive->size)
		ksnprintf(why, size, "goes on at 0x%lx, after " TRAILER ": make one archive of all",
			  at);
	return at == archive->size;
}

/* All of the archive. False: why is a phrase, "is cut off: …". size: NAME_LIMIT and 128 at least. */
bool cpio_check(const struct archive *archive, char *why, size_t size)
{
	struct member member = {0};
	const uint8_t *b = archive->bytes;

	if (is_other(archive, why, size))
		return false;
	if (archive->size < MAGIC_SIZE || memcmp(b, MAGIC, MAGIC_SIZE) != 0) {
		if (archive->size < MAGIC_SIZE)
			ksnprintf(why, size, "has only %lu bytes: " CPIO, archive->size);
		else
			ksnprintf(why, size,
				  "is not cpio; it begins with %02x %02x %02x %02x: " CPIO, b[0],
				  b[1], b[2], b[3]);
		return false;
	}
	do
		if (!read_member(archive, member.end, &member, why, size))
			return false;
	while (strcmp(member.name, TRAILER) != 0);
	return is_padding(archive, member.end, why, size);
}

/* The name at *position, which moves on; start with 0. `find .` puts "./" before all of them. NULL:
 * no more. */
static const char *next(const struct archive *archive, size_t *position, struct archive *file)
{
	struct member member;
	char why[8];

	if (!read_member(archive, *position, &member, why, sizeof(why)) ||
	    strcmp(member.name, TRAILER) == 0)
		return NULL;
	*position = member.end;
	*file = member.file;
	return strncmp(member.name, "./", 2) == 0 ? member.name + 2 : member.name;
}

bool cpio_find(const struct archive *archive, const char *name, struct archive *file)
{
	const char *found;

	for (size_t position = 0; (found = next(archive, &position, file));)
		if (strcmp(found, name) == 0)
			return true;
	return false;
}

const char *cpio_list(const struct archive *archive, size_t *position)
{
	struct archive file;

	return next(archive, position, &file);
}

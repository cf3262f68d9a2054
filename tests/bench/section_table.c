/*
 * The section-table style of patching; see section_table.h. Instruction lengths are those of Intel
 * SDM vol. 2D, appendix A, for 64-bit mode without VEX, EVEX and XOP.
 */
#include <string.h>

#include "alternatives/arch.h"
#include "tests/bench/section_table.h"

#define SITE_BYTES 256
#define NOP        0x90

/*
 * What follows an opcode, one letter each:
 *	.  nothing      m  ModRM           b  8 bits          z  32 bits       w  16 bits
 *	s  rel8         j  rel32           B  ModRM, 8 bits   Z  ModRM, 32 bits
 *	v  32 bits, or 64 with REX.W       o  a 64-bit address
 *	t, T  ModRM, and 8 or 32 bits if its reg field is 0 or 1
 *	p  it is a prefix      e, 3, 4  another opcode map      !  no instruction
 */
static const char one_byte[] = "mmmmbz!!mmmmbz!e"
			       "mmmmbz!!mmmmbz!!"
			       "mmmmbzp!mmmmbzp!"
			       "mmmmbzp!mmmmbzp!"
			       "pppppppppppppppp"
			       "................"
			       "!!!mppppzZbB...."
			       "ssssssssssssssss"
			       "BZ!Bmmmmmmmmmmmm"
			       "..........!....."
			       "oooo....bz......"
			       "bbbbbbbbvvvvvvvv"
			       "BBw.!!BZ!.w..b!."
			       "mmmm!!!.mmmmmmmm"
			       "ssssbbbbjj!s...."
			       "p.pp..tT......mm";
static const char two_bytes[] = "mmmm!.....!.!m.!"
				"mmmmmmmmmmmmmmmm"
				"mmmm!!!!mmmmmmmm"
				"......!.3!4!!!!!"
				"mmmmmmmmmmmmmmmm"
				"mmmmmmmmmmmmmmmm"
				"mmmmmmmmmmmmmmmm"
				"BBBBmmm.mm!!mmmm"
				"jjjjjjjjjjjjjjjj"
				"mmmmmmmmmmmmmmmm"
				"...mBm!!...mBmmm"
				"mmmmmmmmmmBmmmmm"
				"mmBmmmBm........"
				"mmmmmmmmmmmmmmmm"
				"mmmmmmmmmmmmmmmm"
				"mmmmmmmmmmmmmmmm";

/* The length of one instruction, and the offset of a 32-bit field that is relative to its end. */
struct decoded {
	unsigned size;  /* 0: not understood */
	unsigned field; /* 0: there is none */
};

/* Bytes of ModRM, SIB and displacement. */
static unsigned modrm_size(const uint8_t *modrm, bool *relative)
{
	unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
	unsigned sib = mod != 3 && rm == 4;

	*relative = mod == 0 && rm == 5;
	if (mod == 1)
		return 2 + sib;
	if (mod == 2 || *relative || (mod == 0 && sib && (modrm[1] & 7) == 5))
		return 5 + sib;
	return 1 + sib;
}

static struct decoded decode_one(const uint8_t *code)
{
	unsigned at = 0, wide = 0, immediate = 0;
	bool relative = false, has_modrm = true;
	struct decoded decoded = {0, 0};
	char kind;

	for (; one_byte[code[at]] == 'p'; at++)
		wide = (code[at] & 0xf8) == 0x48;
	kind = one_byte[code[at++]];
	if (kind == 'e')
		kind = two_bytes[code[at++]];
	if (kind == '3' || kind == '4') {
		kind = kind == '3' ? 'm' : 'B';
		at++;
	}
	switch (kind) {
	case 'm': break;
	case 'B': immediate = 1; break;
	case 'Z': immediate = 4; break;
	case 't': immediate = (code[at] & 0x30) == 0; break;
	case 'T': immediate = (code[at] & 0x30) == 0 ? 4 : 0; break;
	case '!': return decoded;
	default: has_modrm = false;
	}
	if (has_modrm) {
		unsigned size = modrm_size(code + at, &relative);

		decoded.field = relative ? at + 1 : 0;
		decoded.size = at + size + immediate;
		return decoded;
	}
	switch (kind) {
	case 'b':
	case 's': immediate = 1; break;
	case 'w': immediate = 2; break;
	case 'j':
		decoded.field = at;
		immediate = 4;
		break;
	case 'z': immediate = 4; break;
	case 'v': immediate = wide ? 8 : 4; break;
	case 'o': immediate = 8; break;
	default: break;
	}
	decoded.size = at + immediate;
	return decoded;
}

/* A field that says the same from another place, unless what it names moves along with it. */
static void move_field(uint8_t *field, int64_t next, unsigned size, int64_t distance)
{
	int32_t value;

	memcpy(&value, field, sizeof value);
	if (next + value >= 0 && next + value <= (int64_t)size)
		return;
	value = (int32_t)(value - distance);
	memcpy(field, &value, sizeof value);
}

/* distance: from the replacement to the site. */
static bool fix_up(uint8_t *code, unsigned size, int64_t distance, bool decode)
{
	struct decoded decoded;

	if (!decode) {
		if (size == 5 && (code[0] == 0xe8 || code[0] == 0xe9))
			move_field(code + 1, size, size, distance);
		return true;
	}
	for (unsigned at = 0; at < size; at += decoded.size) {
		decoded = decode_one(code + at);
		if (decoded.size == 0 || decoded.size > size - at)
			return false;
		if (decoded.field)
			move_field(code + at + decoded.field, at + decoded.size, size, distance);
	}
	return true;
}

/* The assembler filled what the site's own code leaves with NOPs of one byte: fewer will do. */
static bool optimize_nops(uint8_t *code, unsigned size, bool decode)
{
	unsigned at = 0, end = size;

	while (end > 0 && code[end - 1] == NOP)
		end--;
	for (struct decoded decoded; decode && at < end; at += decoded.size) {
		decoded = decode_one(code + at);
		if (decoded.size == 0)
			return false;
	}
	at = at > end ? at : end;
	hot_arch_pad(code + at, size - at);
	return true;
}

bool section_table_apply(const struct section_record *records, const struct section_record *end,
			 const uint32_t *features, bool decode)
{
	uint8_t code[SITE_BYTES];

	for (const struct section_record *r = records; r < end; r++) {
		uint8_t *site = (uint8_t *)&r->site + r->site;
		const uint8_t *replacement = (const uint8_t *)&r->replacement + r->replacement;
		unsigned size = r->replacement_size;

		if (!(features[r->feature / 32] >> r->feature % 32 & 1)) {
			if (!optimize_nops(site, r->site_size, decode))
				return false;
			continue;
		}
		memcpy(code, replacement, size);
		if (!fix_up(code, size, site - replacement, decode))
			return false;
		hot_arch_pad(code + size, r->site_size - size);
		memcpy(site, code, r->site_size);
	}
	return true;
}

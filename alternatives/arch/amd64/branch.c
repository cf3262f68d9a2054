/*
 * amd64's part of the engine: direct branches, NOPs, and the proof that a field belongs to one.
 * Encodings: Intel SDM vol. 2, CALL, JMP, RET and NOP.
 */
#include "alternatives/arch.h"
#include "alternatives/bytes.h"

#define CALL_REL32 0xe8
#define JMP_REL32  0xe9
#define RET_NEAR   0xc3
#define INDIRECT   0xff
#define CALL_RIP   0x15 /* ModRM of ff: call [rip + disp32] */
#define JMP_RIP    0x25 /* jmp [rip + disp32] */
#define ADDR32     0x67
#define SS_PREFIX  0x36
#define NOP        0x90
#define INT3       0xcc

#define NOP_MAX    9  /* bytes of the longest NOP that the SDM recommends */
#define MARK_MAX   10 /* bytes of the longest piece of a mark: a prefix and that NOP */

/* Intel SDM vol. 2B, NOP, table "Recommended Multi-Byte Sequence of NOP Instruction". */
static const uint8_t nops[NOP_MAX][NOP_MAX] = {
    {0x90},
    {0x66, 0x90},
    {0x0f, 0x1f, 0x00},
    {0x0f, 0x1f, 0x40, 0x00},
    {0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

void hot_arch_pad(uint8_t *bytes, unsigned n)
{
	for (; n > NOP_MAX; n -= NOP_MAX, bytes += NOP_MAX)
		hot_copy(bytes, nops[NOP_MAX - 1], NOP_MAX);
	if (n > 0)
		hot_copy(bytes, nops[n - 1], n);
}

void hot_arch_absorb(uint8_t *bytes, unsigned n)
{
	unsigned first = n < HOT_ARCH_BRANCH ? n : HOT_ARCH_BRANCH;

	hot_arch_pad(bytes, first);
	hot_arch_pad(bytes + first, n - first);
}

void hot_arch_trap(uint8_t *bytes, unsigned n)
{
	hot_fill(bytes, INT3, n);
}

/*
 * 64-bit mode ignores an SS override. Assemblers and compilers pad with 66 and 2e in front of a
 * NOP, never with 36, so that 36 right after a call says who put it there.
 */
void hot_arch_mark(uint8_t *bytes, unsigned n)
{
	while (n > 0) {
		unsigned size = n <= MARK_MAX ? n : n == MARK_MAX + 1 ? MARK_MAX - 1 : MARK_MAX;

		bytes[0] = SS_PREFIX;
		hot_copy(bytes + 1, nops[size - 2], size - 1);
		bytes += size;
		n -= size;
	}
}

/* The class of each byte that is a legacy or REX prefix (SDM vol. 2A, 2.1.1 and 2.2.1); 0: it is not. */
static const uint8_t prefix_class[256] = {
    [0x26] = HOT_ARCH_SEGMENT, [0x2e] = HOT_ARCH_SEGMENT, [0x36] = HOT_ARCH_SEGMENT,
    [0x3e] = HOT_ARCH_SEGMENT, [0x40] = HOT_ARCH_REX,     [0x41] = HOT_ARCH_REX,
    [0x42] = HOT_ARCH_REX,     [0x43] = HOT_ARCH_REX,     [0x44] = HOT_ARCH_REX,
    [0x45] = HOT_ARCH_REX,     [0x46] = HOT_ARCH_REX,     [0x47] = HOT_ARCH_REX,
    [0x48] = HOT_ARCH_REX,     [0x49] = HOT_ARCH_REX,     [0x4a] = HOT_ARCH_REX,
    [0x4b] = HOT_ARCH_REX,     [0x4c] = HOT_ARCH_REX,     [0x4d] = HOT_ARCH_REX,
    [0x4e] = HOT_ARCH_REX,     [0x4f] = HOT_ARCH_REX,     [0x64] = HOT_ARCH_FS_GS,
    [0x65] = HOT_ARCH_FS_GS,   [0x66] = HOT_ARCH_OPERAND, [0x67] = HOT_ARCH_ADDRESS,
    [0xf0] = HOT_ARCH_LOCK,    [0xf2] = HOT_ARCH_REPEAT,  [0xf3] = HOT_ARCH_REPEAT,
};

/* What may stand before an instruction as its prefixes, as flags of a site: every byte counts. */
static uint8_t prefixes_before(const uint8_t *section, uint64_t start)
{
	unsigned class = start > 0 ? prefix_class[section[start - 1]] : 0;

	if (class && start > 1 && prefix_class[section[start - 2]])
		class = HOT_ARCH_SEVERAL;
	return (uint8_t)(class << HOT_PREFIX_SHIFT);
}

bool hot_arch_prove(const uint8_t *section, uint64_t size, uint64_t field, unsigned width,
		    struct hot_site *site)
{
	uint8_t mark[HOT_SITE_MAX];
	uint64_t start = field - 1;

	if (field == 0 || start > UINT32_MAX)
		return false;
	if (section[start] != CALL_REL32 && section[start] != JMP_REL32)
		return false;
	site->offset = (uint32_t)start;
	site->form = section[start] == CALL_REL32 ? HOT_CALL : HOT_JMP;
	site->flags = prefixes_before(section, start);
	if (width > HOT_ARCH_BRANCH + 1 && width <= HOT_SITE_MAX && size - start >= width) {
		hot_arch_mark(mark, width - HOT_ARCH_BRANCH);
		if (hot_same(section + start + HOT_ARCH_BRANCH, mark, width - HOT_ARCH_BRANCH))
			site->flags |= HOT_WIDE;
	}
	return true;
}

bool hot_arch_prove_got(const uint8_t *section, uint64_t size, uint64_t field,
			struct hot_site *site)
{
	uint64_t start = field - 2;

	if (field < 2 || start > UINT32_MAX || size < HOT_ARCH_GOT || start > size - HOT_ARCH_GOT)
		return false;
	if (section[start] != INDIRECT ||
	    (section[start + 1] != CALL_RIP && section[start + 1] != JMP_RIP))
		return false;
	site->offset = (uint32_t)start;
	site->form = section[start + 1] == CALL_RIP ? HOT_CALL : HOT_JMP;
	site->flags = prefixes_before(section, start) | HOT_GOT;
	return true;
}

/* psABI 1.0, B.2: the six bytes stay six. */
bool hot_arch_relax(uint8_t *bytes, uint64_t from, uint64_t to, bool tail)
{
	unsigned before = tail ? 0 : 1; /* of the branch */

	if (tail)
		bytes[HOT_ARCH_BRANCH] = NOP;
	else
		bytes[0] = ADDR32;
	return hot_arch_branch(bytes + before, from + before, to, tail);
}

bool hot_arch_fixup(uint8_t *field, uint64_t address, uint64_t symbol, int32_t addend)
{
	int64_t value = (int64_t)(symbol + (uint64_t)(int64_t)addend - address);

	if (value != (int32_t)value)
		return false;
	hot_copy4(field, &(int32_t){(int32_t)value});
	return true;
}

bool hot_arch_branch(uint8_t *bytes, uint64_t from, uint64_t to, bool tail)
{
	bytes[0] = tail ? JMP_REL32 : CALL_REL32;
	return hot_arch_fixup(bytes + 1, from + 1, to, -4);
}

void hot_arch_tail(uint8_t *bytes)
{
	bytes[0] = JMP_REL32;
}

unsigned hot_arch_return(uint8_t *bytes)
{
	bytes[0] = RET_NEAR;
	return HOT_ARCH_RETURN;
}

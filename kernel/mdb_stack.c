/*
 * The stack as the debugger sees it: $c and $C, and the address to which a function will return, for
 * ::step out. Functions of C have a frame pointer (-fno-omit-frame-pointer) but for their first and
 * last instructions, and for the paths that need no frame; assembler code has none.
 */
#include "kernel/mdb.h"

#define CALL          5 /* bytes of a direct call */
#define OPCODE_CALL   0xe8
#define OPCODE_GROUP5 0xff /* and 2 in the middle of the next byte: an indirect call */
#define OPCODE_PUSH   0x55 /* push rbp */
#define OPCODE_RET    0xc3

static const uint8_t move_frame[] = {0x48, 0x89, 0xe5}; /* mov rbp, rsp */

/* ---- Return addresses ---- */

/* The function that the direct call right before an address calls; 0: there is none. */
static uint64_t called(uint64_t address)
{
	uint8_t bytes[CALL];
	int32_t distance;

	if (peek(address - CALL, bytes, CALL) != CALL || bytes[0] != OPCODE_CALL)
		return 0;
	memcpy(&distance, bytes + 1, sizeof(distance));
	return address + (uint64_t)(int64_t)distance;
}

/* Whether a call ends at an address. */
static bool follows_call(uint64_t address)
{
	if (called(address))
		return true;
	for (unsigned n = 2; n <= 7; n++) {
		uint8_t bytes[2];

		if (peek(address - n, bytes, 2) == 2 && bytes[0] == OPCODE_GROUP5 &&
		    (bytes[1] >> 3 & 7) == 2)
			return true;
	}
	return false;
}

static uint64_t read_slot(uint64_t slot)
{
	uint64_t value;

	return peek(slot, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/* Whether the function has made its frame before the address. */
static bool has_frame(uint64_t start, uint64_t address)
{
	uint8_t bytes[sizeof(move_frame)];

	for (uint64_t at = start; at + sizeof(bytes) <= address; at++)
		if (peek(at, bytes, sizeof(bytes)) == sizeof(bytes) &&
		    memcmp(bytes, move_frame, sizeof(bytes)) == 0)
			return true;
	return false;
}

/* Where on the stack the return address lies. */
static uint64_t find_slot(const struct frame *frame)
{
	uint64_t offset = 0, size, start;
	const char *symbol;
	uint8_t first = 0, next = 0;

	(void)krtld_name(&krtld, frame->rip, &symbol, &offset, &size);
	start = frame->rip - offset;
	peek(start, &first, 1);
	peek(frame->rip, &next, 1);
	if (!offset || next == OPCODE_RET || called(read_slot(frame->rsp)) == start)
		return frame->rsp;
	if (has_frame(start, frame->rip))
		return frame->rbp + 8;
	return frame->rsp + (first == OPCODE_PUSH ? 8 : 0);
}

/* Puts the address to which the function returns, and where that lies. Returns why there is none,
 * or NULL. */
const char *mdb_return_address(const struct frame *frame, uint64_t *address, uint64_t *slot)
{
	const char *why;

	*slot = find_slot(frame);
	*address = read_slot(*slot);
	why = mdb_break_refusal(*address);
	return why || follows_call(*address) ? why : "no call leads to there";
}

/* ---- $c, $C ---- */

/* As mdb does: symbol+0xoffset(), and nothing in the parentheses, because the ABI leaves arguments
 * in registers, which are not kept. */
static void print_frame(uint64_t rip, uint64_t rbp, bool pointers)
{
	char line[96];

	if (pointers)
		kprintf("%016lx ", rbp);
	kprintf("%s()\n", mdb_name(rip, line, sizeof(line)));
}

static void print_stack(const struct mdb_call *call, bool pointers)
{
	const struct frame *frame = call->mdb->frame;
	uint64_t rip = PHYSMAP, rbp = call->address, to, slot;

	if (!call->given && !frame) {
		kprintf("mdb: the system runs, and its stack with it; ADDR$c shows the stack from "
			"the frame pointer ADDR\n");
		return;
	}
	if (!call->given) {
		rip = frame->rip;
		rbp = frame->rbp;
		print_frame(rip, rbp, pointers);
		if (!mdb_return_address(frame, &to, &slot) && slot != rbp + sizeof(to)) {
			rip = to; /* it has no frame yet, or none any more: rbp is its caller's */
			print_frame(rip, rbp, pointers);
		}
	}
	for (unsigned depth = 0; depth < STACK_DEPTH && stack_caller(&rip, &rbp); depth++)
		print_frame(rip, rbp, pointers);
}

void mdb_stack(struct mdb_call *call)
{
	print_stack(call, false);
}

void mdb_stack_frames(struct mdb_call *call)
{
	print_stack(call, true);
}

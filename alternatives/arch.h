/*
 * What the engine and krtld ask of an instruction set: decode a site, write a branch, pad.
 * One folder below arch/ implements it. A caller outside alternatives/ and loader/ has no use for
 * it.
 */
#ifndef HOTINLINE_ALTERNATIVES_ARCH_H
#define HOTINLINE_ALTERNATIVES_ARCH_H

#include "alternatives/hotinline.h"

#define HOT_ARCH_BRANCH   5 /* bytes of a direct call or jmp */
#define HOT_ARCH_RETURN   1 /* bytes of a return */
#define HOT_ARCH_ABSORBER 2 /* bytes of the shortest NOP that means the same after any prefix */
#define HOT_ARCH_GOT      6 /* bytes of a call or jmp through the GOT, and of what it is relaxed to */

/* What the bytes before a site may be, on amd64: a prefix of a class, or several of any classes.
 * dsl/compiler/prefixes.py numbers them alike. */
enum hot_arch_prefix {
	HOT_ARCH_SEGMENT = 1, /* 26 2e 36 3e: ignored in 64-bit mode, or a hint */
	HOT_ARCH_FS_GS,       /* 64 65 */
	HOT_ARCH_OPERAND,     /* 66 */
	HOT_ARCH_ADDRESS,     /* 67 */
	HOT_ARCH_REPEAT,      /* f2 f3 */
	HOT_ARCH_REX,         /* 40 .. 4f */
	HOT_ARCH_LOCK,        /* f0: #UD, but for what is locked */
	HOT_ARCH_SEVERAL,     /* two bytes or more that are each of a class above */
};

/*
 * Whether the 32-bit field at that offset of an executable section is the operand of a direct call
 * or jmp. width: the hotinline's size. If so *site gets offset (from the section's start), form
 * and flags. The caller has made sure that field + 4 <= size.
 */
bool hot_arch_prove(const uint8_t *section, uint64_t size, uint64_t field, unsigned width,
		    struct hot_site *site) __attribute__((warn_unused_result));

/*
 * The same for a field of type R_X86_64_GOTPCRELX, addend -4, whose symbol is a stub: whether the
 * two bytes before it are those of `call *NAME@GOTPCREL(%rip)` or `jmp *…`. The site, of flags
 * HOT_GOT, begins with them; before it is patched hot_arch_relax() must write it.
 */
bool hot_arch_prove_got(const uint8_t *section, uint64_t size, uint64_t field,
			struct hot_site *site) __attribute__((warn_unused_result));

/* HOT_ARCH_GOT bytes, as the psABI relaxes a call through the GOT: `addr32 call to` (67 e8), or
 * `jmp to; nop`, to run at address from. False: out of reach. */
bool hot_arch_relax(uint8_t *bytes, uint64_t from, uint64_t to, bool tail)
    __attribute__((warn_unused_result));

/* The mark of a wide site, n bytes (n >= 2) that stand after its call. Executes as NOPs. */
void hot_arch_mark(uint8_t *bytes, unsigned n);

/* n bytes (n >= 0) of the fewest canonical NOPs. */
void hot_arch_pad(uint8_t *bytes, unsigned n);

/* n bytes (n == 0 or n >= 2) of NOPs, of which the first means the same after any prefixes: it has 2
 * to 5 bytes, so that it is not longer than the call that was there, and the limit of 15 bytes
 * holds. */
void hot_arch_absorb(uint8_t *bytes, unsigned n);

/* n bytes (n >= 0) that trap when they run: after an end of control they never do, but a CPU may
 * speculate into them. */
void hot_arch_trap(uint8_t *bytes, unsigned n);

/* `call to` (tail false) or `jmp to`, to run at address from. False: out of reach. */
bool hot_arch_branch(uint8_t *bytes, uint64_t from, uint64_t to, bool tail)
    __attribute__((warn_unused_result));

/* Turns the direct call at bytes into a jmp to the same target. */
void hot_arch_tail(uint8_t *bytes);

/* Writes HOT_ARCH_RETURN bytes, and returns their number. */
unsigned hot_arch_return(uint8_t *bytes);

/* Stores symbol + addend - address (S + A - P, psABI 4.4) in a 32-bit field. False: too far. */
bool hot_arch_fixup(uint8_t *field, uint64_t address, uint64_t symbol, int32_t addend)
    __attribute__((warn_unused_result));

#endif

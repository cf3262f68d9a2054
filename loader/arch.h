/*
 * What krtld asks of an instruction set: its relocation types, and a few constants. One folder
 * below arch/ defines them; nothing else in loader/ knows which processor it relocates for.
 */
#ifndef HOTINLINE_LOADER_ARCH_H
#define HOTINLINE_LOADER_ARCH_H

#include <stdint.h>

/*
 * How a relocation's value is made, in the psABI's letters: S the symbol's value, A the addend,
 * P the address of the field, G the address of the symbol's GOT slot, GOT the address of the GOT
 * itself, Z the symbol's size. The last two are nearly all there are; all that is smaller than
 * KRTLD_S_A needs a closer look.
 */
enum krtld_formula {
	KRTLD_NOTHING, /* no field */
	KRTLD_G_A_P,   /* G + A - P (the psABI writes G + GOT + A - P, G being an offset) */
	KRTLD_G_A_GOT, /* G + A - GOT */
	KRTLD_S_A_GOT, /* S + A - GOT */
	KRTLD_GOT_A_P, /* GOT + A - P */
	KRTLD_Z_A,     /* Z + A */
	KRTLD_S_A,     /* S + A */
	KRTLD_S_A_P,   /* S + A - P */
};

/* A relocation type, in a cache line. It fits if value + bias <= limit, in 64 bits that wrap. */
struct krtld_row {
	_Alignas(64) const char *name; /* NULL: there is no such type */
	const char *refused;           /* why it is not supported, or NULL */
	uint64_t bias;
	uint64_t limit;
	uint64_t minus_p; /* all ones if the formula is S + A - P, else 0 */
	uint8_t usual; /* the width, if it is 4 or 8 and the formula one of the last two; else 0 */
	uint8_t width; /* bytes of the field */
	uint8_t formula; /* enum krtld_formula */
	int8_t branch;   /* the addend that a direct call or jmp has; 0: no branch has this type */
	int8_t indirect; /* the same of a call or jmp through the GOT that may be relaxed */
	const char *range; /* for messages: "32 bits, signed" */
};

#define KRTLD_TYPES 64 /* more than there are */

/* By type. */
extern const struct krtld_row krtld_arch_rows[KRTLD_TYPES];

extern const uint16_t krtld_arch_machine; /* e_machine */
extern const uint16_t krtld_arch_common;  /* a section index that means SHN_COMMON as well */
extern const uint8_t krtld_arch_trap;     /* fills the gaps between functions: traps if run */

#endif

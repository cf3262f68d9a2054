/*
 * The relocation types of amd64 (psABI 1.0 of 2025, section 4.4, table 4.9), a row each; read by
 * check.c, relocate.c and sites.c. A row says everything: name, bytes, formula, range. All numbers
 * of the psABI have a row, those that it calls deprecated (39, 40) included. GOTPCRELX goes through
 * the GOT as GOTPCREL does, and is not relaxed but for a call or jmp of a stub: that becomes a site
 * (sites.c). There is no PLT either, so that L, the address of its slot, is S.
 */
#include "loader/arch.h"

const uint16_t krtld_arch_machine = 62;    /* EM_X86_64 */
const uint16_t krtld_arch_common = 0xff02; /* SHN_X86_64_LCOMMON, of the medium and large models */
const uint8_t krtld_arch_trap = 0xcc;      /* int3 */

#define POWER(bits) ((uint64_t)1 << (bits))

/* Sign- and zero-extended fields must extend back to the value (psABI, below table 4.9). */
#define SIGNED(bits)                                                                               \
	.bias = POWER((bits)-1), .limit = POWER(bits) - 1, .range = #bits " bits, signed"
#define UNSIGNED(bits) .bias = 0, .limit = POWER(bits) - 1, .range = #bits " bits, unsigned"
/* -2^(n-1) .. 2^n - 1: a small field holds either sign. GNU ld takes values from -2^n on, whose sign
 * the field cannot keep. */
#define EITHER(bits)                                                                               \
	.bias = POWER((bits)-1), .limit = POWER((bits)-1) + POWER(bits) - 1,                       \
	.range = #bits " bits, of either sign"
#define ANY .bias = 0, .limit = UINT64_MAX, .range = "64 bits"

#define ROW(type, bytes, how, ...)                                                                 \
	{                                                                                          \
		.name = "R_X86_64_" #type, .width = bytes, .formula = how,                         \
		.usual = (how) >= KRTLD_S_A && (bytes) >= 4 ? (bytes) : 0,                         \
		.minus_p = (how) == KRTLD_S_A_P ? UINT64_MAX : 0, __VA_ARGS__                      \
	}
#define REFUSED(type, why)                                                                         \
	{                                                                                          \
		.name = "R_X86_64_" #type, .refused = why, .formula = KRTLD_NOTHING                \
	}

#define TLS     "thread-local storage is not supported"
#define DYNAMIC "it belongs into a linked file, not into an object"
#define IFUNC   "indirect functions (IFUNC) are not supported"

const struct krtld_row krtld_arch_rows[KRTLD_TYPES] = {
    /* clang-format off */
    [0]  = ROW(NONE,           0, KRTLD_NOTHING, ANY),
    [1]  = ROW(64,             8, KRTLD_S_A,     ANY),
    [2]  = ROW(PC32,           4, KRTLD_S_A_P,   SIGNED(32), .branch = -4),
    [3]  = ROW(GOT32,          4, KRTLD_G_A_GOT, SIGNED(32)),
    [4]  = ROW(PLT32,          4, KRTLD_S_A_P,   SIGNED(32), .branch = -4),
    [5]  = REFUSED(COPY,       DYNAMIC),
    [6]  = REFUSED(GLOB_DAT,   DYNAMIC),
    [7]  = REFUSED(JUMP_SLOT,  DYNAMIC),
    [8]  = REFUSED(RELATIVE,   DYNAMIC),
    [9]  = ROW(GOTPCREL,       4, KRTLD_G_A_P,   SIGNED(32)),
    [10] = ROW(32,             4, KRTLD_S_A,     UNSIGNED(32)),
    [11] = ROW(32S,            4, KRTLD_S_A,     SIGNED(32)),
    [12] = ROW(16,             2, KRTLD_S_A,     EITHER(16)),
    [13] = ROW(PC16,           2, KRTLD_S_A_P,   SIGNED(16)),
    [14] = ROW(8,              1, KRTLD_S_A,     EITHER(8)),
    [15] = ROW(PC8,            1, KRTLD_S_A_P,   SIGNED(8)),
    [16] = REFUSED(DTPMOD64,   TLS),
    [17] = REFUSED(DTPOFF64,   TLS),
    [18] = REFUSED(TPOFF64,    TLS),
    [19] = REFUSED(TLSGD,      TLS),
    [20] = REFUSED(TLSLD,      TLS),
    [21] = REFUSED(DTPOFF32,   TLS),
    [22] = REFUSED(GOTTPOFF,   TLS),
    [23] = REFUSED(TPOFF32,    TLS),
    [24] = ROW(PC64,           8, KRTLD_S_A_P,   ANY),
    [25] = ROW(GOTOFF64,       8, KRTLD_S_A_GOT, ANY),
    [26] = ROW(GOTPC32,        4, KRTLD_GOT_A_P, SIGNED(32)),
    [27] = ROW(GOT64,          8, KRTLD_G_A_GOT, ANY),
    [28] = ROW(GOTPCREL64,     8, KRTLD_G_A_P,   ANY),
    [29] = ROW(GOTPC64,        8, KRTLD_GOT_A_P, ANY),
    [30] = ROW(GOTPLT64,       8, KRTLD_G_A_GOT, ANY),
    [31] = ROW(PLTOFF64,       8, KRTLD_S_A_GOT, ANY),
    [32] = ROW(SIZE32,         4, KRTLD_Z_A,     UNSIGNED(32)),
    [33] = ROW(SIZE64,         8, KRTLD_Z_A,     ANY),
    [34] = REFUSED(GOTPC32_TLSDESC, TLS),
    [35] = REFUSED(TLSDESC_CALL, TLS),
    [36] = REFUSED(TLSDESC,    TLS),
    [37] = REFUSED(IRELATIVE,  IFUNC),
    [38] = REFUSED(RELATIVE64, DYNAMIC),
    [39] = ROW(PC32_BND,       4, KRTLD_S_A_P,   SIGNED(32), .branch = -4),
    [40] = ROW(PLT32_BND,      4, KRTLD_S_A_P,   SIGNED(32), .branch = -4),
    [41] = ROW(GOTPCRELX,      4, KRTLD_G_A_P,   SIGNED(32), .indirect = -4),
    [42] = ROW(REX_GOTPCRELX,  4, KRTLD_G_A_P,   SIGNED(32)),
    [43] = ROW(CODE_4_GOTPCRELX, 4, KRTLD_G_A_P, SIGNED(32)),
    [44] = REFUSED(CODE_4_GOTTPOFF, TLS),
    [45] = REFUSED(CODE_4_GOTPC32_TLSDESC, TLS),
    [46] = ROW(CODE_5_GOTPCRELX, 4, KRTLD_G_A_P, SIGNED(32)),
    [47] = REFUSED(CODE_5_GOTTPOFF, TLS),
    [48] = REFUSED(CODE_5_GOTPC32_TLSDESC, TLS),
    [49] = ROW(CODE_6_GOTPCRELX, 4, KRTLD_G_A_P, SIGNED(32)),
    [50] = REFUSED(CODE_6_GOTTPOFF, TLS),
    [51] = REFUSED(CODE_6_GOTPC32_TLSDESC, TLS),
    /* clang-format on */
};

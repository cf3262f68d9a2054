/*
 * hotinline: code chosen per CPU, one call at a time.
 *
 * The life of a site
 * ------------------
 * A kernel author declares a hotinline: a name and its alternatives, each guarded by a condition
 * over features of the machine, the last one, the baseline, by none. The compiler of that
 * language (dsl/) writes one real function per hotinline, its stub, whose body is the baseline and
 * `ret`. Everyone calls the stub like any other function. Nothing has to be patched for that to
 * work, and that is the first rule: unpatched is always correct.
 *
 * Every such call carries a relocation, because the assembler cannot know where the stub will be.
 * That relocation is the record of the site, so that an image pays nothing for being patchable.
 * When krtld (loader/) relocates a module it meets them all. A reference is a site only when it is
 * proven to be one: a branch relocation with addend -4, in an executable section, in bounds, with
 * the opcode e8 (form `call`) or e9 (form `jmp`, a tail call) right before its field. All else (a
 * conditional jump, a pointer, a GOT slot) stays a plain reference to the stub, and is right
 * too, because the stub's own body is a site, of form `stub`.
 *
 * A call is 5 bytes wide. A hotinline may ask for more; its generated wrapper then puts
 * hot_arch_mark() after the call, a NOP that no compiler or assembler emits by itself. A call
 * without that mark is a 5-byte site, for what follows it may be somebody's jump target.
 *
 * do_hotinlines() turns the sites of one module into the code this machine wants:
 *
 *	plan    for each site: is it in bounds, in order, clear of its neighbour? Does the
 *	        text hold what the relocator must have left there? Does the replacement reach?
 *	commit  write. Nothing is left that can fail.
 *	verify  read back and compare.
 *
 * A plan that fails has written nothing. The old bytes of a site are not stored anywhere: they are
 * a function of the site's form and address and of the stub's. So are the new ones, given the
 * alternative that was chosen. That makes a site 8 bytes, lets hot_verify() check live text at any
 * later time, and makes every step repeatable.
 *
 * How an alternative becomes the bytes of a site:
 *
 *	form call   code, then the fewest canonical NOPs that fill the width
 *	form jmp    code, a return, int3; a last `call f` becomes `jmp f`; NOPs are no code
 *	form stub   as jmp, in a body wider than the hotinline by a return, so that it always fits
 *	otherwise   what does not fit leaves the call or jump on the stub, which was chosen for too
 *
 * The bytes before a call may be prefixes of it (compilers emit 2e e8, and 66 66 48 e8) or the end of
 * another instruction; no one can tell which. So what is written after them must mean the same with
 * those prefixes and without. Of each alternative hotc says after which one it does. After another
 * one, or after several, the padding goes first, because a NOP of 2 to 5 bytes is the same with any
 * prefixes; where there is no room for that NOP the site stays a call.
 *
 * A call through the GOT (ff 15, ff 25) whose relocation lets a linker relax it is relaxed by krtld,
 * to a direct call of six bytes, and that is a site (HOT_GOT).
 *
 * "Unpatched is always correct" ends where a feature is switched on that the baseline does not know:
 * with CR4.SMAP set, a window opened by a stub that is still the baseline faults. Patch first, then
 * switch on. For the same reason a text that holds a stub must have its body among the sites.
 *
 * The machine is read once. hot_decide() takes the features through the caller's CPUID, chooses
 * for every hotinline, and seals both in a hot_machine; each module loaded later gets the same
 * answers. Before that, no module but the first may be loaded (krtld sees to it), so that no two
 * modules can disagree.
 *
 * Limits. The engine writes through the pointer it is given and knows nothing of page tables, of
 * other CPUs or of instruction fetch: its caller provides a writable view that is not executable,
 * keeps everybody out of the text meanwhile, and synchronises the core afterwards. A site's code
 * runs with the caller's stack: a user of the red zone (psABI 3.2.2) cannot call a stub from inline
 * assembly. Features that change while the system runs (`live`) are not offered.
 *
 * What runs between the first write and the last must not be a client: the engine calls nothing from
 * outside, not even memcpy; its caller's interrupt and NMI handlers, tracers and the functions that
 * -pg or sanitizers have it call are the caller's to keep away.
 *
 * This is C11 for a freestanding environment, compiled with -mgeneral-regs-only. It allocates nothing,
 * prints nothing and owns no variable.
 */
#ifndef HOTINLINE_ALTERNATIVES_HOTINLINE_H
#define HOTINLINE_ALTERNATIVES_HOTINLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOT_FEATURES_MAX 512                /* features in a table; hotc refuses more */
#define HOT_SITE_MAX     64                 /* bytes of the widest site; hotc refuses more */
#define HOT_BYTES_MAX    (HOT_SITE_MAX + 5) /* of the widest stub's body: a site and a return */
#define HOT_DEPTH_MAX    64 /* operands pending in a condition; hotc refuses deeper */

enum hot_reason {
	HOT_OK,
	HOT_E_UNDECIDED, /* hot_decide() was not called */
	HOT_E_SITE,      /* no such hotinline or form */
	HOT_E_BOUNDS,    /* the site leaves its text */
	HOT_E_OVERLAP,   /* the site starts before the one before it ends */
	HOT_E_OLD_BYTES, /* the text does not hold what the relocator must have left */
	HOT_E_REACH,     /* a fix-up's symbol is out of the reach of 32 bits */
	HOT_E_SYMBOL,    /* a fix-up's symbol has no address */
	HOT_E_VERIFY,    /* after the write the text does not hold what was written */
	HOT_E_STUB,      /* the machine has no address for the stub, or another than the site's */
	HOT_E_COVER,     /* a stub lies in the text, and its body is not one of the sites */
	HOT_E_TEXT,      /* a text without bytes or sites, or not after the one before it */
	HOT_E_LAYOUT,    /* the table is of another version than the engine */
	HOT_E_EMPTY,     /* the table declares no hotinline */
	HOT_E_TABLE,     /* an index or a size in the table is out of range */
};

/* ---- The patch table: what hotc writes into hottable.c ---- */

/* "HOTTABL1": the layout of struct hot_table and of all that it points to. Its last character grows
 * with every change of them, here and in dsl/compiler/table.py. */
#define HOT_LAYOUT 0x314c424154544f48

/* Conditions are postfix programs of 16-bit words: a feature's index pushes its truth. */
#define HOT_OP_NOT 0xfffc
#define HOT_OP_AND 0xfffd
#define HOT_OP_OR  0xfffe
#define HOT_OP_END 0xffff
#define HOT_ALWAYS UINT32_MAX /* as an alternative's condition: the baseline */

enum hot_feature_kind {
	HOT_CPUID,      /* bit `bit` of register `reg` of CPUID leaf.subleaf */
	HOT_VENDOR,     /* CPUID leaf 0: ebx, edx, ecx spell `signature` (12 bytes) */
	HOT_HYPERVISOR, /* CPUID 1 ecx[31], and a leaf 0x40000000 + 0x100 n: ebx, ecx, edx spell it */
	HOT_BOOT,       /* the kernel decides, before do_hotinlines(unix) */
	HOT_DERIVED,    /* `condition` over features that come earlier in the table */
};

struct hot_feature {
	const char *name;
	const char *source; /* as declared, for tools: "cpuid 7.0 ebx[20]" */
	uint32_t leaf;      /* HOT_CPUID */
	uint32_t subleaf;   /* HOT_CPUID */
	uint32_t condition; /* HOT_DERIVED: index into conditions */
	uint8_t kind;       /* enum hot_feature_kind */
	uint8_t reg;        /* HOT_CPUID: 0 eax, 1 ebx, 2 ecx, 3 edx */
	uint8_t bit;        /* HOT_CPUID: 0..31 */
	char signature[13]; /* HOT_VENDOR, HOT_HYPERVISOR */
};

/* A 32-bit PC-relative field inside an alternative: symbol + addend - address of the field. */
struct hot_fixup {
	int32_t addend;  /* A of R_X86_64_PC32 (psABI 4.4) */
	uint16_t symbol; /* index into symbols */
	uint8_t offset;  /* of the field, bytes from the alternative's first */
};

struct hot_alternative {
	const char *text;   /* as declared, for tools: "clac" */
	const char *when;   /* its condition as declared, "" for the baseline */
	uint32_t condition; /* index into conditions, or HOT_ALWAYS */
	uint32_t code;      /* index of its first byte in code */
	uint32_t fixups;    /* index of its first fix-up */
	uint8_t size;       /* bytes of code, at most the hotinline's size */
	uint8_t nfixups;
	uint8_t behind; /* bit p - 1: means the same after a prefix p (HOT_PREFIXED) */
	bool tail;      /* the last 5 bytes are `call f`, e8 and a fix-up */
	bool nop;       /* it does nothing: all of it are NOPs */
};

struct hotinline {
	const char *name;
	uint32_t alternatives; /* index of its first alternative; they are tried in order */
	uint8_t nalternatives; /* at least 1; the last is the baseline */
	uint8_t size;          /* bytes of a site whose width is proven: 5, or 7..HOT_SITE_MAX */
};

/*
 * All of it is constant and position-independent but for its own pointers: symbols are names,
 * because the same table serves the boot program, the kernel and the host tool.
 */
struct hot_table {
	uint64_t layout;      /* HOT_LAYOUT, as hotc knows it */
	uint64_t fingerprint; /* of the declarations: two images that differ in it must not meet */
	const struct hot_feature *features;
	const struct hotinline *hotinlines; /* sorted by name (strcmp order) */
	const struct hot_alternative *alternatives;
	const struct hot_fixup *fixups;
	const char *const *symbols; /* what fix-ups refer to */
	const uint16_t *conditions;
	const uint8_t *code;
	uint32_t nalternatives;
	uint32_t nfixups;
	uint32_t nconditions; /* words */
	uint32_t ncode;       /* bytes */
	uint16_t nfeatures;
	uint16_t nhotinlines;
	uint16_t nsymbols;
	uint16_t return_thunk; /* index of the symbol that a return jumps to; HOT_NONE: `ret` */
	uint8_t entry; /* bytes from a stub's symbol to its site: 0, or 4 where endbr64 is first */
};

#define HOT_NONE 0xffffu /* no hotinline; no symbol */

/* Whether this engine can read the table: HOT_OK, HOT_E_LAYOUT, HOT_E_EMPTY or HOT_E_TABLE. All
 * that takes a table checks it (hot_features_read, hot_machine_init) or trusts that it was. */
enum hot_reason hot_table_check(const struct hot_table *table);

/* The hotinline of that name: its index, or HOT_NONE. */
unsigned hot_find(const struct hot_table *table, const char *name);

/* ---- The machine: features read once, one choice per hotinline ---- */

struct hot_features {
	uint64_t set[HOT_FEATURES_MAX / 64]; /* bit i: feature i of the table is there */
};

/* What the engine asks of its surroundings. */
struct hot_env {
	void *ctx; /* handed back to each function */
	/* CPUID (Intel SDM vol. 2A): regs become eax, ebx, ecx, edx. */
	void (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
	/* Whether a feature declared `boot` holds. NULL: none does. */
	bool (*boot)(void *ctx, const char *feature);
	/* Whether a feature of any kind is to be taken as absent (disable_FEATURE=1). NULL: none. */
	bool (*disabled)(void *ctx, const char *feature);
};

/* Reads every feature, derived ones last; none of a table that is not sound. A CPUID leaf or subleaf beyond what the CPU reports to
 * have counts as zero (Intel CPUs would answer with another leaf's data). */
void hot_features_read(const struct hot_table *table, const struct hot_env *env,
		       struct hot_features *features);

bool hot_has(const struct hot_features *features, unsigned feature);

/* Evaluates the condition at that index of the table's conditions, or HOT_ALWAYS. False: there is
 * none at that index. */
bool hot_condition(const struct hot_table *table, const struct hot_features *features,
		   uint32_t condition);

/* The first alternative whose condition holds, 0 .. nalternatives - 1; HOT_NONE: no such hotinline. */
unsigned hot_select(const struct hot_table *table, const struct hot_features *features,
		    unsigned hotinline);

/* What most sites become, of 5 bytes and after no prefix: the same wherever they are, but for a
 * branch to a symbol. hot_decide() makes them; patch.c's own. */
struct hot_ready {
	uint8_t bytes[5];
	uint8_t
	    kind; /* 0: it depends on the site; 1: bytes; a branch, 2: to symbol, 3: to the stub */
	uint16_t symbol; /* index */
};

/* One decision per machine. Lives in memory that its owner provides. */
struct hot_machine {
	const struct hot_table *table;
	uint64_t *stubs;   /* [nhotinlines] address of each stub's symbol; krtld fills them in */
	uint64_t *symbols; /* [nsymbols] address of each symbol of a fix-up; likewise */
	uint8_t *chosen;   /* [nhotinlines] index of the chosen alternative */
	struct hot_ready *ready; /* [2 * nhotinlines] for the forms call and jmp */
	struct hot_features features;
	bool decided; /* features and chosen are final */
};

/* Bytes that hot_machine_init() needs for this table; 0: it is of another layout. */
size_t hot_machine_size(const struct hot_table *table);

/* Makes an undecided machine in memory, which must be aligned for a uint64_t. NULL: it is not, or
 * hot_table_check() says why. */
struct hot_machine *hot_machine_init(void *memory, const struct hot_table *table);

/* Seals the features, and the choice for every hotinline. Call it once. */
void hot_decide(struct hot_machine *machine, const struct hot_features *features);

/* ---- Sites ---- */

enum hot_form {
	HOT_CALL, /* e8 */
	HOT_JMP,  /* e9: a tail call */
	HOT_STUB, /* the stub's own body, `entry` bytes after its symbol: the hotinline's size, and
		     room for a return */
};

#define HOT_WIDE         0x01 /* the mark proves that the site has its hotinline's size */
#define HOT_PREFIXED     0x1e /* if not 0: what the bytes before it may be, as prefixes (arch.h) */
#define HOT_PREFIX_SHIFT 1
#define HOT_GOT          0x20 /* a call or jmp through the GOT that was relaxed: 6 bytes */

struct hot_site {
	uint32_t offset;    /* bytes from the start of its hot_text */
	uint16_t hotinline; /* index */
	uint8_t form;       /* enum hot_form */
	uint8_t flags;      /* HOT_WIDE, HOT_PREFIXED, HOT_GOT */
};
_Static_assert(sizeof(struct hot_site) == 8, "a site costs 8 bytes of memory");

/* A piece of text with its sites. */
struct hot_text {
	uint64_t address;             /* where it runs */
	uint8_t *bytes;               /* where it can be read, and while patching written */
	const struct hot_site *sites; /* sorted by offset */
	uint32_t size;                /* bytes */
	uint32_t nsites;
};

/* A refusal and its place. */
struct hot_error {
	enum hot_reason reason;
	uint64_t address;   /* of the site */
	uint16_t hotinline; /* index, or HOT_NONE */
	uint16_t symbol;    /* HOT_E_REACH, HOT_E_SYMBOL: index, else HOT_NONE */
	uint8_t size;       /* bytes in the two below: of HOT_E_OLD_BYTES and HOT_E_VERIFY */
	uint8_t expected[HOT_BYTES_MAX];
	uint8_t found[HOT_BYTES_MAX];
};

/* A phrase for a message: "the text does not hold …". */
const char *hot_reason_text(enum hot_reason reason);

enum hot_state { HOT_BEFORE, HOT_NOW };

/* Bytes of a site: its hotinline's size if HOT_WIDE, 6 if HOT_GOT, else 5; of a stub its size and a
 * return's. 0: there is no such hotinline or form. */
unsigned hot_site_size(const struct hot_table *table, const struct hot_site *site);

/*
 * The bytes that a site must hold before it is patched (as relocated), or once it is (as chosen).
 * bytes: room for HOT_BYTES_MAX. Returns their number, or 0 with *error set (HOT_E_SITE,
 * HOT_E_BOUNDS, HOT_E_REACH, HOT_E_SYMBOL; HOT_E_UNDECIDED for HOT_NOW).
 */
unsigned hot_site_bytes(const struct hot_machine *machine, const struct hot_text *text,
			const struct hot_site *site, enum hot_state state, uint8_t *bytes,
			struct hot_error *error) __attribute__((warn_unused_result));

/*
 * Adds the sites of the stubs whose symbols lie in a text (its address and size) to an array of n
 * sites, and sorts it by offset. room: sites that the array holds. Returns the number of all; if it
 * is more than room, there are as many, and the array is not sorted. krtld does this itself.
 */
uint32_t hot_add_stubs(const struct hot_machine *machine, const struct hot_text *text,
		       struct hot_site *sites, uint32_t n, uint32_t room)
    __attribute__((warn_unused_result));

/* A hotinline whose stub lies in one of these texts while its body is not a site there, or HOT_NONE.
 * do_hotinlines() refuses it. */
unsigned hot_uncovered(const struct hot_machine *machine, const struct hot_text *texts,
		       unsigned ntexts);

/*
 * Plans, commits and verifies all sites of one module. texts: its pieces of text, in order of their
 * addresses. False: refused, *error says where and why, and no byte differs from before.
 */
bool do_hotinlines(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		   struct hot_error *error) __attribute__((warn_unused_result));

/* Compares live text with what the state demands. False: *error holds the first that differs. */
bool hot_verify(const struct hot_machine *machine, const struct hot_text *texts, unsigned ntexts,
		enum hot_state state, struct hot_error *error) __attribute__((warn_unused_result));

#endif

"""Which names are free, and which one a misspelt name was meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from . import instructions, registers

_FORM = re.compile(r"[a-z_][a-z0-9_]{0,63}\Z")  # of features and windows, which only we name
_C_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")
C_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# C11, C23, C++ and GNU C (cppreference.com, "C keywords", "C++ keywords").
_C_WORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t
    char32_t class compl concept const consteval constexpr constinit const_cast continue co_await
    co_return co_yield decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
    return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using
    virtual void volatile wchar_t while xor xor_eq
    _Accum _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64
    _ExtInt _Float128 _Float128x _Float16 _Float32 _Float32x _Float64 _Float64x _Fract _Generic
    _Imaginary _Nonnull _Noreturn _Null_unspecified _Nullable _Nullable_result _Pragma _Sat
    _Static_assert _Thread_local
    """.split()
)
# What compilers of C understand after two underscores, __asm__, __func__ and __linux__ among them
# (GCC manual, "Alternate Keywords", "Function Names"; `gcc -dM -E`), and prefixes of functions of
# their own.
_C_INNER = _C_WORDS | frozenset(
    """
    amd64 atom attribute auto_type bonnell clang code_model_kernel code_model_large
    code_model_small complex core2 core_avx2 core_avx_i corei7 cplusplus extension float128 func
    gnu_linux goldmont haswell imag int128 int128_t k8 knl label linux llvm nehalem pic pie pragma
    private_extern real
    sandybridge seg_fs seg_gs silvermont skylake thread tremont uint128_t unix x86_64
    """.split()
)
# Prefixes of functions and macros of their own, and macros of the C library's <stdint.h>.
_C_OWN = re.compile(
    r"__(atomic|builtin|clang|sync|cpp|has|tune|sanitizer|bdver\d|btver\d|znver\d)_*"
    r"|__(glibc|attribute|attr|stub|fortif\w+|extern(_always)?|warn|errordecl|va_arg_pack)(_|\Z)"
    r"|__((always_inline|bos0?|flexarr|wur|nonnull|returns_nonnull|ptr_t|restrict_arr|warnattr)\Z"
    r"|u?int\d*_(c|least|t_defined|c_suffix)|stdint_|u?intptr_t_|errordecl|bool_true)"
    r"|__\w+_FMT[a-z]__\Z|__FP_FAST_\w+\Z"
)
# The form of macros: of compilers, of <stdint.h>, and ours.
_C_MACRO = re.compile(
    r"_+[A-Z][A-Z0-9_]*\Z|HOT_|HOTINLINE_H\Z"
    r"|U?INT(\d+|_LEAST\d+|_FAST\d+|MAX|PTR)_(C|MAX|MIN|WIDTH)\Z"
    r"|(PTRDIFF|SIG_ATOMIC|SIZE|WCHAR|WINT)_(MAX|MIN|WIDTH)\Z|NULL\Z"
)
# Functions that compilers have built in, with more than a type: hotinline.h could not call them.
# (The others work: the header tells compilers to forget them.)
_C_SPECIAL = {
    "main": "a program starts there, and compilers have rules of their own for it",
    "alloca": "compilers make its code themselves, and never call it",
    **dict.fromkeys(
        ("abort", "exit", "_exit", "_Exit", "longjmp", "_longjmp", "siglongjmp"),
        "compilers take it for a function that does not return, and leave out what follows",
    ),
    **dict.fromkeys(
        ("__clear_cache", "isinf", "isnan", "signbit"),
        "g++ has it built in, and accepts no other declaration",
    ),
}
# Types of <stdint.h> and <stddef.h>, and macros that GNU C defines by itself.
_C_TAKEN = frozenset(
    ["linux", "unix", "i386", "errno", "offsetof", "size_t", "ptrdiff_t", "max_align_t"]
    + [f"{u}int{kind}{bits}_t" for u in ("", "u") for kind in ("", "_least", "_fast")
       for bits in (8, 16, 32, 64)]
    + ["intptr_t", "uintptr_t", "intmax_t", "uintmax_t"]
)
# Operators, sizes and directives of NASM (NASM manual 2.16, chapters 3 and 7).
_NASM_WORDS = frozenset(
    """
    abs absolute align alignb at bits byte common cpu db dd default do dq dt dup dw dword dy dz endp
    endstruc equ export extern far float flat global group iend import incbin istruc list near
    nosplit offset org oword pragma proc ptr qword rel required resb resd reso resq rest resw resy
    resz seg section sectalign segment short static strict struc tbyte times to tword use16 use32
    use64 warning word wrt xmmword ymmword yword zmmword zword
    """.split()
)
# Words of the language itself.
_OWN_WORDS = frozenset(
    """
    boot by bytes clobbers const cpuid enables feature flags hotinline hypervisor instruction live
    memory pure reads size vendor window writes
    """.split()
)


def nearest(word: str, known: Iterable[str], found: str, otherwise: str) -> str:
    """A phrase that names the known word most like this one."""
    close = get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return found.format(close[0]) if close else otherwise


@lru_cache(maxsize=None)
def why_not_parameter(name: str) -> str:
    """A parameter is a name of C. "" if it is free."""
    if name in _C_WORDS:
        return "it is a keyword of C or C++"
    if name in _C_TAKEN:
        return "it has a meaning in C"
    inner = name.removeprefix("__").rstrip("_")
    if name.startswith("__") and (_C_OWN.match(name) or inner in _C_INNER):
        return "it has a meaning for compilers of C"
    if name.lower().startswith("hot_"):
        return "names that start with hot_ are hotinline's own"
    return "it has the form of a macro that C defines" if _C_MACRO.match(name) else ""


def _owner(name: str) -> str:
    """Who has taken a name in C or assembly."""
    if why_not_parameter(name):
        return why_not_parameter(name)
    if registers.is_register(name):
        return "it is a register"
    if name.lower() in _NASM_WORDS or name.lower() in instructions.PREFIXES:
        return "it is a word of the assembler, in small letters and in capitals"
    return _C_SPECIAL.get(name, "")


def why_not_hotinline(name: str) -> str:
    """A hotinline is a function in C and a label in assembly."""
    if instructions.is_mnemonic(name):
        return "it is an instruction, in small letters and in capitals"
    return "it is a word of this language" if name in _OWN_WORDS else _owner(name)


def why_not_feature(name: str) -> str:
    """A feature is a word of the language, of the boot line, and of `krtld --cpu`."""
    if name in _OWN_WORDS:
        return "it is a word of this language"
    if name in ("none", "host"):
        return "krtld --cpu uses it"
    return "it is a register" if registers.is_register(name) else ""


def why_not_window(name: str) -> str:
    return "it is a word of this language" if name in _OWN_WORDS else ""


def why_not_instruction(name: str) -> str:
    """A word of an alternative. What is in our own table may be declared all the same."""
    if instructions.is_mnemonic(name) and name not in instructions.NEWER:
        return "the assembler or the disassembler knows an instruction of that name"
    if name in instructions.DIRECTIVES or re.fullmatch("nop[0-9]+", name):
        return "it is a word of the assembler"
    return "it is a word of this language" if name in _OWN_WORDS else _owner(name)


def why_not_symbol(name: str) -> str:
    """A symbol of a fix-up is a name of C that the linker may see."""
    if not C_NAME.match(name):
        return "it is no name of C"
    return "it is a keyword of C or C++" if name in _C_WORDS else ""


def why_not_form(name: str, in_c: bool) -> str:
    """What a name must be that is not. in_c: it is to be a name of C."""
    if in_c and not _C_FORM.match(name):
        return "use letters, digits and _, not starting with a digit, at most 255 of them"
    if not in_c and not _FORM.match(name):
        return "use lower-case letters, digits and _, not starting with a digit, at most 64 of them"
    return ""


def enumerator(name: str) -> str:
    """What follows HOT_INLINE_ and HOT_FEATURE_ in hottable.h."""
    return name if re.search("[A-Z]", name) else name.upper()

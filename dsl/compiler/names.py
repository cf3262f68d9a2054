"""Which names are free, and which one a misspelt name was meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from . import instructions, registers

_FORM = re.compile(r"[a-z_][a-z0-9_]{0,63}\Z")
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
    """.split()
)
# What compilers of C understand behind two underscores, __asm__, __func__ and __linux__ among them
# (GCC manual, "Alternate Keywords", "Function Names"; `gcc -dM -E`), and prefixes of functions of
# their own.
_C_INNER = _C_WORDS | frozenset(
    """
    amd64 attribute clang code_model_kernel code_model_large code_model_small complex extension
    func gnu_linux imag int128 k8 label linux llvm pic pie real seg_fs seg_gs unix x86_64
    """.split()
)
_C_BUILTIN = ("__atomic_", "__builtin_", "__clang_", "__sync_")
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
    boot clobbers const cpuid enables feature hotinline hypervisor live memory pure size vendor
    window
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
    if name.startswith(_C_BUILTIN) or (name.startswith("__") and inner in _C_INNER):
        return "it has a meaning for compilers of C"
    if name.startswith("hot_"):
        return "names that start with hot_ are hotinline's own"
    return ""


def _owner(name: str) -> str:
    """Who has taken a name in C or assembly."""
    if why_not_parameter(name):
        return why_not_parameter(name)
    if registers.is_register(name):
        return "it is a register"
    if name in _NASM_WORDS or name in instructions.PREFIXES:
        return "it is a word of the assembler"
    return ""


def why_not_hotinline(name: str) -> str:
    """A hotinline is a function in C and a label in assembly."""
    if instructions.is_mnemonic(name):
        return "it is an instruction"
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


def why_not_symbol(name: str) -> str:
    """A symbol of a fix-up is a name of C that the linker may see."""
    if not C_NAME.match(name):
        return "it is no name of C"
    return "it is a keyword of C or C++" if name in _C_WORDS else ""


def is_form(name: str) -> bool:
    return _FORM.match(name) is not None

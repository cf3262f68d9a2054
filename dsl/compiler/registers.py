"""The registers of amd64: names, families, and what GNU C calls them in asm()."""

from __future__ import annotations

import re

# Registers that a declaration may name, and their constraint letters (GCC manual, "Machine
# Constraints", x86). Those without a letter need a register variable.
CONSTRAINTS = {
    "rax": "a",
    "rbx": "b",
    "rcx": "c",
    "rdx": "d",
    "rsi": "S",
    "rdi": "D",
    **{f"r{number}": "r" for number in range(8, 16)},
}

RESERVED = {"rsp": "it is the stack pointer", "rbp": "it may be the frame pointer"}

# The psABI's calling sequence (3.2.3): integer arguments, result, and what a function may change.
ABI_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
ABI_RESULT = "rax"
ABI_CHANGED = frozenset(["rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"])

# The 16-bit names by their number in an instruction (Intel SDM vol. 2A, table 2-2).
NUMBERS = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di", *(f"r{n}w" for n in range(8, 16)))

_FAMILY: dict[str, str] = {}
for _letter in "abcd":
    for _name in (f"r{_letter}x", f"e{_letter}x", f"{_letter}x", f"{_letter}l", f"{_letter}h"):
        _FAMILY[_name] = f"r{_letter}x"
for _base in ("si", "di", "bp", "sp"):
    for _name in (f"r{_base}", f"e{_base}", _base, f"{_base}l"):
        _FAMILY[_name] = f"r{_base}"
for _number in range(8, 16):
    for _suffix in ("", "d", "w", "b", "l"):
        _FAMILY[f"r{_number}{_suffix}"] = f"r{_number}"

_VECTOR = re.compile(r"(?:[xyz]mm\d+|mm[0-7]|st\(?\d*\)?|k[0-7]|tmm[0-7]|bnd[0-3])\Z")
_SYSTEM = re.compile(r"(?:[c-gs]s|[cd]r\d+|tr[3-7]|[re]?ip|st[0-7])\Z")


def family(name: str) -> str:
    """The 64-bit general register that contains this one, or ""."""
    return _FAMILY.get(name, "")


def names_of(family_name: str) -> list[str]:
    """Its names, by width."""
    return [name for name, wide in _FAMILY.items() if wide == family_name]


def is_vector(name: str) -> bool:
    """Vector, mask, x87 and bound registers: state that a kernel's compiler does not touch."""
    return _VECTOR.match(name) is not None


def is_register(name: str) -> bool:
    name = name.lower()
    return name in _FAMILY or is_vector(name) or _SYSTEM.match(name) is not None


def wider(name: str) -> str:
    """The name to use in a declaration for eax, al, …"""
    return family(name.lower())

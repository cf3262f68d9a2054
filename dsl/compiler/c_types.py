"""The types of values: the language's own short names, and C's, in any order of their words."""

from __future__ import annotations

from collections.abc import Sequence

from .model import Value

# The language's names, and how they are spelled in C.
OWN = {
    **{f"u{bits}": f"uint{bits}_t" for bits in (8, 16, 32, 64)},
    **{f"i{bits}": f"int{bits}_t" for bits in (8, 16, 32, 64)},
    "bool": "bool",
    "char": "char",
    "void": "void",
}
# C's, by their words without order: how they are spelled, and their bits in the psABI (3.1.2).
_C = {
    tuple(sorted(words.split())): (spelled, bits)
    for spelled, bits, several in (
        ("bool", 8, "_Bool"),
        ("signed char", 8, "signed char"),
        ("unsigned char", 8, "unsigned char"),
        ("short", 16, "short|short int|signed short|signed short int"),
        ("unsigned short", 16, "unsigned short|unsigned short int"),
        ("int", 32, "int|signed|signed int"),
        ("unsigned int", 32, "unsigned|unsigned int"),
        ("long", 64, "long|long int|signed long|signed long int"),
        ("unsigned long", 64, "unsigned long|unsigned long int"),
        ("long long", 64, "long long|long long int|signed long long|signed long long int"),
        ("unsigned long long", 64, "unsigned long long|unsigned long long int"),
        *((f"int{bits}_t", bits, f"int{bits}_t") for bits in (8, 16, 32, 64)),
        *((f"uint{bits}_t", bits, f"uint{bits}_t") for bits in (8, 16, 32, 64)),
        ("intptr_t", 64, "intptr_t"),
        ("uintptr_t", 64, "uintptr_t"),
    )
    for words in several.split("|")
}
_BITS = {spelled: bits for spelled, bits in _C.values()}
_TAGS = ("struct", "union")


def normal(words: Sequence[str]) -> str | None:
    """One spelling for a type's words; None if they are no type."""
    text = " ".join(words)
    if text in OWN or (len(words) == 2 and words[0] in _TAGS):
        return text
    found = _C.get(tuple(sorted(words)))
    return found[0] if found else None


def is_known(value: Value) -> bool:
    return value.type in OWN or value.type in _BITS or tag(value) != ""


def tag(value: Value) -> str:
    """"struct page" of a pointer to one, which the header has to declare; else ""."""
    return value.type if value.type.startswith(_TAGS) and " " in value.type else ""


def width(value: Value) -> int:
    """Bits. What the register holds above them means nothing (psABI 3.2.3)."""
    if value.pointer or value.type in ("u64", "i64"):
        return 64
    if value.type in _BITS:
        return _BITS[value.type]
    return int(value.type[1:]) if value.type[1:].isdigit() else 8


def is_unsigned(value: Value) -> bool:
    return value.type.startswith("u")


def spelled(value: Value) -> str:
    """In C, with what stands between it and a name: "const void *", "uint64_t "."""
    const = "const " if value.const else ""
    return f"{const}{OWN.get(value.type, value.type)} " + "*" * value.pointer


def declared(value: Value) -> str:
    """As the declaration says it, without the name."""
    const = "const " if value.const else ""
    return f"{const}{value.type}" + (" " + "*" * value.pointer if value.pointer else "")

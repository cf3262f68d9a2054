"""What has a value at a point of the code, as the bits of one integer.

Four bits for each general register, for its bits 0 to 7, 8 to 15, 16 to 31 and 32 to 63; one for
each status flag; one for each vector register. All else (segment, control and debug registers, the
system flags, the direction flag that the psABI wants clear) always has a value, and no bit.
"""

from __future__ import annotations

import re
from functools import lru_cache

from . import registers

_PARTS = ((0, 7), (8, 15), (16, 31), (32, 63))
_GENERAL = tuple(dict.fromkeys(map(registers.family, [*registers.CONSTRAINTS, "rbp", "rsp"])))
WHOLE = 0b1111
_HALF = 0b0111
FLAGS = "CPAZSO"
_FLAGS_AT = 4 * len(_GENERAL)
_VECTORS_AT = _FLAGS_AT + len(FLAGS)
_VECTORS = ("xmm", "mm", "st", "k", "tmm", "bnd")
_VECTORS_EACH = 32


def _width(name: str) -> int:
    """The parts of its family that a general register is."""
    if name == registers.family(name):
        return WHOLE
    if name.startswith("e") or name.endswith("d"):
        return _HALF
    if name.endswith("h"):
        return 0b0010
    return 0b0001 if name.endswith(("l", "b")) else 0b0011


def width(name: str) -> int:
    """Bits of a general register's name."""
    return {0b0011: 16, _HALF: 32, WHOLE: 64}.get(_width(name), 8) if name else 0


def part(name: str, parts: int) -> int:
    """These parts of the general register that name belongs to."""
    return parts << 4 * _GENERAL.index(registers.family(name))


def parts(name: str, state: int) -> int:
    """Which parts of the general register that name belongs to have a value."""
    return state >> 4 * _GENERAL.index(registers.family(name)) & WHOLE


@lru_cache(maxsize=None)
def held(name: str) -> int:
    """What a register, of any width, holds."""
    if registers.family(name):
        return part(name, _width(name))
    match = re.match(r"([a-z]+)\(?(\d*)", name)
    if match is None or not registers.is_vector(name):
        return 0
    group = "xmm" if match[1] in ("ymm", "zmm") else match[1]
    return 1 << _VECTORS_AT + _VECTORS_EACH * _VECTORS.index(group) + int(match[2] or 0)


@lru_cache(maxsize=None)
def written(name: str) -> int:
    """What has a value after a write to it: one of 32 bits clears the upper half, a narrower one
    keeps the rest (Intel SDM vol. 1, 3.4.1.1)."""
    if registers.family(name) and _width(name) == _HALF:
        return part(name, WHOLE)
    return held(name)


@lru_cache(maxsize=None)
def typed(name: str, width: int) -> int:
    """What a value of so many bits gives that register."""
    return part(name, sum(1 << i for i, (low, _) in enumerate(_PARTS) if low < width))


@lru_cache(maxsize=None)
def flags(letters: str) -> int:
    return sum(1 << _FLAGS_AT + FLAGS.index(letter) for letter in letters)


ALL_FLAGS = flags(FLAGS)


def narrow(name: str, width: int) -> str:
    """What a register is called as one of so many bits."""
    wanted = typed(name, width)
    return next(other for other in registers.names_of(name) if held(other) == wanted)


def _general(name: str, missing: int, needed: int) -> str:
    """As the narrowest name of the register, or as a range of its bits."""
    if missing == needed:
        for other in registers.names_of(name):
            if _width(other) == missing:
                return other
    low, high = (missing & -missing).bit_length() - 1, missing.bit_length() - 1
    return f"bits {_PARTS[low][0]} to {_PARTS[high][1]} of {name}"


def describe(missing: int, needed: int) -> str:
    """What is missing of what is needed, in words."""
    words = [
        _general(name, parts(name, missing), parts(name, needed))
        for name in _GENERAL
        if parts(name, missing)
    ]
    for number in range(_VECTORS_EACH * len(_VECTORS)):
        if missing >> _VECTORS_AT + number & 1:
            words.append(f"{_VECTORS[number // _VECTORS_EACH]}{number % _VECTORS_EACH}")
    lost = [f"{letter}F" for letter in FLAGS if missing & flags(letter)]
    if lost:
        words.append(("the flag " if len(lost) == 1 else "the flags ") + " and ".join(lost))
    return ", ".join(words)


def families(missing: int) -> list[str]:
    """The words of a `reads` clause that would give it all a value."""
    words = [name for name in _GENERAL if parts(name, missing)]
    for number in range(_VECTORS_EACH * len(_VECTORS)):
        if missing >> _VECTORS_AT + number & 1:
            words.append(f"{_VECTORS[number // _VECTORS_EACH]}{number % _VECTORS_EACH}")
    return words + (["flags"] if missing & ALL_FLAGS else [])

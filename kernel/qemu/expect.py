"""What each site must hold: a second implementation of the rules of alternatives/hotinline.h.

In another language, and from other sources: sites come from objects.py, alternatives and the choice
among them from table.py, addresses from the guest's symbols. check.py puts it all together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BRANCH = 5  # bytes of a direct call or jmp
RELAXED = 6  # bytes of a call or jmp through the GOT, and of what krtld makes of it
ADDR32 = b"\x67"
CALL, JMP, RET, INT3 = 0xE8, 0xE9, 0xC3, 0xCC
PREFIXES: dict[int, str] = {
    **dict.fromkeys((0x26, 0x2E, 0x36, 0x3E), "segment"), **dict.fromkeys((0x64, 0x65), "fs-gs"),
    0x66: "operand", 0x67: "address", **dict.fromkeys((0xF2, 0xF3), "repeat"), 0xF0: "lock",
    **dict.fromkeys(range(0x40, 0x50), "rex")}

# Intel SDM vol. 2B, NOP: the recommended encodings.
NOPS = [b"", b"\x90", b"\x66\x90", b"\x0f\x1f\x00", b"\x0f\x1f\x40\x00", b"\x0f\x1f\x44\x00\x00",
        b"\x66\x0f\x1f\x44\x00\x00", b"\x0f\x1f\x80" + bytes(4), b"\x0f\x1f\x84\x00" + bytes(4),
        b"\x66\x0f\x1f\x84\x00" + bytes(4)]


def pad(size: int) -> bytes:
    """The fewest NOPs of that many bytes."""
    return NOPS[9] * (size // 9) + NOPS[size % 9]


def absorb(size: int) -> bytes:
    """NOPs of which the first, of at most 5 bytes, means the same after any prefixes."""
    return pad(min(size, BRANCH)) + pad(max(size - BRANCH, 0))


def mark(size: int) -> bytes:
    """What a wrapper puts after the call of a wide hotinline."""
    marks = b""
    while size:
        step = 10 if size > 11 else 9 if size == 11 else size
        marks += b"\x36" + NOPS[step - 1]
        size -= step
    return marks


def branch(opcode: int, at: int, to: int) -> bytes:
    """`call to` or `jmp to`, to run at address `at`."""
    return bytes([opcode]) + (to - at - BRANCH).to_bytes(4, "little", signed=True)


@dataclass(frozen=True)
class Alternative:
    """One alternative, as hotinline.json has it."""

    text: str
    when: str
    condition: Any  # a tree: see evaluate() in table.py
    code: bytes
    fixups: tuple[tuple[int, str, int], ...]  # offset, symbol, addend
    tail: bool
    nop: bool  # all of it are NOPs
    behind: frozenset[str] = frozenset()  # classes of prefixes that change nothing


@dataclass(frozen=True)
class Hotinline:
    """One hotinline; the last alternative is the baseline."""

    name: str
    size: int
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True)
class Site:
    """A site as an object file shows it."""

    section: str
    offset: int
    form: str
    hotinline: str
    width: int
    prefix: str = ""  # class of the byte before; check.py finds out: the object does not tell


def fixed(alternative: Alternative, code: bytes, skip: int, at: int,
          symbols: dict[str, int]) -> bytes:
    """code with the alternative's fix-ups applied; the alternative begins `skip` bytes in."""
    data = bytearray(code)
    for offset, symbol, addend in alternative.fixups:
        field = skip + offset
        value = symbols[symbol] + addend - (at + field)
        data[field:field + 4] = value.to_bytes(4, "little", signed=True)
    return bytes(data)


def before(site: Site, hotinline: Hotinline, at: int, symbols: dict[str, int]) -> bytes:
    """The bytes of a site once it is relocated and not yet patched."""
    if site.form == "stub":
        return body(hotinline, hotinline.alternatives[-1], at, symbols)
    opcode = CALL if site.form == "call" else JMP
    if site.width == RELAXED:
        skip = 1 if opcode == CALL else 0
        return ADDR32 * skip + branch(opcode, at + skip, symbols[hotinline.name]) \
            + NOPS[1 - skip]
    return branch(opcode, at, symbols[hotinline.name]) + mark(site.width - BRANCH)


def body(hotinline: Hotinline, alternative: Alternative, at: int,
         symbols: dict[str, int]) -> bytes:
    """A stub's body: code and ret, or a last `call f` as `jmp f`, then int3."""
    return returning(alternative, hotinline.size + 1, 0, at, symbols)


def returning(alternative: Alternative, width: int, skip: int, at: int,
              symbols: dict[str, int]) -> bytes:
    """skip bytes of NOPs, then code that returns, then int3, `width` bytes in all."""
    code = b"" if alternative.nop else alternative.code
    if alternative.tail:
        code = code[:-BRANCH] + bytes([JMP]) + code[-4:]
    else:
        code += bytes([RET])
    code = absorb(skip) + code
    return fixed(alternative, code.ljust(width, bytes([INT3])), skip, at, symbols)


def now(site: Site, hotinline: Hotinline, choice: int, at: int,
        symbols: dict[str, int]) -> bytes:
    """The bytes of a site once it is patched with that alternative."""
    alternative = hotinline.alternatives[choice]
    if site.form == "stub":
        return body(hotinline, alternative, at, symbols)
    jump = site.form == "jmp"
    silent = jump and alternative.nop
    size = 0 if silent else len(alternative.code)
    room = site.width - size - (1 if jump and not alternative.tail else 0)
    if room < 0:
        return before(site, hotinline, at, symbols)
    skip = 0
    if site.prefix and (silent or site.prefix not in alternative.behind):
        if room < 2:
            return before(site, hotinline, at, symbols)
        skip = room
    if jump:
        return returning(alternative, site.width, skip, at, symbols)
    code = absorb(skip) + alternative.code
    return fixed(alternative, code + pad(site.width - len(code)), skip, at, symbols)

"""References to stubs that will not be sites, and why: by krtld's own rules (loader/sites.c), of an
object file. They work, through the stub, which is patched too."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_RELA = struct.Struct("<QQq")
# Bytes of the fields of relocation types whose place counts (psABI 1.0, table 4.9), and those types
# that are the operand of a branch.
_WIDTHS = {
    1: 8, 2: 4, 3: 4, 4: 4, 9: 4, 10: 4, 11: 4, 12: 2, 13: 2, 14: 1, 15: 1, 24: 8, 25: 8,
    26: 4, 27: 8, 28: 8, 29: 8, 30: 8, 31: 8, 32: 4, 33: 8, 39: 4, 40: 4, 41: 4, 42: 4, 43: 4,
    46: 4, 49: 4,
}  # fmt: skip
_RELATIVE = frozenset([2, 4, 13, 15, 24, 39, 40])  # S + A - P
_BRANCHES = frozenset([2, 4, 39, 40])
_THROUGH_GOT = 41  # the operand of a call or jmp through the GOT, which krtld makes direct
_ADDEND = -4
_CALLS = frozenset([0xE8, 0xE9])  # call and jmp with an operand of 32 bits
_GOT_CALLS = (b"\xff\x15", b"\xff\x25")  # call and jmp, both [rip + an operand of 32 bits]
_ALLOC, _EXEC = 0x2, 0x4

# As krtld words them (loader/error.c). That a direct call would not reach the stub, only krtld can
# say: it knows the addresses.
DATA = "a pointer in data, not in executable text"
TYPE = "not a branch's relocation: an address, or through the GOT"
ADDEND = "the addend is not -4: somewhere inside the stub"
OPCODE = "neither a direct call (e8) nor a direct jmp (e9)"
SECTION = "by section and addend, not by the stub's name"


@dataclass(frozen=True, slots=True)
class Reference:
    """A relocation that leads to a stub and does not make a site."""

    section: str
    offset: int  # of the field
    place: str  # symbol+0x…, or section+0x…
    hotinline: str
    reason: str


class Stubs:
    """The stubs of a program: names, and bytes from the symbol on."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.sizes = {h["name"]: h["stub_size"] for h in described["hotinlines"]}


class _Object:
    def __init__(self, elf: Any, stubs: Stubs) -> None:
        self.sections = list(elf.iter_sections())
        self._contents: dict[int, bytes] = {}  # of sections, by index
        self.stubs = stubs
        self.symbols: dict[int, list[Any]] = {}  # by index of their table
        self.named: dict[int, list[tuple[int, str]]] = {}  # symbols, by section
        self.bodies: dict[int, list[tuple[int, int, str]]] = {}  # stubs, by section
        for index, section in enumerate(self.sections):
            if section["sh_type"] == "SHT_SYMTAB":
                self.symbols[index] = list(section.iter_symbols())
        for symbol in (symbol for table in self.symbols.values() for symbol in table):
            at, value = symbol["st_shndx"], symbol["st_value"]
            if not isinstance(at, int) or symbol["st_info"]["type"] == "STT_SECTION":
                continue
            if symbol.name:
                self.named.setdefault(at, []).append((value, symbol.name))
            if symbol.name in stubs.sizes and symbol["st_info"]["bind"] != "STB_LOCAL":
                body = (value, value + stubs.sizes[symbol.name], symbol.name)
                self.bodies.setdefault(at, []).append(body)
        for found in self.named.values():
            found.sort()

    def contents(self, section: int) -> bytes:
        """Read once, however many references are in it."""
        if section not in self._contents:
            self._contents[section] = self.sections[section].data()
        return self._contents[section]

    def place(self, section: int, offset: int) -> str:
        named = self.named.get(section, [])
        at = bisect_right(named, (offset, "\U0010ffff")) - 1
        if at < 0:
            return f"{self.sections[section].name}+0x{offset:x}"
        return f"{named[at][1]}+0x{offset - named[at][0]:x}"

    def leads_to(self, symbol: Any, kind: int, addend: int) -> tuple[str, bool]:
        """The hotinline, "" if there is none, and whether the symbol is its name."""
        if symbol.name in self.stubs.sizes and symbol["st_info"]["bind"] != "STB_LOCAL":
            return symbol.name, True
        target = symbol["st_value"] + addend + (_WIDTHS[kind] if kind in _RELATIVE else 0)
        for start, end, name in self.bodies.get(symbol["st_shndx"], []):
            if start <= target < end:
                return name, False
        return "", False

    def relocations(self) -> Iterator[tuple[int, int, int, Any, int]]:
        """Those that might lead to a stub: target section, offset, type, symbol, addend."""
        for section in self.sections:
            target = section["sh_info"]
            if section["sh_type"] != "SHT_RELA" or not 0 < target < len(self.sections):
                continue
            symbols = self.symbols.get(section["sh_link"], [])
            wanted = {
                index: symbol
                for index, symbol in enumerate(symbols)
                if symbol.name in self.stubs.sizes or symbol["st_shndx"] in self.bodies
            }
            if not wanted or not self.sections[target]["sh_flags"] & _ALLOC:
                continue
            data = section.data()
            whole = len(data) - len(data) % _RELA.size
            for offset, info, addend in _RELA.iter_unpack(data[:whole]):
                if info >> 32 in wanted and info & 0xFFFFFFFF in _WIDTHS:
                    yield target, offset, info & 0xFFFFFFFF, wanted[info >> 32], addend


def _reason(
    made: _Object, section: int, offset: int, kind: int, addend: int, by_name: bool
) -> str:
    """Why a relocation that leads to a stub makes no site; "" if it makes one."""
    if not made.sections[section]["sh_flags"] & _EXEC:
        return DATA
    code = made.contents(section)
    inside = 0 <= offset <= len(code) - 4
    if kind == _THROUGH_GOT and by_name and inside and offset >= 2:
        if code[offset - 2 : offset] in _GOT_CALLS:
            return "" if addend == _ADDEND else ADDEND
    if kind not in _BRANCHES:
        return TYPE
    if not by_name:
        return SECTION
    if addend != _ADDEND:
        return ADDEND
    return "" if inside and offset >= 1 and code[offset - 1] in _CALLS else OPCODE


def plain(elf: Any, stubs: Stubs) -> list[Reference]:
    """Of a relocatable object, by section and offset."""
    made = _Object(elf, stubs)
    found = []
    for target, offset, kind, symbol, addend in made.relocations():
        hotinline, by_name = made.leads_to(symbol, kind, addend)
        reason = _reason(made, target, offset, kind, addend, by_name) if hotinline else ""
        if reason:
            name, place = made.sections[target].name, made.place(target, offset)
            found.append((target, offset, Reference(name, offset, place, hotinline, reason)))
    return [reference for _, _, reference in sorted(found, key=lambda item: item[:2])]

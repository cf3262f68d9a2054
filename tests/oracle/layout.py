"""Layouts: an address for each loaded section of an object and for each symbol that it does not
define. Made here, or read from a file of krtld's form (`krtld --help`). Used by check.py and ld.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from elf import SHN_COMMON, SHN_UNDEF, SHT_NOBITS, STB_WEAK, Object

GOT = "_GLOBAL_OFFSET_TABLE_"
PAGE = 0x1000
KERNEL = 0xFFFFFFFF90000000  # what R_X86_64_32S reaches, and kernels use
LOW = 0x10000000  # what R_X86_64_32 reaches as well
OUTSIDE = 0x10000000  # bytes from the first section to the first symbol of others
STEP = 0x31  # bytes between them; odd, so that no address is a round one
ONLY_LOW = frozenset([10, 12, 14])  # R_X86_64_32, _16, _8
WEAK = ("mixed", "given", "absent")


class BadLayout(Exception):
    """A layout file cannot be used; the message says where and why."""


@dataclass
class Layout:
    """Where everything goes. Symbols that it leaves out stay undefined."""

    sections: dict[int, int] = field(default_factory=dict)
    symbols: dict[str, int] = field(default_factory=dict)
    common: int = 0  # where ld puts COMMON symbols
    got: int = 0  # where ld puts its GOT

    def text(self) -> str:
        """As krtld reads it."""
        lines = [f"section {index} {address:x}" for index, address in self.sections.items()]
        lines += [f"symbol {value:x} {name}" for name, value in self.symbols.items()]
        return "\n".join(lines) + "\n"


def base_of(object_: Object) -> int:
    """The top 2 GiB, where kernels are, unless a field of unsigned 32 bits must reach it, or it is too
    large for them."""
    large = sum(s.size for s in object_.loaded) > 2**64 - KERNEL - OUTSIDE
    return LOW if large or not ONLY_LOW.isdisjoint(object_.types) else KERNEL


def _undefined(object_: Object, weak: str) -> list[str]:
    """Names to give an address to; of the weak ones all, none or every other."""
    names: dict[str, None] = {}
    for index, symbol in enumerate(object_.symbols):
        if symbol.section != SHN_UNDEF or not symbol.name or symbol.name == GOT:
            continue
        if symbol.binding == STB_WEAK and (weak == "absent" or (weak == "mixed" and index % 2)):
            continue
        names[symbol.name] = None
    return list(names)


def _place_sections(object_: Object, layout: Layout, address: int, nobits: bool) -> int:
    """Places what has no address yet and is, or is not, NOBITS; returns where the next page begins."""
    for section in object_.loaded:
        if section.index in layout.sections or (section.type == SHT_NOBITS) != nobits:
            continue
        align = max(section.align, 1)
        address = (address + align - 1) // align * align
        layout.sections[section.index] = address
        address += section.size + 7 * (section.index % 5)
    return (address + PAGE) // PAGE * PAGE


def _define_sets(object_: Object, layout: Layout) -> None:
    """__start_NAME and __stop_NAME, which ld cannot define: in its copy no section has its name."""
    for section in object_.loaded:
        if not re.fullmatch(r"[A-Za-z_]\w*", section.name, re.ASCII):
            continue
        start = layout.sections[section.index]
        for symbol in object_.symbols:
            if symbol.section == SHN_UNDEF and symbol.name == f"__start_{section.name}":
                layout.symbols[symbol.name] = start
            elif symbol.section == SHN_UNDEF and symbol.name == f"__stop_{section.name}":
                layout.symbols[symbol.name] = start + section.size


def _finish(object_: Object, layout: Layout, address: int) -> Layout:
    """Places the rest, the COMMON symbols and the GOT from that address on. Zeros, of which there may be
    gigabytes, come last, after room for the GOT of each of the two."""
    commons = [s for s in object_.symbols if s.section == SHN_COMMON]
    align = max((s.value for s in commons), default=1)
    end = _place_sections(object_, layout, address, False)
    layout.common = (end + align - 1) // align * align
    end = layout.common + sum(s.size + s.value for s in commons)
    layout.got = (end + PAGE) // PAGE * PAGE
    slots = 16 * (len(object_.symbols) + 4) + 4 * PAGE
    _place_sections(object_, layout, (layout.got + slots + PAGE) // PAGE * PAGE, True)
    _define_sets(object_, layout)
    return layout


def make(
    object_: Object, base: int | None = None, weak: str = "mixed", outside: int = OUTSIDE
) -> Layout:
    """A layout for the object: its sections from base on, other symbols that far behind base."""
    base = base_of(object_) if base is None else base
    layout = Layout()
    for number, name in enumerate(_undefined(object_, weak)):
        layout.symbols[name] = (base + outside + number * STEP) % 2**64
    return _finish(object_, layout, base)


def _line(layout: Layout, words: list[str], object_: Object) -> None:
    """Takes one item in; ValueError says what is wrong with it."""
    if words[0] == "section" and len(words) >= 3 and words[1].isdecimal():
        index, address = int(words[1]), int(words[2], 16)
        if not 0 < index < len(object_.sections):
            raise ValueError(f"the object has no section {index}")
        if object_.sections[index].loaded:
            layout.sections[index] = address
    elif words[0] == "symbol" and len(words) >= 3:
        layout.symbols[words[2]] = int(words[1], 16)
    else:
        raise ValueError("expected `section INDEX ADDRESS' or `symbol ADDRESS NAME'")


def read(content: str, name: str, object_: Object) -> Layout:
    """The layout in a file's content; what it does not place follows its last section."""
    layout = Layout()
    for number, line in enumerate(content.splitlines(), 1):
        words = re.sub("#.*", "", line).split()
        if not words or words[0] == "object":
            continue
        try:
            _line(layout, words, object_)
        except ValueError as error:
            raise BadLayout(f"{name}:{number}: bad item `{line.strip()}', {error}") from error
    layout.symbols.pop(GOT, None)  # ld has a GOT of its own, and says where
    ends = [a + object_.sections[i].size for i, a in layout.sections.items()]
    return _finish(object_, layout, (max(ends, default=base_of(object_)) + PAGE) // PAGE * PAGE)

"""Objects as the suite needs them: sections, what is undefined, and a layout that says where krtld
is to put each section and each name. Used by compare.py; it shares no code with krtld.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")
SHT_SYMTAB, SHT_RELA, SHT_NOBITS = 2, 4, 8
SHF_ALLOC, SHF_EXECINSTR = 2, 4

KERNEL = 0xFFFFFFFFA0000000  # where modules of Linux lie: -mcmodel=kernel
USER = 0x10000000  # whatever is not of that model reaches this
OUTSIDE = 0x20000000  # bytes from the first section to the first undefined name
APART = 0x40  # bytes between undefined names
PAGE = 0x1000


@dataclass(frozen=True)
class Section:
    """A section header."""

    index: int
    name: str
    type: int
    flags: int
    offset: int
    size: int
    info: int
    align: int

    @property
    def loaded(self) -> bool:
        return bool(self.flags & SHF_ALLOC)

    @property
    def executable(self) -> bool:
        return self.loaded and bool(self.flags & SHF_EXECINSTR)


def _text(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode("utf-8", "surrogateescape")


class ObjectFile:
    """A relocatable object on the disk."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        header = EHDR.unpack_from(data)
        if header[0][:6] != b"\x7fELF\2\1" or header[1] != 1 or not header[12]:
            raise ValueError(f"{path}: not an ET_REL ELF64 object of fewer than 65,280 sections")
        rows = list(SHDR.iter_unpack(data[header[6] : header[6] + header[12] * SHDR.size]))
        contents = [b"" if r[1] == SHT_NOBITS else data[r[4] : r[4] + r[5]] for r in rows]
        names = contents[header[13]]
        self.path = path
        self.sections = [
            Section(i, _text(names, r[0]), r[1], r[2], r[4], r[5], r[7], r[8])
            for i, r in enumerate(rows)
        ]
        self.undefined: list[str] = []
        self.defined: set[str] = set()
        for row, table in zip(rows, contents):
            if row[1] == SHT_SYMTAB:
                symbols = [(_text(contents[row[6]], s[0]), s[3]) for s in SYM.iter_unpack(table)]
                self.undefined = [name for name, section in symbols if name and not section]
                self.defined = {name for name, section in symbols if section}

    def disassembled(self) -> list[Section]:
        """What objdump -d shows, in its order."""
        return [s for s in self.sections if s.executable and s.size and s.type != SHT_NOBITS]

    def relocated(self) -> list[Section]:
        """What objdump -r shows, in its order."""
        tables = {s.info: s for s in self.sections if s.type == SHT_RELA and s.size}
        return [s for s in self.sections if s.index in tables]


@dataclass(frozen=True)
class Place:
    """Where the field of a relocation is."""

    section: int  # index
    offset: int


class Layout:
    """An address for each section and for each undefined name."""

    def __init__(self, file: ObjectFile, base: int, extra: list[str]) -> None:
        self.sections: dict[int, int] = {}
        at = base
        for section in file.sections:
            if section.loaded:
                align = max(section.align, 1)
                at = (at + align - 1) // align * align
                self.sections[section.index] = at
                at += section.size + PAGE
        names = [name for name in file.undefined if name != "_GLOBAL_OFFSET_TABLE_"]
        names = list(dict.fromkeys([*names, *extra]))
        self.names = {name: base + OUTSIDE + APART * i for i, name in enumerate(names)}

        self._indices, self._addresses = list(self.sections), list(self.sections.values())

    def place(self, address: int) -> Place:
        """Sections lie in the order of their indices."""
        at = bisect.bisect_right(self._addresses, address) - 1
        return Place(self._indices[at], address - self._addresses[at])

    def write(self, path: Path) -> None:
        lines = [f"section {index} {address:x}\n" for index, address in self.sections.items()]
        lines += [f"symbol {address:x} {name}\n" for name, address in self.names.items()]
        path.write_text("".join(lines), errors="surrogateescape")

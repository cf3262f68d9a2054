"""Reads ELF64 files as GNU ld's oracle needs them: section headers, symbols, relocations and the
members of archives, in tables that stay fast for hundreds of thousands of relocations.

Used by all of tests/oracle. It shares no code with krtld, so that the two can disagree.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
SHDR = struct.Struct("<IIQQQQIIQQ")
SYM = struct.Struct("<IBBHQQ")
RELA = struct.Struct("<QIIq")

ET_REL = 1
EM_X86_64 = 62
SHN_UNDEF, SHN_ABS, SHN_COMMON, SHN_LCOMMON, SHN_XINDEX = 0, 0xFFF1, 0xFFF2, 0xFF02, 0xFFFF
SHT_NULL, SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS = 0, 1, 2, 3, 4, 8
SHT_SYMTAB_SHNDX = 18
SHT_NOTE, SHT_REL, SHT_INIT_ARRAY, SHT_FINI_ARRAY, SHT_PREINIT_ARRAY = 7, 9, 14, 15, 16
SHT_GROUP, SHT_X86_64_UNWIND = 17, 0x70000001
# What may be loaded: all of them are bytes, or zeros, and no more is to be done to them.
LOADABLE = frozenset([
    SHT_PROGBITS, SHT_STRTAB, SHT_NOTE, SHT_NOBITS, SHT_INIT_ARRAY, SHT_FINI_ARRAY, SHT_PREINIT_ARRAY,
    SHT_X86_64_UNWIND,
])  # fmt: skip
# Whose sh_info is known, and says nothing about a loaded section but for RELA, which is read.
KNOWN_INFO = LOADABLE | {SHT_NULL, SHT_SYMTAB, SHT_RELA, SHT_SYMTAB_SHNDX, SHT_GROUP}
SHF_INFO_LINK = 0x40
STV_HIDDEN, STV_INTERNAL = 2, 1
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_TLS = 1, 2, 4, 0x400
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_SECTION, STT_TLS, STT_GNU_IFUNC = 3, 6, 10

NAMES = {
    0: "NONE", 1: "64", 2: "PC32", 3: "GOT32", 4: "PLT32", 9: "GOTPCREL", 10: "32", 11: "32S",
    12: "16", 13: "PC16", 14: "8", 15: "PC8", 17: "DTPOFF64", 18: "TPOFF64", 19: "TLSGD",
    20: "TLSLD", 21: "DTPOFF32", 22: "GOTTPOFF", 23: "TPOFF32", 24: "PC64", 25: "GOTOFF64",
    26: "GOTPC32", 27: "GOT64", 28: "GOTPCREL64", 29: "GOTPC64", 30: "GOTPLT64", 31: "PLTOFF64",
    32: "SIZE32", 33: "SIZE64", 34: "GOTPC32_TLSDESC", 35: "TLSDESC_CALL", 36: "TLSDESC",
    39: "PC32_BND", 40: "PLT32_BND", 41: "GOTPCRELX", 42: "REX_GOTPCRELX",
    43: "CODE_4_GOTPCRELX", 44: "CODE_4_GOTTPOFF", 45: "CODE_4_GOTPC32_TLSDESC",
    46: "CODE_5_GOTPCRELX", 47: "CODE_5_GOTTPOFF", 48: "CODE_5_GOTPC32_TLSDESC",
    49: "CODE_6_GOTPCRELX", 50: "CODE_6_GOTTPOFF", 51: "CODE_6_GOTPC32_TLSDESC",
}  # fmt: skip
TLS_TYPES = frozenset([16, 17, 18, 19, 20, 21, 22, 23, 34, 35, 36, 44, 45, 47, 48, 50, 51])


def type_name(number: int) -> str:
    """A relocation type as the psABI writes it."""
    return f"R_X86_64_{NAMES.get(number, number)}"


class NotAnObject(Exception):
    """The file is no ET_REL ELF64 object of amd64, or a table of it lies outside the file."""


@dataclass(slots=True)
class Section:
    """A section header."""

    index: int
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int

    @property
    def loaded(self) -> bool:
        return bool(self.flags & SHF_ALLOC) and self.type != SHT_NULL


@dataclass(slots=True)
class Symbol:
    """A symbol; its section is an index, or one of SHN_UNDEF, SHN_ABS, SHN_COMMON."""

    name: str
    binding: int
    type: int
    section: int
    value: int
    size: int
    visibility: int = 0
    row: int = 0  # offset in the file


@dataclass(slots=True)
class Relocations:
    """The relocations of one loaded section."""

    section: int  # of the table
    target: int
    table: memoryview

    @property
    def types(self) -> memoryview:
        return self.table.cast("I")[2::6]

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        """Offset, type, symbol's index and addend of each."""
        for offset, kind, symbol, addend in RELA.iter_unpack(self.table):
            yield offset, kind, symbol, addend


def text(table: bytes, offset: int) -> str:
    """A name in a string table, whatever its bytes."""
    return table[offset : table.index(b"\0", offset)].decode("utf-8", "surrogateescape")


class File:
    """An ELF64 file of any type: the oracle reads objects with it, and what ld made of them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        if data[:6] != b"\x7fELF\2\1" or len(data) < EHDR.size:
            raise NotAnObject("no ELF64 file")
        header = EHDR.unpack_from(data)
        self.type, self.machine, self.table, count, names = (
            header[1], header[2], header[6], header[12], header[13],
        )  # fmt: skip
        if not self.table:
            raise NotAnObject("no sections")
        try:
            first = SHDR.unpack_from(data, self.table)
            count = count or first[5]
            self.names = first[6] if names == SHN_XINDEX else names
            self.rows = list(
                SHDR.iter_unpack(data[self.table : self.table + count * SHDR.size])
            )
            strings = self.bytes_of(self.rows[self.names])
            self.sections = [
                Section(i, text(strings, r[0]), r[1], r[2], r[4], r[5], r[6], r[7], r[8])
                for i, r in enumerate(self.rows)
            ]
        except (struct.error, IndexError, ValueError) as error:
            raise NotAnObject(f"bad section table: {error}") from error

    def bytes_of(self, row: tuple[int, ...]) -> bytes:
        return self.data[row[4] : row[4] + row[5]]

    def contents(self, section: Section) -> bytes:
        if section.type == SHT_NOBITS:
            return bytes(section.size)
        return self.data[section.offset : section.offset + section.size]

    @cached_property
    def symtab(self) -> Section | None:
        return next((s for s in self.sections if s.type == SHT_SYMTAB), None)

    @cached_property
    def symbols(self) -> list[Symbol]:
        if not self.symtab:
            return []
        strings = self.contents(self.sections[self.symtab.link])
        wide = next((s for s in self.sections if s.type == SHT_SYMTAB_SHNDX), None)
        indices = memoryview(self.contents(wide)).cast("I") if wide else None
        found = []
        for i, row in enumerate(SYM.iter_unpack(self.contents(self.symtab))):
            name, info, other, section, value, size = row
            if section == SHN_XINDEX and indices:
                section = indices[i]
            elif section == SHN_LCOMMON:
                section = SHN_COMMON
            at = self.symtab.offset + i * SYM.size
            found.append(Symbol(text(strings, name), info >> 4, info & 15, section, value, size,
                                other & 3, at))  # fmt: skip
        return found


class Object(File):
    """A relocatable object."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        if self.type != ET_REL or self.machine != EM_X86_64:
            raise NotAnObject("not ET_REL of amd64")
        try:
            self.check()
        except (struct.error, IndexError, ValueError, TypeError) as error:
            raise NotAnObject(f"bad tables: {error}") from error

    def check(self) -> None:
        """Reads all tables once, so that what uses them later finds no index out of range."""
        for relocations in self.relocations:
            size = self.sections[relocations.target].size
            for offset, _, symbol, _ in relocations:
                if symbol >= max(len(self.symbols), 1) or offset > size:
                    raise ValueError(f"a relocation of section {relocations.section}")

    @cached_property
    def strange(self) -> list[Section]:
        """What a loader must not ignore, and ld is not shown (neutral.py): loaded sections of unknown
        types, and what is or may be a table that relocates a loaded one and is not RELA."""
        loaded = {s.index for s in self.loaded}
        return [
            s for s in self.sections
            if (s.loaded and s.type not in LOADABLE)
            or (s.type not in KNOWN_INFO and (s.flags & SHF_INFO_LINK or s.info in loaded))
        ]  # fmt: skip

    @cached_property
    def hidden_commons(self) -> list[Symbol]:
        return [s for s in self.symbols if s.section == SHN_COMMON
                and s.visibility in (STV_HIDDEN, STV_INTERNAL)]  # fmt: skip

    @cached_property
    def loaded(self) -> list[Section]:
        return [s for s in self.sections if s.loaded]

    @cached_property
    def relocations(self) -> list[Relocations]:
        """Of loaded sections; the others do not matter."""
        return [
            Relocations(s.index, s.info, memoryview(self.contents(s)))
            for s in self.sections
            if s.type == SHT_RELA and s.size and self.sections[s.info].loaded
        ]

    @cached_property
    def types(self) -> Counter[int]:
        """How many relocations there are of each type."""
        total: Counter[int] = Counter()
        for relocations in self.relocations:
            total.update(relocations.types)
        return total

    @cached_property
    def has_tls(self) -> bool:
        """Whether it defines or uses thread-local storage."""
        return (
            any(s.flags & SHF_TLS for s in self.loaded)
            or any(s.type == STT_TLS and s.section != SHN_UNDEF for s in self.symbols)
            or not TLS_TYPES.isdisjoint(self.types)
        )

    @cached_property
    def has_ifunc(self) -> bool:
        return any(s.type == STT_GNU_IFUNC and s.section != SHN_UNDEF for s in self.symbols)

    @cached_property
    def is_slim(self) -> bool:
        """Whether there is only a compiler's intermediate language in it."""
        return any(s.name == "__gnu_lto_slim" for s in self.symbols)

    def title(self, symbol: int) -> str:
        """What messages call a symbol: a nameless section symbol has its section's name."""
        found = self.symbols[symbol]
        if not found.name and found.section < len(self.sections):
            return self.sections[found.section].name
        return found.name


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and contents of each member of an archive; names may occur more than once."""
    data = path.read_bytes()
    if data[:8] != b"!<arch>\n":
        raise NotAnObject("no archive")
    at, long_names = 8, b""
    while at + 60 <= len(data):
        name = data[at : at + 16].rstrip().decode()
        size = int(data[at + 48 : at + 58])
        body = data[at + 60 : at + 60 + size]
        if name == "//":
            long_names = body
        elif name not in ("/", "/SYM64/"):
            if name[0] == "/":
                start = int(name[1:])
                name = long_names[start : long_names.index(b"/", start)].decode()
            yield name.rstrip("/"), body
        at += 60 + size + size % 2

"""What krtld refuses in a file or in an object's sections and symbols, and how to mend it.

It reads the numbers themselves: pyelftools has no names for what is newer than it. The rules are
those of loader/check.c. Used by objects.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

Refusal = tuple[str, str]  # why, and the way out

_RELOCATABLE = "build it with a compiler and `ld -r` that write SHT_RELA"
_STRANGERS: list[tuple[bytes, str, str]] = [
    (b"\xfd7zXZ\0", "compressed by xz", "decompress it with `xz -d`"),
    (b"\x1f\x8b", "compressed by gzip", "decompress it with `gzip -d`"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "decompress it with `zstd -d`"),
    (b"BZh", "compressed by bzip2", "decompress it with `bzip2 -d`"),
    (b"\x5d\0\0", "compressed by lzma", "decompress it with `xz -d`"),
    (b"LZIP", "compressed by lzip", "decompress it with `lzip -d`"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "decompress it with `lz4 -d`"),
    (b"\x02\x21\x4c\x18", "compressed by lz4", "decompress it with `lz4 -d`"),
    (b"\x89LZO", "compressed by lzop", "decompress it with `lzop -d`"),
    (b"\x1f\x9d", "compressed by compress", "decompress it with `gzip -d`"),
    (b"!<arch>\n", "an archive of objects", "make one object of it with `ld -r`"),
    (b"!<thin>\n", "a thin archive of objects", "make one object of it with `ld -r`"),
    (b"BC\xc0\xde", "LLVM bitcode, not machine code (LTO)", "compile it without -flto"),
    (b"\xde\xc0\x17\x0b", "LLVM bitcode, not machine code (LTO)", "compile it without -flto"),
]

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")

_NULL, SYMTAB, NOBITS = 0, 2, 8
_TABLES = {
    9: "SHT_REL", 19: "SHT_RELR", 0x40000014: "SHT_CREL", 0x60000001: "SHT_ANDROID_REL",
    0x60000002: "SHT_ANDROID_RELA", 0x6FFFFF00: "SHT_ANDROID_RELR",
}  # fmt: skip
_UNWIND = 0x70000001
_HARMLESS = [(0, 11), (14, 18), (0x6FFF4C00, 0x6FFF4CFF), (0x6FFFFFF5, 0x6FFFFFFF)]
_LOADABLE = frozenset([1, 2, 3, 4, 7, 8, 14, 15, 16, _UNWIND])
_WRITE, _ALLOC, EXEC, _INFO_LINK, _LINK_ORDER, _OS_NONCONFORMING, _TLS, _COMPRESSED = (
    1, 2, 4, 0x40, 0x80, 0x100, 0x400, 0x800
)  # fmt: skip
_ALIGN_MAX = 0x200000  # KRTLD_ALIGN_MAX
_BINDINGS = frozenset([0, 1, 2, 10])
_AGAIN = "build it again, with tools that write what the gABI has"


@dataclass
class Section:
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int

    @property
    def loaded(self) -> bool:
        return self.type != _NULL and bool(self.flags & _ALLOC)


def stranger(data: bytes) -> Refusal | None:
    """A file that is something else than an object, or is cut off, named for what it is."""
    for magic, why, way in _STRANGERS:
        if data.startswith(magic):
            return why, way
    if not data.startswith(b"\x7fELF\2\1"):
        return None
    table = _EHDR.unpack_from(data)[6] if len(data) >= _EHDR.size else 0
    count = _EHDR.unpack_from(data)[12] if len(data) >= _EHDR.size else 0
    ends = [_EHDR.size, table + max(count, 1 if table else 0) * _SHDR.size]
    if max(ends) <= len(data):
        rows = [_SHDR.unpack_from(data, table + i * _SHDR.size) for i in range(count)]
        ends += [row[4] + row[5] for row in rows if row[1] not in (_NULL, NOBITS)]
    if max(ends) > len(data):
        why = f"cut off: it has {len(data)} bytes, and its contents end at {max(ends)}"
        return why, "copy it again, or build it again"
    return None


def read(data: bytes) -> list[Section]:
    """The section headers of an object."""
    header = _EHDR.unpack_from(data)
    table, count, names = header[6], header[12], header[13]
    first = _SHDR.unpack_from(data, table)
    count, names = count or first[5], first[6] if names == 0xFFFF else names
    rows = [_SHDR.unpack_from(data, table + i * _SHDR.size) for i in range(count)]
    strings = data[rows[names][4] : rows[names][4] + rows[names][5]]
    return [
        Section(
            strings[row[0] : strings.index(b"\0", row[0])].decode("utf-8", "surrogateescape"),
            row[1], row[2], *row[4:],
        )
        for row in rows
    ]  # fmt: skip


def _table_fault(section: Section, sections: list[Section]) -> Refusal | None:
    """A table that relocates what is loaded, in a form that krtld does not read."""
    target = section.info if section.info < len(sections) else 0
    harmless = target and not sections[target].loaded
    known = _TABLES.get(section.type)
    if known and section.size and not harmless:
        where = sections[target].name or "everything"
        why = f"section {section.name} ({known}) relocates {where}, and krtld reads only SHT_RELA"
        way = "assemble it without --crel" if known == "SHT_CREL" else _RELOCATABLE
        return why, way
    if known or section.type == _UNWIND or harmless:
        return None
    if any(low <= section.type <= high for low, high in _HARMLESS):
        return None
    if target or section.flags & _INFO_LINK:
        why = f"section {section.name} of unknown type {section.type:#x} says something about"
        return f"{why} {sections[target].name or 'another'}, as relocations do", _RELOCATABLE
    return None


def _section_fault(section: Section, count: int) -> Refusal | None:
    if section.loaded and section.type not in _LOADABLE:
        why = f"section {section.name} is to be loaded, and its type {section.type:#x} is unknown"
        return why, "give it the type @progbits"
    if section.loaded and section.flags & _OS_NONCONFORMING:
        why = f"section {section.name} wants what krtld does not know (SHF_OS_NONCONFORMING)"
        return why, "build it without that flag"
    if section.loaded and section.flags & _TLS:
        why = f"section {section.name} is thread-local (SHF_TLS), which is not supported"
        return why, "use a variable that is not thread-local"
    if section.loaded and section.flags & _COMPRESSED:
        why = f"section {section.name} is to be loaded, and is compressed (SHF_COMPRESSED)"
        return why, "build it without that flag"
    if section.loaded and section.flags & _WRITE and section.flags & EXEC:
        why = f"section {section.name} is writable and executable"
        return why, "put code and data into sections of their own"
    if section.loaded and (section.align & (section.align - 1) or section.align > _ALIGN_MAX):
        why = f"section {section.name} has an alignment of {section.align:#x}, which is not a power"
        return f"{why} of two up to {_ALIGN_MAX:#x}", "align it to a page or less"
    if section.flags & _LINK_ORDER and section.link >= count:
        why = f"section {section.name} follows section {section.link} (SHF_LINK_ORDER)"
        return f"{why}, and there are {count}", _AGAIN
    return None


def _symbol_fault(data: bytes, symtab: Section) -> Refusal | None:
    at = data[symtab.offset : symtab.offset + symtab.size // _SYM.size * _SYM.size]
    for index, (name, info, _, section, _, _) in enumerate(_SYM.iter_unpack(at)):
        if info >> 4 not in _BINDINGS:
            why = f"symbol {index} has the binding {info >> 4}, which the gABI does not have"
            return why, _AGAIN
        if index and name and info >> 4 == 0 and section == 0:
            return f"symbol {index} is local, and yet undefined", _AGAIN
    return None


def fault(data: bytes, sections: list[Section]) -> Refusal | None:
    """The first thing in an object of amd64 that krtld does not understand, and so refuses."""
    for section in sections[1:]:
        found = _table_fault(section, sections) or _section_fault(section, len(sections))
        if section.type == SYMTAB:
            found = found or _symbol_fault(data, section)
        if found:
            return found
    return None


def set_ends(data: bytes) -> Iterator[str]:
    """The symbols that krtld defines, as a linker does, at the ends of loaded sections."""
    for section in read(data)[1:]:
        if section.loaded and section.name.isascii() and section.name.isidentifier():
            yield f"__start_{section.name}"
            yield f"__stop_{section.name}"

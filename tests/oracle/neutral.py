"""What GNU ld is given in an object's place: a copy in which no section means anything to ld, an
object that defines the symbols of the layout, and a script that puts each section at its address.

A section's name, type and flags tell ld to merge, sort, shorten, drop or generate. In the copy each
loaded section is plain PROGBITS or NOBITS of a name of its own, and what is not loaded has neither
relocations nor flags. Bytes, symbols and relocations are untouched. Used by link.py.
"""

from __future__ import annotations

import struct

from elf import (
    EHDR, EM_X86_64, ET_REL, SHDR, SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHN_ABS, SHT_NOBITS,
    SHT_PROGBITS, SHT_RELA, SHT_STRTAB, SHT_SYMTAB, SHT_SYMTAB_SHNDX, STB_GLOBAL, SYM, Object,
    Section,
)  # fmt: skip

SAME_FLAGS = SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR  # one segment holds them all


def name_of(section: int) -> str:
    """What a loaded section is called in the copy."""
    return f".s{section}"


def _meaningless(object_: Object, section: Section, name: int) -> tuple[int, ...]:
    """The section's header in the copy."""
    row = object_.rows[section.index]
    kept = (SHT_SYMTAB, SHT_STRTAB, SHT_SYMTAB_SHNDX)
    if section.loaded and section.type == SHT_NOBITS:  # however many zeros: none of them is written
        return (name, SHT_NOBITS, SAME_FLAGS, 0, row[4], 0, 0, 0, row[8], 0)
    if section.loaded:
        return (name, SHT_PROGBITS, SAME_FLAGS, 0, *row[4:6], 0, 0, row[8], 0)
    if section.type in kept or (
        section.type == SHT_RELA and object_.sections[section.info].loaded
    ):
        return (name, section.type, 0, 0, *row[4:])
    return (name, SHT_PROGBITS, 0, 0, *row[4:6], 0, 0, 1, 0)


def version_mark(object_: Object) -> str:
    """What stands for `@' in the names that ld sees: there f@@V would be a version of f."""
    names = {symbol.name for symbol in object_.symbols}
    return next(mark for mark in "~^%!;" if not any(mark in name for name in names))


def neutral_copy(object_: Object) -> bytes:
    """The object with its section headers rewritten, new section names after the old, and no `@' in
    the names of its symbols."""
    data = bytearray(object_.data)
    if object_.symtab:
        strings = object_.sections[object_.symtab.link]
        bounds = slice(strings.offset, strings.offset + strings.size)
        data[bounds] = data[bounds].replace(b"@", version_mark(object_).encode())
    names = bytearray(object_.bytes_of(object_.rows[object_.names]))
    for section in object_.sections[1:]:
        name = len(names)
        names += (name_of(section.index) if section.loaded else f".n{section.index}").encode()
        names += b"\0"
        row = _meaningless(object_, section, name)
        SHDR.pack_into(data, object_.table + section.index * SHDR.size, *row)
    # A string table of symbols may be that of sections as well: the old bytes come first.
    at = object_.table + object_.names * SHDR.size
    struct.pack_into("<QQ", data, at + 24, len(data), len(names))
    return bytes(data + names)


def symbols_object(symbols: dict[str, int]) -> bytes:
    """An object without contents that defines absolute symbols."""
    strings, table = bytearray(b"\0"), bytearray(SYM.size)
    for name, value in symbols.items():
        table += SYM.pack(len(strings), STB_GLOBAL << 4, 0, SHN_ABS, value, 0)
        strings += name.encode("utf-8", "surrogateescape") + b"\0"
    names = b"\0.symtab\0.strtab\0"
    table_at = EHDR.size
    strings_at = table_at + len(table)
    headers_at = (strings_at + len(strings) + len(names) + 7) // 8 * 8
    header = EHDR.pack(
        b"\x7fELF\2\1\1" + bytes(9), ET_REL, EM_X86_64, 1, 0, 0, headers_at, 0, EHDR.size, 0, 0,
        SHDR.size, 4, 3,
    )  # fmt: skip
    headers = bytes(SHDR.size)
    headers += SHDR.pack(1, SHT_SYMTAB, 0, 0, table_at, len(table), 2, 1, 8, SYM.size)
    headers += SHDR.pack(9, SHT_STRTAB, 0, 0, strings_at, len(strings), 0, 0, 1, 0)
    headers += SHDR.pack(
        9, SHT_STRTAB, 0, 0, strings_at + len(strings), len(names), 0, 0, 1, 0
    )
    body = header + table + strings + names
    return body + bytes(headers_at - len(body)) + headers


def script(sections: dict[int, int], got: int, common: int) -> str:
    """A linker script: each section at its address, then the COMMON symbols and ld's own GOT.

    `. = .` makes ld keep an empty section, and so the address of a symbol in it. The two parts of
    the GOT are sections of their own: ld 2.40 reckons GOT32 and GOT64 wrongly from a .got.plt that
    is not where its section begins.
    """
    lines = ["SECTIONS {"]
    for index, address in sorted(sections.items(), key=lambda item: item[1]):
        name = name_of(index)
        lines.append(f"{name} {address:#x} : {{ *({name}) . = .; }}")
    lines.append(f".got {got:#x} : {{ *(.got) }} .got.plt : {{ *(.got.plt) }}")
    lines.append(f".common {common:#x} : {{ *(COMMON) *(LARGE_COMMON) }}")
    lines.append("/DISCARD/ : { *(.n*) } }")
    return "\n".join(lines)

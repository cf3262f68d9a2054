"""The sites of an object, found by reading its relocations: krtld's rules, once more.

Used by check.py for unix.o and for modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile  # type: ignore[import]
from elftools.elf.relocation import RelocationSection  # type: ignore[import]
from elftools.elf.sections import Section, SymbolTableSection  # type: ignore[import]

from expect import BRANCH, CALL, JMP, RELAXED, Site, mark

FORMS = {CALL: "call", JMP: "jmp"}
R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_GOTPCRELX = 2, 4, 41  # psABI, table 4.10
INDIRECT = {b"\xff\x15": "call", b"\xff\x25": "jmp"}  # through the GOT
SHF_ALLOC, SHF_EXECINSTR = 2, 4
ADDEND = -4  # of a call or jmp: the field ends where the next instruction begins


@dataclass(frozen=True)
class Object:
    """What check.py must know of unix.o or of a module."""

    name: str
    sites: tuple[Site, ...]
    plain: int  # references to stubs that are no sites
    symbols: dict[str, tuple[str, int]]  # those in sections that have sites: section, offset


def _defined(elf: ELFFile) -> dict[str, tuple[str, int]]:
    """Named symbols that are defined once; of a name that several files use locally, none."""
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    found: dict[str, tuple[str, int]] = {}
    twice = set()
    for symbol in table.iter_symbols():
        index = symbol["st_shndx"]
        if symbol.name and isinstance(index, int) and symbol["st_info"]["type"] != "STT_SECTION":
            if symbol.name in found:
                twice.add(symbol.name)
            found[symbol.name] = (elf.get_section(index).name, symbol["st_value"])
    return {name: place for name, place in found.items() if name not in twice}


def _site(section: Section, data: bytes, field: int, name: str, size: int) -> Site:
    start = field - 1
    wide = size > BRANCH and data[field + 4:start + size] == mark(size - BRANCH)
    return Site(section.name, start, FORMS[data[start]], name, size if wide else BRANCH)


def read_object(path: Path, name: str, sizes: dict[str, int]) -> Object:
    """Reads an ET_REL object. sizes: of each hotinline, by name."""
    sites: list[Site] = []
    plain = 0
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = _defined(elf)
        for relocations in elf.iter_sections():
            if not isinstance(relocations, RelocationSection):
                continue
            section = elf.get_section(relocations["sh_info"])
            if not section["sh_flags"] & SHF_ALLOC:
                continue
            data = section.data()
            table = elf.get_section(relocations["sh_link"])
            for relocation in relocations.iter_relocations():
                target = table.get_symbol(relocation["r_info_sym"]).name
                if target not in sizes:
                    continue
                field = relocation["r_offset"]
                if (section["sh_flags"] & SHF_EXECINSTR and relocation["r_addend"] == ADDEND
                        and relocation["r_info_type"] in (R_X86_64_PC32, R_X86_64_PLT32)
                        and field > 0 and data[field - 1] in FORMS):
                    sites.append(_site(section, data, field, target, sizes[target]))
                elif (section["sh_flags"] & SHF_EXECINSTR and relocation["r_addend"] == ADDEND
                        and relocation["r_info_type"] == R_X86_64_GOTPCRELX
                        and data[max(field - 2, 0):field] in INDIRECT):
                    sites.append(Site(section.name, field - 2, INDIRECT[data[field - 2:field]],
                                      target, RELAXED))
                else:
                    plain += 1
        for target, size in sizes.items():
            if target in symbols:
                sites.append(Site(*symbols[target], "stub", target, size + 1))
    return Object(name, tuple(sites), plain, symbols)

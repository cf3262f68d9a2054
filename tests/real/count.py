"""Who refers to a function, according to objdump: an independent count of what krtld has to find.

A relocation line behind an instruction tells what the instruction refers to; the instruction tells
whether that is a call, a jump or something else. Used by compare.py.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from objectfile import ObjectFile, Place, Section

# What krtld calls it, in krtld_form_text() and at the beginning of krtld_plain_text().
CALL, JMP = "call", "jmp"
DATA = "a pointer in data"
TYPE = "not a branch's relocation"
ADDEND = "the addend is not -4"
OPCODE = "neither a direct call (e8) nor a direct jmp (e9)"
FORMS = (CALL, JMP)

PREFIXES = frozenset("cs ds es ss fs gs data16 addr32 bnd notrack rep repz repnz lock".split())
BRANCHES = ("R_X86_64_PC32", "R_X86_64_PLT32")
RELAXABLE = "R_X86_64_GOTPCRELX"
FIELD = 4  # bytes

_TITLE = re.compile(r"(?:Disassembly of section (.*):|RELOCATION RECORDS FOR \[(.*)\]:)$")
_VALUE = re.compile(r"(.*?)(?:([-+])0x([0-9a-f]+))?$")


class Lost(Exception):
    """objdump says something that this reader does not understand; the message says what."""


@dataclass(frozen=True)
class Reference:
    """A reference to one of the functions."""

    name: str
    kind: str  # one of those above
    type: str  # of the relocation
    shown: str  # the instruction, or ""


def _objdump(path: Path, *options: str) -> Iterator[str]:
    command = ["objdump", "-w", *options, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode:
        raise Lost(f"{' '.join(command)}: status {process.returncode}")


def _sections(lines: Iterator[str], sections: list[Section]) -> Iterator[tuple[Section, str]]:
    """Each line with its section. Names may occur twice: the order tells them apart."""
    rest = iter(sections)
    section: Section | None = None
    for line in lines:
        if line[0] in "DR" and (title := _TITLE.match(line)):
            name = title[1] or title[2]
            section = next(rest, None)
            while section and section.name != name:
                section = next(rest, None)
            if not section:
                raise Lost(f"a section {name} out of order")
        elif section:
            yield section, line


def _value(text: str) -> tuple[str, int]:
    """`memcpy-0x4`: the name, and the addend as it is stored."""
    found = _VALUE.match(text)
    assert found
    addend = int(found[3] or "0", 16)
    return found[1], -addend if found[2] == "-" else addend


def _kind(shown: str, end: int, field: int, type_: str, addend: int) -> str:
    words = shown.split()
    while words and (words[0] in PREFIXES or words[0].startswith("rex")):
        words.pop(0)
    if type_ == RELAXABLE and len(words) > 1 and words[0] in FORMS and words[1][0] == "*":
        # Of a REX the psABI has another type; the bytes are the instruction's last six.
        return words[0] if addend == -FIELD and field + FIELD == end else ADDEND
    if type_ not in BRANCHES:
        return TYPE
    if addend != -FIELD:
        return ADDEND
    if len(words) > 1 and words[0] in FORMS and words[1][0] != "*" and field + FIELD == end:
        return words[0]
    return OPCODE


def _code(file: ObjectFile, names: Container[str]) -> Iterator[tuple[Place, Reference]]:
    """References in executable sections. With -w, an instruction is one line: address, bytes,
    text, and for each of its relocations `offset: type` and the value, between tabs."""
    for section, line in _sections(_objdump(file.path, "-dr"), file.disassembled()):
        if "R_X86_64_" not in line:
            continue
        words = line.strip("\n").split("\t")
        first = next((i for i, w in enumerate(words) if "R_X86_64_" in w), 0)
        for where, value in zip(words[first::2], words[first + 1 :: 2]):
            name, addend = _value(value)
            if name not in names:
                continue
            if first < 3:
                raise Lost(f"{section.name}: a relocation behind no instruction: {line.strip()}")
            field, type_ = where.strip().split(": ")
            end = int(words[0].strip(" :"), 16) + len(words[1].split())
            kind = _kind(words[2], end, int(field, 16), type_, addend)
            yield (
                Place(section.index, int(field, 16)),
                Reference(name, kind, type_, words[2].strip()),
            )


def _listed(file: ObjectFile, names: Container[str]) -> Iterator[tuple[Place, str, str, Section]]:
    """All relocations of loaded sections against the names, as objdump -r lists them."""
    for section, line in _sections(_objdump(file.path, "-r"), file.relocated()):
        words = line.split()
        if len(words) == 3 and words[1].startswith("R_X86_64_") and section.loaded:
            name = _value(words[2])[0]
            if name in names:
                yield Place(section.index, int(words[0], 16)), name, words[1], section


def count(file: ObjectFile, names: Container[str]) -> dict[Place, Reference]:
    """Every reference to the names in what is loaded of the object."""
    found = dict(_code(file, names))
    for place, name, type_, section in _listed(file, names):
        if not section.executable:
            found[place] = Reference(name, DATA, type_, "")
        elif place not in found:
            raise Lost(f"{section.name}+0x{place.offset:x}: listed, but not in the disassembly")
    return found

"""What GNU ld makes of an object at a layout: bytes of sections, its GOT, or what it refuses.

Used by check.py.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from elf import SHN_COMMON, File, NotAnObject, Object
from layout import GOT, Layout
from neutral import name_of, neutral_copy, script, symbols_object, version_mark

OPTIONS = [
    "-static", "-N", "--no-relax", "-e", "0", "-z", "noexecstack", "--no-check-sections",
    "--no-warn-rwx-segments", "--no-demangle", "--build-id=none", "--no-eh-frame-hdr",
    "--no-ld-generated-unwind-info", "--no-warn-mismatch",
]  # fmt: skip

PLACE = r"\(\.s(\d+)\+0x([0-9a-f]+)\): "
OVERFLOW = re.compile(
    PLACE + r"relocation truncated to fit: (R_X86_64_\w+) against (?:(?:undefined )?symbol )?"
    r"`(.*?)'(?: defined in .*)?$",
    re.M,
)
UNDEFINED = re.compile(PLACE + r"undefined reference to `(.*)'$", re.M)
SECTION = re.compile(r"\.s(\d+)$")


@dataclass(frozen=True)
class Place:
    """What a refusal names; the type is empty where there is nothing but a name to refuse."""

    section: str
    offset: int
    symbol: str
    type: str = ""

    def __str__(self) -> str:
        kind = f"{self.type} against " if self.type else ""
        return f"{self.section}+{self.offset:#x}: {kind}`{self.symbol}'"


@dataclass
class Linked:
    """What ld did."""

    ok: bool
    message: str = ""
    sections: dict[int, bytes] = field(default_factory=dict)
    commons: dict[str, int] = field(default_factory=dict)
    got_address: int = 0  # of its section
    got: bytes = b""
    got_symbol: int | None = None  # value of _GLOBAL_OFFSET_TABLE_
    overflows: list[tuple[int, Place]] = field(default_factory=list)  # section's index, place
    undefined: list[Place] = field(default_factory=list)


def _symbol(object_: Object, name: str) -> str:
    """What ld calls a symbol, as the object calls it."""
    if found := SECTION.match(name):
        return object_.sections[int(found[1])].name
    return "" if name in ("*UND*", "no symbol") else name.replace(version_mark(object_), "@")


def _refusals(object_: Object, message: str) -> Linked:
    linked = Linked(False, message)
    for index, offset, kind, name in OVERFLOW.findall(message):
        section = object_.sections[int(index)]
        place = Place(section.name, int(offset, 16), _symbol(object_, name), kind)
        linked.overflows.append((section.index, place))
    for index, offset, name in UNDEFINED.findall(message):
        section = object_.sections[int(index)]
        linked.undefined.append(Place(section.name, int(offset, 16), _symbol(object_, name)))
    return linked


def _read(object_: Object, layout: Layout, output: Path, message: str) -> Linked:
    file = File(output.read_bytes())
    linked = Linked(True, message)
    wanted = {name_of(index): index for index in layout.sections}
    for section in file.sections:
        address = file.rows[section.index][3]
        if section.name in wanted:
            index = wanted[section.name]
            if address != layout.sections[index]:
                raise NotAnObject(f"ld put section {index} at {address:#x}, not at its address")
            linked.sections[index] = file.contents(section)
        elif section.name == ".got":
            linked.got_address, linked.got = address, file.contents(section)
    commons = {s.name for s in object_.symbols if s.section == SHN_COMMON}
    for symbol in file.symbols:
        name = symbol.name.replace(version_mark(object_), "@")
        if name == GOT:
            linked.got_symbol = symbol.value
        elif name in commons:
            linked.commons[name] = symbol.value
    return linked


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, errors="surrogateescape"
    )


def link(object_: Object, layout: Layout, folder: Path, program: str = "ld") -> Linked:
    """Runs ld in a folder of one's own."""
    (folder / "neutral.o").write_bytes(neutral_copy(object_))
    mark = version_mark(object_)
    symbols = {name.replace("@", mark): value for name, value in layout.symbols.items()}
    (folder / "symbols.o").write_bytes(symbols_object(symbols))
    (folder / "script").write_text(script(layout.sections, layout.got, layout.common))
    output = folder / "linked"
    command = [program, *OPTIONS, "-T", "script", "-o", "linked", "neutral.o", "symbols.o"]
    done = _run(command, folder)
    if done.returncode == 0 and output.exists():
        return _read(object_, layout, output, done.stderr)
    if "additional relocation overflows omitted" in done.stderr:  # --verbose omits none
        done = _run([*command, "--verbose"], folder)
    return _refusals(object_, done.stderr)

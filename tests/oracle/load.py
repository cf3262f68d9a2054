"""What krtld makes of an object at a layout, by its host tool. Used by check.py."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from elf import SHT_NOBITS, Object
from layout import GOT, Layout
from link import Linked, Place

OVERFLOW = re.compile(
    r"(.*)\+0x([0-9a-f]+): (R_X86_64_\w+) (?:against `(.*)' )?overflows, the value 0x"
    r"([0-9a-f]+) "
)
UNDEFINED = re.compile(r"(.*)\+0x([0-9a-f]+): symbol `(.*)' is undefined, ")
DUMP = re.compile(r"sec(\d+)\.bin$")
GOT_DUMP = re.compile(r"got([0-9a-f]+)\.bin$")


class Broken(Exception):
    """krtld ended in another way than loading or refusing."""


@dataclass
class Loaded:
    """What krtld did."""

    ok: bool
    message: str = ""
    sections: dict[int, bytes] = field(default_factory=dict)
    zeros: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # NOBITS: how many bytes,
    # and where the first is that is not 0
    got_address: int = 0  # of its first slot
    got: bytes = b""
    overflows: list[Place] = field(default_factory=list)
    value: int = 0  # what did not fit, signed
    undefined: list[Place] = field(default_factory=list)


def _refusals(message: str, path: Path) -> Loaded:
    loaded = Loaded(False, message)
    for line in message.split("\n"):
        line = line.removeprefix(f"krtld: {path}: ")
        if found := OVERFLOW.match(line):
            place = Place(found[1], int(found[2], 16), found[4] or "", found[3])
            loaded.overflows.append(place)
            loaded.value = (int(found[5], 16) + 2**63) % 2**64 - 2**63
        elif found := UNDEFINED.match(line):
            loaded.undefined.append(Place(found[1], int(found[2], 16), found[3]))
    return loaded


def _first_nonzero(path: Path) -> int | None:
    """Holes in the file are not read: there may be gigabytes of them."""
    with path.open("rb") as file:
        at = 0
        while True:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return None
            file.seek(at)
            chunk = file.read(1 << 20)
            if rest := chunk.lstrip(b"\0"):
                return at + len(chunk) - len(rest)
            at += len(chunk)


def _read(folder: Path, nobits: set[int]) -> Loaded:
    loaded = Loaded(True)
    for path in folder.iterdir():
        if found := DUMP.match(path.name):
            index = int(found[1])
            if index in nobits:
                loaded.zeros[index] = path.stat().st_size, _first_nonzero(path)
            else:
                loaded.sections[index] = path.read_bytes()
        elif found := GOT_DUMP.match(path.name):
            loaded.got_address, loaded.got = int(found[1], 16), path.read_bytes()
    return loaded


def _visible_copy(object_: Object, folder: Path) -> Path:
    """The object with its hidden COMMON symbols visible: no layout can place the others."""
    data = bytearray(object_.data)
    for symbol in object_.hidden_commons:
        data[symbol.row + 5] &= ~3  # st_other
    path = folder / "visible.o"
    path.write_bytes(data)
    return path


def load(
    path: Path, layout: Layout, linked: Linked, folder: Path, program: Path,
    object_: Object | None = None,
) -> Loaded:
    """Runs krtld at the layout, with COMMON symbols and the GOT where ld has them. Where krtld itself
    decides where COMMON symbols go, since they are hidden, the bytes are those of a copy in which they
    are not; but krtld must load the object itself, too."""
    if object_ and object_.hidden_commons:
        alone = load(path, layout, linked, folder / "hidden", program)
        if not alone.ok:
            return alone
        path = _visible_copy(object_, folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = layout.text()
    text += "".join(f"symbol {value:x} {name}\n" for name, value in linked.commons.items())
    if linked.got_symbol is not None:
        text += f"symbol {linked.got_symbol:x} {GOT}\n"
    (folder / "layout").write_text(text, errors="surrogateescape")
    command: list[str | Path] = [program, "--layout", folder / "layout"]
    command += ["--dump", folder / "dump", path]
    done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape")
    if done.returncode not in (0, 2):
        raise Broken(f"{program} ended with status {done.returncode}: {done.stderr.strip()}")
    if done.returncode != 0:
        return _refusals(done.stderr, path)
    nobits = {s.index for s in object_.loaded if s.type == SHT_NOBITS} if object_ else set()
    return _read(folder / "dump", nobits)

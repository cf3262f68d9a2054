"""What the guest says of itself, as data: the outputs of its commands, parsed.

Used by check.py, run.py and tests/qemu. The commands are those of kernel/prompt.c; their columns
are separated by tabs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from machine import Machine


@dataclass(frozen=True)
class GuestSite:
    """A line of `hotinlines`."""

    address: int
    name: str  # module:symbol+0xoffset
    form: str
    hotinline: str
    when: str
    alternative: str
    before: bytes
    now: bytes

    @property
    def module(self) -> str:
        """The module it is in."""
        return self.name.partition(":")[0]


@dataclass(frozen=True)
class Listing:
    """All that `hotinlines` prints."""

    sites: tuple[GuestSite, ...]
    references: tuple[tuple[str, str, str], ...]  # name, hotinline, reason
    counts: dict[str, tuple[int, int]]  # by module: sites and plain references, as it says itself
    text: str


@dataclass(frozen=True)
class Symbol:
    """A line of `sym`."""

    address: int
    name: str
    size: int


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.split("\t")]


def features(machine: Machine) -> dict[str, tuple[bool, str, str]]:
    """By name: whether the guest has it, how it is declared, who decided."""
    rows = (_columns(line) for line in machine.command("features").splitlines())
    return {row[0]: (row[1] == "yes", row[2], row[3]) for row in rows if len(row) == 4}


def hotinlines(machine: Machine, arguments: str = "") -> Listing:
    """The sites of all modules, or of those that the arguments select."""
    text = machine.command(f"hotinlines {arguments}".strip())
    sites: list[GuestSite] = []
    references: list[tuple[str, str, str]] = []
    counts: dict[str, tuple[int, int]] = {}
    for line in text.splitlines():
        row = _columns(line)
        if len(row) == 8:
            sites.append(GuestSite(int(row[0], 16), row[1], row[2], row[3], row[4], row[5],
                                   bytes.fromhex(row[6]), bytes.fromhex(row[7])))
        elif len(row) == 5:
            references.append((row[1], row[3], row[4]))
        elif found := re.match(r"(\S+): (\d+) sites, (\d+) plain references", line):
            counts[found[1]] = int(found[2]), int(found[3])
    return Listing(tuple(sites), tuple(references), counts, text)


def symbols(machine: Machine, names: list[str]) -> dict[str, Symbol]:
    """Looks names or addresses up, a few at a time; what the guest does not know is left out."""
    found: dict[str, Symbol] = {}
    for start in range(0, len(names), 4):
        few = names[start:start + 4]
        rows = (_columns(line) for line in machine.command("sym " + " ".join(few)).splitlines())
        known = [Symbol(int(row[0], 16), row[1], int(row[2])) for row in rows if len(row) == 3]
        if len(known) == len(few):
            found.update(zip(few, known))
    return found


def dump(machine: Machine, address: int, size: int) -> bytes:
    """Guest memory, as `dump` prints it."""
    text = machine.command(f"dump {address:#x} {size}")
    data = b""
    for line in text.splitlines():
        if found := re.match(r"[0-9a-f]{16}  ((?:[0-9a-f]{2} ?)+)", line):
            data += bytes.fromhex(found[1])
    if len(data) != size:
        raise ValueError(f"dump {address:#x} {size}: {text.strip()}")
    return data


def loaded_modules(machine: Machine) -> list[str]:
    """Names of the loaded modules, unix first."""
    table = machine.command("modinfo").partition("in the archive:")[0]
    return [line.split()[0] for line in table.splitlines()[1:]]


def archive_modules(machine: Machine) -> list[str]:
    """Names of the modules in the boot archive."""
    found = re.search(r"in the archive:(.*)", machine.command("modinfo"))
    return found[1].split() if found else []


def free_pages(machine: Machine) -> int:
    """How many pages of memory are free."""
    found = re.search(r"free pages: (\d+)", machine.command("modinfo"))
    if not found:
        raise ValueError("modinfo does not tell the free pages")
    return int(found[1])

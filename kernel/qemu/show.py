"""Functions of the guest, before and after: disassembled from bytes that the guest reports.

Used by run.py. A site is shown as two groups of lines, like a difference: `-` as it was relocated,
`+` as it is now. Of a long function only what is near a site is shown.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import Iterator

import capstone  # type: ignore[import]

import guest
from guest import GuestSite
from machine import Machine

NEAR = 2  # instructions shown on each side of a site
FUNCTION_MAX = 4096  # bytes; a symbol without a size ends at its last site
NOTE = 64  # column of what is said about a site
RED, GREEN, BOLD, DIM = "31", "32", "1", "2"


def colour(text: str, code: str) -> str:
    """text in that colour, on a terminal that wants colours (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


@dataclass(frozen=True)
class Place:
    """What the lines of a function are relative to."""

    start: int
    names: dict[int, str]  # of branch targets


@dataclass(frozen=True)
class Function:
    """A function that has sites."""

    name: str  # module:symbol
    address: int
    size: int
    sites: tuple[GuestSite, ...]

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """What it is an example of: module and hotinline, for each of its sites."""
        return {(site.module, site.hotinline) for site in self.sites}


def functions(machine: Machine, sites: tuple[GuestSite, ...]) -> list[Function]:
    """All functions that have sites other than the stubs' own, by address."""
    by_start: dict[tuple[int, str], list[GuestSite]] = {}
    for site in sites:
        name, _, offset = site.name.partition("+")
        if site.form != "stub":
            by_start.setdefault((site.address - int(offset or "0", 16), name), []).append(site)
    sizes = guest.symbols(machine, [f"{start:#x}" for start, _ in by_start])
    found = []
    for (start, name), own in sorted(by_start.items()):
        end = max(site.address + len(site.now) for site in own)
        size = sizes[f"{start:#x}"].size
        found.append(Function(name, start, size if size >= end - start else end - start,
                              tuple(own)))
    return found


def choose_functions(candidates: list[Function], windows: set[str]) -> list[Function]:
    """Small functions in which every hotinline is seen at work; and, in each module that has any,
    those that open and close windows."""
    pairs = sorted({pair for function in candidates for pair in function.pairs})
    wanted = [(module, name) for module, name in pairs if name in windows]
    wanted += [("", name) for name in sorted({name for _, name in pairs} - windows)]
    chosen: list[Function] = []
    for module, name in wanted:
        examples = [function for function in candidates
                    if any(name == other and module in ("", where)
                           for where, other in function.pairs)]
        if not any(function in chosen for function in examples):
            chosen.append(min(examples, key=lambda function: function.size))
    return sorted(chosen, key=candidates.index)


def _disassemble(code: bytes, address: int) -> Iterator[tuple[int, bytes, str]]:
    """Address, bytes and text of each instruction; what is none is shown as db."""
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.skipdata = True
    for one in engine.disasm(code, address):
        text = f"{one.mnemonic} {one.op_str}".strip().replace(".byte", "db").replace(" ptr [", " [")
        if one.mnemonic == "nop":
            text = "nop" if one.size == 1 else f"nop{one.size}"
        elif one.mnemonic.startswith("rep "):
            text = one.mnemonic
        yield one.address, bytes(one.bytes), text


def _target(text: str) -> int | None:
    """Where a direct branch goes."""
    found = re.fullmatch(r"(?:call|j\w+) (0x[0-9a-f]+)", text)
    return int(found[1], 16) if found else None


def _lines(code: bytes, address: int, sign: str, place: Place) -> list[str]:
    lines = []
    for at, data, text in _disassemble(code, address):
        target = _target(text)
        if target in place.names:
            text = f"{text.split()[0]} {place.names[target]}"
        lines.append(f"  {sign} +{at - place.start:<5x} {data.hex(' '):<24} {text}")
    return lines


def _pieces(function: Function, code: bytes) -> Iterator[tuple[bytes, int, GuestSite | None]]:
    """The function cut at its sites: bytes, address, and the site if it is one."""
    at = 0
    for site in function.sites:
        start = site.address - function.address
        yield code[at:start], function.address + at, None
        yield code[start:start + len(site.now)], site.address, site
        at = start + len(site.now)
    yield code[at:], function.address + at, None


def _near(lines: list[str], first: bool, last: bool) -> list[str]:
    """The lines of a piece between sites that are near one."""
    head = [] if first else lines[:NEAR]
    rest = lines[len(head):]
    tail = [] if last else rest[-NEAR:]
    left_out = len(rest) - len(tail)
    return head + ([colour(f"        … {left_out} more", DIM)] if left_out else []) + tail


def _site_lines(site: GuestSite, place: Place) -> list[str]:
    """A site before, with its hotinline, and now, with the choice that was made."""
    old = _lines(site.before, site.address, "-", place)
    new = _lines(site.now, site.address, "+", place)
    why = "the baseline" if site.when == "-" else site.when
    kept = f", which does not fit: still a {site.form}" if site.before == site.now else ""
    old[0] = f"{old[0]:<{NOTE}} {site.hotinline}"
    new[0] = f"{new[0]:<{NOTE}} {site.alternative} ({why}){kept}"
    return [colour(line, RED) for line in old] + [colour(line, GREEN) for line in new]


def show(machine: Machine, function: Function) -> list[str]:
    """A function before and after, in lines of text."""
    code = guest.dump(machine, function.address, min(function.size, FUNCTION_MAX))
    pieces = list(_pieces(function, code))
    place = Place(function.address, _names(machine, pieces))
    lines = [colour(f"{function.name}, {function.size} bytes at {function.address:x}", BOLD)]
    for number, (data, address, site) in enumerate(pieces):
        if site:
            lines += _site_lines(site, place)
        else:
            lines += _near(_lines(data, address, " ", place), number == 0,
                           number == len(pieces) - 1)
    return lines


def _names(machine: Machine, pieces: list[tuple[bytes, int, GuestSite | None]]) -> dict[int, str]:
    """Names of what these pieces branch to, before and now."""
    targets = {target for data, address, site in pieces
               for code in ((site.before, site.now) if site else (data,))
               for _, _, text in _disassemble(code, address)
               if (target := _target(text)) is not None}
    found = guest.symbols(machine, [f"{target:#x}" for target in sorted(targets)])
    return {symbol.address: symbol.name.partition(":")[2].removesuffix("+0x0")
            for symbol in found.values()}

"""The patch table: everything gets its index, conditions become programs, code one array."""

from __future__ import annotations

import json
from _blake2 import blake2b  # type: ignore[import]  # as hashlib has it, without OpenSSL
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import logic
from .model import Feature, Options

if TYPE_CHECKING:
    from .part import Part

ALWAYS = 0xFFFFFFFF  # HOT_ALWAYS
NONE = 0xFFFF  # HOT_NONE
ENDBR64 = bytes.fromhex("f30f1efa")
LAYOUT = int.from_bytes(b"HOTTABL1", "little")  # HOT_LAYOUT in alternatives/hotinline.h

Program = tuple[str | int, ...]  # logic.postfix's, with features by their name


@dataclass(slots=True)
class Table:
    features: list[Feature]  # derived ones after what they use
    parts: list[Part]  # of hotinlines, by name
    rows: list[list[tuple[int, int, int]]] = field(default_factory=list)  # condition, code, fixups
    first_rows: list[int] = field(default_factory=list)
    conditions: list[Program] = field(default_factory=list)  # without their end
    nconditions: int = 0  # words of them all
    derived: dict[str, int] = field(default_factory=dict)  # a feature's index into conditions
    code: bytearray = field(default_factory=bytearray)
    fixups: list[tuple[int, str, int]] = field(default_factory=list)  # offset, symbol, addend
    symbols: list[str] = field(default_factory=list)
    entry: int = 0  # bytes from a stub's symbol to its site; 4 where endbr64 is first
    return_thunk: int = NONE  # index of the symbol that a return jumps to
    fingerprint: int = 0


def order(features: list[Feature]) -> list[Feature]:
    """By name, but each derived feature after everything that it uses."""
    by_name = {feature.name: feature for feature in features}
    level: dict[str, int] = {}
    pending = sorted(by_name)
    while pending:
        name = pending[-1]
        condition = by_name[name].condition
        below = logic.names(condition.tree) if condition else set()
        missing = sorted(below - level.keys())
        if missing:
            pending += missing
            continue
        level[name] = 1 + max((level[n] for n in below), default=-1)
        pending.pop()
    return sorted(features, key=lambda feature: (level[feature.name], feature.name))


class _Builder:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.programs: dict[Program, int] = {}
        self.codes: dict[bytes, int] = {}

    def condition(self, program: Program) -> int:
        if program not in self.programs:
            self.programs[program] = self.table.nconditions
            self.table.conditions.append(program)
            self.table.nconditions += len(program) + 1
        return self.programs[program]

    def code(self, code: bytes) -> int:
        if code not in self.codes:
            self.codes[code] = len(self.table.code)
            self.table.code += code
        return self.codes[code]

    def rows(self, part: Part) -> list[tuple[int, int, int]]:
        rows = []
        for row in part.rows:
            condition = self.condition(row.program) if row.program else ALWAYS
            fixups = len(self.table.fixups) if row.fixups else 0
            rows.append((condition, self.code(row.code), fixups))
            self.table.fixups += row.fixups
        return rows


def build(features: list[Feature], parts: list[Part], options: Options) -> Table:
    """Of declarations that have been found right; the parts are sorted by name."""
    table = Table(order(features), parts)
    builder = _Builder(table)
    for feature in table.features:
        if feature.condition:
            program = tuple(logic.postfix(feature.condition.tree, str))
            table.derived[feature.name] = builder.condition(program)
    count = 0
    for part in parts:
        table.first_rows.append(count)
        table.rows.append(builder.rows(part))
        count += len(part.rows)
    thunk = {options.return_thunk} if options.return_thunk else set()
    table.symbols = sorted({symbol for _, symbol, _ in table.fixups} | thunk)
    if options.return_thunk:
        table.return_thunk = table.symbols.index(options.return_thunk)
    table.entry = len(ENDBR64) if options.ibt else 0
    table.fingerprint = _fingerprint(table)
    return table


def _fingerprint(table: Table) -> int:
    """64 bits that change with anything an image depends on, and with nothing else."""
    canonical = [json.dumps([LAYOUT, table.entry, *table.symbols[table.return_thunk :][:1]])]
    canonical += [json.dumps([f.name, f.kind, f.source]) for f in table.features]
    canonical += [part.canonical for part in table.parts]
    text = f"[{', '.join(canonical)}]".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")

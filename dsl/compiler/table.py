"""The patch table: everything gets its index, conditions become programs, code one array."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from . import logic
from .model import Alternative, Declarations, Feature, Fixup, Hotinline, Options

ALWAYS = 0xFFFFFFFF  # HOT_ALWAYS
NONE = 0xFFFF  # HOT_NONE
ENDBR64 = bytes.fromhex("f30f1efa")
LAYOUT = int.from_bytes(b"HOTTABL1", "little")  # HOT_LAYOUT in alternatives/hotinline.h


@dataclass(slots=True)
class Row:
    """An alternative's row of the table."""

    alternative: Alternative
    condition: int
    code: int
    fixups: int


@dataclass(slots=True)
class Table:
    features: list[Feature]  # derived ones after what they use
    hotinlines: list[Hotinline]  # by name
    rows: list[list[Row]] = field(default_factory=list)  # of each hotinline
    first_rows: list[int] = field(default_factory=list)
    conditions: list[int] = field(default_factory=list)
    derived: dict[str, int] = field(default_factory=dict)  # a feature's index into conditions
    code: bytearray = field(default_factory=bytearray)
    fixups: list[Fixup] = field(default_factory=list)
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
        self.index = {feature.name: i for i, feature in enumerate(table.features)}
        self.programs: dict[tuple[int, ...], int] = {}
        self.codes: dict[bytes, int] = {}

    def condition(self, tree: logic.Tree) -> int:
        program = (*logic.postfix(tree, self.index.__getitem__), logic.OP_END)
        if program not in self.programs:
            self.programs[program] = len(self.table.conditions)
            self.table.conditions += program
        return self.programs[program]

    def code(self, code: bytes) -> int:
        if code not in self.codes:
            self.codes[code] = len(self.table.code)
            self.table.code += code
        return self.codes[code]

    def row(self, alternative: Alternative) -> Row:
        condition = alternative.condition
        row = Row(
            alternative,
            self.condition(condition.tree) if condition else ALWAYS,
            self.code(alternative.code),
            len(self.table.fixups),
        )
        self.table.fixups += alternative.fixups
        return row


def build(declarations: Declarations, options: Options) -> Table:
    """Of declarations that have been found right."""
    hotinlines = sorted(declarations.hotinlines, key=lambda hotinline: hotinline.name)
    table = Table(order(declarations.features), hotinlines)
    builder = _Builder(table)
    for feature in table.features:
        if feature.condition:
            table.derived[feature.name] = builder.condition(feature.condition.tree)
    count = 0
    for hotinline in hotinlines:
        table.first_rows.append(count)
        table.rows.append([builder.row(alternative) for alternative in hotinline.alternatives])
        count += len(hotinline.alternatives)
    thunk = {options.return_thunk} if options.return_thunk else set()
    table.symbols = sorted({fixup.symbol for fixup in table.fixups} | thunk)
    if options.return_thunk:
        table.return_thunk = table.symbols.index(options.return_thunk)
    table.entry = len(ENDBR64) if options.ibt else 0
    table.fingerprint = _fingerprint(table)
    return table


def _fingerprint(table: Table) -> int:
    """64 bits that change with anything an image depends on, and with nothing else."""
    canonical: list[Any] = [[LAYOUT, table.entry, *table.symbols[table.return_thunk :][:1]]]
    canonical += [[f.name, f.kind, f.source] for f in table.features]
    for hotinline in table.hotinlines:
        values = [*hotinline.parameters, *([hotinline.result] if hotinline.result else [])]
        canonical.append([hotinline.name, hotinline.size, hotinline.pure])
        canonical.append([[v.type, v.const, v.pointer, *v.registers] for v in values])
        canonical.append(sorted(word.text for word in hotinline.clobbers))
        for alternative in hotinline.alternatives:
            fixups = [[f.offset, f.symbol, f.addend] for f in alternative.fixups]
            canonical.append(
                [alternative.when, alternative.code.hex(), fixups, alternative.tail]
            )
    text = json.dumps(canonical, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")

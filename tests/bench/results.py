"""What the benchmark programs measured: reading their lines, medians, sums, ratios and targets.

Used by run.py, which runs them, report.py, which prints tables, and plot.py.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Result:
    """A row: of one case (an object, a number of declarations), who, and a value a repetition."""

    group: str
    case: str
    what: str
    unit: str
    values: list[float]
    n: int = 0  # things that a value is about: relocations, sites, declarations; 0: says nothing
    note: str = ""

    @property
    def median(self) -> float:
        """Of the repetitions."""
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between which the middle half of the repetitions lies."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Target:
    """`what` is to be at most `times` the sum of the rows `of`, in each case."""

    group: str
    what: str
    times: float
    of: tuple[str, ...]


STORES = "floor: stores"
READ = "floor: object read once"

# What the ratios of a group relate to; of the others, to the first row of the case.
REFERENCES = {"relocation": STORES, "boot": "all of boot to the prompt"}
PLAIN = "plain loop"
COLD_PLAIN = "cold: plain loop"
TARGETS = (Target("relocation", "krtld: relocation proper", 1.0, (PLAIN,)),
           Target("relocation", "cold: relocation proper", 0.95, (COLD_PLAIN,)),
           Target("relocation", "krtld: whole load", 2.2, (STORES, READ)),
           Target("relocation", "cold: whole load", 3.0, (COLD_PLAIN,)),
           Target("patching", "hotinline: plan + commit + verify", 0.6,
                  ("section table: each instruction decoded",)))


@dataclass
class Results:
    """All rows, and who could not be measured and why."""

    rows: list[Result] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add_line(self, line: str) -> bool:
        """Takes a line that a program printed; false if it is none of ours."""
        try:
            said: Any = json.loads(line)
            if "missing" in said:
                self.missing.append(f"{said['group']}: {said['what']}: {said['missing']}")
            else:
                row = Result(**said)
                if not row.values or any(isinstance(value, str) for value in row.values):
                    return False
                self.rows.append(row)
        except (ValueError, TypeError, KeyError):
            return False
        return True

    def groups(self) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(row.group for row in self.rows))

    def cases(self, group: str) -> list[str]:
        """Those of a group, likewise."""
        return list(dict.fromkeys(row.case for row in self.rows if row.group == group))

    def of(self, group: str, case: str) -> list[Result]:
        """The rows of a case."""
        return [row for row in self.rows if (row.group, row.case) == (group, case)]

    def find(self, group: str, case: str, what: str) -> Result | None:
        """One row."""
        return next((row for row in self.of(group, case) if row.what == what), None)

    def reference(self, row: Result) -> Result:
        """What a row's ratio relates to."""
        rows = self.of(row.group, row.case)
        wanted = REFERENCES.get(row.group)
        return next((other for other in rows if other.what == wanted), rows[0])

    def ratio(self, row: Result) -> float | None:
        """Of the medians; none where the units differ."""
        base = self.reference(row)
        if base.unit != row.unit or not base.median:
            return None
        return row.median / base.median

    def over(self, target: Target, case: str) -> float | None:
        """How often the target's sum the row is; none where one of them was not measured."""
        row = self.find(target.group, case, target.what)
        parts = [self.find(target.group, case, what) for what in target.of]
        total = sum(part.median for part in parts if part)
        return row.median / total if row and all(parts) and total else None

    def merge(self, group: str, cases: Iterable[str], name: str) -> list[Result]:
        """One case out of several: each value is that of all of them, by their share of n."""
        rows = [row for case in cases for row in self.of(group, case)]
        count = len({row.case for row in rows})
        merged = []
        for what in dict.fromkeys(row.what for row in rows):
            same = [row for row in rows if row.what == what]
            n = sum(row.n for row in same)
            repetitions = min(len(row.values) for row in same)
            values = [sum(row.values[i] * row.n for row in same) / n for i in range(repetitions)]
            notes = {row.note for row in same}
            note = notes.pop() if len(notes) == 1 else ""
            if len(same) < count:
                note = f"{len(same)} of {count}; {note}".rstrip("; ")
            merged.append(Result(group, name, what, same[0].unit, values, n, note))
        return merged

    def as_json(self) -> list[dict[str, Any]]:
        """Every row with all its values."""
        return [asdict(row) for row in self.rows]

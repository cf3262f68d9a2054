"""The report on the corpus: what was compared, what was refused and why, what differs. Text for
people, JSON for programs. Used by corpus.py.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from check import DIFFERS, IDENTICAL, Tools, Verdict
from elf import type_name
from packages import Packages


@dataclass
class Part:
    """One part of the corpus, or all of it."""

    objects: int = 0
    identical: int = 0
    differs: int = 0
    sections: int = 0  # these five are of identical objects
    bytes: int = 0
    relocations: int = 0
    slots: int = 0
    rewritten: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)

    def content(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def add(self, verdict: Verdict) -> None:
        self.objects += 1
        if verdict.status == IDENTICAL:
            self.identical += 1
            self.sections += verdict.sections
            self.bytes += verdict.bytes
            self.relocations += verdict.relocations
            self.slots += verdict.slots
            self.rewritten += verdict.rewritten
        elif verdict.status == DIFFERS:
            self.differs += 1
        else:
            self.refused[verdict.reason] += 1


@dataclass
class Difference:
    """An object that the two treat differently, and the command that shows it."""

    object: str
    command: str
    what: str


def version(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "not there"
    return (done.stdout.splitlines() or ["silent"])[0]


class Report:
    """Collects verdicts."""

    def __init__(self, packages: Packages, tools: Tools) -> None:
        self.packages = packages
        self.total = Part()
        self.parts: dict[str, Part] = {}
        self.types: Counter[int] = Counter()
        self.differences: list[Difference] = []
        programs = [tools.ld, "gcc", "clang", "nasm"]
        self.programs = {name: version(name, "--version") for name in programs}

    def add(self, part: str, path: str, command: str, verdict: Verdict) -> None:
        self.total.add(verdict)
        self.parts.setdefault(part, Part()).add(verdict)
        if verdict.status == IDENTICAL:
            self.types.update(verdict.types)
        elif verdict.status == DIFFERS:
            self.differences.append(Difference(path, command, verdict.reason))

    def text(self) -> str:
        self.total.seconds = round(sum(part.seconds for part in self.parts.values()), 1)
        lines = ["GNU ld and krtld on the corpus", ""]
        lines += [f"  {line}" for line in self.programs.values()]
        lines += [f"  {name} {number}" for name, number in sorted(self.packages.versions.items())]
        lines += ["", *self._table(), "", "Refused"]
        lines += [
            f"  {count:>8,}  {reason}" for reason, count in self.total.refused.most_common()
        ] or ["         none"]
        lines += ["", "Relocations of identical objects, by type"]
        lines += [f"  {count:>9,}  {type_name(kind)}" for kind, count in self.types.most_common()]
        lines += [
            f"  {self.total.slots:>9,}  of them lead to a slot of the GOT that holds the symbol's"
            " value, in both",
            f"  {self.total.rewritten:>9,}  of those are of undefined weak symbols, where ld"
            " rewrote the instruction",
            "",
            f"Differences: {len(self.differences)}",
        ]
        for difference in self.differences:
            lines += [f"  {difference.object}: {difference.what}", f"    {difference.command}"]
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        rows = ["  part         objects identical  refused differ  relocations        bytes      s"]
        for name, part in [*self.parts.items(), ("all", self.total)]:
            rows.append(
                f"  {name:<12} {part.objects:>7,} {part.identical:>9,}"
                f" {sum(part.refused.values()):>8,} {part.differs:>6,}"
                f" {part.relocations:>12,} {part.bytes:>12,} {part.seconds:>6.0f}"
            )
        return rows

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.txt").write_text(self.text())
        content = {
            "programs": self.programs,
            "packages": self.packages.versions,
            "total": self.total.content(),
            "parts": {name: part.content() for name, part in self.parts.items()},
            "types": {type_name(kind): count for kind, count in self.types.most_common()},
            "differences": [asdict(difference) for difference in self.differences],
        }
        (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")

"""The table of mutants: reads *.mutants, and makes the text of a changed file.

README.md has the form. A table that is wrong is refused as a whole, with every place that is wrong:
a change that is not made would otherwise count as one that no test noticed.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

SUITES = ("host", "dsl", "qemu")


class TableError(Exception):
    """What is wrong with a table, one line each."""


@dataclass
class Mutant:
    """One small change to one file, and the tests that must notice it."""

    title: str
    where: str  # TABLE:LINE
    file: str
    suite: str
    tests: tuple[str, ...]  # what chooses them from the suite
    equivalent: str = ""  # why no test can notice
    pairs: list[tuple[str, str]] = field(default_factory=list)  # text, and what replaces it

    def changed(self, text: str) -> str:
        """The file's text with the change. Raises TableError."""
        places = []
        for old, new in self.pairs:
            count = text.count(old)
            if count != 1:
                raise TableError(f"{self.where}: {self.file}: {self.title}: the text is found "
                                 f"{count or 'no'} times, and must be once: {old!r}")
            places.append((text.index(old), old, new))
        for start, old, new in sorted(places, reverse=True):
            text = text[:start] + new + text[start + len(old):]
        return text


def _owner(words: str, where: str) -> tuple[str, tuple[str, ...]]:
    suite, *tests = shlex.split(words) or [""]
    if suite not in SUITES or not tests:
        raise TableError(f"{where}: `tests: {words}` is not a suite ({', '.join(SUITES)}) and tests of it")
    return suite, tuple(tests)


def _read(name: str, lines: list[str]) -> list[Mutant]:
    mutants: list[Mutant] = []
    file, owner = "", ""  # of the mutants that follow
    mutant: Mutant | None = None
    last = ""
    for number, line in enumerate(lines, 1):
        where = f"{name}:{number}"
        key, _, words = line.partition(": ")
        if not line or line.startswith("#"):
            mutant = mutant if line else None
        elif line[0] in "-+" and mutant:
            if line[0] == "-" and last != "-":
                mutant.pairs.append((line[1:], ""))
            elif not mutant.pairs:
                raise TableError(f"{where}: a line with + before any with -")
            elif last == line[0]:
                old, new = mutant.pairs[-1]
                mutant.pairs[-1] = ((old + "\n" + line[1:], new) if last == "-"
                                    else (old, new + "\n" + line[1:]))
            else:
                mutant.pairs[-1] = (mutant.pairs[-1][0], line[1:])
        elif key == "file":
            file, owner, mutant = words, "", None
        elif key == "tests" and mutant:
            mutant.suite, mutant.tests = _owner(words, where)
        elif key == "tests" and file:
            _owner(words, where)
            owner = words
        elif key == "mutant" and owner:
            mutant = Mutant(words, where, file, *_owner(owner, where))
            mutants.append(mutant)
        elif key == "equivalent" and mutant and words:
            mutant.equivalent = words
        else:
            raise TableError(f"{where}: not a line of a table, or not at this place: {line}")
        last = line[:1] if mutant and line[:1] in "-+" else ""
    return mutants


def read(tables: list[Path]) -> list[Mutant]:
    """All mutants of these tables, each with a text to replace. Raises TableError."""
    mutants: list[Mutant] = []
    wrong: list[str] = []
    for table in tables:
        try:
            mutants += _read(table.name, table.read_text().splitlines())
        except TableError as error:
            wrong.append(str(error))
    wrong += [f"{m.where}: {m.title}: nothing is changed" for m in mutants
              if not m.pairs or any(old == new or not old for old, new in m.pairs)]
    seen: dict[tuple[str, str], Mutant] = {}
    for mutant in mutants:
        first = seen.setdefault((mutant.file, mutant.title), mutant)
        if first is not mutant:
            wrong.append(f"{mutant.where}: {mutant.file}: {mutant.title}: as in {first.where}")
    if wrong:
        raise TableError("\n".join(wrong))
    return mutants


def check(mutants: list[Mutant], root: Path) -> None:
    """Demands that every text is found exactly once in its file. Raises TableError."""
    wrong: list[str] = []
    for mutant in mutants:
        path = root / mutant.file
        if not path.is_file():
            wrong.append(f"{mutant.where}: {mutant.file}: no such file")
            continue
        try:
            mutant.changed(path.read_text())
        except TableError as error:
            wrong.append(str(error))
    if wrong:
        raise TableError("\n".join(wrong))

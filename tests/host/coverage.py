#!/usr/bin/python3
"""Runs the host tests of a coverage build, and says which lines they do not reach.

    coverage.py BUILD EXPLAINED    runs BUILD/host-tests, and reports (`make coverage`)
    coverage.py --info INFO EXPLAINED    only reports on a tracefile that lcov made

The report is a table by file, each line that no test reaches, and what is wrong with EXPLAINED. Its
lines are `FILE | FUNCTION | TEXT OF THE LINE | REASON`; no number in them, for numbers rot. Exit
status 1 if a test fails or leaves no counters, if a line is neither reached nor explained, and if
an explanation is of no line, or of one that is reached.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRANCHES = ("--rc", "lcov_branch_coverage=1")
LCOV = ("lcov", "--quiet", *BRANCHES)
SYNTHESIS = re.compile(r"Tested: .*?(\d+).*?Passing: .*?(\d+)")


class Wrong(Exception):
    """What ends the run, as a sentence."""


@dataclass
class Source:
    """What a tracefile says of one file."""

    name: str
    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str], bool] = field(default_factory=dict)
    functions: dict[int, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def function(self, line: int) -> str:
        """The function that a line is in: the last that starts at or before it."""
        starts = sorted(self.functions)
        at = bisect_right(starts, line)
        return self.functions[starts[at - 1]] if at else ""

    def at(self, line: int) -> str:
        """The text of a line, blanks at its ends dropped."""
        return self.text[line - 1].strip() if line <= len(self.text) else ""

    def where(self, line: int) -> tuple[str, str, str]:
        """What an explanation calls that line."""
        return self.name, self.function(line), self.at(line)


# ---- Reading ----

def read_info(path: Path, root: Path) -> list[Source]:
    """Reads a tracefile (geninfo(1)); names become relative to root. A header is in it often."""
    sources: dict[str, Source] = {}
    source = Source("")
    for record in path.read_text().splitlines():
        tag, _, rest = record.partition(":")
        words = rest.split(",")
        if tag == "SF":
            file = root / rest
            name = str(file.relative_to(root))
            source = sources.setdefault(
                name, Source(name, text=file.read_text(errors="replace").splitlines()))
        elif tag == "FN":
            source.functions[int(words[0])] = words[-1]
        elif tag == "DA":
            number = int(words[0])
            source.lines[number] = source.lines.get(number, 0) + int(words[1])
        elif tag == "BRDA":
            way = int(words[0]), f"{words[1]},{words[2]}"
            source.branches[way] = source.branches.get(way, False) or words[3] not in ("-", "0")
    return sorted(sources.values(), key=lambda source: source.name)


def read_explained(path: Path) -> dict[tuple[str, str, str], str]:
    """File, function and text of the lines that need not be reached, each with its reason."""
    explained = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split(" | ")]
        if len(columns) != 4 or not all(columns):
            raise Wrong(f"{path}:{number}: not FILE | FUNCTION | TEXT OF THE LINE | REASON")
        explained[columns[0], columns[1], columns[2]] = columns[3]
    return explained


# ---- Reporting ----

def share(reached: int, total: int) -> str:
    """A column: per cent, rounded down so that 100 means all, and the numbers."""
    percent = reached * 1000 // total / 10 if total else 100.0
    return f"{percent:6.1f} %{f'{reached}/{total}':>12}"


def print_table(sources: list[Source]) -> None:
    """A line for each file, and one for all."""
    reached = total = taken = ways = 0
    print(f"{'':34}{'lines':>20}{'branches':>20}")
    for source in sources:
        hit = sum(count > 0 for count in source.lines.values())
        went = sum(source.branches.values())
        print(f"{source.name:34}{share(hit, len(source.lines))}"
              f"{share(went, len(source.branches))}")
        reached, total = reached + hit, total + len(source.lines)
        taken, ways = taken + went, ways + len(source.branches)
    print(f"{'all':34}{share(reached, total)}{share(taken, ways)}")


def list_branches(sources: list[Source]) -> str:
    """Each line with a branch that no test takes."""
    found = []
    for source in sources:
        for line in sorted({line for (line, _), ok in source.branches.items() if not ok}):
            ways = [ok for (at, _), ok in source.branches.items() if at == line]
            found.append(f"{source.name}:{line}: {sum(ways)} of {len(ways)}: {source.at(line)}\n")
    return "".join(found)


def report(sources: list[Source], explained: dict[tuple[str, str, str], str]) -> int:
    """Prints the table and the lines. Returns how many things are wrong."""
    lines = {source.where(line) for source in sources for line in source.lines}
    missed = [(source, line) for source in sources
              for line, count in sorted(source.lines.items()) if not count]
    unused = set(explained) - {source.where(line) for source, line in missed}
    wrong = len(unused)
    print_table(sources)
    for source, line in missed:
        reason = explained.get(source.where(line))
        wrong += reason is None
        print(f"{source.name}:{line}: {source.at(line)}" + (f"\n    {reason}" if reason else ""))
    for where in sorted(unused):
        why = "is reached" if where in lines else "is no line"
        print(f"explained, but {why}: {' | '.join(where)}")
    print(f"coverage: {len(missed)} lines not reached, {len(explained)} explanations, {wrong} wrong")
    return wrong


# ---- Running ----

def quietly(*command: str) -> str:
    """Runs a program that has nothing to say unless it fails."""
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    if done.returncode:
        raise Wrong(f"{command[0]}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def run_tests(build: Path) -> int:
    """Runs the tests; how many there were."""
    environment = os.environ | {"KRTLD": str(build / "krtld")}
    done = subprocess.run([build / "host-tests", "--color=never"], cwd=ROOT, text=True,
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace", check=False)
    found = SYNTHESIS.search(done.stdout)
    if done.returncode or not found or found[1] != found[2] or found[1] == "0":
        raise Wrong(f"the tests failed, status {done.returncode}\n{done.stdout[-4000:]}")
    return int(found[1])


def runs(counters: Path) -> int:
    """How many processes have added to a file of counters."""
    found = re.search(r"runs=(\d+)", quietly("gcov-dump", str(counters)))
    if not found:
        raise Wrong(f"{counters}: no summary")
    return int(found[1])


def check_runs(build: Path, tests: int) -> int:
    """
    Every test is a process that must have written its counters: one that is killed, or leaves by
    _exit(), has not. Returns how often the host tool ran; it shares objects with the tests.
    """
    tool = runs(build / "loader/tool.gcda")
    for counters in sorted(build.rglob("*.gcda")):
        want = tool if counters.name.startswith("tool") else tests + tool
        if runs(counters) < want:
            raise Wrong(f"{counters}: counters of {runs(counters)} processes, of {want}")
    return tool


def measure(build: Path) -> Path:
    """Runs the tests, and makes a tracefile and HTML of what they counted."""
    for old in build.rglob("*.gcda"):
        old.unlink()
    print("coverage: running the host tests", flush=True)
    tests = run_tests(build)
    tool = check_runs(build, tests)
    print(f"coverage: {tests} tests passed, and ran krtld {tool} times", flush=True)
    info = build / "coverage.info"
    quietly(*LCOV, "--capture", "--directory", str(build), "--base-directory", str(ROOT),
            "--no-external", "--output-file", str(info))
    quietly("genhtml", "--quiet", "--branch-coverage", "--prefix", str(ROOT), "--output-directory",
            str(build / "html"), str(info))
    return info


def main() -> int:
    """1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="which lines the host tests reach")
    parser.add_argument("build", type=Path, help="the coverage build, or with --info a tracefile")
    parser.add_argument("explained", type=Path, help="the lines that need not be reached")
    parser.add_argument("--info", action="store_true", help="only report on a tracefile")
    arguments = parser.parse_args()
    try:
        explained = read_explained(arguments.explained)
        if arguments.info:
            return min(report(read_info(arguments.build, arguments.build.parent), explained), 1)
        build = arguments.build.resolve()
        sources = read_info(measure(build), ROOT)
        wrong = report(sources, explained)
        (build / "branches.txt").write_text(list_branches(sources))
        print(f"coverage: {arguments.build}/html/index.html, and the branches that no test takes in"
              f" {arguments.build}/branches.txt")
        return min(wrong, 1)
    except (Wrong, OSError) as error:
        print(f"coverage: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

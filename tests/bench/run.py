#!/usr/bin/python3
"""Runs the benchmark programs, one after the other, and puts what they measured into one table,
build/bench.json and a plot. `make bench` calls it.

A program takes --json and --repeat N, and prints a line of JSON for each row:

    {"group": "relocation", "case": "amdgpu.ko", "what": "plain loop", "unit": "ns/relocation",
     "values": [one a repetition], "n": relocations, "note": "what it includes"}

n and note may be left out. Whoever cannot be measured is a line as well:

    {"group": "relocation", "what": "mold", "missing": "not installed, `make setup bench`"}

Progress and complaints go to standard error. Exit status: 0 if every program ended well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import facts
import report
from results import Results

ROOT = Path(__file__).resolve().parent.parent.parent
OBJECTS = Path("build/bench/objects")
HERE = Path("tests/bench")
OUT = ROOT / "build/bench"  # .json, .svg and .png


def objects() -> list[str]:
    """What relocation works on: the synthetic objects by size, then the modules, largest first."""
    made = sorted((ROOT / OBJECTS).glob("*.o"), key=lambda path: path.stat().st_size)
    made += sorted((ROOT / OBJECTS).glob("*.ko"), key=lambda path: -path.stat().st_size)
    return [str(OBJECTS / path.name) for path in made]


def sizes() -> list[str]:
    """Of the synthetic objects, in calls."""
    return sorted((path.stem.split("-")[1] for path in (ROOT / OBJECTS).glob("synthetic-*.so")),
                  key=int)


def programs() -> list[tuple[str, list[str]]]:
    """The groups and what measures them, in order. A .py is run by this interpreter."""
    return [
        ("relocation", ["build/bench/relocation", str(OBJECTS), *objects()]),
        ("relocation", ["build/bench/dlopen", str(OBJECTS), *sizes()]),
        ("relocation", [str(HERE / "linkers.py"), str(OBJECTS), *objects()]),
        ("patching", ["build/bench/patching"]),
        ("runtime", ["build/bench/runtime"]),
        ("hotc", [str(HERE / "hotc.py")]),
        ("boot", [str(HERE / "boot.py")]),
    ]


def run(group: str, words: list[str], repeat: str | None, results: Results) -> bool:
    """One program. False: it failed, which was said."""
    program = words[0]
    if not (ROOT / program).exists():
        results.missing.append(f"{group}: there is no {program} here")
        return True
    options = ["--json", *(["--repeat", repeat] if repeat else [])]
    interpreter = [sys.executable] if program.endswith(".py") else []
    print(f"== {group}: {program}", file=sys.stderr, flush=True)
    started = time.monotonic()
    process = subprocess.Popen([*interpreter, program, *options, *words[1:]], cwd=ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    rows, case = 0, ""
    for line in process.stdout:
        if not results.add_line(line):
            print(f"{program}: no result: {line}", end="", file=sys.stderr)
        elif results.rows and results.rows[-1].case != case:
            case = results.rows[-1].case
            print(f"   {time.monotonic() - started:5.0f} s  {case}", file=sys.stderr, flush=True)
        rows += 1
    status = process.wait()
    if status or not rows:
        print(f"{program}: ended with status {status} and {rows} results", file=sys.stderr)
        results.missing.append(f"{group}: {program} failed with status {status}")
    return status == 0 and rows > 0


def draw(results: Results, machine: dict[str, object]) -> str:
    """The plot; which files it is in, or why there is none."""
    try:
        import plot
    except ImportError as error:
        return f"no plot: {error.name} is missing, `make setup bench` installs it"
    return plot.draw(results, f"{machine['cpu']}", OUT)


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description="Measure, and print one table.")
    parser.add_argument("--only", default="", metavar="GROUP", help="one group instead of all")
    parser.add_argument("--repeat", metavar="N", help="repetitions, instead of each program's own")
    options = parser.parse_args()
    known = list(dict.fromkeys(group for group, _ in programs()))
    if options.only and options.only not in known:
        parser.error(f"ONLY={options.only} is no group: {', '.join(known)}")
    results, machine = Results(), facts.machine()
    chosen = [(group, words) for group, words in programs() if options.only in ("", group)]
    ended = [run(group, words, options.repeat, results) for group, words in chosen]
    print(facts.summary(machine))
    for line in report.table(results):
        print(line)
    OUT.parent.mkdir(exist_ok=True)
    OUT.with_suffix(".json").write_text(json.dumps(
        {"machine": machine, "missing": results.missing, "results": results.as_json()}, indent=1))
    print(f"all values: {OUT.with_suffix('.json').relative_to(ROOT)}; {draw(results, machine)}")
    return 0 if all(ended) and results.rows else 1


if __name__ == "__main__":
    sys.exit(main())

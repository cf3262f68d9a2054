#!/usr/bin/python3
"""Runs the fuzz targets, one after the other or JOBS at once. `make fuzz TIME=… JOBS=…`.

What they find goes on in build/fuzz/corpus/TARGET; an input that breaks a rule goes to
build/fuzz/crashes, and its command is printed. Executions are added up over all runs in
build/fuzz/total.json. Exit status: 0 if nothing was found, 1 if something was, 2 if a target
cannot run.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/fuzz"
TOTAL = BUILD / "total.json"
PULSE = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+ .*exec/s: (\d+)")
WRITTEN = re.compile(r"Test unit written to (\S+)")
PROGRESS_SECONDS = 15.0
INPUT_LIMIT = 300  # seconds for one input; one that takes longer, on the busiest machine, hangs
MAX_LEN = 16384

lock = threading.Lock()


@dataclass
class Run:
    """What one target has done so far."""

    target: str
    executions: int = 0
    edges: int = 0
    features: int = 0
    inputs: int = 0
    seconds: float = 0.0
    status: int = 0
    crash: str = ""
    counted: int = 0  # executions that are in total.json already

    def add_up(self) -> None:
        """Adds what is new to the total, so that a run that is killed has counted too."""
        with lock:
            total = json.loads(TOTAL.read_text()) if TOTAL.exists() else {}
            total[self.target] = total.get(self.target, 0) + self.executions - self.counted
            self.counted = self.executions
            TOTAL.write_text(json.dumps(total, indent=1, sort_keys=True) + "\n")

    def line(self) -> str:
        """One line of progress."""
        return (f"{self.target}: {self.executions:,} executions,"
                f" {self.executions / max(self.seconds, 1e-9):,.0f} per second,"
                f" {self.edges} edges, {self.inputs} inputs")


def command(target: str, seconds: int) -> list[str]:
    """libFuzzer's command line; the first directory is the one it adds to."""
    found = BUILD / "corpus" / target
    found.mkdir(parents=True, exist_ok=True)
    (BUILD / "crashes").mkdir(exist_ok=True)
    corpora = [found, ROOT / "tests/fuzz/corpus" / target, ROOT / "tests/fuzz/crashes" / target,
               BUILD / "seeds" / target]
    return [str(BUILD / "bin" / target), f"-max_total_time={seconds}", f"-max_len={MAX_LEN}",
            f"-timeout={INPUT_LIMIT}", "-rss_limit_mb=2048", "-print_final_stats=1",
            f"-artifact_prefix={BUILD}/crashes/{target}-",
            *(str(c) for c in corpora if c.is_dir())]


def follow(run: Run, output: str, started: float) -> None:
    """Takes in one line of libFuzzer's."""
    run.seconds = time.monotonic() - started
    if found := PULSE.search(output):
        run.executions, run.edges, run.features, run.inputs = map(int, found.groups()[:4])
    elif found := re.match(r"stat::number_of_executed_units:\s+(\d+)", output):
        run.executions = int(found[1])
    elif found := WRITTEN.search(output):
        run.crash = found[1]


def fuzz(target: str, seconds: int) -> Run:
    """Runs one target, with a line of progress now and then."""
    run = Run(target)
    started = shown = time.monotonic()
    tail: list[str] = []
    process = subprocess.Popen(command(target, seconds), cwd=ROOT, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    for output in process.stdout:
        follow(run, output, started)
        tail = (tail + [output])[-40:]
        if time.monotonic() - shown >= PROGRESS_SECONDS:
            shown = time.monotonic()
            run.add_up()
            print(run.line(), flush=True)
    run.status = process.wait()
    run.add_up()
    if run.status:
        print("".join(tail), end="")
    print(run.line(), flush=True)
    return run


def explain(run: Run) -> None:
    """How to see again what went wrong."""
    if run.crash:
        path = Path(run.crash).relative_to(ROOT)
        print(f"{run.target}: found {path}; again with:\n"
              f"    build/fuzz/bin/{run.target}-replay {path}\n"
              f"once mended, keep it as tests/fuzz/crashes/{run.target}/NAME-OF-THE-BUG")
    elif run.status:
        print(f"{run.target}: ended with status {run.status}")


def main() -> int:
    """Runs, adds up, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at once")
    parser.add_argument("targets", nargs="+")
    args = parser.parse_args()
    if args.seconds < 1 or args.jobs < 1:
        parser.error("TIME and JOBS must be at least 1")
    print(f"fuzz: {args.seconds} s for each of {', '.join(args.targets)}", flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = list(pool.map(lambda target: fuzz(target, args.seconds), args.targets))
    total = json.loads(TOTAL.read_text())
    print(f"{'target':8} {'executions':>12} {'per s':>8} {'edges':>6} {'inputs':>7} {'total':>13}")
    for run in runs:
        print(f"{run.target:8} {run.executions:12,} {run.executions / max(run.seconds, 1e-9):8,.0f}"
              f" {run.edges:6} {run.inputs:7} {total[run.target]:13,}")
        explain(run)
    print(f"{sum(run.executions for run in runs):,} executions, {sum(total.values()):,} in all runs,"
          f" {sum(run.status != 0 for run in runs)} targets failed")
    return 1 if any(run.crash for run in runs) else 2 if any(run.status for run in runs) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"fuzz: {error.filename}: {error.strerror}; `make fuzz` builds what it needs")

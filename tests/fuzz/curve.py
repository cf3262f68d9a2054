#!/usr/bin/python3
"""Time and memory of crafted objects, as factors of growth. `make fuzz-curve CASES=…`.

Each case of curve_files.c is loaded at sizes that double. Steps are basic blocks of krtld and of the
engine, and 16 bytes of memcpy() and its like; they are the same on every run and every machine.
Exit status: 1 if a case grows faster than n log n.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "build/fuzz/bin/curve-steps"
TIME = ROOT / "build/fuzz/bin/curve-time"
SIZES = (1000, 2000, 4000, 8000, 16000)
# n log n doubles with a factor of 2.2 at n = 1000 and less above; n squared with one of 4.
LIMIT = 2.35


def cases() -> dict[str, str]:
    """Names, and what they are."""
    listed = subprocess.run([str(STEPS)], check=True, text=True, stdout=subprocess.PIPE).stdout
    return dict(line.split("\t") for line in listed.splitlines())


def measure(program: Path, case: str, n: int) -> dict[str, Any]:
    """What one load took."""
    ran = subprocess.run([str(program), case, str(n)], check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def factors(results: list[dict[str, Any]], what: str) -> list[float]:
    """From each size to its double, per byte of the file doubled."""
    return [b[what] / a[what] * 2 * a["bytes"] / b["bytes"] for a, b in zip(results, results[1:])]


def grows_too_fast(results: list[dict[str, Any]], what: str) -> bool:
    """Worse than n log n, at the largest sizes, where constants do not count any more."""
    return factors(results, what)[-1] > LIMIT


def show(case: str) -> bool:
    """A line of the table. False: a bug."""
    steps = [measure(STEPS, case, n) for n in SIZES]
    last, time = steps[-1], measure(TIME, case, SIZES[-1])["time"]
    wrong = [what for what in ("steps", "memory") if grows_too_fast(steps, what)]
    print(f"{case:20} {'loaded' if last['loaded'] else 'refused':8}"
          f"{last['bytes'] / 1024:8.0f} {last['steps'] / last['bytes']:8.1f}"
          f"  {' '.join(f'{f:5.2f}' for f in factors(steps, 'steps'))}"
          f" {last['memory'] / last['bytes']:7.2f} {factors(steps, 'memory')[-1]:5.2f}"
          f" {time / 1e6:9.2f}  {'TOO FAST: ' + ', '.join(wrong) if wrong else ''}", flush=True)
    return not wrong


def main() -> int:
    """The table."""
    known = cases()
    wanted = sys.argv[1:] or list(known)
    if unknown := [case for case in wanted if case not in known]:
        sys.exit(f"curve: no such case: {', '.join(unknown)}; there are {', '.join(known)}")
    print(f"{'case':20} {'':8}{'KiB':>8} {'steps/B':>8}  growth of steps, "
          f"n = {SIZES[0]} … {SIZES[-1]}{'mem/B':>6} {'grows':>5} {'CPU ms':>9}")
    good = [show(case) for case in wanted]
    print(f"{len(good)} cases, {good.count(False)} grow faster than n log n")
    return 0 if all(good) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"curve: {error.filename}: {error.strerror}; `make fuzz-curve` builds it")

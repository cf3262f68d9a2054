#!/usr/bin/python3
"""Runs the test suites named on the command line and ends in one line that counts everything.

Called by `make test` and its parts. As many suites run at the same time as the machine has
processors: they share nothing but files that they only read. The first one that still runs is shown
as it goes on; what another one says is kept, and shown in one piece when its turn comes. A suite that ends without a count, or that failed without
counting a failure, counts as one failure: no suite can pass by saying nothing.
"""

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PYTEST = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
CRITERION = re.compile(r"Tested: .*?(\d+).*?Passing: .*?(\d+).*?Failing: .*?(\d+).*?Crashing: .*?(\d+)")

SUITES: dict[str, list[str]] = {
    "host": ["build/tests/host-tests", "--always-succeed", "--color=never"],
    "build": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/build"],
    "dsl": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/dsl"],
    "real": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/real"],
    "bench": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/bench"],
    "fuzz": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/fuzz"],
    "oracle": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/oracle"],
    "mutants": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/mutants"],
    "qemu": [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/qemu"],
}


def count(line: str) -> tuple[int, int, int] | None:
    """Passed, failed and skipped in a runner's closing line; None in any other line."""
    if found := CRITERION.search(line):
        tested, passed, failed, crashed = map(int, found.groups())
        return passed, failed + crashed, tested - passed - failed - crashed
    if re.search(r" in \d+\.\d+s", line) and (words := PYTEST.findall(line)):
        total = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
        for number, word in words:
            total[word.removesuffix("s") if word.startswith("error") else word] += int(number)
        return total["passed"], total["failed"] + total["error"], total["skipped"]
    return None


class Shown:
    """The output of the suites, one after the other, though several of them write at a time."""

    def __init__(self, suites: list[str]) -> None:
        self.order = list(suites)  # those that are not shown to their end
        self.kept: dict[str, list[str]] = {name: [] for name in suites}
        self.ended: set[str] = set()
        self.lock = threading.Lock()

    def line(self, suite: str, line: str) -> None:
        """A line of that suite: printed now if it is the first that has not ended."""
        with self.lock:
            if suite == self.order[0]:
                print(line, end="", flush=True)
            else:
                self.kept[suite].append(line)

    def end(self, suite: str) -> None:
        """The suite says no more. The ones after it are shown as far as they are."""
        with self.lock:
            self.ended.add(suite)
            while self.order and self.order[0] in self.ended:
                self.order.pop(0)
                if self.order:
                    print("".join(self.kept.pop(self.order[0])), end="", flush=True)


def run(suite: str, shown: Shown) -> tuple[int, int, int]:
    """Runs one suite; its passed, failed and skipped."""
    shown.line(suite, f"== {suite}\n")
    started = time.monotonic()
    counted: tuple[int, int, int] | None = None
    try:
        process = subprocess.Popen(SUITES[suite], cwd=ROOT, text=True, errors="replace",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
    except OSError as error:
        shown.line(suite, f"{suite}: cannot run {SUITES[suite][0]}: {error.strerror};"
                          " `make all test` builds it\n")
        shown.end(suite)
        return 0, 1, 0
    assert process.stdout is not None
    for line in process.stdout:
        shown.line(suite, line)
        counted = count(line) or counted
    status = process.wait()
    passed, failed, skipped = counted or (0, 0, 0)
    if (status != 0 or counted is None) and failed == 0:
        shown.line(suite, f"{suite}: ended with status {status} and no failure counted\n")
        failed = 1
    shown.line(suite, f"== {suite}: {passed} passed, {failed} failed, {skipped} skipped,"
                      f" {time.monotonic() - started:.0f} s\n")
    shown.end(suite)
    return passed, failed, skipped


def main() -> int:
    """Runs the suites, the first ones first; 0 only if something passed and nothing failed."""
    suites = sys.argv[1:]
    unknown = [name for name in suites if name not in SUITES]
    if unknown or not suites or len(set(suites)) < len(suites):
        print(f"usage: tests/run.py SUITE…, each once, of {', '.join(SUITES)}", file=sys.stderr)
        return 64
    shown = Shown(suites)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda suite: run(suite, shown), suites))
    passed, failed, skipped = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Runs the test suites named on the command line and ends in one line that counts everything.

Called by `make test` and its parts. A suite that ends without a count, or that failed without
counting a failure, counts as one failure: no suite can pass by saying nothing.
"""

import re
import subprocess
import sys
import time
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


def run(suite: str) -> tuple[int, int, int]:
    """Runs one suite with its output shown as it comes; its passed, failed and skipped."""
    print(f"== {suite}", flush=True)
    started = time.monotonic()
    counted: tuple[int, int, int] | None = None
    try:
        process = subprocess.Popen(SUITES[suite], cwd=ROOT, text=True, errors="replace",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
    except OSError as error:
        print(f"{suite}: cannot run {SUITES[suite][0]}: {error.strerror}; `make all test` builds it")
        return 0, 1, 0
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        counted = count(line) or counted
    status = process.wait()
    passed, failed, skipped = counted or (0, 0, 0)
    if (status != 0 or counted is None) and failed == 0:
        print(f"{suite}: ended with status {status} and no failure counted")
        failed = 1
    print(f"== {suite}: {passed} passed, {failed} failed, {skipped} skipped,"
          f" {time.monotonic() - started:.0f} s", flush=True)
    return passed, failed, skipped


def main() -> int:
    """Runs the suites in order; 0 only if something passed and nothing failed."""
    unknown = [name for name in sys.argv[1:] if name not in SUITES]
    if unknown or len(sys.argv) == 1:
        print(f"usage: tests/run.py SUITE…, of {', '.join(SUITES)}", file=sys.stderr)
        return 64
    results = [run(name) for name in sys.argv[1:]]
    passed, failed, skipped = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

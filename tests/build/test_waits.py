"""No test depends on how fast the machine is: it waits for a condition, for LIMIT seconds at the most
(kernel/qemu/machine.py), and never for a while. This reads the sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

# A number that is small enough to be a guess about a machine's speed.
NUMBER = r"(?!0(?:\.0*)?(?![\d.]))\d"  # other than 0, which is no wait
WAITS = [re.compile(pattern.replace("NUMBER", NUMBER)) for pattern in (
    r"\bsleep\(",
    r"\b(?:settimeout|receive|wait|communicate|join|poll|limit)\((?:timeout=)?NUMBER",
    r"\btimeout ?= ?NUMBER",
    r"select\.select\(.*, NUMBER[\d.]*\)",
    r"\b[A-Z_]*(?:SECONDS|PATIENCE|TIMEOUT) ?(?::[^=]*)?= ?NUMBER",
    r"_deadline",
    r"\btime\.(?:monotonic|time|perf_counter)\(\) ?\+ ?NUMBER",
)]
# Lines that are not a wait of a test.
ADMITTED = {
    "tests/qemu/test_verdicts.py": "machine.timeout = 1.0",  # the subject is a machine that hangs
    "tests/bench/linkers.py": "SECONDS = 10",  # of processor time, in a measurement
    "tests/fuzz/fuzz.py": "PROGRESS_SECONDS = ",  # between two lines that tell how far it is
    "tests/oracle/corpus.py": "EVERY_SECONDS = ",
    "tests/host/same.c": ".timeout = 600",  # Criterion's own limit, and a generous one
}


def waits(text: str) -> list[str]:
    """Lines that wait for a while, or no longer than a number that stands there."""
    return [line.strip() for line in text.splitlines()
            if any(pattern.search(line) for pattern in WAITS)]


def sources() -> list[Path]:
    """What takes part in tests."""
    return sorted({*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/host/*.c"),
                   *ROOT.glob("kernel/qemu/*.py")} - {Path(__file__)})


def test_no_test_waits_for_a_while() -> None:
    found = [f"{path.relative_to(ROOT)}: {line}" for path in sources()
             for line in waits(path.read_text())
             if ADMITTED.get(str(path.relative_to(ROOT)), "\n") not in line]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("line", [
    "time.sleep(0.2)", "machine.receive(0.2)", "process.wait(5)", "SECONDS = 60.0",
    "subprocess.run(words, timeout=120)", "machine.timeout = 2.0", "sleep(1);",
    "select.select([master], [], [], 0.5)", "end = time.monotonic() + 5", "machine._deadline += 200.0",
    "done.communicate(timeout=30)", "PATIENCE = 5.0  # seconds", "machine.receive(0.05)",
])
def test_a_wait_is_seen(line: str) -> None:
    assert waits(line)


@pytest.mark.parametrize("line", [
    "machine.wait_until(over, 'the end')", "process.wait(LIMIT)", "run(words, timeout=LIMIT)",
    "text, _ = watch.communicate(timeout=LIMIT)", "end = time.monotonic() + LIMIT",
    "machine.receive(0.0)", "set timeout=0",
])
def test_a_condition_with_the_limit_is_not_one(line: str) -> None:
    assert not waits(line)

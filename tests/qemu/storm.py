#!/usr/bin/python3
"""A storm: windows open while NMIs come from outside and inside, the timer interrupts 20000 times a
second, threads switch, and modules come and go. `make storm`, and test_storm.py with fewer windows.

storm.py [WINDOWS] prints the figures, and ends with 0 only if nothing was lost: every result and
byte right, every NMI that the kernel sent itself taken, every site as it shall be, text as it was,
and no page of memory gone.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass

from machines import MODULES, make_config

import check
import guest
from machine import PROMPT, Machine, Verdict
from table import read_table

TIMER_HZ = 20000  # the most that the kernel offers
MILLION = 1000000
LINE = re.compile(r"storm: (\d+) windows, (\d+) faults, (\d+) switches, (\d+) of (\d+) NMIs its "
                  r"own, (\d+) wrong")


@dataclass
class Figures:
    """What happened. `lost` says what should not have."""

    windows: int = 0
    faults: int = 0
    switches: int = 0
    sent: int = 0  # NMIs from outside; two that come at once are one, on every CPU
    own: int = 0  # NMIs that the kernel sent itself, in windows
    taken: int = 0  # NMIs that it counted
    modules: int = 0  # loaded and unloaded
    seconds: float = 0.0
    lost: str = ""

    def __str__(self) -> str:
        return (f"{self.windows} windows ({self.faults} with a fault, {self.switches} with a "
                f"thread switch, {self.own} with an NMI of the kernel's own), "
                f"{self.taken - self.own} of {self.sent} NMIs from outside, {self.modules} modules "
                f"loaded or unloaded, {self.seconds:.1f} s: {self.lost or 'nothing lost'}")


def state(machine: Machine) -> tuple[str, ...]:
    """What must be as it was: modules, memory, sites, text."""
    rows = [line.split() for line in machine.command("modinfo").splitlines()]
    text = next(machine.memory(int(row[1], 16), int(row[2])) for row in rows if row[0] == "unix")
    return machine.command("modinfo"), machine.command("hotinlines -v"), text.hex()


def blow(machine: Machine, windows: int, rounds: int, end: float) -> tuple[int, str]:
    """Runs the program, and sends NMIs until it is done. Returns how many, and its output."""
    machine.send(f"storm {windows} {rounds}\r".encode())
    sent, output = 0, b""
    while PROMPT not in output and time.monotonic() < end:
        output += machine.receive(0.0).replace(b"\r", b"")
        machine.monitor("nmi")
        sent += 1
    return sent, output.decode("utf-8", "replace")


def count(figures: Figures, output: str) -> None:
    """Fills in what the program says."""
    found = LINE.search(output)
    if not found:
        figures.lost = f"the program did not end: {output[-200:].strip()!r}"
        return
    figures.windows, figures.faults, figures.switches, figures.own, figures.taken, wrong = map(
        int, found.groups())
    figures.modules = len(re.findall(r"^\w+: (?:loaded|unloaded)\b", output, re.MULTILINE))
    if wrong:
        figures.lost = f"{wrong} results were wrong: {output[:400]}"
    elif not figures.own <= figures.taken <= figures.own + figures.sent:
        figures.lost = "the NMIs do not add up"


def run(windows: int, rounds: int, seconds: float) -> Figures:
    """One storm. rounds: how often a module is loaded or unloaded."""
    figures = Figures()
    config = make_config(args=f"nmi=count timer={TIMER_HZ}")
    with Machine(config, seconds) as machine:
        machine.boot()
        machine.command("modload storm")
        before = state(machine)
        start = time.monotonic()
        figures.sent, output = blow(machine, windows, rounds, start + seconds)
        figures.seconds = time.monotonic() - start
        count(figures, output)
        if figures.lost:
            return figures
        for name in reversed(MODULES):
            if name in guest.loaded_modules(machine):
                machine.command(f"modunload {name}")
        after = state(machine)
        for what, old, new in zip(("memory", "a site", "text"), before, after):
            if old != new:
                figures.lost = f"{what} is not what it was:\n{old[-400:]}\n{new[-400:]}"
        if "MISMATCH" in after[1]:
            figures.lost = "a site does not verify"
        machine.command("modunload storm")
        problems = check.check(machine, read_table()).problems
        result = machine.finish()
        if problems or result.verdict is not Verdict.PASS:
            figures.lost = str(problems or result)
    return figures


def main() -> int:
    """A million windows, or as many as are asked for."""
    windows = int(sys.argv[1]) if len(sys.argv) > 1 else MILLION
    figures = run(windows, windows // 2000, 60 + windows / 1000)
    print(f"storm: {figures}")
    return 1 if figures.lost else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Modules come and go, very often, and memory is as it was. `make cycles`, and test_cycles.py with
fewer cycles.

Boots, has modules/cycles.c load, patch, call and unload modules COUNT times, and shows what it says
meanwhile. Exit status: 0 only if every module was loaded, patched and answered as it should, those
that must be refused were, and no page, address, mapping or site of unix differs from before.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass

from machines import make_config

import check
import storm
from machine import Ended, Machine, Verdict
from run import Parser
from table import read_table

COUNT = 100000
LINE = re.compile(r"cycles: (\d+) done, (\d+) refused; (.*)")
END = re.compile(r"cycles: loaded|modload: cycles is not loaded")


@dataclass
class Figures:
    """What happened. `wrong` says what should not have."""

    cycles: int = 0
    refused: int = 0
    seconds: float = 0.0
    wrong: str = ""

    def __str__(self) -> str:
        return (f"{self.cycles} cycles of load, patch, call and unload, {self.refused} refusals, "
                f"{self.seconds:.1f} s: {self.wrong or 'memory is as it was'}")


def cycle(machine: Machine, figures: Figures, show: bool) -> None:
    """Loads the module that does it, and reads what it says."""
    said: list[str] = []
    start = time.monotonic()
    machine.send(b"modload cycles\r")
    machine.read_until(b"\n")  # the echo
    while not said or not END.match(said[-1]):
        said.append(machine.read_until(b"\n"))
        if found := LINE.match(said[-1]):
            figures.cycles, figures.refused = int(found[1]), int(found[2])
        if show:
            print(said[-1], flush=True)
    figures.seconds = time.monotonic() - start
    if said[-1].startswith("modload"):
        figures.wrong = "the module's own words are above" if show else "\n".join(said)


def run(count: int, show: bool = False, cpu: str = "max", args: str = "") -> Figures:
    """Boots and cycles. args: boot arguments; cycles.subject=MODULE puts a canary among the modules."""
    figures = Figures()
    config = make_config(cpu=cpu, args=f"{args} cycles.count={count}".strip())
    with Machine(config) as machine:
        try:
            machine.boot()
            before = storm.state(machine)
            cycle(machine, figures, show)
            machine.command("modunload cycles")
            after = storm.state(machine)
            problems = check.check(machine, read_table()).problems
            result = machine.finish()
        except Ended as ended:
            figures.wrong = f"{ended.result}\n{ended.result.console[-2000:]}"
            return figures
    if not figures.wrong and before != after:
        figures.wrong = f"unix is not what it was:\n{before[0]}\n{after[0]}"
    if not figures.wrong and (problems or result.verdict is not Verdict.PASS):
        figures.wrong = str(problems or result)
    return figures


def main() -> int:
    """As many cycles as are asked for."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("count", metavar="COUNT", type=int, nargs="?", default=COUNT)
    parser.add_argument("--cpu", default="max", help="a CPU model of QEMU (max)")
    parser.add_argument("--args", default="", help="boot arguments, such as disable_smap=1")
    arguments = parser.parse_args()
    if arguments.count < 1:
        parser.error(f"COUNT is at least 1, not {arguments.count}")
    figures = run(arguments.count, True, arguments.cpu, arguments.args)
    print(f"cycles: {figures}")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

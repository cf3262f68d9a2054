#!/usr/bin/python3
"""Fuzzes the kernel's system calls: sysfuzz with one seed after the other. `make fuzz-syscalls`.

Every seed is a fresh process on a machine that has been through the earlier ones; the machines take
turns. What goes wrong is printed with the line that does it again. Exit status: 0 if nothing did.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernel/qemu"))

import guest  # noqa: E402
from machine import LIMIT, Config, Ended, Machine, Verdict  # noqa: E402

MACHINES = (Config("max", machine="microvm"), Config("Nehalem", machine="microvm"),
            Config("max", "disable_smap=1 timer=1000", machine="microvm"))
SEEDS = 5  # on each machine


def fuzz(config: Config, first: int, calls: int) -> list[str]:
    """Boots a machine and runs some seeds. Returns what went wrong."""
    wrong = []
    with Machine(config, LIMIT + calls / 100) as machine:
        seed = first
        try:
            machine.boot()
            machine.command("sysfuzz 1 100")  # what is allocated once, is
            before = guest.free_pages(machine)
            for seed in range(first, first + SEEDS):
                said = machine.command(f"sysfuzz {seed} {calls}")
                if not re.search(rf"^sysfuzz: seed {seed}, {calls} calls", said, re.MULTILINE):
                    wrong.append(f"seed {seed}: {said.strip()[-500:]}")
            if (after := guest.free_pages(machine)) != before:
                wrong.append(f"seeds {first} to {seed}: {before - after} pages are lost")
            result = machine.finish()
        except Ended as ended:
            result = ended.result
    if result.verdict is not Verdict.PASS:
        wrong.append(f"seed {seed}: {result}\n{result.console[-3000:]}")
    again = f"make run CPU={config.cpu} ARGS='{config.args}' MACHINE=microvm"
    return [f"{text}\nagain: {again}, and in it: sysfuzz SEED {calls}"
            for text in wrong]


def main() -> int:
    """Until the time is over, or something goes wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--calls", type=int, default=20000, help="for each seed")
    parser.add_argument("--seed", type=int, default=1, help="the first")
    arguments = parser.parse_args()
    started, seed, rounds = time.monotonic(), arguments.seed, 0
    wrong: list[str] = []
    while not wrong and (not rounds or time.monotonic() - started < arguments.seconds):
        wrong = fuzz(MACHINES[rounds % len(MACHINES)], seed, arguments.calls)
        rounds += 1
        seed += SEEDS
        print(f"{(seed - arguments.seed) * arguments.calls} calls, "
              f"{time.monotonic() - started:.0f} s", flush=True)
    print("\n".join(wrong) if wrong else "fuzz-syscalls: nothing went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

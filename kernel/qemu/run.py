#!/usr/bin/python3
"""The main job: boots the kernel and shows what became of its sites. `make run` calls it.

Without --cpu it shows a CPU without SMAP and one with. With a terminal it ends at the prompt of the
last machine; without one it ends by itself. Exit status: 0 if every site was verified and every
machine passed, 1 if not, 2 if QEMU cannot be run, 64 for wrong use.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import termios
import time
import tty
from collections import Counter
from typing import NoReturn

import check
import guest
import show
from machine import Config, Ended, Machine, Result, Verdict
from table import Table, read_table

CPUS = ("Nehalem", "max")  # without SMAP, and with all that TCG has
DAY = 86400.0  # seconds: no one talks longer
CTRL_A = 0x01
MESSAGES = 2  # lines of QEMU's messages that are shown


def progress(text: str) -> None:
    """A line about what takes a moment."""
    print(show.colour(f"… {text}", show.DIM), flush=True)


class Parser(argparse.ArgumentParser):
    """Wrong use is 64, as everywhere in this tree (sysexits.h)."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", help="a CPU model of QEMU, such as Nehalem or max,-smap")
    parser.add_argument("--args", default="", help="boot arguments, such as disable_smap=1")
    parser.add_argument("--smp", default="1", help="number of CPUs (1)")
    parser.add_argument("--machine", default="q35", help="q35 or microvm (q35)")
    parser.add_argument("--mem", default="128M", help="memory (128M)")
    return parser.parse_args()


def load_modules(machine: Machine) -> list[str]:
    """Loads the modules of the archive that the boot has not, so that all their sites can be seen.
    Returns complaints."""
    complaints = []
    loaded = guest.loaded_modules(machine)
    names = [name for name in guest.archive_modules(machine) if name not in loaded]
    progress(f"loading {', '.join(names)}")
    left = names
    while left:
        failed = []
        for name in left:
            said = machine.command(f"modload {name}")
            if name in guest.loaded_modules(machine):
                print(said.strip())
            else:
                failed.append((name, said.strip()))
        if len(failed) == len(left):
            complaints = [f"modload {name}: {said}" for name, said in failed]
            break
        left = [name for name, _ in failed]  # once more: one may have needed another
    return complaints


def print_table(report: check.Report) -> None:
    """One line a hotinline: what was chosen, and where it is used."""
    rows = [("hotinline", "condition", "chosen", "sites")]
    for name in sorted({site.hotinline for site in report.sites}):
        own = [site for site in report.sites if site.hotinline == name]
        forms = Counter(site.form for site in own)
        modules = Counter(site.module for site in own)
        rows.append((name, own[0].when, own[0].alternative,
                     ", ".join(f"{n} {form}" for form, n in sorted(forms.items())) + " (" +
                     ", ".join(f"{module} {n}" for module, n in modules.items()) + ")"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    print()
    for number, row in enumerate(rows):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip()
        print(show.colour(line, show.BOLD) if number == 0 else line)


def look(machine: Machine, table: Table) -> list[str]:
    """Boots a machine and shows it. Returns all that is wrong with it."""
    started = time.monotonic()
    text = machine.boot()
    print(text.strip())
    progress(f"booted in {time.monotonic() - started:.2f} s")
    problems = load_modules(machine)
    report = check.check(machine, table)
    print("Each function as krtld relocated it (-) and as it is now (+):")
    for function in show.choose_functions(show.functions(machine, report.sites), table.windows):
        print("\n" + "\n".join(show.show(machine, function)))
    print_table(report)
    problems += report.problems
    for problem in problems:
        print(show.colour(f"WRONG: {problem}", show.RED))
    if not problems:
        print(f"\nverified: all {len(report.sites)} sites of {', '.join(report.modules)}; "
              f"SMAP is {'on' if report.smap else 'off'}")
    return problems


def talk(machine: Machine) -> Result:
    """Connects the terminal with the guest's prompt, until poweroff or Ctrl-A X."""
    machine.timeout = DAY
    print(show.colour("\nThis is the guest's prompt. help lists its commands; poweroff, or Ctrl-A "
                      "and then X, leaves.\n", show.BOLD))
    sys.stdout.flush()
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    machine.send(b"\r")  # for a fresh prompt
    escaped = False
    try:
        while True:
            ready, _, _ = select.select([0, machine], [], [])
            if machine in ready:
                os.write(1, machine.receive(0.0))
            if 0 not in ready:
                continue
            keys = os.read(0, 1024)
            if not keys:
                return Result(Verdict.PASS, "the terminal is gone", None, machine.console)
            for key in keys:
                if escaped and key in b"xX":
                    return Result(Verdict.PASS, "left with Ctrl-A X", None, machine.console)
                escaped = key == CTRL_A and not escaped
                if not escaped:
                    machine.send(bytes([key]))
    except Ended as ended:
        return ended.result
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        print()


def main() -> int:
    """Shows each machine in turn."""
    arguments = parse()
    table = read_table()
    cpus = (arguments.cpu,) if arguments.cpu else CPUS
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    wrong = 0
    for cpu in cpus:
        config = Config(cpu, arguments.args, arguments.machine, arguments.smp, arguments.mem)
        print(show.colour(f"\n== {config.title()}", show.BOLD), flush=True)
        with Machine(config) as machine:
            try:
                wrong += len(look(machine, table))
                last = interactive and cpu == cpus[-1]
                result = talk(machine) if last else machine.finish()
            except Ended as ended:
                result = ended.result
        if result.verdict is not Verdict.PASS:
            print("\n".join(result.console.strip().splitlines()[-20:]))
            print(show.colour(f"{config.title()}: {result}", show.RED))
            if result.verdict is Verdict.BROKEN_EMULATOR:
                return 2
            wrong += 1
    print(f"\n{'PASS' if not wrong else 'FAIL'}: {len(cpus)} machine{'s' * (len(cpus) > 1)} shown, "
          f"{wrong} problem{'s' * (wrong != 1)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FileNotFoundError as error:
        sys.exit(f"run.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

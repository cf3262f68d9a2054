#!/usr/bin/python3
"""The procedure by which SMAP's hotinlines are accepted, on many machines. `make smap` calls it.

Prints a table, one row a case with what was seen and PASS or FAIL. Exit status: 0 if all passed.

1  boot to kmdb (-kd), startup_smap::dis: it ends in clac and padding, or in padding
2  boot to the prompt, mdb -k, dtrace_copy::dis: it begins with stac and ends in clac, or has padding
3  a.out has vmloop read a user address without a window: a panic that says so, or `returned 0`
4  the same with disable_smap=1 where the CPU has SMAP: padding, no SMAP in cr4, no panic
5  every CPU has the same cr4, with SMAP exactly if the machine has it, as QEMU sees them

What is typed is what the procedure says, and what is judged is the text that the guest's own
disassembler prints. Each runs on QEMU with and without SMAP, on q35 and microvm, under PVH, BIOS and UEFI, on 1, 2 and 4
CPUs, and in Bochs.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bochs import Bochs
from iso import IsoError, make_iso
from machine import DEBUGGER, LIVE, PROMPT, Config, Ended, Machine, Result, Verdict

ADDRESS = 0x8050FF0  # a.out's
CR4_SMAP = 1 << 21
SITE = 5  # bytes of a site of smap_enable or smap_disable


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    case: str
    machine: str
    seen: str
    passed: bool


@dataclass(frozen=True)
class Subject:
    """A machine of the procedure, and whether its CPU has SMAP."""

    config: Config
    smap: bool
    bochs: bool = False
    boot: str = "PVH"

    def title(self) -> str:
        """Emulator, CPU, machine, firmware, number of CPUs."""
        if self.bochs:
            return f"Bochs {self.config.cpu}, BIOS"
        plural = "" if self.config.smp == "1" else "s"
        return (f"{self.config.cpu}, {self.config.machine}, {self.boot}, "
                f"{self.config.smp} CPU{plural}")


def _subject(cpu: str, machine: str, smp: str, boot: str, smap: bool) -> Subject:
    return Subject(Config(cpu, machine=machine, smp=smp, uefi=boot == "UEFI"), smap, boot=boot)


SUBJECTS = (
    _subject("Nehalem", "q35", "1", "PVH", False),
    _subject("Nehalem", "microvm", "2", "PVH", False),
    _subject("Nehalem", "q35", "4", "BIOS", False),
    _subject("qemu64", "q35", "1", "UEFI", False),
    _subject("SandyBridge", "q35", "2", "BIOS", False),
    _subject("max,-smap", "microvm", "4", "PVH", False),
    _subject("Broadwell", "microvm", "1", "PVH", True),
    _subject("Skylake-Client", "q35", "1", "PVH", True),
    _subject("Skylake-Client", "microvm", "4", "PVH", True),
    _subject("Skylake-Client", "q35", "2", "UEFI", True),
    _subject("EPYC", "q35", "1", "BIOS", True),
    _subject("EPYC", "microvm", "2", "PVH", True),
    _subject("EPYC", "q35", "4", "UEFI", True),
    _subject("Icelake-Server", "q35", "2", "PVH", True),
    _subject("max", "q35", "1", "PVH", True),
    _subject("max", "microvm", "1", "PVH", True),
    _subject("max", "q35", "4", "BIOS", True),
    Subject(Config("corei5_arrandale_m520"), False, bochs=True),
    Subject(Config("corei7_haswell_4770"), False, bochs=True),
    Subject(Config("broadwell_ult"), True, bochs=True),
    Subject(Config("corei7_skylake_x"), True, bochs=True),
    Subject(Config("ryzen"), True, bochs=True),
)


# ---- Code as the debugger shows it ----

# NAME:  BYTES  MNEMONIC OPERANDS <WHAT THEY NAME>  ; A NOTE ON A SITE
LINE = re.compile(r"^\S+:\s+((?:[0-9a-f]{2} )*[0-9a-f]{2})  +([a-z][a-z0-9]*)\b", re.MULTILINE)
FRAME = re.compile(r"push|pop|leave|ret|mov|xchg|sub|add|endbr")  # what a compiler puts around


def instructions(listing: str) -> list[tuple[str, int]]:
    """Mnemonics and lengths, as ::dis shows them."""
    return [(mnemonic, len(code.split())) for code, mnemonic in LINE.findall(listing)]


def _site(code: list[tuple[str, int]]) -> tuple[str, int]:
    """What a site at the beginning of code holds: `stac and 2 bytes of padding`, and its bytes."""
    names: list[str] = []
    size = 0
    for mnemonic, length in code:
        if mnemonic in ("clac", "stac") and not names:
            names.append(mnemonic)
        elif mnemonic != "nop" or size >= SITE:
            break
        size += length
    padding = size - 3 * len(names)
    return " and ".join(names + [f"{padding} bytes of padding"]), size


def first_site(code: list[tuple[str, int]]) -> str:
    """The site after a function's prologue."""
    start = next((i for i, (name, _) in enumerate(code) if not FRAME.match(name)), len(code))
    return _site(code[start:])[0]


def last_site(code: list[tuple[str, int]]) -> str:
    """The site in front of an epilogue; of several, the last."""
    found = "no site"
    for end in (i for i, (name, _) in enumerate(code) if name == "ret"):
        while end and FRAME.match(code[end - 1][0]):
            end -= 1
        start = end
        while start and sum(size for _, size in code[start:end]) < SITE:
            start -= 1
        seen, size = _site(code[start:end])
        if size == SITE:
            found = seen
    return found


def demanded(mnemonic: str, smap: bool) -> str:
    """What such a site must hold."""
    return f"{mnemonic} and 2 bytes of padding" if smap else "5 bytes of padding"


# ---- The cases ----

def kmdb(machine: Machine, line: str) -> str:
    """Runs a command of the debugger that has stopped the system, and that comes back to it."""
    machine.send(line.encode() + b"\r")
    return machine.read_until(DEBUGGER)


def case_1(machine: Machine, smap: bool) -> tuple[str, bool]:
    """The machine was booted with -kd."""
    machine.read_until(DEBUGGER)
    seen = last_site(instructions(kmdb(machine, "startup_smap::dis")))
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    return f"startup_smap ends in {seen}", seen == demanded("clac", smap)


def case_2(machine: Machine, smap: bool) -> tuple[str, bool]:
    """The machine is at its prompt."""
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    machine.send(b"dtrace_copy::dis\r")
    code = instructions(machine.read_until(LIVE))
    machine.command("$q")
    first, last = first_site(code), last_site(code)
    good = first == demanded("stac", smap) and last == demanded("clac", smap)
    return f"dtrace_copy begins with {first}, ends in {last}", good


PANIC = {
    "first line": r'^panic\[cpu0\]/thread=\w+: BAD TRAP: type=e \(#pf Page fault\) rp=0x\w+ '
                  r'addr=0x8050ff0 occurred in module "vmloop" due to an illegal access to a user '
                  r'address$',
    "process": r"^a\.out: #pf Page fault$",
    "address": r"^Bad kernel fault at addr=0x8050ff0$",
    "place": r"^pid=[1-9]\d*, pc=0x\w+, sp=0x\w+.* eflags: \w+<(?!.*\bac\b.*>)\S*>",
    "cr4 with smap": r"\bcr4: \w+<\S*\bsmap\b\S*>",
    "stack": r"^[0-9a-f]{16} vmloop:vmloop_ioctl\+0x\w+ \(\)$",
    "trap trace": r"^trap trace",
}


def judge_panic(text: str) -> tuple[str, bool]:
    """Whether a panic says all that it must."""
    missing = [what for what, wanted in PANIC.items() if not re.search(wanted, text, re.MULTILINE)]
    place = re.search(r"vmloop:vmloop_ioctl\+0x\w+", text)
    if missing:
        return f"a panic without {', '.join(missing)}", False
    assert place
    return f"panic: illegal access to {ADDRESS:x} at {place[0]}, AC clear, smap in cr4", True


def case_3(machine: Machine, smap: bool) -> tuple[str, bool, Result]:
    """The machine is at its prompt, with the debugger to come on a panic if smap. Ends it."""
    machine.command("modload vmloop")
    if smap:
        machine.send(b"a.out\r")
        seen, good = judge_panic(machine.read_until(DEBUGGER))
        result = machine.finish("$q")
        return seen, good and result.verdict is Verdict.PANIC, result
    said = machine.command("a.out")
    result = machine.finish()
    found = re.search(r"^ioctl returned \d+$", said, re.MULTILINE)
    return found[0] if found else f"not what was expected: {said.strip()[-60:]!r}", \
        said.startswith("ioctl returned 0\n") and result.verdict is Verdict.PASS, result


def cr4s(machine: Machine) -> list[int]:
    """cr4 of each CPU, as QEMU sees it."""
    return [int(value, 16) for value in
            re.findall(r"CR4=([0-9a-f]+)", machine.monitor("info registers -a"))]


def case_5(machine: Machine, smap: bool) -> tuple[str, bool]:
    """The machine is at its prompt."""
    values = cr4s(machine)
    good = (len(values) == int(machine.config.smp) and len(set(values)) == 1
            and bool(values[0] & CR4_SMAP) == smap)
    return f"cr4 {' '.join(f'{value:x}' for value in values)}", good


# ---- Machines ----

class Isos:
    """The ISO images that are needed, one for each set of boot arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def get(self, args: str) -> Path:
        """Its path; made the first time."""
        if args not in self._made:
            path = self._folder / f"{len(self._made)}.iso"
            make_iso(path, args)
            self._made[args] = path
        return self._made[args]


def start(subject: Subject, args: str, isos: Isos) -> Machine:
    """The machine with these boot arguments, for a `with`."""
    config = replace(subject.config, args=args)
    if subject.bochs or subject.boot != "PVH":
        config = replace(config, iso=isos.get(args))
    return (Bochs if subject.bochs else Machine)(config)


def run(subject: Subject, args: str, cases: str, isos: Isos) -> Iterator[Row]:
    """One boot, and the rows of its cases. What ends early fails the case that it ended in."""
    smap = subject.smap and "disable_smap" not in args
    title, case = subject.title(), "-"
    with start(subject, args, isos) as machine:
        try:
            for case in cases:
                if case == "3":
                    seen, good, result = case_3(machine, smap)
                    if not good:
                        seen += f" ({result})"
                else:
                    seen, good = {"1": case_1, "2": case_2, "5": case_5}[case](machine, smap)
                yield Row(case if not args.startswith("disable") else f"4.{case}", title, seen,
                          good)
        except Ended as ended:
            yield Row(case, title, str(ended.result), False)


def procedure(subject: Subject, isos: Isos) -> Iterator[Row]:
    """All rows of a machine."""
    other = "" if subject.bochs else "5"
    yield from run(subject, "-kd", f"12{other}3", isos)
    if subject.smap:
        yield from run_disabled(subject, isos)


def run_disabled(subject: Subject, isos: Isos) -> Iterator[Row]:
    """Case 4 in one row: the other cases with disable_smap=1."""
    other = "" if subject.bochs else "5"
    rows = list(run(subject, "disable_smap=1 -kd", f"12{other}3", isos))
    bad = [row.seen for row in rows if not row.passed]
    seen = "disable_smap=1: padding, " + ("" if subject.bochs else "no smap in cr4, ") + \
        rows[-1].seen
    yield Row("4", subject.title(), "; ".join(bad) if bad else seen, not bad)


def main() -> int:
    """Prints the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="machines whose row has this text in it")
    arguments = parser.parse_args()
    subjects = [subject for subject in SUBJECTS if arguments.only in subject.title()]
    if not subjects:
        titles = "\n    ".join(subject.title() for subject in SUBJECTS)
        parser.error(f"no row has {arguments.only!r} in it; the rows are\n    {titles}")
    rows: list[Row] = []
    started = time.monotonic()
    print(f"{'case':4} {'machine':37}       what was seen")
    with tempfile.TemporaryDirectory(prefix="hotinline-") as folder:
        isos = Isos(Path(folder))
        for subject in subjects:
            for row in procedure(subject, isos):
                rows.append(row)
                print(f"{row.case:4} {row.machine:37} {'PASS' if row.passed else 'FAIL'}  "
                      f"{row.seen}", flush=True)
    failed = sum(not row.passed for row in rows)
    plural = "s" * (len(subjects) != 1)
    print(f"\n{'FAIL' if failed or not rows else 'PASS'}: {len(rows)} cases on {len(subjects)} "
          f"machine{plural}, {failed} failed, {time.monotonic() - started:.0f} s")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (IsoError, FileNotFoundError) as error:
        sys.exit(f"smap.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

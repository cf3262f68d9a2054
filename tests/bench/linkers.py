#!/usr/bin/python3
"""Relocation by linkers that are programs of their own: GNU ld, lld, mold and LLVM JITLink, on the
objects that krtld relocates. run.py calls it; `linkers.py --json [--repeat N] DIR OBJECT...`.

Each links an object with its .unix (objects.py), on one thread and in a file system that lies in
memory. What counts is the processor time of the process, less that of linking .unix alone, or,
for `ld -r`, of an empty object. So starting it, and reading what is not the object, are out. What
remains is the whole link, reading and writing included. JITLink reports the time of its link
itself, from which starting and loading are out already. It gets each object with one global symbol
and the others local: for each global it notes down each symbol that its section refers to, which
takes seconds where a module's text is one section. And it leaves out what that one symbol does not
lead to, tables above all.

Small objects are left to krtld: of a process of 10 ms one cannot see their microseconds. A
repetition is the best of RUNS.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile  # type: ignore[import]
from elftools.elf.relocation import RelocationSection  # type: ignore[import]
from objects import STUB, names_of

REPEAT = 5
RUNS = 2
SMALLEST = 30_000  # relocations
SECONDS = 10  # of processor time for one link; a linker that needs more is not asked again
ALLOC = 2  # SHF_ALLOC
EMPTY = "empty.o"
ANY = "any.unix"
LOCAL = "local.o"  # the object with one global symbol
OUT = "out"


@dataclass(frozen=True)
class Linker:
    """A contender: how it links an object, and what is taken off."""

    what: str
    program: str
    package: str
    link: Callable[[str, str], list[str]]  # of an object and the name of its one global symbol
    base: list[str]
    note: str
    reports: bool = False  # it prints the time itself


def _jitlink(objects: list[str], symbol: str) -> list[str]:
    return ["llvm-jitlink-14", "-noexec", "-show-times", "-slab-allocate=256Mb",
            "-slab-address=0xffffffff90000000", "-slab-page-size=4096", f"-entry={symbol}",
            *objects]


LINKERS = (
    Linker("GNU ld", "ld", "binutils",
           lambda path, _: ["ld", "-e", "0", "-o", OUT, path, f"{path}.unix"],
           ["ld", "-e", "0", "-o", OUT, ANY], "a final link"),
    Linker("GNU ld -r", "ld", "binutils", lambda path, _: ["ld", "-r", "-o", OUT, path],
           ["ld", "-r", "-o", OUT, EMPTY], "copies relocations, applies none"),
    Linker("LLVM lld", "ld.lld", "lld",
           lambda path, _: ["ld.lld", "--threads=1", "-e", "0", "-o", OUT, path, f"{path}.unix"],
           ["ld.lld", "--threads=1", "-e", "0", "-o", OUT, ANY], "a final link"),
    Linker("mold", "mold", "mold",
           lambda path, _: ["mold", "--no-threads", "--no-fork", "-e", "0", "-o", OUT, path,
                            f"{path}.unix"],
           ["mold", "--no-threads", "--no-fork", "-e", "0", "-o", OUT, ANY], "a final link"),
    Linker("LLVM JITLink", "llvm-jitlink-14", "llvm-14-tools",
           lambda _, symbol: _jitlink([LOCAL, ANY], symbol), _jitlink([ANY], STUB),
           "in memory; one symbol is global; leaves out what that does not lead to", reports=True),
)


class Slow(Exception):
    """It took more than SECONDS."""


class Refused(Exception):
    """It ended with another status than 0: its last words."""


def relocations(path: Path) -> int:
    """How many of an object's concern memory: those that krtld applies."""
    count = 0
    with path.open("rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection):
                target = elf.get_section(section["sh_info"])
                count += section.num_relocations() if target["sh_flags"] & ALLOC else 0
    return count


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def reported(text: str) -> float:
    """Seconds of user and system time that JITLink says its link took."""
    for line in text.splitlines():
        if line.endswith("time to link object files"):
            return float(re.findall(r"(\d+\.\d+) \(", line)[-2])
    raise Refused("it reports no time")


def seconds(command: list[str], folder: Path, reports: bool) -> float:
    """Processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False,
                          preexec_fn=_limit)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode < 0:
        raise Slow
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Refused(words[0][:160])
    return reported(done.stdout + done.stderr) if reports else spent


def say(line: dict[str, object]) -> None:
    """One line of JSON."""
    print(json.dumps({"group": "relocation", **line}), flush=True)


def best(command: list[str], folder: Path, linker: Linker) -> float:
    """Seconds of the best of some runs."""
    return min(seconds(command, folder, linker.reports) for _ in range(RUNS))


def prepare(path: Path, folder: Path) -> str:
    """Copies what one object's links read; the symbol that stays global in LOCAL."""
    shutil.copy(path, folder / path.name)
    shutil.copy(f"{path}.unix", folder / f"{path.name}.unix")
    shutil.copy(f"{path}.unix", folder / ANY)
    defined = names_of(path).defined
    symbol = "init_module" if "init_module" in defined else min(defined)
    subprocess.run(["objcopy", f"--keep-global-symbol={symbol}", path.name, LOCAL], cwd=folder,
                   check=True)
    return symbol


def measure(linkers: list[Linker], path: Path, repeat: int, folder: Path) -> None:
    """One object: the linkers take turns."""
    n = relocations(path)
    symbol = prepare(path, folder)
    values: dict[str, list[float]] = {linker.what: [] for linker in linkers}
    able = list(linkers)
    for linker in able * repeat:
        if linker not in able:
            continue
        try:
            spent = best(linker.link(path.name, symbol), folder, linker)
            base = best(linker.base, folder, linker)
            values[linker.what].append(max(spent - base, 0) * 1e9 / n)
        except Slow:
            say({"what": linker.what, "missing": f"more than {SECONDS} s for {path.name}"})
            linkers.remove(linker)
            able.remove(linker)
        except Refused as error:
            say({"what": linker.what, "missing": f"it refuses {path.name}: {error}"})
            able.remove(linker)
    for linker in able:
        say({"case": path.name, "what": linker.what, "unit": "ns/relocation", "n": n,
             "note": linker.note, "values": values[linker.what]})


def main() -> int:
    """Prints a line for each linker and object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="as it does anyway")
    parser.add_argument("--repeat", type=int, default=REPEAT)
    parser.add_argument("dir", type=Path)
    parser.add_argument("objects", nargs="+", type=Path)
    options = parser.parse_args()
    linkers = [linker for linker in LINKERS if shutil.which(linker.program)]
    for linker in LINKERS:
        if linker not in linkers:
            say({"what": linker.what, "missing": f"no {linker.program} (package {linker.package}): "
                 "`make setup bench` installs it"})
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        folder = Path(name)
        subprocess.run(["as", "-o", folder / EMPTY, "/dev/null"], check=True)
        for path in options.objects:
            if relocations(path) >= SMALLEST:
                measure(linkers, path, options.repeat, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

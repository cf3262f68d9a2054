#!/usr/bin/python3
"""What booting costs, and how much of it is krtld's and do_hotinlines()'s.

Boots unix as it is, and with 1,000 and 100,000 sites more, in QEMU with `-icount shift=0`: the time
stamp counter then counts instructions, and krtld and do_hotinlines() take the same each time,
wherever unix lies (tests/qemu/test_timing.py); all of a boot may wait a little for the serial line.
Boots without -icount give the time on the clock. One record a line, as JSON; a table with --table,
and on a terminal.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernel/qemu"))

from machine import Config, Ended, Machine  # noqa: E402

OUT = ROOT / "build/bench/boot"
UNIX = ROOT / "build/kernel/unix.o"
SITES = (0, 1000, 100000)
KINDS = ("smap_disable", "copy_bytes", "smap_enable", "popcount64", "clean_line")
COUNTED = 2  # boots with -icount: as many as show that it is repeatable
TIMED = 7  # boots on the clock
TIMING = re.compile(r"timing: boot (\d+), of it krtld (\d+), do_hotinlines (\d+), wait (\d+)")
PATCHED = re.compile(r", (\d+) sites patched,")
LOADED = re.compile(r"sites: loaded, (\d+) sites patched, in (\d+) cycles")


class BenchError(Exception):
    """Something cannot be measured, and why."""


@dataclass(frozen=True)
class Record:
    """One figure of one case, measured a few times."""

    group: str
    case: str
    what: str
    unit: str
    values: Sequence[float]


@dataclass(frozen=True)
class Counts:
    """Instructions of one boot; those that only wait for the timer are left out."""

    krtld: int
    patch: int  # do_hotinlines()
    everything: int


def run(*command: str | Path, stdin: str | None = None, cwd: Path = ROOT) -> None:
    """Runs a tool of the build."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=cwd, input=stdin, text=True,
                              capture_output=True, check=False)
    except OSError as error:
        raise BenchError(f"{command[0]}: {error.strerror}; `make setup` installs it") from None
    if done.returncode:
        raise BenchError(f"{command[0]}: status {done.returncode}\n{done.stderr.strip()}")


def make_sites(sites: int) -> Path:
    """An object with that many calls, which nobody runs: one kind after the other."""
    source, made = OUT / f"sites{sites}.asm", OUT / f"sites{sites}.o"
    calls = "\n".join(f"\thotcall {kind}" for kind in KINDS)
    source.write_text(f'%include "hotinline.inc"\n\tsection .text\n%rep {sites // len(KINDS)}\n'
                      f"{calls}\n%endrep\n\tret\n")
    run("nasm", "-f", "elf64", "-Igenerated/", source, "-o", made)
    return made


def make_archive(sites: int, module: bool) -> Path:
    """A boot archive whose unix has the sites, or a module of it, modules/sites.ko."""
    stage = OUT / f"archive{sites}{'-module' * module}"
    archive = stage.with_suffix(".cpio")
    (stage / "modules").mkdir(parents=True, exist_ok=True)
    more = [make_sites(sites)] if sites else []
    unix = stage.with_suffix(".o")
    run("ld", "-r", "-z", "noexecstack", UNIX, *([] if module else more), "-o", unix)
    run("objcopy", "--strip-debug", unix, stage / "unix")
    if module:
        run("objcopy", "--strip-debug", more[0], stage / "modules/sites.ko")
    run("cpio", "--quiet", "-o", "-H", "newc", "-F", archive, cwd=stage,
        stdin="modules\nunix\n" + "modules/sites.ko\n" * module)
    return archive


def boot(machine: Machine) -> str:
    """Waits for the prompt. Returns what was said before it."""
    try:
        return machine.boot()
    except Ended as ended:
        last = "\n".join(ended.result.console.strip().splitlines()[-5:])
        raise BenchError(f"the guest does not boot: {ended.result}\n{last}") from None


def find(pattern: re.Pattern[str], text: str) -> list[int]:
    """The numbers that a line of the guest has in it."""
    found = pattern.search(text)
    if not found:
        raise BenchError(f"the guest does not say `{pattern.pattern}':\n{text}")
    return [int(number) for number in found.groups()]


def config(archive: Path, counted: bool) -> Config:
    """The machine: with little firmware, so that most of a boot is ours."""
    return Config(machine="microvm", archive=archive, args="timing",
                  extra=("-icount", "shift=0,sleep=off") if counted else ())


def count(archive: Path, sites: int) -> Counts:
    """One boot, in which that many sites must be patched."""
    with Machine(config(archive, True)) as machine:
        said = boot(machine)
    patched, = find(PATCHED, said)
    if patched != sites:
        raise BenchError(f"{archive.name}: {patched} sites are patched, not {sites}")
    everything, krtld, patch, wait = find(TIMING, said)
    return Counts(krtld, patch, everything - wait)


def own_sites(archive: Path) -> int:
    """How many sites unix has by itself."""
    with Machine(config(archive, True)) as machine:
        return find(PATCHED, boot(machine))[0]


def count_module(archive: Path, sites: int) -> int:
    """Instructions to load and patch the module."""
    with Machine(config(archive, True)) as machine:
        boot(machine)
        patched, loaded = find(LOADED, machine.command("modload sites"))
    if patched != sites:
        raise BenchError(f"{archive.name}: {patched} sites are patched, not {sites}")
    return loaded


def clock(archive: Path, repeat: int) -> list[float]:
    """Milliseconds from the start of QEMU to the prompt."""
    times = []
    for _ in range(repeat):
        start = time.monotonic()
        with Machine(config(archive, False)) as machine:
            boot(machine)
            times.append(round(1000 * (time.monotonic() - start), 1))
    return times


def progress(text: str) -> None:
    """A line about what takes seconds."""
    print(f"boot: {text}", file=sys.stderr, flush=True)


def measure_unix(sites: int, own: int, repeat: int) -> list[Record]:
    """The records of a unix with that many sites more than its own."""
    case = f"{sites} sites"
    archive = make_archive(sites, False)
    progress(f"{case}: counting instructions")
    counts = [count(archive, own + sites) for _ in range(COUNTED)]
    progress(f"{case}: on the clock")
    columns: dict[str, list[float]] = {
        "krtld": [c.krtld for c in counts],
        "do_hotinlines": [c.patch for c in counts],
        "all of boot to the prompt": [c.everything for c in counts]}
    shares = {"share of krtld": [round(100 * c.krtld / c.everything, 2) for c in counts],
              "share of do_hotinlines": [round(100 * c.patch / c.everything, 2) for c in counts]}
    return [*(Record("boot", case, what, "instructions", values)
              for what, values in columns.items()),
            *(Record("boot", case, what, "%", values) for what, values in shares.items()),
            Record("boot", case, "QEMU start to prompt", "ms", clock(archive, repeat))]


def measure_module(sites: int) -> list[Record]:
    """The record of a module with that many sites."""
    case = f"{sites} sites in a module"
    archive = make_archive(sites, True)
    progress(f"{case}: counting instructions")
    return [Record("boot", case, "krtld and do_hotinlines", "instructions",
                   [count_module(archive, sites) for _ in range(COUNTED)])]


def line(record: Record) -> str:
    """A row of the table: the median, and least and most where they differ."""
    least, most = min(record.values), max(record.values)
    spread = f"{least:,.10g} to {most:,.10g}" if least != most else "the same each time"
    return (f"{record.case:<25} {record.what:<25} {statistics.median(record.values):>14,.10g} "
            f"{record.unit:<12} {spread}")


def measure(repeat: int) -> Iterator[list[Record]]:
    """All cases, one after the other."""
    if not UNIX.exists():
        raise BenchError(f"{UNIX}: not built; `make all` builds it")
    OUT.mkdir(parents=True, exist_ok=True)
    own = own_sites(make_archive(0, False))
    for sites in SITES:
        yield measure_unix(sites, own, repeat)
    yield measure_module(SITES[-1])


def main() -> int:
    """Prints the records of a case as soon as they are known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--table", action="store_true", help="a table, as on a terminal")
    form.add_argument("--json", action="store_true", help="JSON, as elsewhere")
    parser.add_argument("--repeat", type=int, metavar="N", default=TIMED,
                        help=f"boots on the clock, 1 to 101 ({TIMED})")
    arguments = parser.parse_args()
    if not 1 <= arguments.repeat <= 101:
        parser.error(f"--repeat is 1 to 101, not {arguments.repeat}")
    table = arguments.table or (sys.stdout.isatty() and not arguments.json)
    if table:
        print(f"{'case':<25} {'what':<25} {'median':>14} {'unit':<12} least to most")
    for records in measure(arguments.repeat):
        for record in records:
            print(line(record) if table else json.dumps(asdict(record)), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BenchError, Ended, FileNotFoundError) as error:
        sys.exit(f"boot.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

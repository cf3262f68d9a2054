#!/usr/bin/python3
"""The oracle over the world's objects: kernel modules and static libraries of Debian packages, and
objects compiled on the spot. `make corpus` runs it; the report is in build/corpus, report.txt and
report.json.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import multiprocessing.pool
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check import DIFFERS, KRTLD, Tools, Verdict, check  # noqa: E402
from elf import Object, members  # noqa: E402
from layout import Layout, make  # noqa: E402
from made import (  # noqa: E402
    OBJECTS, ROOT, WAYS, CannotMake, Recipe, assembled, compiled, many_sections,
)  # fmt: skip
from packages import CannotFetch, Packages  # noqa: E402
from report import Report  # noqa: E402

FOLDER = ROOT / "build" / "corpus"
ARCHIVES = {  # part: package, path in it
    "libc": ("libc6-dev", "usr/lib/x86_64-linux-gnu/libc.a"),
    "libgcc": ("libgcc-12-dev", "usr/lib/gcc/x86_64-linux-gnu/12/libgcc.a"),
    "libstdc++": ("libstdc++-12-dev", "usr/lib/gcc/x86_64-linux-gnu/12/libstdc++.a"),
    "libcrypto": ("libssl-dev", "usr/lib/x86_64-linux-gnu/libcrypto.a"),
    "libsqlite3": ("libsqlite3-dev", "usr/lib/x86_64-linux-gnu/libsqlite3.a"),
    "liblua5.4": ("liblua5.4-dev", "usr/lib/x86_64-linux-gnu/liblua5.4.a"),
    "libz": ("zlib1g-dev", "usr/lib/x86_64-linux-gnu/libz.a"),
}
PARTS = ["modules", *ARCHIVES, "compiled", "misplaced"]
SECTIONS = 70000  # of the object with many
HIGH = 0x7F0000000000  # a base that no field of 32 bits reaches
FAR = 0x140000000  # bytes to other symbols that no field of 32 bits reaches
EVERY = {"modules": 10, "compiled": 1}  # of a part, which objects are misplaced as well
EVERY_MEMBER = 5
EVERY_SECONDS = 5.0  # a line of progress
SOME = {way: WAYS[way] for way in ("O0", "O3", "Os", "noplt", "large", "debug")}
FEW = {way: WAYS[way] for way in ("O0", "O2", "noplt", "large-pic", "debug-pic")}

Pool = multiprocessing.pool.Pool


@dataclass(frozen=True)
class Job:
    """One run of the oracle."""

    part: str
    path: Path
    base: int | None = None
    outside: int | None = None

    def layout(self, object_: Object) -> Layout:
        if self.outside is not None:
            return make(object_, self.base, outside=self.outside)
        return make(object_, self.base)

    def command(self) -> str:
        """What repeats the run."""
        words = ["tests/oracle/ld.py --keep build/kept"]
        words += [f"--base {self.base:x}"] if self.base is not None else []
        words += [f"--outside {self.outside:x}"] if self.outside is not None else []
        return " ".join([*words, str(self.path.relative_to(ROOT))])


def run_job(tools: Tools, job: Job) -> tuple[Job, Verdict]:
    try:
        return job, check(job.path, tools, job.layout)
    except Exception as error:  # the run goes on, and the report says so
        return job, Verdict(DIFFERS, f"the oracle broke down: {type(error).__name__}: {error}")


def make_one(recipe: Recipe) -> Path:
    return recipe.make()


def say(line: str) -> None:
    print(f"corpus: {line}", file=sys.stderr, flush=True)


# ---- Where objects come from ----


def module_files(packages: Packages) -> list[Path]:
    folder = packages.unpack(packages.kernel())
    return sorted(folder.rglob("*.ko"))


def member_files(packages: Packages, part: str) -> list[Path]:
    """An archive's members as files, numbered, since names may occur more than once."""
    package, path = ARCHIVES[part]
    archive = packages.unpack(package) / path
    folder = FOLDER / "members" / part
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, (name, contents) in enumerate(members(archive), 1):
        file = folder / f"{number:04}-{name}"
        if not file.exists() or file.stat().st_size != len(contents):
            file.write_bytes(contents)
        found.append(file)
    return found


def recipes() -> list[Recipe]:
    """Sources written for the oracle in every way, this tree's own in some, what is slow in few."""
    folder = FOLDER / "compiled"
    found: list[Recipe] = []
    for source in [*OBJECTS.glob("*.c*"), *(ROOT / "tests/host/objects").glob("*.c")]:
        ways = FEW if source.name == "library.cpp" else WAYS
        found += compiled(source, folder, ways)
    for source in [*(ROOT / "loader").glob("[!t]*.c"), *(ROOT / "alternatives").glob("*.c")]:
        found += compiled(source, folder, SOME)
    assembly = [*OBJECTS.glob("*.s"), *OBJECTS.glob("*.asm")]
    assembly.append(ROOT / "tests/host/objects/forms.asm")
    found += [assembled(source, folder) for source in assembly]
    return [*sorted(found, key=lambda recipe: recipe.output), many_sections(folder, SECTIONS)]


def compiled_files(pool: Pool) -> list[Path]:
    """Compiles what is not there yet; this tree's kernel and its modules are."""
    wanted, found = recipes(), []
    said = time.monotonic()
    for path in pool.imap_unordered(make_one, wanted, chunksize=4):
        found.append(path)
        if time.monotonic() - said > EVERY_SECONDS or len(found) == len(wanted):
            said = time.monotonic()
            say(f"compiled: {len(found)} of {len(wanted)} objects made")
    own = [ROOT / "build/kernel/unix.o", *(ROOT / "build/modules").glob("*.ko")]
    return sorted(found + [path for path in own if path.exists()])


def files_of(part: str, packages: Packages, pool: Pool) -> list[Path]:
    if part == "modules":
        return module_files(packages)
    return member_files(packages, part) if part in ARCHIVES else compiled_files(pool)


def misplaced(part: str, files: list[Path]) -> Iterator[Job]:
    """Where fields overflow both must refuse, and stumble over the same relocation. Not the object
    with many sections: ld takes minutes to name each of its overflows."""
    for path in files[:: EVERY.get(part, EVERY_MEMBER)]:
        if path.name.startswith("many"):
            continue
        yield Job("misplaced", path, base=HIGH)
        yield Job("misplaced", path, outside=FAR)


# ---- The run ----


def run_jobs(pool: Pool, tools: Tools, part: str, jobs: list[Job], report: Report) -> None:
    said = started = time.monotonic()
    results = pool.imap_unordered(functools.partial(run_job, tools), jobs, chunksize=4)
    for number, (job, verdict) in enumerate(results, 1):
        report.add(part, str(job.path.relative_to(ROOT)), job.command(), verdict)
        if verdict.status == DIFFERS:
            say(f"differs: {job.path.name}: {verdict.reason[:200]}")
        if time.monotonic() - said > EVERY_SECONDS or number == len(jobs):
            said = time.monotonic()
            say(f"{part}: {number} of {len(jobs)}, {report.parts[part].differs} differ,"
                f" {said - started:.0f} s")
    report.parts[part].seconds = round(time.monotonic() - started, 1)


def run(parts: list[str], processes: int, tools: Tools, packages: Packages) -> Report:
    report = Report(packages, tools)
    wrong: list[Job] = []
    with multiprocessing.Pool(processes) as pool:
        for part in PARTS[:-1]:
            if part not in parts and "misplaced" not in parts:
                continue
            files = files_of(part, packages, pool)
            wrong += misplaced(part, files) if "misplaced" in parts else []
            if part in parts:
                run_jobs(pool, tools, part, [Job(part, path) for path in files], report)
                report.write(FOLDER)  # so that an interruption leaves what was done
        if wrong:
            run_jobs(pool, tools, "misplaced", wrong, report)
    return report


def arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(
        prog="corpus.py", description=__doc__, epilog="Exit status: 0 no difference; 1 a"
        " difference; 2 packages or compilers are missing; 64 wrong use.",
    )  # fmt: skip
    made.add_argument("--only", default="", metavar="PARTS",
                      help=f"separated by blanks or commas: {', '.join(PARTS)} (default: all)")
    made.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N",
                      help="processes (default: 2)")
    made.add_argument("--kernel", default="", metavar="PACKAGE", help="the package of kernel"
                      " modules (default: what linux-image-amd64 depends on)")
    made.add_argument("--krtld", type=Path, default=KRTLD, metavar="PATH",
                      help="default: build/bin/krtld")
    return made.parse_args()


def main() -> int:
    options = arguments()
    parts = options.only.replace(",", " ").split() or PARTS
    if unknown := set(parts) - set(PARTS):
        say(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 64
    if not options.krtld.exists():
        say(f"{options.krtld} is not there: `make all' builds it")
        return 2
    packages = Packages(FOLDER, options.kernel, say)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the workers
    try:
        report = run(parts, max(1, options.jobs), Tools(options.krtld.resolve()), packages)
    except (CannotFetch, CannotMake) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say(f"interrupted; what is done is in {FOLDER}/report.txt")
        return 128 + signal.SIGINT
    report.write(FOLDER)
    print(report.text(), end="")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Compares every kernel module and every member of every archive that `make corpus` has fetched;
`make real-corpus` runs it, and test_real.py some of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compare import KRTLD, ROOT, Result, base_of, compare  # noqa: E402

CORPUS = ROOT / "build" / "corpus" / "unpacked"
MEMBERS = ROOT / "build" / "real" / "members"
MAGIC = b"!<arch>\n"
SHOWN = 20  # problems
EVERY = 5.0  # seconds between lines of progress


def is_archive(path: Path) -> bool:
    """And no script for the linker, nor a link to another package's file."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def extract(archive: Path) -> list[Path]:
    """An archive's members, each in a file; of two of one name the last."""
    archive = archive.resolve()
    folder = MEMBERS / archive.relative_to("/")
    if not folder.exists() or folder.stat().st_mtime < archive.stat().st_mtime:
        partial = folder.with_suffix(".partial")
        for old in (folder, partial):
            shutil.rmtree(old, ignore_errors=True)
        partial.mkdir(parents=True)
        subprocess.run(["ar", "x", str(archive)], cwd=partial, check=True)
        partial.rename(folder)
    return sorted(folder.glob("*.o"))


def all_objects() -> dict[str, list[Path]]:
    """By the package or archive that they are from."""
    found: dict[str, list[Path]] = {}
    for package in sorted(CORPUS.glob("*")):
        if modules := sorted(package.rglob("*.ko")):
            found[package.name] = modules
        for archive in sorted(package.rglob("*.a")):
            if is_archive(archive) and (members := extract(archive)):
                found[archive.name] = members
    return found


def _one(path: Path) -> Result:
    try:
        return compare(path, base_of(path))
    except Exception as error:  # the others are compared all the same, and the report says so
        return Result(path, wrong=[f"the comparison broke down: {error!r}"])


def _words(counter: Counter[str]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in counter.most_common()) or "none"


class Total:
    """The sum of many results."""

    def __init__(self) -> None:
        self.objects = 0
        self.silent = 0  # objects without a reference
        self.prefixed = 0
        self.sites: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self.plain: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.found: Counter[str] = Counter(missed=0, invented=0, wrong=0)
        self.problems: list[str] = []

    def add(self, result: Result) -> None:
        self.objects += 1
        self.silent += not (result.refused or result.sites or result.plain)
        self.prefixed += result.prefixed
        self.sites += result.sites
        self.filled += result.filled
        self.plain += result.plain
        if result.refused:
            self.refused[result.refused] += 1
        for what in self.found:
            self.found[what] += len(getattr(result, what))
        self.problems += result.problems

    def merge(self, other: Total) -> None:
        self.objects += other.objects
        self.silent += other.silent
        self.prefixed += other.prefixed
        for name in ("sites", "filled", "plain", "refused", "found"):
            getattr(self, name).update(getattr(other, name))
        self.problems += other.problems

    def line(self) -> str:
        return (
            f"{self.objects:,} objects, {self.refused.total():,} refused, {self.sites.total():,}"
            f" sites, {self.plain.total():,} plain references, {len(self.problems)} problems"
        )

    def text(self) -> str:
        return (
            f"  objects           {self.objects:,}, {self.silent:,} of them without a reference\n"
            f"  refused           {_words(self.refused)}\n"
            f"  sites             {self.sites.total():,}: {_words(self.sites)};"
            f" {self.prefixed:,} behind cs\n"
            f"  filled            {_words(self.filled)}\n"
            f"  plain references  {self.plain.total():,}: {_words(self.plain)}\n"
            f"  {', '.join(f'{what} {number}' for what, number in self.found.items())}\n"
        )


def compare_all(title: str, paths: list[Path], jobs: int) -> Total:
    """The largest first, so that no process is left with one at the end."""
    total = Total()
    started = said = time.monotonic()
    paths = sorted(paths, key=lambda path: -path.stat().st_size)
    with multiprocessing.Pool(jobs) as pool:
        results: Iterable[Result] = pool.imap_unordered(_one, paths, chunksize=1)
        for number, result in enumerate(results, 1):
            total.add(result)
            if time.monotonic() - said > EVERY:
                said = time.monotonic()
                print(f"{title}: {number} of {len(paths)}, {len(total.problems)} problems,"
                      f" {said - started:.0f} s", file=sys.stderr, flush=True)
    print(f"{title}: {total.line()}, {time.monotonic() - started:.0f} s", flush=True)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(prog="corpus.py", description="Exit status: 0 nothing is"
                                     " missed, invented or wrong; 1 something is; 2 there are no"
                                     " objects; 64 wrong use.")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    parser.add_argument("--only", default="", metavar="WORD", help="of what has WORD in its name")
    options = parser.parse_args()
    if not KRTLD.exists():
        print(f"{KRTLD} is not there: `make real-corpus' builds it", file=sys.stderr)
        return 2
    objects = {title: paths for title, paths in all_objects().items() if options.only in title}
    if not objects:
        print(f"no object below {CORPUS}: `make corpus' fetches them", file=sys.stderr)
        return 2
    total = Total()
    for title, paths in objects.items():
        total.merge(compare_all(title, paths, max(1, options.jobs)))
    print("".join(f"{problem}\n" for problem in total.problems[:SHOWN]), end="")
    print(f"real-corpus:\n{total.text()}", end="")
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())

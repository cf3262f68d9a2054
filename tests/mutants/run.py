#!/usr/bin/python3
"""Makes the small changes of the table one by one, and demands that a test notices each.

`make mutants` calls it; README.md says what the table looks like and how to read the result. The
changes are made in a copy of the tree, build/mutants/tree0 …, and never in the user's own files.
Exit status: 0 all killed or explained, 1 one survived, 2 the table or the tree is wrong.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import table
from table import Mutant, TableError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Makefile", "README.md", "alternatives", "dsl", "generated", "kernel", "loader", "tests")
NOT_BUILT = ("mutants", "bench", "fuzz", "real", "corpus", "coverage")  # of build/: not copied
# What the suites run on. (hotc is run as it is.)
GOALS: dict[str, list[str]] = {
    "host": ["build/tests/host-tests", "build/bin/krtld"],
    "dsl": [],
    "qemu": ["all", "build/tests/boot.cpio"],
}
WHOLE = {"host": ("*/*",), "dsl": (".",)}  # if the owner's tests notice nothing. (qemu's are its files.)
# A change may make a test hang. It may take this many times what it takes without, and so many seconds.
SLOWER, MORE = 10.0, 60.0
NOTICED = re.compile(r"^(?:FAILED|ERROR) tests/(\S+)|^\[(?:FAIL|CRASH)\] (\S+?):? ", re.MULTILINE)


class Broken(Exception):
    """The table or the tree is wrong, so that no result would mean anything."""


@dataclass
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    word: str  # killed, survived, equivalent, broken
    by: str = ""  # what noticed it
    seconds: float = 0.0


@dataclass
class Tree:
    """A copy of the tree, which is as the user's between two mutants."""

    folder: Path
    root: Path = ROOT
    limits: dict[tuple[str, ...], float] = field(default_factory=dict)
    stopped: bool = False  # the run is over: nothing is started any more
    _process: subprocess.Popen[str] | None = None

    def update(self) -> None:
        """Makes the copy, or what differs of it: also what a run that was interrupted left changed.
        Times are kept, so that only what differs is built again."""
        for name in SOURCES:
            wanted = {path.relative_to(self.root) for path in _files(self.root / name)}
            for path in wanted:
                to = self.folder / path
                if not to.is_file() or to.read_bytes() != (self.root / path).read_bytes():
                    to.parent.mkdir(parents=True, exist_ok=True)
                    if to.is_file():  # the same time as before would not be noticed by make
                        to.write_bytes((self.root / path).read_bytes())
                        shutil.copymode(self.root / path, to)
                    else:
                        shutil.copy2(self.root / path, to)
            for path in list(_files(self.folder / name)):
                if path.relative_to(self.folder) not in wanted and name != "generated":
                    path.unlink()
        build = self.folder / "build"
        if not build.exists() and (self.root / "build").exists():
            part = self.folder / "build.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(self.root / "build", part, symlinks=True,
                            ignore=lambda folder, names: [
                                name for name in names if Path(folder).parent == self.root
                                and name.startswith(NOT_BUILT)])
            part.rename(build)

    def run(self, command: list[str], limit: float | None = None) -> tuple[int | None, str]:
        """Runs a command in the copy. Its status, None if it was over the limit; and what it said."""
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
        # Python tells its compiled files by a source's size and second: a change may have both.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if self.stopped:
            raise Broken("stopped")
        self._process = process = subprocess.Popen(
            command, cwd=self.folder, env=environment, text=True, errors="replace",
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        try:
            said, _ = process.communicate(timeout=limit)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends what runs in the copy, and what that started."""
        if self._process:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()

    def build(self, suite: str) -> str:
        """Builds what the suite runs on. What make says if it fails, else nothing."""
        if not GOALS[suite]:
            return ""
        status, said = self.run(["make", "--no-print-directory", "-s", *GOALS[suite]])
        return said if status else ""

    def test(self, suite: str, tests: tuple[str, ...], limit: float | None = None) -> str:
        """Runs tests. The first that fails, or "" if all pass. Raises Broken if there are none."""
        status, said = self.run(command(suite, tests), limit)
        if status is None:
            return f"the limit of {limit:.0f} s"
        if suite == "host" and re.search(r"Tested: .*?0.*? \|", said) and "Tested: 0" in said:
            raise Broken(f"{suite}: no test is called {' '.join(tests)}")
        if status in (4, 5) and suite != "host":
            raise Broken(f"{suite}: pytest cannot run {' '.join(tests)}:\n{said[-1000:]}")
        if status == 0:
            return ""
        found = NOTICED.search(said)
        return next(filter(None, found.groups())) if found else f"{suite}, status {status}"

    def limit(self, suite: str, tests: tuple[str, ...]) -> float:
        """How long these tests may take. They must pass when nothing is changed."""
        key = (suite, *tests)
        if key not in self.limits:
            started = time.monotonic()
            failed = self.test(suite, tests)
            if failed:
                raise Broken(f"{failed} fails though nothing is changed")
            self.limits[key] = MORE + SLOWER * (time.monotonic() - started)
        return self.limits[key]

    def try_out(self, mutant: Mutant, whole: bool) -> Outcome:
        """Makes the change, builds, runs its owner's tests, and puts the file back."""
        path = self.folder / mutant.file
        text = path.read_text()
        chosen = [mutant.tests] + ([WHOLE[mutant.suite]] if whole and mutant.suite in WHOLE else [])
        limits = [self.limit(mutant.suite, tests) for tests in chosen[:1]]
        started = time.monotonic()
        try:
            path.write_text(mutant.changed(text))
            said = self.build(mutant.suite)
            if said:
                return Outcome(mutant, "broken", "it does not build:\n" + said[-1500:])
            for tests, limit in zip(chosen, limits + [None]):
                by = self.test(mutant.suite, tests, limit)
                if by:
                    return Outcome(mutant, "killed", by, time.monotonic() - started)
        finally:
            path.write_text(text)
        return Outcome(mutant, "survived", "", time.monotonic() - started)


def _files(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
    for path in top.rglob("*") if top.is_dir() else ():
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def command(suite: str, tests: tuple[str, ...]) -> list[str]:
    """What runs these tests of a suite."""
    if suite == "host":
        pattern = tests[0] if len(tests) == 1 else f"@({'|'.join(tests)})"
        return ["build/tests/host-tests", "--color=never", "--fail-fast", "--filter", pattern]
    words = []
    for previous, word in zip(("", *tests), tests):
        is_file = not word.startswith("-") and previous != "-k"
        words.append(f"tests/{suite}/{word}" if is_file else word)
    return [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *words]


def run_all(mutants: list[Mutant], trees: list[Tree], whole: bool) -> Iterator[Outcome]:
    """The outcome of each, as it is known. Raises Broken."""
    todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    for mutant in mutants:
        todo.put(mutant)

    def work(tree: Tree) -> None:
        try:
            tree.update()
            for suite in sorted({mutant.suite for mutant in mutants}):
                said = tree.build(suite)
                if said:
                    raise Broken(f"{tree.folder}: does not build:\n{said[-1500:]}")
            built = ""  # the suite whose build has nothing changed in it
            while True:
                mutant = todo.get_nowait()
                if mutant.suite != built and (said := tree.build(mutant.suite)):
                    raise Broken(said)
                if (mutant.suite, *mutant.tests) not in tree.limits:
                    tree.build(mutant.suite)  # the last one's file is as it was
                built = mutant.suite
                done.put(tree.try_out(mutant, whole))
        except queue.Empty:
            done.put(None)
        except BaseException as error:  # noqa: B902  # it is raised again below
            done.put(error)

    workers = [threading.Thread(target=work, args=(tree,), daemon=True) for tree in trees]
    for worker in workers:
        worker.start()
    running = len(workers)
    while running:
        outcome = done.get()
        if isinstance(outcome, Outcome):
            yield outcome
        elif outcome is None:
            running -= 1
        else:
            raise outcome


def say(outcome: Outcome, number: int, of: int, started: float) -> None:
    """One line of progress, with what is left."""
    mutant = outcome.mutant
    left = (time.monotonic() - started) / number * (of - number)
    how = f" by {outcome.by}" if outcome.word == "killed" else ""
    print(f"{number:3}/{of} {outcome.word:8} {mutant.file}: {mutant.title}{how}"
          f" [{outcome.seconds:.0f} s; {left / 60:.0f} min left]", flush=True)
    if outcome.word == "broken":
        print(f"{mutant.where}: {outcome.by}", flush=True)


def main() -> int:
    """Runs what the options choose."""
    parser = argparse.ArgumentParser(description="Changes the tree in small ways; tests must notice.")
    parser.add_argument("--only", default="", help="files that begin so: kernel/, loader/check.c")
    parser.add_argument("--filter", default="", help="titles in which this expression is found")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree that work at once")
    parser.add_argument("--owner-only", action="store_true",
                        help="do not run the whole suite if its owner's tests notice nothing")
    parser.add_argument("--equivalent", action="store_true",
                        help="run those that no test can notice: one that is killed is wrong")
    parser.add_argument("--check", action="store_true", help="look at the table, and run nothing")
    parser.add_argument("--folder", type=Path, help="where the copies are: build/mutants")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree")
    parser.add_argument("--tables", type=Path, default=ROOT / "tests/mutants", help="their folder")
    options = parser.parse_args()
    try:
        everything = table.read(sorted(options.tables.glob("*.mutants")))
        mutants = [m for m in everything if m.file.startswith(options.only)
                   and re.search(options.filter, m.title)]
        table.check(mutants, options.root)
    except TableError as error:
        print(error, file=sys.stderr)
        return 2
    counts: Counter[str] = Counter()
    if not options.equivalent:
        counts["equivalent"] = sum(bool(m.equivalent) for m in mutants)
        mutants = [m for m in mutants if not m.equivalent]
    print(f"mutants: {len(everything)} in the table, {len(mutants)} to run", flush=True)
    if options.check:
        return 0
    if not mutants and not counts["equivalent"]:
        print("mutants: none is chosen", file=sys.stderr)
        return 2
    return _run(mutants, options, counts)


def _run(mutants: list[Mutant], options: argparse.Namespace, counts: Counter[str]) -> int:
    folder = options.folder or options.root / "build/mutants"
    folder.mkdir(parents=True, exist_ok=True)
    trees = [Tree(folder / f"tree{i}", options.root) for i in range(max(1, options.jobs))]
    survivors: list[Mutant] = []
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"mutants: another run works in {folder}; --folder says another", file=sys.stderr)
            return 2
        try:
            for number, outcome in enumerate(run_all(mutants, trees, not options.owner_only), 1):
                if outcome.mutant.equivalent:
                    outcome.word = "equivalent" if outcome.word == "survived" else "broken"
                    outcome.by = outcome.by and f"said to be equivalent, and noticed by {outcome.by}"
                counts[outcome.word] += 1
                survivors += [outcome.mutant] * (outcome.word == "survived")
                say(outcome, number, len(mutants), started)
        except Broken as error:
            print(f"mutants: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
        finally:
            for tree in trees:
                tree.stopped = True
                tree.kill()
    for mutant in survivors:
        print(f"SURVIVED: {mutant.where}: {mutant.file}: {mutant.title}")
    print(f"mutants: {counts['killed']} killed, {counts['survived']} survived, "
          f"{counts['equivalent']} equivalent, {counts['broken']} broken, "
          f"{time.monotonic() - started:.0f} s")
    return 2 if counts["broken"] else 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

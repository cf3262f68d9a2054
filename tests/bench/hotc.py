#!/usr/bin/python3
"""What declarations cost: hotc, and the compilers behind it, on 10 to 10,000 of them.

One of the programs that run.py runs; --help says how to run it alone. Times are the CPU's, of the
program and what it runs (hotc runs NASM), because they are the same on a busy machine. Nothing is
reported unless hotc wrote every declared hotinline, and each time the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import report
from results import Result, Results

ROOT = Path(__file__).resolve().parent.parent.parent
FEATURES_MAX = 400  # hotc takes 512
FEWEST = 10

# Of N declarations a quarter are features, the rest hotinlines of these shapes. a and b are features
# that do not exclude each other, c is any.
SHAPES = (
    "hotinline h{i}: f{c} ? mfence : nop5",
    "hotinline h{i}(u64 x @rdi) -> u64 @rax pure:\n"
    "\tf{c} ? lea rax, [rdi + {k}] : call h{i}_soft",
    "hotinline h{i}(u64 *p @rdi) size 12:\n"
    "\tf{a} && !f{b} ? {{ add qword [rdi], {k}; lfence }}\n"
    "\t: f{b} ? {{ lock add qword [rdi], {k}; sfence }}\n"
    "\t: add qword [rdi], {k}",
    "hotinline h{i}(u64 x @rdi) -> u64 @rdx:rax clobbers rcx:\n"
    "\tf{a} || f{b} ? {{ mov eax, edi; cdq }} : {{ lea eax, [rdi + {k}]; cdq }}",
)


def split(n: int) -> tuple[int, int]:
    """Features and hotinlines among n declarations."""
    features = min(max(n // 4, 8) & ~7, FEATURES_MAX)
    return features, n - features


def _feature(i: int) -> str:
    if i % 8 == 7:
        return f"feature f{i} = f{i - 1} && !f{i - 2}"
    register = ("eax", "ebx", "ecx", "edx")[i // 32 % 4]
    return f"feature f{i} = cpuid 7.{i // 128} {register}[{i % 32}]"


def declarations(n: int) -> str:
    """n of them, the same for the same n."""
    features, hotinlines = split(n)
    lines = [_feature(i) for i in range(features)]
    for i in range(hotinlines):
        lines.append(f'"Does thing {i} in one of the ways that the machine has."')
        lines.append(SHAPES[i % len(SHAPES)].format(
            i=i, k=i % 120 + 1, a=i * 8 % features, b=(i * 24 + 1) % features, c=i % features))
    return "\n".join(lines) + "\n"


def run(*words: str) -> tuple[float, float]:
    """CPU time in ms and the most memory in MiB, of the program and what it runs."""
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"hotc.py: {words[0]} ended with status {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def outputs(folder: Path, n: int) -> dict[str, bytes]:
    """What hotc wrote, which must be all that was declared."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    table = json.loads(found["hotinline.json"])
    counted = len(table["features"]), len(table["hotinlines"])
    if counted != split(n):
        sys.exit(f"hotc.py: {split(n)} features and hotinlines were declared, {counted} written")
    return found


def compare(first: dict[str, bytes], again: dict[str, bytes]) -> None:
    """Ends the program if a second run wrote anything else."""
    different = [name for name in sorted(first | again) if first.get(name) != again.get(name)]
    if different:
        sys.exit(f"hotc.py: another run wrote other bytes: {', '.join(different)}")


def measure(n: int, repeat: int, folder: Path) -> Iterator[Result]:
    """The rows of a case; those of the compilers once, for they are others' programs."""
    source, out = folder / f"{n}.hot", folder / str(n)
    source.write_text(declarations(n), encoding="utf-8")
    times, memory = [], []
    written: dict[str, bytes] = {}
    for i in range(repeat):
        if sys.stderr.isatty():
            print(f"hotc: {n} declarations, {i + 1} of {repeat}", file=sys.stderr)
        spent, peak = run("dsl/hotc", "compile", "--fresh", "--out", str(out), str(source))
        times.append(spent)
        memory.append(peak)
        compare(written or outputs(out, n), written := outputs(out, n))
    case = f"{n:,} declarations"
    yield Result("hotc", case, "hotc: CPU time", "ms", times, n, "from nothing, with NASM's")
    yield from again(n, repeat, folder, case)
    (out / "user.c").write_text('#include "hotinline.h"\n', encoding="utf-8")
    flags = ["-std=gnu11", "-O2", "-I.", f"-I{out}", "-c", "-o", str(out / "out.o")]
    for what, words in (
        ("gcc: hottable.c", ["gcc", *flags, str(out / "hottable.c")]),
        ("gcc: a file that includes hotinline.h", ["gcc", *flags, str(out / "user.c")]),
        ("nasm: hotstubs.asm",
         ["nasm", "-f", "elf64", str(out / "hotstubs.asm"), "-o", str(out / "out.o")]),
    ):
        yield Result("hotc", case, what, "ms", [run(*words)[0] for _ in range(repeat)], n)
    yield Result("hotc", case, "hotc: peak memory", "MiB", memory, n)


def changed(text: str, i: int) -> str:
    """The declarations with one of them changed: the second hotinline does something else."""
    before, name, after = text.partition("hotinline h1(")
    first, code, rest = after.partition("lea rax, [rdi + ")
    return before + name + first + code + f"{i % 60 + 1} + " + rest


def again(n: int, repeat: int, folder: Path, case: str) -> Iterator[Result]:
    """What a run costs that has an earlier one to look back to."""
    source, out, fresh = folder / "again.hot", folder / "again", folder / "fresh"
    words = ("dsl/hotc", "compile", "--out", str(out), str(source))
    text = declarations(n)
    source.write_text(text, encoding="utf-8")
    run(*words)
    same = [run(*words)[0] for _ in range(repeat)]
    one = []
    for i in range(repeat):
        source.write_text(changed(text, i), encoding="utf-8")
        one.append(run(*words)[0])
    run("dsl/hotc", "compile", "--fresh", "--out", str(fresh), str(source))
    compare(*({name: data for name, data in outputs(folder, n).items()
               if not name.startswith("hotc.")} for folder in (out, fresh)))
    python = [run("/usr/bin/python3", "-sS", "-c", "")[0] for _ in range(repeat)]
    yield Result("hotc", case, "hotc: CPU time, nothing changed", "ms", same, n)
    yield Result("hotc", case, "hotc: CPU time, one declaration changed", "ms", one, n)
    yield Result("hotc", case, "Python that does nothing", "ms", python, n)


def growth(measured: list[Result]) -> Iterator[Result]:
    """Whether it is linear: what one more declaration costs, besides starting."""
    for what, unit, factor in (("hotc: CPU time", "us/declaration", 1e3),
                               ("hotc: peak memory", "KiB/declaration", 1024.0)):
        same = sorted((row for row in measured if row.what == what), key=lambda row: row.n)
        for row in same:
            if row.n > 10 * same[0].n:
                start = same[0].median
                each = [(value - start) / (row.n - same[0].n) * factor for value in row.values]
                yield Result("hotc", "one declaration more", f"{what}, of {row.n:,}", unit, each,
                             row.n, f"less that of {same[0].n:,}")


def rows(declared: list[int], repeat: int, folder: Path) -> Iterator[Result]:
    """All there is to report."""
    measured = []
    for n in declared:
        for row in measure(n, repeat, folder):
            measured.append(row)
            yield row
    yield from growth(measured)


def positive(word: str) -> int:
    """For argparse."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is no number from 1")
    return int(word)


def sizes(word: str) -> list[int]:
    """Numbers of declarations, at least FEWEST each, for argparse."""
    numbers = [positive(part) for part in word.split(",")]
    if min(numbers) < FEWEST:
        raise argparse.ArgumentTypeError(f"at least {FEWEST} declarations, please")
    return numbers


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(64, f"hotc.py: {message}, see `hotc.py --help'\n")


def main() -> int:
    """Measures and prints."""
    parser = _Arguments(description="Measure hotc on generated declarations.")
    parser.add_argument("--declarations", type=sizes, default=[10, 100, 1000, 10000],
                        metavar="LIST", help="how many, separated by commas (10,100,1000,10000)")
    parser.add_argument("--repeat", type=positive, default=3, metavar="N", help="repetitions (3)")
    parser.add_argument("--json", action="store_true", default=not sys.stdout.isatty(),
                        help="lines of JSON")
    parser.add_argument("--table", action="store_false", dest="json",
                        help="a table (on a terminal)")
    options = parser.parse_args()
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(options.declarations, options.repeat, Path(folder)):
            results.rows.append(row)
            if options.json:
                print(json.dumps(asdict(row)), flush=True)
    if not options.json:
        print("\n".join(report.table(results)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

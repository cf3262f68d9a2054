#!/usr/bin/python3
"""Compares what GNU ld and krtld make of relocatable objects, byte for byte."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from check import DIFFERS, IDENTICAL, KRTLD, Tools, Verdict, check  # noqa: E402
from elf import NotAnObject, Object  # noqa: E402
from layout import OUTSIDE, WEAK, BadLayout, Layout, make, read  # noqa: E402
from load import Broken  # noqa: E402

EXIT_SAME, EXIT_DIFFERENT, EXIT_BROKEN, EXIT_USE = 0, 1, 2, 64

DESCRIPTION = """\
Gets the final bytes of every allocated section of each OBJECT from GNU ld, each section at an
address of its own, and compares them with those of krtld. Fields that lead to the GOT must lead
to a slot that holds the symbol's value. What one of the two refuses the other must refuse at the
same place; only thread-local storage, IFUNC and intermediate language are krtld's alone.
"""
EPILOG = """\
One line for each OBJECT, then a count.
Exit status: 0 no difference; 1 a difference; 2 a tool or a file is missing; 64 wrong use.
"""


class Parser(argparse.ArgumentParser):
    """Ends with the status that wrong use has in this tree."""

    def error(self, message: str) -> None:  # type: ignore[override]
        print(f"ld.py: {message}, see `ld.py --help'", file=sys.stderr)
        sys.exit(EXIT_USE)


def address(word: str) -> int:
    value = int(word, 16)
    if not 0 <= value < 2**64 or value % 0x200000:
        raise argparse.ArgumentTypeError(f"{word} is no multiple of a large page, 0x200000")
    return value


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="ld.py", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = made.add_argument
    add("objects", nargs="+", type=Path, metavar="OBJECT")
    add("--layout", type=Path, metavar="FILE", help="addresses, in the form of `krtld --layout';"
        " undefined symbols that it does not mention stay undefined")
    add("--base", type=address, metavar="ADDR", help="hexadecimal; where the first section goes"
        " (default: 0xffffffff90000000, or 0x10000000 if a field of unsigned 32 bits demands it)")
    add("--outside", type=address, default=OUTSIDE, metavar="BYTES", help="hexadecimal; how far"
        " behind that undefined symbols are (default: 0x10000000, in reach)")
    add("--weak", choices=WEAK, default="mixed", help="which undefined weak symbols get an"
        " address: every other (mixed, the default), all (given) or none (absent)")
    add("--keep", type=Path, metavar="DIR", help="keep what ld and krtld were given and made, of"
        " the n-th OBJECT in DIR/n")
    add("--krtld", type=Path, default=KRTLD, metavar="PATH", help="default: build/bin/krtld")
    add("--ld", default="ld", metavar="PATH", help="default: ld")
    add("--quiet", action="store_true", help="only lines about differences, and the count")
    return made


def plan(object_: Object, options: argparse.Namespace) -> Layout:
    if options.layout:
        return read(options.layout.read_text(), str(options.layout), object_)
    return make(object_, options.base, options.weak, options.outside)


def line(verdict: Verdict) -> str:
    if verdict.status != IDENTICAL:
        return f"{verdict.status}: {verdict.reason}"
    text = f"identical: {verdict.sections} sections, {verdict.bytes} bytes,"
    text += f" {verdict.relocations} relocations"
    if verdict.slots:
        text += f", {verdict.slots} through the GOT"
    if verdict.rewritten:
        text += f" ({verdict.rewritten} of weak symbols, rewritten by ld)"
    return text


def run(options: argparse.Namespace) -> int:
    counted: Counter[str] = Counter()
    relocations = 0
    tools = Tools(options.krtld.resolve(), options.ld)
    for number, path in enumerate(options.objects, 1):
        keep = options.keep / str(number) if options.keep else None
        verdict = check(path, tools, lambda o: plan(o, options), keep)
        counted[verdict.status] += 1
        relocations += verdict.relocations if verdict.status == IDENTICAL else 0
        if verdict.status == DIFFERS or not options.quiet:
            print(f"{path}: {line(verdict)}", flush=True)
    print(f"{len(options.objects)} objects: {counted[IDENTICAL]} identical"
          f" ({relocations} relocations), {counted['refused']} refused, {counted[DIFFERS]} differ")
    return EXIT_DIFFERENT if counted[DIFFERS] else EXIT_SAME


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    for tool in (str(options.krtld), options.ld):
        if not shutil.which(tool):
            hint = "`make all' builds krtld" if tool == str(options.krtld) else "is binutils there?"
            print(f"ld.py: cannot run {tool}: {hint}", file=sys.stderr)
            return EXIT_BROKEN
    try:
        return run(options)
    except BadLayout as error:
        print(f"ld.py: {error}", file=sys.stderr)
        return EXIT_USE
    except (OSError, Broken, NotAnObject) as error:
        print(f"ld.py: {error}", file=sys.stderr)
        return EXIT_BROKEN


if __name__ == "__main__":
    sys.exit(main())

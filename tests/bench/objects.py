#!/usr/bin/python3
"""Makes the objects that the benchmark of relocation works on. bench.mk calls it.

    objects.py OUT [--sizes N,N,...] [--modules N]

writes into OUT: synthetic-N.o with that many calls, the largest modules of Debian's kernel, and for
each of them an object of the same name and .unix: it defines all symbols that any of them leaves
undefined, but for those that the object defines itself, and the stubs of the benchmark's
hotinlines. synthetic-N.so is the same code as a shared object, externals.so what it leaves
undefined, and empty.so has nothing in it.

The modules are taken from build/corpus, where `make corpus` puts them; if there are none, the
package that linux-image-amd64 stands for is fetched into it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile  # type: ignore[import]
from elftools.elf.sections import SymbolTableSection  # type: ignore[import]

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "build/corpus"
CALLS = 16  # in a function
EXTERNALS = 500  # different functions that are called and not defined
DATA = 8  # calls for each pointer in data
STUB = "synthetic_hotinline"
STUBS = ("__fentry__", "__x86_return_thunk", "mutex_lock", STUB)  # as in hotinlines.c
START = '.section .note.GNU-stack,"",@progbits\n.text\n'


def say(what: str, which: object) -> None:
    """A line of progress, as make's own."""
    print(f"  {what}\t{which}", flush=True)


def run(*words: str | Path, source: str | None = None, cwd: Path | None = None) -> str:
    """Runs a command; what it prints. Ends with a message if it fails."""
    try:
        done = subprocess.run([str(word) for word in words], input=source, text=True, cwd=cwd,
                              capture_output=True, check=False)
    except OSError as error:
        sys.exit(f"objects.py: cannot run {words[0]}: {error.strerror}")
    if done.returncode:
        sys.exit(f"objects.py: {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


# ---- Synthetic objects ----

def target_of(call: int, calls: int) -> str:
    """Whom a call is for: an eighth calls a hotinline, half call undefined functions, and the rest
    functions of the object."""
    mixed = call * 2654435761 % 2**32 >> 8  # as good as random, and the same each time
    if mixed % 8 == 0:
        return STUB
    if mixed % 8 < 5:
        return f"external_{mixed // 8 % EXTERNALS}"
    return f"own_{mixed // 8 % ((calls + CALLS - 1) // CALLS)}"


def synthetic(calls: int, shared: bool = False) -> Iterator[str]:
    """Assembly with that many calls, and one pointer in data for every eight. The text of a shared
    object is not relocated: there each call goes through a pointer of its own, which is."""
    yield START
    for i in range(calls):
        if i % CALLS == 0:
            yield f".globl own_{i // CALLS}\n.p2align 4\nown_{i // CALLS}:\n"
        target = f"*slots + {8 * i}(%rip)" if shared else target_of(i, calls)
        yield f"\tmovl ${i}, %edi\n\tcall {target}\n\ttestl %eax, %eax\n"
        if i % CALLS == CALLS - 1 or i == calls - 1:
            yield "\tret\n"
    yield ".data\n"
    for i in range(calls // DATA):
        yield f"\t.quad own_{i * DATA // CALLS}\n\t.quad {i}\n"
    if shared:
        yield "slots:\n"
        yield from (f"\t.quad {target_of(i, calls)}\n" for i in range(calls))


def assemble(source: Iterator[str], target: Path) -> None:
    """Runs the assembler."""
    run("as", "-o", target, "-", source="".join(source))


def link_shared(source: Iterator[str], target: Path) -> None:
    """Assembles it into a shared object, in which its own symbols are its own."""
    made = target.with_suffix(".pic")
    assemble(source, made)
    run("ld", "-shared", "-Bsymbolic", "-o", target, made)
    made.unlink()


# ---- Modules ----

def fetch() -> None:
    """Debian's kernel, unpacked into the corpus."""
    debs = CORPUS / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    package = re.search(r"Depends: (linux-image-\S+)",
                        run("apt-cache", "depends", "linux-image-amd64"))
    if not package:
        sys.exit("objects.py: apt knows no linux-image-amd64: run `apt-get update` first")
    say("FETCH", package[1])
    run("apt-get", "download", package[1], cwd=debs)
    for deb in debs.glob(f"{package[1]}_*.deb"):
        unpacked = CORPUS / "unpacked" / package[1]
        unpacked.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "-x", deb, unpacked)


def largest_modules(count: int) -> list[Path]:
    """The largest modules of the corpus; of those that share a name, the largest."""
    if not any(CORPUS.rglob("*.ko")):
        fetch()
    largest: dict[str, Path] = {}
    for path in sorted(CORPUS.rglob("*.ko"), key=lambda path: path.stat().st_size):
        largest[path.name] = path
    return sorted(largest.values(), key=lambda path: -path.stat().st_size)[:count]


# ---- What they leave undefined ----

@dataclass
class Names:
    """Of an object's symbols: those it leaves undefined, and those it defines for others."""

    undefined: set[str]
    defined: set[str]


def names_of(path: Path) -> Names:
    """Reads them."""
    names = Names(set(), set())
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                if symbol["st_info"]["bind"] != "STB_LOCAL" and symbol.name:
                    absent = symbol["st_shndx"] == "SHN_UNDEF"
                    (names.undefined if absent else names.defined).add(symbol.name)
    return names


def unix(names: set[str]) -> Iterator[str]:
    """Assembly that defines the names: 16 bytes of text each, the stubs first."""
    yield START
    for name in (*STUBS, *sorted(names - set(STUBS) - {"_GLOBAL_OFFSET_TABLE_"})):
        yield (f".globl {name}\n.type {name}, @function\n.p2align 4\n"
               f"{name}: nopl (%rax)\n\tret\n.size {name}, . - {name}\n")


def main() -> int:
    """Writes them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--modules", type=int, default=20)
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    objects = []
    for calls in map(int, options.sizes.split(",")):
        objects.append(out / f"synthetic-{calls}.o")
        say("GEN", objects[-1])
        assemble(synthetic(calls), objects[-1])
        link_shared(synthetic(calls, shared=True), out / f"synthetic-{calls}.so")
    link_shared(unix({f"external_{i}" for i in range(EXTERNALS)}), out / "externals.so")
    link_shared(iter([START]), out / "empty.so")
    for module in largest_modules(options.modules) if options.modules else []:
        objects.append(Path(shutil.copy(module, out)))
    names = {path: names_of(path) for path in objects}
    wanted = set[str]().union(*(name.undefined for name in names.values()))
    say("GEN", f"{out}/*.unix: {len(wanted)} symbols, for {len(objects)} objects")
    for path, own in names.items():
        assemble(unix(wanted - own.defined), out / f"{path.name}.unix")
    return 0


if __name__ == "__main__":
    sys.exit(main())

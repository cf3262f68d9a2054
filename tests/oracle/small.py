"""The small corpus that `make test` runs through the oracle: objects made on the spot, and a few
members of static libraries that are there anyway. Used by test_oracle.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from elf import members
from made import OBJECTS, ROOT, WAYS, Recipe, assembled, compiled

FOLDER = ROOT / "build" / "tests" / "oracle"
SMALL = ("O0", "O2", "Os", "noplt", "kernel", "large-pic", "common", "debug", "split")
ASSEMBLY = ("types.s", "names.s", "weak.s", "refs.asm")
MEMBERS = {  # of libc.a; compiled with -fPIE, some for C++'s unwinder, some by hand
    "vfprintf-internal.o", "qsort.o", "regex.o", "strtod_l.o", "getaddrinfo.o", "fnmatch.o",
    "memmove-avx-unaligned-erms.o", "strstr-sse2-unaligned.o", "libc-start.o", "cxa_atexit.o",
    "printf_fp.o", "e_exp.o", "glob.o", "tzset.o", "vfwprintf-internal.o", "unwind-dw2.o",
}  # fmt: skip
SLIM, FAT = ["-O1", "-flto"], ["-O1", "-flto", "-ffat-lto-objects"]


def recipes() -> dict[str, Recipe]:
    """By the name of the object."""
    ways = {way: WAYS[way] for way in SMALL}
    found = [recipe for name in ("weak.c",) for recipe in compiled(OBJECTS / name, FOLDER, ways)]
    found += [
        # g++ is not among what the tests need, and clang++ compiles what includes nothing.
        Recipe(r.source, r.output, ("clang", "-x", "c++", *r.command[1:]))
        for r in compiled(OBJECTS / "shapes.cpp", FOLDER, ways)
        if r.command[0] == "clang++"
    ]
    found += [r for r in compiled(ROOT / "tests/host/objects/data.c", FOLDER, {"fat": FAT})
              if r.command[0] == "gcc"]
    found += [assembled(OBJECTS / name, FOLDER) for name in ASSEMBLY]
    return {recipe.output.name: recipe for recipe in found}


def refused(name: str, compiler: str, flags: list[str]) -> Path:
    """An object that krtld does not take, by that compiler."""
    all_of = compiled(OBJECTS / name, FOLDER / "refused", {f"way{''.join(flags)}": flags})
    return next(recipe for recipe in all_of if recipe.command[0] == compiler).make()


def library(name: str) -> Path:
    """Where the compiler finds a static library."""
    command = ["gcc", f"-print-file-name={name}"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def library_members() -> dict[str, bytes]:
    """Members of libc.a and of GCC's libraries, by archive and name."""
    found: dict[str, bytes] = {}
    for archive in ("libc.a", "libgcc.a", "libgcc_eh.a"):
        for name, contents in members(library(archive)):
            if name in MEMBERS or (archive == "libgcc.a" and name.startswith("_mul")):
                found[f"{archive}:{name}"] = contents
    return found

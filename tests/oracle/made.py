"""Objects that are made on the spot: this tree's sources and those of tests/oracle/objects, by gcc,
clang, g++, clang++, gas and NASM, in many ways. Used by corpus.py and test_oracle.py.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = ROOT / "tests" / "oracle" / "objects"

WAYS: dict[str, list[str]] = {
    "O0": ["-O0", "-fno-pic"],
    "O1": ["-O1", "-fno-pic"],
    "O2": ["-O2", "-fno-pic"],
    "O3": ["-O3", "-fno-pic"],
    "Os": ["-Os", "-fno-pic"],
    "pic": ["-O2", "-fPIC"],
    "pie": ["-O2", "-fPIE"],
    "noplt": ["-O2", "-fPIC", "-fno-plt"],
    "kernel": ["-O2", "-fno-pic", "-mcmodel=kernel", "-mno-red-zone"],
    "medium": ["-O2", "-fno-pic", "-mcmodel=medium"],
    "large": ["-O2", "-fno-pic", "-mcmodel=large"],
    "large-pic": ["-O2", "-fPIC", "-mcmodel=large"],
    "debug": ["-Og", "-g3", "-fno-pic"],
    "debug-pic": ["-O1", "-g", "-gz", "-fPIC"],
    "sections": ["-O2", "-fno-pic", "-ffunction-sections", "-fdata-sections"],
    "common": ["-O2", "-fno-pic", "-fcommon"],
    "fat-lto": ["-O2", "-flto", "-ffat-lto-objects", "-fno-pic"],
    "lto": ["-O2", "-flto", "-fno-pic"],
    "split": ["-O2", "-fPIC", "-fstack-protector-all", "-fcf-protection=full", "-pg"],
}
GCC_ONLY = frozenset(["fat-lto"])  # clang 14 has no fat objects
COMPILERS = {".c": ("gcc", "clang"), ".cpp": ("g++", "clang++")}
FLAGS = {
    ".c": ["-std=gnu11", "-w", "-I.", "-Igenerated"],
    ".cpp": ["-std=gnu++17", "-w"],
}


class CannotMake(Exception):
    """A compiler is missing or refuses its source."""


@dataclass(frozen=True)
class Recipe:
    """How an object is made."""

    source: Path
    output: Path
    command: tuple[str, ...]

    def make(self) -> Path:
        """Makes the object unless it is there and newer than its source."""
        if (
            self.output.exists()
            and self.output.stat().st_mtime >= self.source.stat().st_mtime
        ):
            return self.output
        self.output.parent.mkdir(parents=True, exist_ok=True)
        part = self.output.with_suffix(".part")
        command = [*self.command, str(self.source), "-o", str(part)]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        except OSError as error:
            raise CannotMake(f"cannot run {command[0]}: {error.strerror}") from error
        if done.returncode != 0:
            raise CannotMake(f"{' '.join(command)}\n{done.stderr.strip()[:800]}")
        part.rename(self.output)
        return self.output


def compiled(source: Path, folder: Path, ways: dict[str, list[str]] = WAYS) -> list[Recipe]:
    """A source in each way, by each compiler of its language."""
    recipes = []
    for compiler in COMPILERS[source.suffix]:
        for way, flags in ways.items():
            if way in GCC_ONLY and compiler.startswith("clang"):
                continue
            output = folder / f"{source.stem}-{compiler}-{way}.o"
            command = (compiler, "-c", *FLAGS[source.suffix], *flags)
            recipes.append(Recipe(source, output, command))
    return recipes


def assembled(source: Path, folder: Path) -> Recipe:
    """A source in assembly, by gas or NASM."""
    output = folder / f"{source.stem}-{source.suffix[1:]}.o"
    nasm = ("nasm", "-f", "elf64", "-g", "-F", "dwarf", "-I./", "-Igenerated/")
    return Recipe(source, output, nasm if source.suffix == ".asm" else ("gcc", "-c"))


def many_sections(folder: Path, number: int) -> Recipe:
    """An object of that many loaded sections, twice as many symbols, and calls of both kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"many{number}.s"
    if not source.exists():
        lines = [
            f'.section .t{i},"ax"\nf{i}: call f{i * 7 % number}\n.globl g{i}\ng{i}: jmp outside\n'
            for i in range(number)
        ]
        source.write_text("".join(lines))
    return assembled(source, folder)


def late_sections(folder: Path, number: int = 65300) -> Recipe:
    """An object whose loaded sections, but for .text, have indices that 16 bits cannot hold."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"late{number}.s"
    if not source.exists():
        lines = [f'.section .n{i},""\n' for i in range(number)]
        lines += [".text\nstart: call end\n", '.section .last,"ax"\nend: jmp start\njmp outside\n']
        lines += ['.section .d,"aw"\n.globl g\ng: .quad g, end + 1, start, outside\n']
        source.write_text("".join(lines))
    return assembled(source, folder)

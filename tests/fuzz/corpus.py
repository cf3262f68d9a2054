#!/usr/bin/python3
"""Looks after the corpora of the fuzz targets: `make fuzz-merge` and `make fuzz-cover`.

merge: the fewest inputs, of those found so far, that reach every edge that is reached become
tests/fuzz/corpus/TARGET. cover: lines of loader/ and alternatives/ that all of them reach.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/fuzz"
LLVM = next((f"-{v}" for v in (14, 15, 16) if shutil.which(f"llvm-cov-{v}")), "")


def corpora(target: str) -> list[Path]:
    """Where inputs of a target lie, best first."""
    every = [ROOT / "tests/fuzz/crashes" / target, ROOT / "tests/fuzz/corpus" / target,
             BUILD / "seeds" / target, BUILD / "corpus" / target]
    return [path for path in every if path.is_dir()]


def merge(target: str) -> None:
    """Replaces the corpus of one target. Counters of loops are left out, or it would be large."""
    out = BUILD / "merged" / target
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run = subprocess.run([str(BUILD / "bin" / target), "-set_cover_merge=1", "-use_counters=0",
                          str(out), *map(str, corpora(target))], cwd=ROOT, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace")
    if run.returncode:
        sys.exit(f"{run.stdout[-2000:]}\n{target}: merge ended with status {run.returncode}")
    home = ROOT / "tests/fuzz/corpus" / target
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(out, home)
    sizes = [path.stat().st_size for path in home.iterdir()]
    print(f"{target}: {len(sizes)} inputs, {sum(sizes) // 1024} KiB")


def cover(targets: list[str]) -> None:
    """Prints llvm-cov's report, file by file."""
    profiles = []
    for target in targets:
        inputs = [str(p) for directory in corpora(target) for p in sorted(directory.iterdir())]
        profiles.append(str(BUILD / f"{target}.profraw"))
        print(f"{target}: {len(inputs)} inputs", flush=True)
        subprocess.run([str(BUILD / f"bin/{target}-cover"), *inputs], cwd=ROOT, check=True,
                       env=os.environ | {"LLVM_PROFILE_FILE": profiles[-1]},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    merged = str(BUILD / "all.profdata")
    subprocess.run([f"llvm-profdata{LLVM}", "merge", "-o", merged, *profiles], check=True)
    subprocess.run([f"llvm-cov{LLVM}", "report", str(BUILD / f"bin/{targets[0]}-cover"),
                    *(f"-object={BUILD}/bin/{target}-cover" for target in targets[1:]),
                    f"-instr-profile={merged}", "-show-region-summary=0",
                    "loader", "alternatives"], cwd=ROOT, check=True)


def main() -> None:
    """merge or cover, and targets."""
    match sys.argv[1:]:
        case ["merge", *targets] if targets:
            for target in targets:
                merge(target)
        case ["cover", *targets] if targets:
            cover(targets)
        case _:
            sys.exit("usage: corpus.py merge|cover TARGET…")


if __name__ == "__main__":
    main()

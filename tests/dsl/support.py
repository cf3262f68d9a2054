"""What the tests of hotc share: running it, in this process or as people do, and reading what it
says."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DSL = ROOT / "dsl"
HOTC = DSL / "hotc"
MARK = "«"  # in a test's text: an error is expected where it stands

sys.path.insert(0, str(DSL))

from compiler.cli import main  # noqa: E402
from compiler.compile import compile_files  # noqa: E402
from compiler.model import Options  # noqa: E402
from compiler.report import Error, Errors, Place  # noqa: E402

C_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wshadow"]
C_FLAGS += ["-Wstrict-prototypes", "-Wmissing-prototypes", f"-I{ROOT}"]
KERNEL_FLAGS = ["-ffreestanding", "-fno-pic", "-fno-pie", "-mcmodel=kernel", "-mno-red-zone"]
KERNEL_FLAGS += ["-mgeneral-regs-only", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"]
KERNEL_FLAGS += ["-fcf-protection=none"]


@dataclass
class Outcome:
    """Of a compilation in this process."""

    errors: list[Error]
    outputs: dict[str, bytes]

    @property
    def idents(self) -> list[str]:
        return [error.ident for error in self.errors]

    def text(self) -> str:
        return "\n".join(error.render() for error in self.errors)

    def __str__(self) -> str:
        return self.text() or f"no error; {len(self.outputs)} outputs"


def compile_text(
    folder: Path, *texts: str, nasm: str = "nasm", options: Options = Options()
) -> Outcome:
    """Compiles one file for each text; MARKs are taken out first."""
    paths = []
    for number, text in enumerate(texts):
        path = folder / f"file{number}.hot"
        path.write_text(text.replace(MARK, ""), encoding="utf-8", newline="")
        paths.append(str(path))
    errors = Errors()
    outputs, _ = compile_files(paths, nasm, options, errors)
    return Outcome(errors.sorted(), outputs)


def marks(text: str) -> list[tuple[int, int]]:
    """Lines and columns of the MARKs, counted as if they were not there."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        for count, match in enumerate(re.finditer(MARK, line)):
            found.append((number, match.start() + 1 - count))
    return found


def places(outcome: Outcome) -> list[tuple[int, int]]:
    return [
        (error.where.line, error.where.column)
        for error in outcome.errors
        if isinstance(error.where, Place)
    ]


@dataclass
class Done:
    """Of the command line, run in this process."""

    returncode: int
    stdout: str
    stderr: str


def hotc(*words: str | Path) -> Done:
    """Runs the command line in this process: starting Python anew takes longer than most runs."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in words])
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        finally:
            gc.enable()
    return Done(status, out.getvalue(), err.getvalue())


def program(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs the program as people do."""
    settings: dict[str, object] = {"capture_output": True, "text": True, "encoding": "utf-8"}
    settings.update(options)
    command = [str(HOTC), *map(str, words)]
    return subprocess.run(command, **settings)  # type: ignore[call-overload,no-any-return]


def run(*words: str | Path, **options: object) -> str:
    """Runs a tool that must succeed; returns what it prints."""
    settings: dict[str, object] = {"capture_output": True, "text": True, "encoding": "utf-8"}
    settings.update(options)
    done = subprocess.run([str(word) for word in words], **settings)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def tree_files() -> list[Path]:
    """The declarations of this tree."""
    return sorted((ROOT / "alternatives").glob("*.hot"))


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of last change of every file but the record, which every run touches."""
    return {
        name: ((folder / name).read_bytes(), os.stat(folder / name).st_mtime_ns)
        for name in sorted(os.listdir(folder))
        if name != "hotc.stamp"
    }

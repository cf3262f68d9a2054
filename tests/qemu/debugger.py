"""How the tests talk to the guest's debugger: `mdb -k` at the prompt, and kmdb."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machines import ROOT

from machine import Machine

LIVE, STOPPED = b"\n> ", b"\n[0]> "


@dataclass(frozen=True)
class Instruction:
    """A line of ::dis."""

    name: str
    code: bytes
    text: str
    note: str  # what it says of a site, or ""


def ask(machine: Machine, line: str, prompt: bytes = STOPPED) -> str:
    """Runs a command of the debugger whose prompt follows, and returns its output."""
    machine.send(line.encode() + b"\r")
    return machine.read_until(prompt).partition("\n")[2] + "\n"


def mdb(machine: Machine, line: str) -> str:
    """The same, from the shell."""
    return machine.command(f"mdb -k -c '{line}'")


def listing(text: str) -> list[Instruction]:
    """What ::dis printed."""
    found = re.findall(r"^(\S+): +((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  (.*?))?(?:; (.*))?$", text,
                       re.MULTILINE)
    return [Instruction(name, bytes.fromhex(code), words.strip(), note)
            for name, code, words, note in found]


def without_capstone(folder: Path) -> Path:
    """A boot archive that lacks the disassembler."""
    stage, archive = folder / "stage", folder / "archive.cpio"
    shutil.copytree(ROOT / "build/boot.cpio.d", stage)
    (stage / "modules/capstone.ko").unlink()
    names = sorted(str(path.relative_to(stage)) for path in stage.rglob("*"))
    archive.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=stage,
                                       input="\n".join(names).encode(), capture_output=True,
                                       check=True).stdout)
    return archive

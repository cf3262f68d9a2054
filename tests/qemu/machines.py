"""What the tests of this folder share: paths, machines of the test archive, and the matrix."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "kernel/qemu"))

import guest  # noqa: E402
from machine import LIMIT, PROMPT, Config, Machine  # noqa: E402

TEST_ARCHIVE = ROOT / "build/tests/boot.cpio"
# In the order in which they can be loaded: some call functions of others.
BOOT_MODULES = ["capstone", "dtrace"]  # loaded after every boot: kernel/modules.c
MODULES = ["usercopy", "window", "counters", "clock", "ring"]
TEST_MODULES = ["crosspage", "forms"]


@dataclass(frozen=True)
class Row:
    """A line of matrix.txt."""

    name: str
    config: Config
    features: dict[str, bool]


def read_matrix(path: Path = Path(__file__).with_name("matrix.txt")) -> list[Row]:
    """All machines of the matrix."""
    rows = []
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, machine, smp, cpu, args, *features = line.split()
        config = make_config(cpu=cpu, machine=machine, smp=smp,
                             args="" if args == "-" else args.replace(",", " "))
        rows.append(Row(name, config, {word[1:]: word[0] == "+" for word in features}))
    return rows


def make_config(**options: Any) -> Config:
    """A machine that boots the archive with the test modules; microvm, which boots faster, unless
    the options say otherwise."""
    defaults: dict[str, Any] = {"archive": TEST_ARCHIVE, "machine": "microvm", "mem": "64M"}
    return Config(**(defaults | options))


def booted(**options: Any) -> Machine:
    """Such a machine, for a `with`; call boot() in it."""
    return Machine(make_config(**options))


def wait_for_user_mode(machine: Machine) -> None:
    """Waits until a program runs: the CPU is found in ring 3."""
    machine.wait_until(lambda: "CPL=3" in machine.monitor("info registers"), "a program to run")


def load(machine: Machine, names: list[str]) -> None:
    """Loads modules, and demands that they are loaded."""
    said = [machine.command(f"modload {name}") for name in names]
    loaded = guest.loaded_modules(machine)
    assert set(names) <= set(loaded), "\n".join(said)


def typed(machine: Machine, keys: bytes) -> str:
    """Types keys that end a line, and returns what came before the next prompt."""
    machine.send(keys)
    return machine.read_until(PROMPT)

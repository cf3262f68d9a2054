"""Watches every instruction of a workload, and judges where EFLAGS.AC may be set.

QEMU, told to translate one instruction at a time and to chain none, logs each with the flags that
its code was translated for: CPL, CR4.SMAP and AC, which are what decides whether SMAP lets an
access pass. watch.c counts them. Where AC may be set is found in the guest's text by following
every path from the instruction behind a smap_disable site to a smap_enable site, and from the
first instruction of every exception and interrupt, which inherits AC, to the smap_enable there.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import capstone  # type: ignore[import]
from capstone import x86_const as x86

from machines import LIMIT, ROOT

import guest
from machine import Machine

USER, AC, SMAP = 1, 2, 4  # bits of watch.c's states
NMI, PAGE_FAULT, TIMER, NVECTORS = 2, 14, 32, 64
MASK = (1 << 64) - 1  # Capstone gives addresses as signed numbers

Step = tuple[int, int]  # address, state


@functools.lru_cache(maxsize=None)
def watcher() -> Path:
    """The program that reads the log, compiled once a run of the tests."""
    folder = tempfile.TemporaryDirectory(prefix="hotinline-")
    program = Path(folder.name) / "watch"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", program,
                    ROOT / "tests/qemu/watch.c"], check=True)
    watcher.folder = folder  # type: ignore[attr-defined]  # it lives as long as the process
    return program


@dataclass
class Windows:
    """Where AC may be set, by the guest's text."""

    bodies: set[int] = field(default_factory=set)  # behind a stac: AC must be set
    called: set[int] = field(default_factory=set)  # functions called from there: it may be
    entries: set[int] = field(default_factory=set)  # as it was in what was interrupted
    opens: set[int] = field(default_factory=set)  # the stac instructions themselves
    closes: set[int] = field(default_factory=set)  # the clac instructions
    problems: list[str] = field(default_factory=list)  # paths that leave a window open
    vectors: list[int] = field(default_factory=list)  # where each exception begins
    trap: int = 0  # where all of them meet
    iretq: int = 0  # how they return
    switch: int = 0  # thread_switch
    syscall: int = 0  # where system calls begin


class Walker:
    """Follows the paths of the guest's text, as it is in memory now."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.windows = Windows()
        self._decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self._decoder.detail = True
        self._texts = [(int(row[1], 16), machine.memory(int(row[1], 16), int(row[2])))
                       for row in (line.split() for line in machine.command("modinfo")
                                   .partition("in the archive:")[0].splitlines()[1:])]
        # It ends the run, and what follows its call is another function.
        self._panic = guest.symbols(machine, ["panic"])["panic"].address

    def instruction(self, address: int) -> capstone.CsInsn:
        """The instruction there."""
        for start, text in self._texts:
            if start <= address < start + len(text):
                return next(self._decoder.disasm(
                    text[address - start:address - start + 15], address, 1))
        raise ValueError(f"no module's text at {address:#x}")

    def walk(self, start: int, callee: bool = False) -> tuple[set[int], set[int]]:
        """What is reached from there, up to a smap_enable, and what is called on the way. A callee
        returns, and must not close the window of its caller."""
        seen: set[int] = set()
        calls: set[int] = set()
        todo = [start]
        while todo:
            address = todo.pop()
            if address in seen:
                continue
            seen.add(address)
            if address in self.windows.closes:
                if callee:
                    self._problem(start, address, "closes the window of its caller")
                continue
            if address in self.windows.opens:
                self._problem(start, address, "opens a window in a window")
            instruction = self.instruction(address)
            groups, following = instruction.groups, address + instruction.size
            branches = x86.X86_GRP_JUMP in groups or x86.X86_GRP_CALL in groups
            target = instruction.operands[0] if branches else None
            if x86.X86_GRP_RET in groups or x86.X86_GRP_IRET in groups:
                if not callee:
                    self._problem(start, address, "returns with the window open")
                continue
            if target is not None and target.type != x86.X86_OP_IMM:
                self._problem(start, address, "goes who knows where, with the window open")
            elif target is not None:
                to = target.imm & MASK
                if to == self._panic:
                    continue
                (calls.add if x86.X86_GRP_CALL in groups else todo.append)(to)
            if instruction.id not in (x86.X86_INS_JMP, x86.X86_INS_UD2):
                todo.append(following)
        return seen, calls

    def _problem(self, start: int, address: int, what: str) -> None:
        names = guest.symbols(self.machine, [f"{start:x}", f"{address:x}"])
        self.windows.problems.append(" ... ".join(s.name for s in names.values()) + ": " + what)


def find_windows(machine: Machine) -> Windows:
    """Reads the guest's text. Modules that come later are not in it."""
    walker = Walker(machine)
    windows = walker.windows
    for site in guest.hotinlines(machine).sites:
        if site.hotinline == "smap_disable":
            windows.opens.add(site.address)
        elif site.hotinline == "smap_enable":
            windows.closes.add(site.address)
    stub = guest.symbols(machine, ["smap_disable"])["smap_disable"].address
    called: set[int] = set()
    for address in windows.opens - {stub}:
        seen, calls = walker.walk(address + walker.instruction(address).size)
        windows.bodies |= seen
        called |= calls
    done: set[int] = set()
    while called - done:
        callee = (called - done).pop()
        done.add(callee)
        seen, calls = walker.walk(callee, callee=True)
        windows.called |= seen
        called |= calls
    names = ["trap_vectors", "trap_common", "trap_return", "thread_switch", "syscall_entry"]
    found = guest.symbols(machine, names)
    table = machine.memory(found["trap_vectors"].address, NVECTORS * 8)
    windows.vectors = [int.from_bytes(table[8 * i:8 * i + 8], "little") for i in range(NVECTORS)]
    for vector in windows.vectors:
        windows.entries |= walker.walk(vector)[0]
    windows.trap, windows.switch = found["trap_common"].address, found["thread_switch"].address
    windows.syscall = found["syscall_entry"].address
    address = found["trap_return"].address
    while walker.instruction(address).id != x86.X86_INS_IRETQ:
        address += walker.instruction(address).size
    windows.iretq = address
    return windows


@dataclass
class Observation:
    """What watch.c counted. Complete once the `with observing()` is left."""

    windows: Windows
    pairs: Counter[tuple[Step, Step]] = field(default_factory=Counter)
    switches: int = 0  # of threads, in an interrupt of a window

    def steps(self) -> Counter[Step]:
        """How often each instruction ran, by address and state."""
        steps: Counter[Step] = Counter()
        for (_, to), count in self.pairs.items():
            steps[to] += count
        return steps

    def kernel(self) -> int:
        """Instructions of the kernel; each turn of a string instruction is one."""
        return sum(count for (_, state), count in self.steps().items() if not state & USER)

    def interrupted(self, vector: int) -> int:
        """How often that came in an open window."""
        return sum(count for (was, now), count in self.pairs.items()
                   if was[1] & AC and not was[1] & USER and now[1] & AC
                   and now[0] == self.windows.vectors[vector] and was[0] != self.windows.iretq)

    def taken(self, vector: int) -> int:
        """How often that came at all."""
        return sum(count for (address, _), count in self.steps().items()
                   if address == self.windows.vectors[vector])

    def opened(self) -> int:
        """How many windows were opened."""
        return sum(count for (address, _), count in self.steps().items()
                   if address in self.windows.opens)

    def from_user(self, with_ac: bool) -> int:
        """System calls that came with AC set in user mode, or clear."""
        return sum(count for (was, now), count in self.pairs.items()
                   if now[0] == self.windows.syscall and bool(was[1] & AC) == with_ac)

    def violations(self) -> list[str]:
        """Every instruction that had AC otherwise than the windows say, with its count."""
        found = []
        windows = self.windows
        allowed = windows.bodies | windows.called | windows.entries
        for (address, state), count in sorted(self.steps().items()):
            if state & USER:
                continue
            if state & AC and address not in allowed:
                found.append(f"{address:x}: AC is set outside a window, {count} times")
            if not state & AC and address in windows.bodies - windows.called:
                found.append(f"{address:x}: AC is clear in a window, {count} times")
            if not state & SMAP:
                found.append(f"{address:x}: CR4.SMAP is clear, {count} times")
        for (was, now), count in sorted(self.pairs.items()):
            if was[0] in windows.closes and not was[1] & USER and now[1] & AC:
                found.append(f"{now[0]:x}: AC is set behind a clac, {count} times")
        return found


def _read(text: str, observation: Observation) -> None:
    for line in text.splitlines():
        words = line.split()
        if words[0] == "within":
            observation.switches = int(words[1])
            continue
        count, was, was_state, now, now_state = words
        observation.pairs[(int(was, 16), int(was_state)), (int(now, 16), int(now_state))] = \
            int(count)


@contextmanager
def observing(machine: Machine) -> Iterator[Observation]:
    """Watches what the machine does in the `with`; windows are those of modules loaded before."""
    windows = find_windows(machine)
    observation = Observation(windows)
    with tempfile.TemporaryDirectory(prefix="hotinline-") as folder:
        pipe = Path(folder) / "log"
        os.mkfifo(pipe)
        with subprocess.Popen([watcher(), pipe, hex(windows.trap), hex(windows.iretq),
                               hex(windows.switch)], stdout=subprocess.PIPE, text=True) as watch:
            for line in ("stop", f"logfile {pipe}", "singlestep on", "log exec,nochain", "cont"):
                assert not machine.monitor(line)
            try:
                yield observation
            finally:
                for line in ("stop", "log none", "singlestep off", "cont"):
                    machine.monitor(line)
                with pipe.open("w") as end:
                    end.write("End\n")
            text, _ = watch.communicate(timeout=LIMIT)
            assert watch.returncode == 0
    _read(text, observation)


def name(machine: Machine, violation: str) -> str:
    """The same line with module:symbol+0xoffset for the address."""
    address, _, rest = violation.partition(":")
    found = guest.symbols(machine, [address])
    return f"{found[address].name if found else address}:{rest}"

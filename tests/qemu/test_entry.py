"""How the CPU enters the kernel: what a program can bring along in its flags, on which stack an
exception begins, and the registers that decide both."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from machines import LIMIT, PROMPT, booted, wait_for_user_mode

import guest
from gdbstub import Debugger
from machine import Machine, Verdict

TF, IF, DF, IOPL, NT, AC = 1 << 8, 1 << 9, 1 << 10, 3 << 12, 1 << 14, 1 << 18
KERNEL_CODE, KERNEL_DATA, USER_DATA, USER_CODE = 8, 16, 24 | 3, 32 | 3
NVECTORS, GATE, GATE_USER = 64, 0x8E, 0xEE
DEBUG, NMI, BREAKPOINT, DOUBLE_FAULT, MACHINE_CHECK = 1, 2, 3, 8, 18
STACK = 4 * 4096
RDI, RSP, RIP, FLAGS_AT = 5, 7, 16, 17 * 8  # in the answer to `g`
FRAME, FRAME_CS = 22 * 8, 18 * 8  # kernel/arch/amd64/frame.h


def register(machine: Machine, name: str, cpu: int = 0) -> list[int]:
    """A register of a CPU as QEMU sees it: all numbers of its line, if it is a segment or a table."""
    text = machine.monitor("info registers -a").split("CPU#")[cpu + 1]
    found = re.search(rf"\b{name} *= *((?:[0-9a-f]+ ?)+)", text)
    assert found, text
    return [int(word, 16) for word in found[1].split()]


def msrs(machine: Machine) -> dict[str, int]:
    """What the module `entry` says of the model-specific registers."""
    words = machine.command("modload entry").partition("entry: ")[2].split()
    return {name: int(value, 16) for name, value in zip(words[:8:2], words[1:8:2])}


# ---- Flags ----

def test_no_flag_that_matters_passes_from_a_program_into_the_kernel() -> None:
    with booted() as machine:
        machine.boot()
        entry = guest.symbols(machine, ["syscall_entry"])["syscall_entry"].address
        found = msrs(machine)
        assert found["sfmask"] == TF | IF | DF | IOPL | NT | AC
        assert found["star"] == (KERNEL_DATA | 3) << 48 | KERNEL_CODE << 32
        assert found["lstar"] == entry
        assert "flags: 0 wrong" in machine.command("flags")


def test_a_flag_that_passes_is_noticed() -> None:
    """The twin. (QEMU 7.2 clears DF in SYSCALL even if SFMASK does not: only the register tells.)"""
    with booted(args=f"entry.clear={DF | AC}") as machine:
        machine.boot()
        assert msrs(machine)["sfmask"] == TF | IF | IOPL | NT
        result = machine.finish("flags")
    assert result.verdict is Verdict.PANIC and "left a window open" in result.reason


def _registers(debugger: Debugger) -> tuple[list[int], int]:
    """General registers and rip; eflags."""
    data = bytes.fromhex(debugger.ask("g", None))
    return list(struct.unpack_from("<17Q", data)), struct.unpack_from("<I", data, FLAGS_AT)[0]


def connect(machine: Machine, folder: Path) -> Debugger:
    """A debugger of a machine that runs already; it is stopped."""
    machine.monitor("stop")
    machine.monitor(f"gdbserver unix:{folder / 'gdb'},server=on,wait=off")
    return Debugger(machine, folder, LIMIT)


def test_c_is_entered_with_the_direction_flag_and_every_window_closed(tmp_path: Path) -> None:
    """By system calls and by interrupts, whatever a program has set: `flags` sets it all."""
    with booted() as machine:
        machine.boot()
        at = guest.symbols(machine, ["trap", "syscall"])
        names = {symbol.address: name for name, symbol in at.items()}
        brought = {name: 0 for name in at}  # flags that programs had set
        with connect(machine, tmp_path) as debugger:
            for address in names:
                debugger.ask(f"Z1,{address:x},1", "OK")
            machine.send(b"flags\r")
            while not all(flags & DF and flags & AC and flags & NT for flags in brought.values()):
                assert debugger.ask("c", None).startswith("T05")
                general, flags = _registers(debugger)
                frame = general[RDI]
                assert not flags & (TF | IF | DF | NT | AC), f"{names[general[RIP]]}: {flags:#x}"
                saved = machine.memory(frame + FRAME_CS, 16)
                cs, theirs = struct.unpack("<QQ", saved)
                if cs & 3:
                    brought[names[general[RIP]]] |= theirs
                debugger.ask("s", None)  # or it stops there again
            for address in names:
                debugger.ask(f"z1,{address:x},1", "OK")
        assert "flags: 0 wrong" in machine.read_until(PROMPT)
        assert machine.finish().verdict is Verdict.PASS


# ---- Stacks ----

def gates(machine: Machine, cpu: int = 0) -> list[tuple[int, int, int, int]]:
    """The interrupt table: offset, segment, interrupt stack and type of each gate."""
    base, limit = register(machine, "IDT", cpu)
    found = []
    for low, high, _ in struct.iter_unpack("<QII", machine.memory(base, limit + 1)):
        offset = low & 0xFFFF | low >> 48 << 16 | high << 32
        found.append((offset, low >> 16 & 0xFFFF, low >> 32 & 7, low >> 40 & 0xFF))
    return found


def test_an_exception_that_may_come_on_a_users_stack_has_a_stack_of_its_own() -> None:
    """The end of a single step, an NMI and a machine check may come before a system call has left
    it; a double fault may mean that there is none. The stacks are apart, in memory of unix."""
    with booted() as machine:
        machine.boot()
        at = guest.symbols(machine, ["trap_vectors", "stacks"])
        table = gates(machine)
        vectors = struct.unpack(f"<{NVECTORS}Q", machine.memory(at["trap_vectors"].address,
                                                                8 * NVECTORS))
        assert [offset for offset, *_ in table] == list(vectors)
        assert {segment for _, segment, *_ in table} == {KERNEL_CODE}
        assert {n for n, gate in enumerate(table) if gate[3] != GATE} == {BREAKPOINT}
        assert table[BREAKPOINT][3] == GATE_USER
        used = {n: gate[2] for n, gate in enumerate(table) if gate[2]}
        assert used.keys() == {DEBUG, NMI, DOUBLE_FAULT, MACHINE_CHECK}
        assert len(set(used.values())) == len(used)
        task = register(machine, "TR")[1]
        tops = struct.unpack("<7Q", machine.memory(task + 36, 56))
        mine = sorted(tops[number - 1] for number in used.values())
        stacks = at["stacks"]
        assert mine == [stacks.address + STACK * (n + 1) for n in range(len(used))]
        assert stacks.size == STACK * len(used)


def test_a_cpu_at_rest_has_none_of_these_stacks() -> None:
    """The twin: it has no task state segment, and its gates say so."""
    with booted(smp="2") as machine:
        machine.boot()
        assert {gate[2] for gate in gates(machine, 1)} == {0}


def test_an_nmi_before_a_system_call_has_left_the_users_stack_is_not_pushed_onto_it(
        tmp_path: Path) -> None:
    """It may be taken an instruction or two later: then the stack is the kernel's, and not left."""
    with booted(args="nmi=count") as machine:
        machine.boot()
        at = guest.symbols(machine, ["syscall_entry", "stacks", "trap_vectors"])
        handler = machine.memory(at["trap_vectors"].address + 8 * NMI, 8)
        with connect(machine, tmp_path) as debugger:
            machine.send(b"hello\r")
            debugger.run_to(at["syscall_entry"].address)
            before = _registers(debugger)[0][RSP]
            machine.qmp("inject-nmi")
            for _ in range(8):
                if debugger.step() == int.from_bytes(handler, "little"):
                    break
            general = _registers(debugger)[0]
            after = general[RSP]
            assert general[RIP] == int.from_bytes(handler, "little")
        assert before < 1 << 47  # the user's
        assert 0 < after - at["stacks"].address < at["stacks"].size
        assert "hello from process" in machine.read_until(PROMPT)
        assert machine.finish().verdict is Verdict.PASS


def trap_frame(machine: Machine, debugger: Debugger, trap: int) -> tuple[int, dict[str, int]]:
    """Sends an NMI to a machine that is stopped; the frame with which trap() is called for it."""
    debugger.ask(f"Z1,{trap:x},1", "OK")
    machine.qmp("inject-nmi")
    while True:
        assert debugger.ask("c", None).startswith("T05")
        at = _registers(debugger)[0][RDI]
        words = struct.unpack("<22Q", machine.memory(at, FRAME))
        names = ("vector", "error", "rip", "cs", "flags", "rsp", "ss")
        frame = dict(zip(names, words[15:]))
        if frame["vector"] == NMI:
            debugger.ask(f"z1,{trap:x},1", "OK")
            return at, frame
        debugger.ask("s", None)  # the timer; or it stops there again


def test_a_programs_trap_goes_on_with_the_threads_own_stack(tmp_path: Path) -> None:
    """The whole frame: it may be kept, and the interrupt's stack is for the next one."""
    with booted(args="nmi=count") as machine:
        machine.boot()
        at = guest.symbols(machine, ["trap", "kernel_stack", "stacks"])
        machine.send(b"flags\r")
        wait_for_user_mode(machine)
        with connect(machine, tmp_path) as debugger:
            frame: dict[str, int] = {"cs": 0}
            while not frame["cs"] & 3:  # it may be in the kernel just now
                address, frame = trap_frame(machine, debugger, at["trap"].address)
            top = machine.memory(at["kernel_stack"].address, 8)
            assert address + FRAME == int.from_bytes(top, "little")
            assert frame["cs"] == USER_CODE and frame["ss"] == USER_DATA
            assert frame["rip"] < 1 << 47 and frame["rsp"] < 1 << 47 and frame["flags"] & IF
        assert "flags: 0 wrong" in machine.read_until(PROMPT)
        assert machine.finish().verdict is Verdict.PASS


def test_the_kernels_trap_stays_on_the_interrupts_stack(tmp_path: Path) -> None:
    """The twin: the thread's own stack is in use."""
    with booted(args="nmi=count") as machine:
        machine.boot()
        at = guest.symbols(machine, ["trap", "stacks"])
        with connect(machine, tmp_path) as debugger:
            address, frame = trap_frame(machine, debugger, at["trap"].address)
        assert frame["cs"] == KERNEL_CODE and frame["ss"] == KERNEL_DATA
        assert 0 <= address - at["stacks"].address < at["stacks"].size
        assert machine.finish().verdict is Verdict.PASS


# ---- Control registers ----

PE, MP, EM, TS, WP, PG = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 16, 1 << 31
PAE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, SMEP, SMAP = (1 << n for n in (5, 9, 10, 11, 16, 20, 21))
SCE, LME, LMA, NXE = 1 << 0, 1 << 8, 1 << 10, 1 << 11


@pytest.mark.parametrize("cpu, without", [
    ("max", 0), ("max,-umip", UMIP), ("max,-smep", SMEP), ("max,-fsgsbase", FSGSBASE),
    ("max,-smap", SMAP), ("max,level=7", 0), ("max,level=6", UMIP | FSGSBASE | SMEP | SMAP),
    ("max,level=4", UMIP | FSGSBASE | SMEP | SMAP),
])
def test_every_protection_that_the_cpu_has_is_on_and_no_other(cpu: str, without: int) -> None:
    """Leaf 7 is there if the highest leaf is 7, and not below: leaf 4's data, which QEMU gives instead,
    have bits set that mean something in leaf 7."""
    with booted(cpu=cpu) as machine:
        machine.boot()
        cr0, cr4, efer = (register(machine, name)[0] for name in ("CR0", "CR4", "EFER"))
        assert cr0 & (PE | MP | EM | TS | WP | PG) == PE | MP | WP | PG
        assert cr4 == (PAE | OSFXSR | OSXMMEXCPT | UMIP | FSGSBASE | SMEP | SMAP) & ~without
        assert efer == SCE | LME | LMA | NXE


# ---- What a thread has of its own ----

@pytest.mark.parametrize("cpu", ["max", "max,-fsgsbase", "Nehalem"])
def test_a_thread_finds_its_own_registers_after_each_switch(cpu: str) -> None:
    with booted(cpu=cpu) as machine:
        machine.boot()
        said = machine.command("modload switches")
        assert "switches: 336 checks, 0 wrong" in said, said


@pytest.mark.parametrize("what, rule", [("fsbase", "FS base is its own"),
                                        ("gsbase", "GS base is its own"),
                                        ("fpu", "vector registers are its own")])
def test_a_register_that_is_not_brought_back_is_noticed(what: str, rule: str) -> None:
    """Canaries: what is saved of a thread is changed."""
    with booted(args=f"switches.spoil={what}") as machine:
        machine.boot()
        machine.command("modload switches")
        result = machine.finish()
    assert result.verdict is Verdict.FAIL and rule in result.reason

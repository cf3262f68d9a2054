"""Non-maskable interrupts and exceptions from the boot program's first instructions on, and on CPUs at
rest: no triple fault, which says nothing.

The boot program loads an interrupt table with its fifth instruction (kernel/boot/entry.asm). A
debugger stops the machine right after that one; what comes before is the firmware's.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile  # type: ignore[import]

from machines import LIMIT, ROOT, booted, make_config

import gdbstub
import guest
from gdbstub import Debugger
from iso import make_iso
from machine import PROMPT, Ended, Machine, Result, Verdict

KERNEL = ROOT / "build/kernel/boot.elf"
LIDT = 7  # bytes
STEPS = 300  # into boot_main()
STORMS = 4  # boots of each kind
MILLISECOND = 0.001  # seconds between two NMIs
UD2 = b"\x0f\x0b"


def read_code() -> bytes:
    """The boot program's text, from boot_early on."""
    with KERNEL.open("rb") as file:
        code: bytes = ELFFile(file).get_section_by_name(".text").data()
    return code


CODE = read_code()


def symbol(name: str) -> int:
    """Where it is in the boot program."""
    with KERNEL.open("rb") as file:
        found = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(name)
    address: int = found[0]["st_value"]
    return address


def machine_with(folder: Path, how: str = "PVH", args: str = "", **options: Any) -> Machine:
    """A machine that waits for a debugger. microvm's firmware keeps NMIs masked; q35's does not."""
    if how != "PVH":
        make_iso(folder / "iso", args)
        options |= {"iso": folder / "iso", "uefi": how == "UEFI"}
    return Machine(make_config(machine="q35", mem="128M", args=args,
                               extra=gdbstub.options(folder), **options))


def to_first_table(debugger: Debugger) -> None:
    """Where the first interrupt table has just been loaded. What runs at that address before is another program."""
    start, end = symbol("boot_early"), symbol("load_early_idt") + LIDT
    while True:
        debugger.run_to(end)
        if bytes.fromhex(debugger.ask(f"m{start:x},{end - start:x}", None)) == CODE[:end - start]:
            return


def nmi_at_every_new_instruction(machine: Machine, debugger: Debugger, steps: int) -> int:
    """Each is taken, counted, and returns to where it came. How many there were."""
    seen: set[int] = set()
    handlers = {symbol("early32_2"), symbol("early64_2")}
    at = debugger.rip()
    for _ in range(steps):
        if at not in seen:
            seen.add(at)
            machine.qmp("inject-nmi")
            path = [debugger.step()]
            while path[-1] != at or not handlers & set(path):
                path.append(debugger.step())
                assert len(path) < 8, f"the NMI at {at:#x} went to {[hex(a) for a in path]}"
        elif at < symbol("tables_made"):  # a loop
            debugger.run_to(symbol("tables_made"))
            at = debugger.rip()
            continue
        at = debugger.step()
    return len(seen)


@pytest.mark.parametrize("how", ["PVH", "UEFI"])
def test_an_nmi_may_come_at_every_instruction_from_the_first_table_on(tmp_path: Path,
                                                                      how: str) -> None:
    with machine_with(tmp_path, how, args="nmi=count") as machine:
        with Debugger(machine, tmp_path, LIMIT) as debugger:
            to_first_table(debugger)
            sent = nmi_at_every_new_instruction(machine, debugger, STEPS)
        machine.boot()
        at = guest.symbols(machine, ["nmi_early"])["nmi_early"].address
        assert int.from_bytes(machine.memory(at, 8), "little") == sent > 100
        assert machine.finish().verdict is Verdict.PASS


def test_an_nmi_that_nobody_wants_to_count_is_a_panic_in_words(tmp_path: Path) -> None:
    with machine_with(tmp_path) as machine:
        with Debugger(machine, tmp_path, LIMIT) as debugger:
            debugger.run_to(symbol("long_mode"))
            machine.qmp("inject-nmi")
            debugger.step()
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC
    assert "1 non-maskable interrupts before unix was patched" in result.reason


def test_the_window_before_the_first_table_is_what_the_source_says() -> None:
    """Five instructions, the lidt included; four at GRUB's entry."""
    start, end = symbol("pvh_start"), symbol("load_early_idt")
    assert CODE[:2] == b"\x31\xc0" and start == 0x100000  # xor eax, eax
    assert [CODE[i] for i in (2, 7, 14)] == [0xbc, 0x0f, 0xea] and end == start + 21
    assert CODE[21:24] == b"\x0f\x01\x1d"  # lidt


@pytest.mark.parametrize("name, bytes_there", [("load_early_idt", b"\x0f\x01\x1d")])
def test_without_the_table_it_is_a_triple_fault(tmp_path: Path, name: str,
                                                bytes_there: bytes) -> None:
    """The twin."""
    with machine_with(tmp_path) as machine:
        with Debugger(machine, tmp_path, LIMIT) as debugger:
            debugger.run_to(symbol(name))
            assert bytes.fromhex(debugger.ask(f"m{symbol(name):x},3", None)) == bytes_there
            debugger.write(symbol(name), b"\x90" * LIDT)
            debugger.run_to(symbol(name) + LIDT)
            machine.qmp("inject-nmi")
        result = machine.finish("")
    assert result.verdict is Verdict.TRIPLE_FAULT


def storm(folder: Path, how: str, args: str) -> Result:
    """One boot, with NMIs from the first table on, up to the prompt: a thousand a second at most, for
    a machine that does nothing else never comes there."""
    with machine_with(folder, how, args) as machine:
        with Debugger(machine, folder, LIMIT) as debugger:
            to_first_table(debugger)
            machine.qmp("inject-nmi")

        def over() -> bool:
            machine.qmp("inject-nmi")
            return PROMPT in machine._buffer

        try:
            machine.wait_until(over, "the prompt", MILLISECOND)
            return machine.finish()
        except Ended as ended:
            return ended.result
        except OSError:  # QMP is closed
            return machine.finish("")


@pytest.mark.parametrize("how", ["PVH", "UEFI"])
@pytest.mark.parametrize("args, verdict", [("nmi=count", Verdict.PASS), ("", Verdict.PANIC)])
def test_every_boot_in_a_storm_of_nmis_ends_in_words(tmp_path: Path, how: str, args: str,
                                                     verdict: Verdict) -> None:
    for number in range(STORMS if how == "PVH" else STORMS // 2):
        (tmp_path / str(number)).mkdir()
        result = storm(tmp_path / str(number), how, args)
        assert result.verdict is verdict, f"{result}\n{result.console[-800:]}"
        assert args or "non-maskable interrupt" in result.reason.lower(), result.console


# ---- Exceptions before unix has handlers ----

def panic_after(folder: Path, name: str, data: bytes) -> str:
    """Overwrites an instruction of the boot program; the reason for the end."""
    with machine_with(folder) as machine:
        with Debugger(machine, folder, LIMIT) as debugger:
            debugger.run_to(symbol(name))
            debugger.write(symbol(name), data)
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC, str(result)
    return result.reason


def test_an_exception_in_32_bit_mode_is_a_panic_that_says_where(tmp_path: Path) -> None:
    at = symbol("load_early_idt") + LIDT
    with machine_with(tmp_path) as machine:
        with Debugger(machine, tmp_path, LIMIT) as debugger:
            debugger.run_to(at)
            debugger.write(at, UD2)
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC
    assert f"panic[boot]: exception 0x00000006, error 0x00000000, in 32-bit mode at 0x{at:08x}" \
        in result.reason


def test_an_exception_on_the_way_to_64_bit_mode_is_a_panic_too(tmp_path: Path) -> None:
    """The far jump, to a segment that there is not: the first table is read as one of 64 bits."""
    at = symbol("enter_long_mode")
    said = panic_after(tmp_path, "enter_long_mode", b"\xea\0\0\0\0\x40\0")
    assert f"panic[boot]: #gp General protection at 0x{at:x}, error 0x40," in said


@pytest.mark.parametrize("name", ["boot_main", "boot_enter", "krtld_load"])
def test_an_exception_in_the_boot_program_is_a_panic_that_says_where(tmp_path: Path,
                                                                     name: str) -> None:
    assert f"panic[boot]: #ud Invalid opcode at 0x{symbol(name):x}, error 0x0, cr2" in \
        panic_after(tmp_path, name, UD2)


def test_an_exception_in_unix_before_it_has_handlers_names_the_function(tmp_path: Path) -> None:
    with booted(args="nokaslr", machine="q35", mem="128M") as machine:
        machine.boot()
        at = guest.symbols(machine, ["thread_init"])["thread_init"].address
    with machine_with(tmp_path, args="nokaslr") as machine:
        with Debugger(machine, tmp_path, LIMIT) as debugger:
            debugger.run_to(at)
            debugger.write(at, UD2)
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC
    assert f"panic[boot]: #ud Invalid opcode at {at:#x} (unix:thread_init+0x0)" in result.reason


# ---- CPUs at rest ----

@pytest.mark.parametrize("kind", ["q35", "microvm"])
def test_a_cpu_at_rest_counts_nmis_and_stays(kind: str) -> None:
    with booted(smp="4", machine=kind, args="nmi_rest.cpus=3 nmi_rest.seconds=60") as machine:
        machine.boot()
        assert "nmi_rest: 15 of 15 counted" in machine.command("modload nmi_rest")
        assert "hello from process" in machine.command("hello")
        assert machine.finish().verdict is Verdict.PASS


def test_an_nmi_that_does_not_come_is_noticed() -> None:
    """The twin: there are no four others."""
    with booted(smp="4", args="nmi_rest.cpus=4 nmi_rest.seconds=1") as machine:
        machine.boot()
        assert "nmi_rest: 3 of 4 counted" in machine.command("modload nmi_rest")


def test_other_cpus_rest_in_unix_and_not_where_they_began() -> None:
    """Their first page is given back: who still ran there would run into what comes next."""
    with booted(smp="4") as machine:
        machine.boot()
        end = time.monotonic() + LIMIT
        where = ""
        while where.count("unix:cpu_rest+") != 3 and time.monotonic() < end:
            registers = machine.monitor("info registers -a")
            others = [line.split("RIP=")[1].split()[0] for line in registers.splitlines()
                      if "RIP=" in line][1:]
            where = " ".join(found.name for found in guest.symbols(machine, others).values())
            where = " ".join([where] * (3 if len(set(others)) == 1 else 1))
    assert where.count("unix:cpu_rest+") == 3, where

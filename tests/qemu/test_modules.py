"""Modules: what is refused, says why, and leaves nothing behind; what is in use, stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from debugger import without_capstone
from machines import BOOT_MODULES, MODULES, booted, load

import guest
from machine import DEBUGGER, Machine, Verdict

REFUSED = [
    ("unresolved", ["`defined_nowhere'", "undefined"]),
    ("thief", ["`smap_enable'", "stub"]),
    ("tls", ["SHF_TLS"]),
    ("badinit", ["_init", "0x1"]),
    ("overflow", [".data+0x0", "R_X86_64_32", "`overflow_target'", "32 bits"]),
    ("huge", ["kas: no 16385 pages in a row", "of 16384 pages", "bytes wanted: 0x4001000"]),
    ("needs_missing", ["needs_missing needs nothere, which cannot be loaded", "counters: unloaded"]),
    ("needs_bad", ["needs_bad needs badinit, which cannot be loaded", "counters: unloaded"]),
    ("circle_a", ["circle_a needs itself, by way of circle_b"]),
]


def state(machine: Machine) -> tuple[str, str]:
    """All that a refused module must not change: what is loaded, and how much is free."""
    return machine.command("modinfo"), machine.command("hotinlines")


@pytest.mark.parametrize("name, words", REFUSED, ids=[name for name, _ in REFUSED])
def test_a_module_that_is_refused_says_why_and_leaves_nothing_behind(name: str,
                                                                     words: list[str]) -> None:
    with booted() as machine:
        machine.boot()
        before = state(machine)
        said = machine.command(f"modload {name}")
        after = state(machine)
        result = machine.finish()
    assert f"modload: {name} is not loaded" in said
    for word in words:
        assert word in said
    assert before == after
    assert result.verdict is Verdict.PASS, str(result)


def test_refusals_leave_no_trace_however_often_they_happen() -> None:
    with booted() as machine:
        machine.boot()
        before = state(machine)
        for _ in range(20):
            for name, _ in REFUSED:
                machine.command(f"modload {name}")
        assert state(machine) == before


def test_modules_that_come_and_go_leave_nothing_behind() -> None:
    with booted() as machine:
        machine.boot()
        before = state(machine)
        for _ in range(3):
            load(machine, MODULES)
            assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES, *MODULES]
            for name in reversed(MODULES):
                assert f"{name}: unloaded" in machine.command(f"modunload {name}")
        assert state(machine) == before


def test_the_disassembler_and_the_tracer_are_there_after_every_boot() -> None:
    for args in ("", "disable_smap=1"):
        with booted(args=args, cpu="Nehalem" if not args else "max") as machine:
            assert "modload" not in machine.boot()
            assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES]
            assert "MISMATCH" not in machine.command("hotinlines -v")
            assert "0 wrong" in machine.command("dtest")


def test_a_boot_without_them_says_what_is_missing_and_goes_on(tmp_path: Path) -> None:
    with booted(archive=without_capstone(tmp_path)) as machine:
        assert "modload: no module capstone in the boot archive" in machine.boot()
        assert guest.loaded_modules(machine) == ["unix", "dtrace"]
        assert machine.finish().verdict is Verdict.PASS


@pytest.mark.parametrize("mem, there", [("6M", False), ("16M", True)])
def test_where_memory_is_small_the_boot_leaves_the_disassembler_out_and_says_so(
        mem: str, there: bool) -> None:
    with booted(mem=mem, args="-kd") as machine:
        said = machine.read_until(DEBUGGER)
        assert ("modload: capstone is not loaded at boot: it wants " in said) != there
        machine.send(b"startup_smap::dis\r")
        text = machine.read_until(DEBUGGER)
        assert ("push   rbp" in text) == there
        assert ("these are bytes: the module capstone is not loaded" in text) != there
        machine.send(b":c\r")
        machine.boot()
        assert machine.command("hello").startswith("hello")
        assert machine.finish().verdict is Verdict.PASS


def test_peers_44_modules_may_each_have_a_name_of_their_own() -> None:
    """answer() of each is hidden, as all is that a module does not mark; the twin: what is marked."""
    with booted() as machine:
        machine.boot()
        load(machine, ["answer", "wrong_answer", "counters"])
        said = machine.command("modload counters2")
        assert "`counter_add' is defined twice, first in counters; hide it" in said


def test_what_a_module_needs_is_loaded_before_it() -> None:
    with booted() as machine:
        machine.boot()
        said = machine.command("modload clock")
        assert said.index("counters: loaded, because clock needs it") < said.index("clock: loaded,")
        assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES, "counters", "clock"]
        assert "because" not in machine.command("modload usercopy")
        assert "because" not in machine.command("modload window")
        assert "in use" in machine.command("modunload counters")


def test_a_module_in_use_cannot_be_unloaded() -> None:
    with booted() as machine:
        machine.boot()
        load(machine, ["counters", "clock"])
        assert "in use" in machine.command("modunload counters")
        assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES, "counters", "clock"]
        assert "2 readings" in machine.command("modunload clock")
        assert "counters: unloaded" in machine.command("modunload counters")
        assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES]


def test_what_cannot_be_loaded_or_unloaded_is_said() -> None:
    with booted() as machine:
        machine.boot()
        load(machine, ["ring"])
        free = guest.free_pages(machine)
        assert re.fullmatch(r"modload: ring is loaded already, at 0xffffffff[0-9a-f]{8}, number of "
                            r"users: 0\n", machine.command("modload ring"))
        assert "modload: unix is loaded already" in machine.command("modload unix")
        assert guest.free_pages(machine) == free
        assert "no module nothere in the boot archive" in machine.command("modload nothere")
        assert "no module ../unix in the boot" in machine.command("modload ../unix")
        assert "x is not loaded" in machine.command("modunload x")
        assert "is the kernel, and stays" in machine.command("modunload unix")
        long = "x" * 100
        assert f"no module {long} in the boot archive" in machine.command(f"modload {long}")
        assert guest.loaded_modules(machine) == ["unix", *BOOT_MODULES, "ring"]


def test_modinfo_counts_what_is_there() -> None:
    with booted() as machine:
        machine.boot()
        load(machine, ["usercopy"])
        row = next(line.split() for line in machine.command("modinfo").splitlines()
                   if line.startswith("usercopy"))
        listing = guest.hotinlines(machine, "usercopy")
        archive = guest.archive_modules(machine)
    assert int(row[5]) == len(listing.sites) == 6
    assert set(MODULES) <= set(archive) and all("." not in name for name in archive)


def test_a_module_for_which_memory_does_not_suffice_is_refused_as_a_whole() -> None:
    with booted() as machine:
        machine.boot()
        load(machine, ["hog"])
        before = state(machine)
        for name in MODULES:
            assert f"{name} is not loaded" in (said := machine.command(f"modload {name}")) or \
                "no memory" in said
            assert state(machine) == before
        machine.command("modunload hog")
        load(machine, MODULES)
        assert "MISMATCH" not in machine.command("hotinlines -v")
        assert machine.finish().verdict is Verdict.PASS

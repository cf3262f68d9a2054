"""The kernel's way to users' memory: windows, recovery, and what no handler may hide; by the
numbers of PEERS.md, section 2, where there are any."""

from __future__ import annotations

from typing import Any

import pytest

from machines import BOOT_MODULES, MODULES, booted, make_config
from test_sites import page_tables

import guest
from machine import PROMPT, Ended, Machine, Result, Verdict

WITHOUT_SMAP = [{"cpu": "max", "args": "disable_smap=1"}, {"cpu": "Nehalem"}]
KAS_BASE = 0xFFFFFFFF80000000
VIOLATION = "due to an illegal access to a user address"


def end_of(*commands: str, **options: Any) -> Result:
    """Boots, runs commands that may end the run, and tells how it ended."""
    with Machine(make_config(**options)) as machine:
        try:
            machine.boot()
            for command in commands:
                machine.command(command)
            return machine.finish()
        except Ended as ended:
            return ended.result


@pytest.mark.parametrize("options", [{}, {"machine": "q35"}, {"args": "timer=10000"},
                                     {"cpu": "max,-erms"}, {"cpu": "EPYC"}, *WITHOUT_SMAP])
def test_peers_12_13_23_the_rules_of_windows_hold(options: dict[str, Any]) -> None:
    """Recovery leaves AC clear; a copy within the kernel leaves a window open; no other thread sees
    it; bad addresses, lengths and strings are EFAULT and touch nothing."""
    result = end_of("modload uaccess", **options)
    assert result.verdict is Verdict.PASS, result.console
    assert "uaccess: 461 checks, 0 wrong" in result.console


@pytest.mark.parametrize("module, address", [("crash_handler", "400000"), ("crash_hole", "401000")])
def test_peers_11_a_handler_does_not_hide_a_violation(module: str, address: str) -> None:
    """With or without a page: it is a panic, and no endless fault."""
    result = end_of(f"modload {module}")
    assert result.verdict is Verdict.PANIC
    assert f'addr=0x{address} occurred in module "{module}" {VIOLATION}' in result.reason
    assert "recovered" not in result.console


@pytest.mark.parametrize("options", WITHOUT_SMAP)
def test_peers_11_without_smap_the_handler_gets_what_is_bad(options: dict[str, Any]) -> None:
    """The failing twin: it is SMAP that makes the difference."""
    result = end_of("modload crash_handler", "modload crash_hole", **options)
    assert result.verdict is Verdict.PASS
    assert "crash_handler: read" in result.console
    assert "crash_hole: recovered" in result.console


@pytest.mark.parametrize("module, why", [
    ("crash_window", "addr=0x401000 occurred in module \"crash_window\" due to a bad user address in "
                     "a window without a handler"),
    ("crash_kernel", "due to an access where nothing is mapped"),
    ("crash_null", "addr=0x8 occurred in module \"crash_null\" due to a NULL pointer dereference"),
    ("crash_smep", "addr=0x400000 occurred in module \"?\" due to the execution of a user address"),
])
def test_what_no_handler_is_for_is_a_panic(module: str, why: str) -> None:
    result = end_of(f"modload {module}")
    assert result.verdict is Verdict.PANIC and why in result.reason


@pytest.mark.parametrize("module, what", [("leak_window", "left a window open"),
                                          ("leak_handler", "left a fault handler behind")])
def test_a_system_call_that_leaves_something_behind_is_a_panic(module: str, what: str) -> None:
    result = end_of(f"modload {module}", "a.out")
    assert result.verdict is Verdict.PANIC
    assert f"system call ioctl {what}" in result.reason


def test_without_smap_there_is_no_window_to_leave() -> None:
    result = end_of("modload leak_window", "a.out", cpu="Nehalem")
    assert result.verdict is Verdict.PASS and "ioctl returned 0" in result.console


@pytest.mark.parametrize("program", ["a.out", "flags vmloop"])
def test_a_user_address_without_a_window_is_the_panic_of_the_first_acceptance(program: str) -> None:
    """The second has set AC in user mode, which must not count."""
    result = end_of("modload vmloop", program)
    assert result.verdict is Verdict.PANIC
    assert 'addr=0x8050ff0 occurred in module "vmloop" ' + VIOLATION in result.reason


@pytest.mark.parametrize("options", WITHOUT_SMAP)
@pytest.mark.parametrize("program", ["a.out", "flags vmloop"])
def test_without_smap_the_driver_gets_away_with_it(program: str, options: dict[str, Any]) -> None:
    result = end_of("modload vmloop", program, **options)
    assert result.verdict is Verdict.PASS and "ioctl returned 0" in result.console


@pytest.mark.parametrize("options", [{}, {"cpu": "Nehalem"}, {"args": "timer=5000"}])
def test_the_flags_of_a_program_are_its_own(options: dict[str, Any]) -> None:
    """AC, DF and NT, over system calls and over interrupts."""
    result = end_of("flags", **options)
    assert result.verdict is Verdict.PASS and "flags: 0 wrong" in result.console


def test_peers_23_a_driver_has_no_redundant_clac() -> None:
    """Of the drivers here only dtrace has windows; each of them closes as often as it opens."""
    with booted() as machine:
        machine.boot()
        machine.command("modload vmloop")
        sites = guest.hotinlines(machine).sites
    assert not [site for site in sites if site.module == "vmloop"]
    names = [site.hotinline for site in sites if site.module == "dtrace"]
    assert names.count("smap_enable") == names.count("smap_disable") > 0


def test_peers_24_the_entry_for_nmis_while_unix_is_patched_has_no_site() -> None:
    with booted() as machine:
        machine.boot()
        symbol = guest.symbols(machine, ["trap_nmi_early"])["trap_nmi_early"]
        names = [site.name for site in guest.hotinlines(machine).sites]
        assert symbol.name == "unix:trap_nmi_early+0x0"
        assert not [name for name in names if "trap_nmi_early" in name]
        assert [name for name in names if "trap_common" in name]


def test_peers_24_nmis_from_outside_are_counted_where_that_is_asked_for() -> None:
    with booted(args="nmi=count") as machine:
        machine.boot()
        for _ in range(50):
            machine.monitor("nmi")
            machine.command("")
        assert machine.finish().verdict is Verdict.PASS


def test_peers_24_an_nmi_from_outside_is_a_panic() -> None:
    with booted() as machine:
        machine.boot()
        machine.monitor("nmi")
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC and "nmi Non-maskable interrupt" in result.reason


def test_peers_18_19_interrupts_find_whole_instructions_while_modules_come_and_go() -> None:
    """20,000 ticks a second, and NMIs from outside in every load."""
    with booted(args="timer=20000 nmi=count") as machine:
        machine.boot()
        for _ in range(5):
            for module in MODULES:
                machine.send(f"modload {module}\r".encode())
                for _ in range(3):
                    machine.monitor("nmi")
                assert "sites patched" in machine.read_until(PROMPT)
            assert guest.hotinlines(machine, "-v").text.count("verified, OK") == \
                1 + len(BOOT_MODULES) + len(MODULES)
            for module in reversed(MODULES):
                assert "unloaded" in machine.command(f"modunload {module}")
        assert machine.finish().verdict is Verdict.PASS


def test_peers_28_no_page_of_text_can_be_written_while_a_program_runs() -> None:
    """In no page tables, its own among them; and it has none of the kernel's. (Its own text is
    memory to the kernel, as all that is a program's.)"""
    seen = 0
    with booted() as machine:
        machine.boot()
        counter = guest.symbols(machine, ["nticks"])["nticks"].address

        def ticks() -> int:
            return int.from_bytes(machine.memory(counter, 8), "little")

        machine.send(b"sysfuzz 1 100000000\r")
        while seen < 12:
            before = ticks()
            machine.wait_until(lambda: ticks() != before, "the timer")
            machine.monitor("stop")
            pages = page_tables(machine)
            machine.monitor("cont")
            writable = {physical for _, physical, flags in pages if "W" in flags}
            text = {physical for _, physical, flags in pages if "X" not in flags}
            users = {physical for _, physical, flags in pages if "U" in flags}
            kernel = {physical for address, physical, _ in pages if address >= KAS_BASE}
            assert text and not text & writable - users
            assert not users & kernel
            assert not [page for page in pages if "W" in page[2] and "X" not in page[2]]
            seen += any(address < 0x400000000 and "U" in flags and address != 0x400000
                        for address, _, flags in pages)

"""Canaries: each way to end must be told from the others, or no other test means anything."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from machines import ROOT, TEST_ARCHIVE, booted

from machine import STATUS, Config, Ended, Machine, Result, Verdict, judge


def end_of(module: str, **options: Any) -> Result:
    """Boots, loads a module that should end the run, and tells how it ended."""
    with booted(**options) as machine:
        try:
            machine.boot()
            machine.command(f"modload {module}")
            return machine.finish()
        except Ended as ended:
            return ended.result


def test_poweroff_is_a_pass() -> None:
    with booted() as machine:
        machine.boot()
        result = machine.finish()
    assert result.verdict is Verdict.PASS and "hotinline: verdict pass" in result.console


def test_a_check_that_fails_is_a_fail_and_the_run_goes_on() -> None:
    result = end_of("fail")
    assert result.verdict is Verdict.FAIL
    assert "a test module finds fault with everything" in result.reason
    assert result.console.count("hotinline>") == 2


@pytest.mark.parametrize("module, symptom, place", [
    ("crash_ud", "#ud Invalid opcode", "crash_ud:crash_here+0x0"),
    ("crash_smap", "#pf Page fault", "crash_smap:"),
    ("crash_text", "#pf Page fault", "crash_text:_init+0x0"),
    ("crash_alias", "#pf Page fault", "crash_alias:_init"),
    ("crash_data", "#pf Page fault", "crash_data:code+0x0"),
    ("crash_stack", "#df Double fault", "crash_stack:dive"),
    ("crash_nmi", "nmi Non-maskable interrupt", "crash_nmi:_init"),
])
def test_an_exception_is_a_panic_that_names_its_place(module: str, symptom: str,
                                                      place: str) -> None:
    result = end_of(module)
    assert result.verdict is Verdict.PANIC
    assert "panic[cpu0]/thread=" in result.reason
    assert symptom in result.reason and f'occurred in module "{module}"' in result.reason
    assert place in result.console.partition("\nstack trace:\n")[2].splitlines()[0]
    for word in ("rax ", "r15 ", "rip ", "cr2: ", "error="):
        assert word in result.console


@pytest.mark.parametrize("module, why", [
    ("crash_smap", "addr=0x400000 occurred in module \"crash_smap\" due to an illegal "
     "access to a user address"),
    ("crash_text", "the page is not writable"),
    ("crash_alias", "the page is not writable"),
    ("crash_data", "the page is not executable"),
])
def test_a_page_fault_says_why(module: str, why: str) -> None:
    assert why in end_of(module).reason


def test_the_violation_comes_after_a_window_that_worked() -> None:
    console = end_of("crash_smap").console
    assert console.index("inside the window: ") < console.index("BAD TRAP")
    assert "outside the window: " not in console


@pytest.mark.parametrize("options", [{"cpu": "max", "args": "disable_smap=1"}, {"cpu": "Nehalem"}])
def test_without_smap_there_is_no_violation(options: dict[str, Any]) -> None:
    result = end_of("crash_smap", **options)
    assert result.verdict is Verdict.PASS and "outside the window: " in result.console


def test_without_nx_data_can_be_executed() -> None:
    """The failing twin of crash_data: the panic comes from NX, and from nothing else."""
    result = end_of("crash_data", cpu="max,-nx")
    assert result.verdict is Verdict.PASS
    assert "returned 0x1" in result.console


@pytest.mark.parametrize("kind", ["microvm", "q35"])
def test_a_triple_fault_is_told_from_a_pass(kind: str) -> None:
    result = end_of("crash_triple", machine=kind)
    assert result.verdict is Verdict.TRIPLE_FAULT and result.status == 0


def test_a_hang_ends_when_its_time_is_over() -> None:
    with booted() as machine:
        machine.boot()
        machine.send(b"modload hang\r")
        machine.read_until(b"modload")
        machine.timeout = 1.0  # however fast the machine is, nothing comes any more
        result = machine.finish("")
    assert result.verdict is Verdict.HANG
    assert "modload hang" in result.reason and result.status is None


def test_a_missing_emulator_is_broken() -> None:
    with booted(qemu="qemu-system-nowhere") as machine:
        result = machine.finish("")
    assert result.verdict is Verdict.BROKEN_EMULATOR and "qemu-system-nowhere" in result.reason


@pytest.mark.parametrize("options, why", [
    ({"cpu": "NoSuchCPU"}, "unable to find CPU model"),
    ({"machine": "nosuchmachine"}, "unsupported machine type"),
    ({"extra": ("-nosuchoption",)}, "invalid option"),
])
def test_an_emulator_that_refuses_its_options_is_broken(options: dict[str, Any], why: str) -> None:
    with booted(**options) as machine:
        result = machine.finish("")
    assert result.verdict is Verdict.BROKEN_EMULATOR and why in result.reason


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_an_emulator_that_is_ended_by_a_signal_is_broken(number: signal.Signals) -> None:
    """QEMU turns SIGTERM into an orderly end with status 0: that is no triple fault."""
    with booted() as machine:
        machine.boot()
        os.kill(machine.pid, number)
        result = machine.finish("")
    assert result.verdict is Verdict.BROKEN_EMULATOR


def test_a_cpu_without_long_mode_is_a_panic_and_not_a_triple_fault() -> None:
    with booted(cpu="qemu32") as machine:
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC and "no long mode" in result.reason


@pytest.mark.parametrize("status, console, shutdown, verdict", [
    (33, "hotinline: verdict pass", "guest-panicked", Verdict.PASS),
    (33, "", "", Verdict.FAIL),
    (33, "hotinline: verdict fail", "", Verdict.FAIL),
    (35, "hotinline: verdict pass", "", Verdict.FAIL),
    (0, "hotinline: verdict pass", "guest-reset", Verdict.TRIPLE_FAULT),
    (0, "", "guest-reset", Verdict.TRIPLE_FAULT),
    (0, "", "host-signal", Verdict.BROKEN_EMULATOR),
    (1, "hotinline: verdict pass", "", Verdict.BROKEN_EMULATOR),
    (-9, "hotinline: verdict pass", "", Verdict.BROKEN_EMULATOR),
])
def test_a_pass_needs_both_the_status_and_the_line(status: int, console: str, shutdown: str,
                                                   verdict: Verdict) -> None:
    assert judge(status, console, shutdown, "")[0] is verdict


def test_the_verdicts_have_different_numbers() -> None:
    assert len(set(STATUS)) == 3 and 0 not in STATUS and 1 not in STATUS


def test_nothing_is_left_running() -> None:
    with booted() as machine:
        machine.boot()
        pid = machine.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_archive_that_is_not_there_is_said() -> None:
    with pytest.raises(FileNotFoundError, match="make all"):
        with Machine(Config(archive=ROOT / "build/no-such-archive.cpio"), 1.0):
            pass
    assert TEST_ARCHIVE.exists()

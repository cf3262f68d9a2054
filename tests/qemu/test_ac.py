"""EFLAGS.AC, instruction by instruction: set in windows, where an exception came in one, and
nowhere else. observe.py says how it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from machines import MODULES, PROMPT, booted, guest, load

import observe
from machine import Machine, Verdict

WINDOWS = 300  # of the workload: a million instructions at the least


@contextmanager
def machine_with(*modules: str, **options: Any) -> Iterator[Machine]:
    """A machine on which NMIs are no panic."""
    options["args"] = f"nmi=count {options.get('args', '')}"
    with booted(**options) as machine:
        machine.boot()
        load(machine, list(modules))
        yield machine


def blow(machine: Machine, line: str) -> str:
    """Runs a command and sends NMIs all the time, each when the last one was taken. Returns what the
    command says."""
    counter = guest.symbols(machine, ["nmi_count"])["nmi_count"].address
    sent = int.from_bytes(machine.memory(counter, 8), "little")

    def over() -> bool:
        nonlocal sent
        if int.from_bytes(machine.memory(counter, 8), "little") >= sent:
            machine.monitor("nmi")
            sent += 1
        return PROMPT in machine._buffer

    machine.send(line.encode() + b"\r")
    machine.wait_until(over, f"the end of {line!r}")
    return machine.boot()


def test_ac_is_set_in_windows_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    """All kinds of system calls, with good and bad addresses and with AC set in user mode; faults,
    the timer, thread switches and NMIs in windows; a second program; a module that is loaded."""
    with machine_with("storm") as machine:
        with observe.observing(machine) as seen:
            assert "checks, 0 wrong" in machine.command("dtest")
            assert ", 0 wrong" in blow(machine, f"storm {WINDOWS} 1")
        assert machine.finish().verdict is Verdict.PASS
    figures = {
        "instructions of the kernel": seen.kernel(),
        "windows": seen.opened(),
        "timer interrupts in windows": seen.interrupted(observe.TIMER),
        "NMIs in windows": seen.interrupted(observe.NMI),
        "page faults in windows": seen.interrupted(observe.PAGE_FAULT),
        "thread switches in interrupted windows": seen.switches,
        "system calls": seen.from_user(False),
        "system calls with AC set": seen.from_user(True),
    }
    with capsys.disabled():
        print("\nobserved: " + ", ".join(f"{count} {what}" for what, count in figures.items()))
    assert seen.violations() == []
    assert figures["instructions of the kernel"] > 1000000
    assert all(count > 0 for count in figures.values()), figures


def test_no_path_leaves_a_window_open() -> None:
    """Read from the text: whatever is reached from a smap_disable comes to a smap_enable before it
    returns, calls nothing that closes the window, and opens none in it."""
    with machine_with(*MODULES, "vmloop") as machine:
        windows = observe.find_windows(machine)
    assert windows.problems == []
    assert len(windows.opens) > 20 and len(windows.bodies) > 100


def test_the_observer_sees_a_window_that_another_function_closes() -> None:
    """A canary: the kernel itself cannot notice, for the window is closed in the end."""
    with machine_with("storm") as machine:
        with observe.observing(machine) as seen:
            assert "0 wrong" in machine.command("storm 16 0 leak")
        names = [observe.name(machine, line) for line in seen.violations()]
        assert machine.finish().verdict is Verdict.PASS
    assert any("storm_open" in problem and "returns with the window open" in problem
               for problem in seen.windows.problems)
    assert names and all("AC is set outside a window" in line for line in names)
    assert any(line.startswith("storm:leak") or line.startswith("storm:storm_ioctl")
               for line in names), names


@pytest.mark.parametrize("module, said, function", [
    ("noclac", "AC is set outside a window", "unix:trap"),
    ("nostac", "AC is clear in a window", "unix:suword64"),
])
def test_the_observer_sees_a_site_that_does_not_do_its_work(module: str, said: str,
                                                          function: str) -> None:
    """Canaries: NOPs overwrite the clac of the trap entry, or the stac of suword64(). Without the
    stac SMAP would stop the kernel there; so CR4.SMAP is cleared, too."""
    with machine_with("storm", module) as machine:
        with observe.observing(machine) as seen:
            machine.command("storm 16 0")
        names = [observe.name(machine, line) for line in seen.violations() if said in line]
    assert any(line.startswith(function) for line in names), names

"""`make run`: kernel/qemu/run.py, with and without a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from machines import LIMIT, ROOT

RUN = ROOT / "kernel/qemu/run.py"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it without a terminal."""
    return subprocess.run([sys.executable, RUN, *arguments], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=LIMIT, env={**os.environ, **environment})


def test_without_a_terminal_it_shows_two_machines_and_ends_by_itself() -> None:
    result = run()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "== Nehalem" in result.stdout and "== max" in result.stdout
    assert result.stdout.count("verified: all ") == 2
    assert "SMAP is off" in result.stdout and "SMAP is on" in result.stdout
    assert result.stdout.rstrip().endswith("PASS: 2 machines shown, 0 problems")
    assert "\x1b" not in result.stdout


def test_it_shows_the_same_functions_of_unix_and_of_a_module_before_and_after() -> None:
    text = run("--machine", "microvm").stdout
    first, second = text.split("== max")
    for machine in (first, second):
        for function in ("unix:copy_user", "window:window_sum"):
            assert re.search(rf"^{function}, \d+ bytes at [0-9a-f]+$", machine, re.MULTILINE)
        assert re.search(r"^  - \+\w+ +e8 .* call smap_disable +smap_disable$", machine,
                         re.MULTILINE)
    assert re.search(r"^  \+ \+\w+ +0f 1f 44 00 00 +nop5 +nop5 \(the baseline\)$", first,
                     re.MULTILINE)
    assert re.search(r"^  \+ \+\w+ +0f 01 cb +stac +stac \(smap\)$", second, re.MULTILINE)


def test_the_machine_can_be_chosen() -> None:
    result = run("--cpu", "max", "--args", "disable_smap=1", "--smp", "2", "--machine", "microvm",
                 "--mem", "64M")
    assert result.returncode == 0
    assert "== max, microvm, 2 CPUs, disable_smap=1" in result.stdout
    assert "SMAP is off" in result.stdout and "1 machine shown" in result.stdout


def test_a_machine_that_panics_is_shown_as_it_is() -> None:
    result = run("--cpu", "qemu32")
    assert result.returncode == 1
    assert "panic: panic[boot]: this CPU has no long mode" in result.stdout


def test_a_broken_emulator_has_a_status_of_its_own(tmp_path: Path) -> None:
    assert run("--cpu", "NoSuchCPU").returncode == 2
    result = run("--cpu", "max", PATH=str(tmp_path))
    assert result.returncode == 2 and "cannot run qemu-system-x86_64" in result.stdout


def test_wrong_use_is_64() -> None:
    assert run("--nothing").returncode == 64


class Terminal:
    """run.py on a terminal of its own."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen([sys.executable, RUN, *arguments], stdin=slave,
                                        stdout=slave, stderr=slave,
                                        env={**os.environ, "TERM": "xterm", **environment})
        self.text = ""

    def wait_for(self, wanted: str) -> None:
        """Reads until that was printed."""
        end = time.monotonic() + LIMIT
        while wanted not in self.text:
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{wanted!r} did not come; the last was {self.text[-200:]!r}"
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")

    def type(self, keys: bytes) -> None:
        """Presses keys; what was printed before is forgotten."""
        self.text = ""
        os.write(self.master, keys)

    def end(self) -> int:
        """Waits for the end; the terminal must be as it was."""
        status = self.process.wait(LIMIT)
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


@pytest.mark.parametrize("leave, status", [(b"poweroff\r", 0), (b"\x01x", 0), (b"\x01X", 0)],
                         ids=["poweroff", "Ctrl-A x", "Ctrl-A X"])
def test_with_a_terminal_it_ends_at_the_prompt(leave: bytes, status: int) -> None:
    terminal = Terminal("--cpu", "max", "--machine", "microvm")
    terminal.wait_for("leaves.")
    assert "\x1b[32m" in terminal.text
    terminal.wait_for("hotinline> ")
    terminal.type(b"features\r")
    terminal.wait_for("smap            \tyes")
    terminal.type(leave)
    terminal.wait_for("PASS: 1 machine shown")
    assert terminal.end() == status


def test_control_c_reaches_the_guest_and_no_color_is_respected() -> None:
    terminal = Terminal("--cpu", "max", "--machine", "microvm", NO_COLOR="1")
    terminal.wait_for("leaves.")
    terminal.wait_for("hotinline> ")  # from here on keys go to the guest
    assert "\x1b" not in terminal.text
    terminal.type(b"nonsense\x03")
    terminal.wait_for("^C\r\nhotinline> ")
    terminal.type(b"poweroff\r")
    terminal.wait_for("PASS")
    assert terminal.end() == 0

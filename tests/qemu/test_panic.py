"""What a panic prints, line by line, and that a user program's fault is none."""

from __future__ import annotations

import re

import pytest

from machines import make_config, wait_for_user_mode

from machine import PROMPT, Ended, Machine, Verdict


def console_of(*commands: str, **options: str) -> str:
    """All that is printed until the panic."""
    with Machine(make_config(**options)) as machine:
        try:
            machine.boot()
            for command in commands:
                machine.command(command)
        except Ended as ended:
            assert ended.result.verdict is Verdict.PANIC
            return ended.result.console
    raise AssertionError("no panic")


@pytest.fixture(scope="module", name="console")
def fixture_console() -> str:
    """The panic of vmloop."""
    return console_of("modload vmloop", "a.out")


@pytest.mark.parametrize("pattern", [
    r"panic\[cpu0\]/thread=ffff[0-9a-f]{12}: BAD TRAP: type=e \(#pf Page fault\) "
    r"rp=0xffff[0-9a-f]{12} addr=0x8050ff0 occurred in module \"vmloop\" "
    r"due to an illegal access to a user address",
    r"a\.out: #pf Page fault",
    r"Bad kernel fault at addr=0x8050ff0",
    r"pid=\d+, pc=0xffff[0-9a-f]{12}, sp=0xffff[0-9a-f]{12}, error=0x1, eflags: [0-9a-f]+<[a-z,]+>",
    r"cr0: [0-9a-f]+<pg,wp,[a-z,]*pe>  cr4: [0-9a-f]+<smap,smep,[a-z0-9,]*pae>",
    r"cr2: 8050ff0  cr3: [0-9a-f]+  cr8: 0",
    r"rbp [0-9a-f]{16}  rsp [0-9a-f]{16}  rip ffff[0-9a-f]{12}",
    r"[0-9a-f]{16} [0-9a-f]{16} trap        e Page fault +vmloop:vmloop_ioctl\+0x[0-9a-f]+",
    r"[0-9a-f]{16} [0-9a-f]{16} syscall     5 ioctl +0x804[0-9a-f]+",
    r"[0-9a-f]{16} [0-9a-f]{16} syscall     3 open +0x804[0-9a-f]+",
    r"ffff[0-9a-f]{12} vmloop:vmloop_ioctl\+0x[0-9a-f]+ \(\)",
    r"ffff[0-9a-f]{12} unix:syscall_entry\+0x[0-9a-f]+ \(\)",
    r"000000000804[0-9a-f]+ 0x804[0-9a-f]+ \(\)",
    r"instruction:\nvmloop`vmloop_ioctl\+0x[0-9a-f]+:\tmov    [a-z]+, .* ptr \[[a-z0-9]+\]",
    r"hotinline: verdict panic",
])
def test_the_panic_tells(console: str, pattern: str) -> None:
    assert re.search(rf"^{pattern}$", console, re.MULTILINE), console


def test_the_flags_show_that_no_window_was_open(console: str) -> None:
    flags = re.search(r"eflags: [0-9a-f]+<([a-z,]+)>", console)
    assert flags and "ac" not in flags[1].split(",")


def test_the_flags_show_a_window_that_was_open() -> None:
    """The failing twin."""
    flags = re.search(r"eflags: [0-9a-f]+<([a-z,]+)>", console_of("modload crash_window"))
    assert flags and "ac" in flags[1].split(",")


def test_a_trap_in_a_trap_is_traced_through() -> None:
    """The stack of a fault in a module goes on to the prompt, and to main.c."""
    trace = console_of("modload crash_null").partition("\nstack trace:\n")[2]
    names = re.findall(r"^[0-9a-f]{16} (\S+)\+0x", trace, re.MULTILINE)
    assert names[0].startswith("crash_null:")
    assert "unix:krtld_load" in names and "unix:prompt" in names and "unix:unix_main" in names


def test_a_program_that_faults_is_killed_and_the_system_goes_on() -> None:
    with Machine(make_config()) as machine:
        machine.boot()
        assert "crash: 13 ways, 0 wrong" in machine.command("crash all")
        said = machine.command("crash null")
        assert re.search(r"crash: process \d+: #pf Page fault at pc=0x804[0-9a-f]+ addr=0x0: killed\n"
                         r"crash: exit status 142", said)
        assert "hello from process" in machine.command("hello")
        assert machine.finish().verdict is Verdict.PASS


def test_control_c_ends_a_program() -> None:
    with Machine(make_config()) as machine:
        machine.boot()
        machine.send(b"sysfuzz 1 100000000\r")
        wait_for_user_mode(machine)
        machine.send(b"\x03")
        assert "sysfuzz: exit status 128" in machine.read_until(PROMPT)
        assert "hello from process" in machine.command("hello")


def test_what_programs_leave_behind_is_freed() -> None:
    with Machine(make_config()) as machine:
        machine.boot()
        machine.command("hello")
        free = [re.search(r"free pages: (\d+)", machine.command("modinfo"))]
        for _ in range(20):
            machine.command("hello a b c")
        machine.command("crash all")
        machine.command("badargs")
        free.append(re.search(r"free pages: (\d+)", machine.command("modinfo")))
    assert free[0] and free[1] and free[0][1] == free[1][1]


def test_idling_does_not_fill_the_trap_trace() -> None:
    """Timer interrupts of one thread in a row are one entry; the twin: a program's calls are many."""
    with Machine(make_config(args="timer=5000")) as machine:
        machine.boot()
        count = 0
        while count < 2000:  # more than there is room for
            found = re.search(r"Timer .*, the last of (\d+) in a row$",
                              machine.command("mdb -k -c '::ttrace'"), re.MULTILINE)
            count = int(found[1]) if found else 0
        idle = machine.command("mdb -k -c '::ttrace'").splitlines()
        machine.command("badargs")
        busy = machine.command("mdb -k -c '::ttrace'").splitlines()
    assert len(idle) < 40 and sum("Timer" in line for line in idle) < 20
    assert sum(" syscall " in line for line in busy) > 20


def test_the_panic_shows_all_segment_registers(console: str) -> None:
    assert re.search(r"^trp +e  err +1  cs +8  ss +10$", console, re.MULTILINE), console
    assert re.search(r"^ds +[0-9a-f]+  es +[0-9a-f]+  fs +[0-9a-f]+  gs +[0-9a-f]+$", console,
                     re.MULTILINE), console

"""User programs: each ends as it must, bad arguments and bad instructions hurt nobody else."""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from machines import booted, make_config

import guest
import smap
from machine import DEBUGGER, PROMPT, Machine, Verdict

CPUS = ["max", "Nehalem"]


@pytest.fixture(scope="module", name="machine", params=CPUS)
def fixture_machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """One machine for the tests of this file that leave it alive; it must pass at the end."""
    with Machine(make_config(cpu=request.param)) as machine:
        machine.boot()
        machine.command("modload vmloop")
        yield machine
        assert machine.finish().verdict is Verdict.PASS


def test_a_program_gets_its_arguments_and_gives_its_status(machine: Machine) -> None:
    assert re.fullmatch(r"hello from process \d+: a bc\nhello: exit status 2\n",
                        machine.command("hello a bc"))


def test_a_program_that_is_not_there_is_no_command(machine: Machine) -> None:
    assert "no such command" in machine.command("hellooo")


def test_bad_arguments_of_system_calls_get_the_right_errors(machine: Machine) -> None:
    said = machine.command("badargs")
    assert re.search(r"^badargs: \d{3} calls, 0 wrong$", said, re.MULTILINE), said
    assert "WRONG" not in said


def test_a_tracer_reads_user_memory_through_windows(machine: Machine) -> None:
    said = machine.command("dtest")
    assert re.fullmatch(r"dtest: \d{3} checks, 0 wrong\n", said), said


def test_a_program_that_faults_is_killed_with_a_message(machine: Machine) -> None:
    said = machine.command("crash all")
    assert re.search(r"^crash: 13 ways, 0 wrong$", said, re.MULTILINE), said
    assert len(re.findall(r"^crash: process \d+: .* killed$", said, re.MULTILINE)) == 13
    assert re.search(r"#pf Page fault at pc=0x[0-9a-f]+ addr=0x0: killed", said)


def test_a_crash_is_an_exit_status(machine: Machine) -> None:
    assert "crash: exit status 134" in machine.command("crash ud")


def test_random_system_calls_hurt_nobody_and_lose_no_memory(machine: Machine) -> None:
    machine.command("sysfuzz 1 100")
    before = guest.free_pages(machine)
    said = machine.command("sysfuzz 7 3000")
    assert re.search(r"^sysfuzz: seed 7, 3000 calls, \d+ errors", said, re.MULTILINE), said
    assert guest.free_pages(machine) == before


def test_the_same_seed_makes_the_same_calls(machine: Machine) -> None:
    first = machine.command("sysfuzz 11 500").splitlines()[-1]
    assert machine.command("sysfuzz 11 500").splitlines()[-1] == first
    assert machine.command("sysfuzz 12 500").splitlines()[-1].split(",")[1:] != first.split(",")[1:]


def test_a_device_in_use_keeps_its_module(machine: Machine) -> None:
    """The twin: nobody has it open, and it goes."""
    machine.command("modunload dtrace")
    assert "dtrace" not in guest.loaded_modules(machine)
    assert "modload dtrace` first" in machine.command("dtest")
    machine.command("modload dtrace")
    assert "0 wrong" in machine.command("dtest")


@pytest.mark.parametrize("argument", ["", " ac"], ids=["plain", "AC set by the program"])
def test_an_access_without_a_window_is_a_panic(argument: str) -> None:
    with booted() as machine:
        machine.boot()
        machine.command("modload vmloop")
        result = machine.finish(f"a.out{argument}")
    assert result.verdict is Verdict.PANIC
    seen, good = smap.judge_panic(result.console)
    assert good, seen
    assert re.search(r"vmloop:vmloop_ioctl\+0x\w+ \(\)\n[0-9a-f]{16} unix:\w+", result.console)


@pytest.mark.parametrize("options", [{"cpu": "Nehalem"}, {"args": "disable_smap=1"}])
def test_without_smap_the_same_access_succeeds(options: dict[str, str]) -> None:
    with booted(**options) as machine:
        machine.boot()
        machine.command("modload vmloop")
        assert machine.command("a.out") == "ioctl returned 0\n"
        assert machine.finish().verdict is Verdict.PASS


def test_the_prompts_are_different() -> None:
    assert DEBUGGER not in PROMPT and PROMPT not in DEBUGGER

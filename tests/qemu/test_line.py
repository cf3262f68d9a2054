"""Line editing: every key, at the prompt; the debugger uses the same."""

from __future__ import annotations

from typing import Iterator

import pytest

from machines import booted, typed

from machine import PROMPT, Machine

UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"
SAID = "usage: modload MODULE"


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Machine]:
    """One machine for all these tests."""
    with booted() as machine:
        machine.boot()
        yield machine


@pytest.mark.parametrize("keys", [
    b"oad" + b"\x01" + b"modl",
    b"oad" + b"\x1b[H" + b"modl",
    b"oad" + b"\x1bOH" + b"modl",
    b"oad" + b"\x1b[1~" + b"modl",
    b"mod" + b"\x1b[H" + b"\x1b[F" + b"load",
    b"mod" + b"\x1b[1~" + b"\x1b[4~" + b"load",
    b"mod" + b"\x01\x05" + b"load",
    b"modlad" + LEFT * 2 + b"o",
    b"modlad" + b"\x1bOD" * 2 + b"o",
    b"modlad" + b"\x02\x02" + b"o",
    b"mdload" + b"\x01" + RIGHT + b"o",
    b"mdload" + b"\x01\x06" + b"o",
    b"modloadxyz" + LEFT * 3 + b"\x0b",
    b"xyzmodload" + b"\x01" + RIGHT * 3 + b"\x15",
    b"poweroff now please" + b"\x17" * 3 + b"modload",
    b"xmodload" + b"\x01\x04",
    b"xmodload" + b"\x01\x1b[3~",
    b"modxload" + LEFT * 4 + b"\x7f",
    b"poweroff" + b"\x15" + b"modload",
    b"mod" + LEFT * 9 + RIGHT * 9 + b"load",
    b"mod" + b"\x1b[5~\x1b[24~\x1b[1;5C\x1b[Z\x1bx\x07" + b"load",
    b"modl" + b"\x0c" + b"oad",
], ids=lambda keys: keys.decode("ascii").encode("unicode_escape").decode())
def test_keys_edit_the_line(machine: Machine, keys: bytes) -> None:
    assert SAID in typed(machine, keys + b"\r")


def test_without_its_key_the_same_line_is_another(machine: Machine) -> None:
    assert "oadmodl: no such command" in typed(machine, b"oadmodl\r")


def test_up_and_down_go_through_what_was_typed(machine: Machine) -> None:
    machine.command("modload one two")
    machine.command("help sym")
    assert "names to addresses" in typed(machine, UP + b"\r")
    assert SAID in typed(machine, UP * 2 + b"\r")
    assert SAID in typed(machine, UP + b"\r"), "what was run again is the newest"
    assert "names to addresses" in typed(machine, UP * 3 + DOWN + b"\x10" + b"\x0e" + b"\r")


def test_down_comes_back_to_what_was_being_typed(machine: Machine) -> None:
    machine.command("help")
    assert SAID in typed(machine, b"modlo" + UP + DOWN + b"ad\r")


def test_a_line_from_the_history_can_be_edited_and_the_old_one_stays(machine: Machine) -> None:
    machine.command("help sym")
    assert "this list" in typed(machine, UP + b"\x17" + b"help\r")
    assert "names to addresses" in typed(machine, UP + UP + b"\r")


def test_the_history_ends_where_it_ends(machine: Machine) -> None:
    machine.command("modload")
    for number in range(31):
        machine.command(f"nothing{number}")
    assert SAID in typed(machine, UP * 40 + b"\r")
    machine.command("poweroff_not")
    assert "nothing1: no such command" in typed(machine, UP * 40 + b"\r")


def test_the_same_line_twice_is_kept_once(machine: Machine) -> None:
    machine.command("help modinfo")
    for _ in range(3):
        machine.command("modload")
    assert "what is loaded" in typed(machine, UP * 2 + b"\r")


def test_a_line_longer_than_the_screen_is_still_that_line(machine: Machine) -> None:
    words = b" ".join([b"0x10"] * 30)
    assert "at most 8 words" in typed(machine, words + b"\x01" + b"sym " + b"\r")
    keys = b"x" * 150 + b"\x01" + b"modload" + b"\x0b" + b"\r"
    assert SAID in typed(machine, keys)


def test_control_d_leaves_nothing_at_the_prompt_and_deletes_in_a_line(machine: Machine) -> None:
    assert "poweroff" in typed(machine, b"\x04")
    assert SAID in typed(machine, b"modload\x04\r")


@pytest.mark.parametrize("keys, said", [
    (b"modl\t\r", SAID),
    (b"modu\tnothere\r", "modunload: nothere is not loaded"),
    (b"help hoti\t\r", "every site"),
    (b"sym unix_mai\t\r", "unix:unix_main+0x0"),
    (b"hotinlines uni\tx\r", "usage: hotinlines"),
], ids=["command", "blank behind it", "argument", "symbol", "module"])
def test_tab_completes(machine: Machine, keys: bytes, said: str) -> None:
    assert said in typed(machine, keys)


def test_tab_lists_what_there_is_and_keeps_the_line(machine: Machine) -> None:
    listed = typed(machine, b"modl\x15mod\t")
    assert "modinfo  modload  modunload" in listed
    machine.send(b"load\r")
    assert SAID in machine.read_until(PROMPT)


def test_tab_goes_as_far_as_all_agree(machine: Machine) -> None:
    machine.send(b"mo\t")
    listed = typed(machine, b"\t")
    assert "modinfo  modload  modunload" in listed
    machine.send(b"\x15\r")
    machine.read_until(PROMPT)


def test_tab_without_a_candidate_changes_nothing(machine: Machine) -> None:
    assert SAID in typed(machine, b"modload\t" + b"\x17" + b"zz\t\x15modload\r")

"""The prompt: its keys, its commands, and what it says to bad input."""

from __future__ import annotations

from typing import Iterator

import pytest

from machines import booted, load, typed

import guest
from machine import Machine


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Machine]:
    """One machine for all these tests: none of them changes it."""
    with booted() as machine:
        machine.boot()
        yield machine


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"], ids=["CR", "LF", "CRLF"])
def test_cr_lf_and_both_end_a_line_once(machine: Machine, end: bytes) -> None:
    assert "usage: modload MODULE" in typed(machine, b"modload" + end)
    assert "poweroff" in typed(machine, b"help poweroff" + end)
    assert machine.command("sym nothing").startswith("sym: nothing is no address")


@pytest.mark.parametrize("rub", [b"\x7f", b"\b"], ids=["DEL", "BS"])
def test_a_character_can_be_rubbed_out(machine: Machine, rub: bytes) -> None:
    assert "usage: modload" in typed(machine, b"modlx" + rub + b"oadd" + rub + b"\r")


def test_rubbing_out_stops_at_the_prompt(machine: Machine) -> None:
    assert "usage: modload" in typed(machine, b"ab" + b"\x7f" * 9 + b"modload\r")


def test_control_u_clears_the_line(machine: Machine) -> None:
    assert "usage: modload" in typed(machine, b"poweroff\x15modload\r")


def test_control_c_drops_the_line(machine: Machine) -> None:
    assert typed(machine, b"poweroff\x03").endswith("^C")
    assert "usage: modload" in typed(machine, b"modload\r")


def test_an_empty_line_is_no_command(machine: Machine) -> None:
    assert typed(machine, b"    \r").strip() == ""


def test_keys_that_mean_nothing_are_ignored(machine: Machine) -> None:
    assert "usage: modload" in typed(machine, b"mod\x07\x00\xc3\xa4load\r")


def test_a_line_that_is_too_long_is_cut_and_refused(machine: Machine) -> None:
    assert "no such command; help lists them" in typed(machine, b"x" * 1000 + b"\r")


@pytest.mark.parametrize("line, said", [
    ("frobnicate", "frobnicate: no such command; help lists them"),
    ("help frobnicate", "frobnicate: no such command; help lists them"),
    ("modload", "usage: modload MODULE"),
    ("modload a b", "usage: modload MODULE"),
    ("dump", "usage: dump ADDR|SYMBOL[+OFFSET] [LENGTH]"),
    ("a b c d e f g h i", "a command has at most 8 words"),
    ("hotinlines nothere", "hotinlines: no module nothere is loaded; modinfo lists what is"),
    ("hotinlines -v nothere", "hotinlines: no module nothere is loaded; modinfo lists what is"),
    ("hotinlines unix unix", "usage: hotinlines [-v] [MODULE]"),
    ("dump nothing_of_that_name", "dump: nothing_of_that_name is no address and no symbol"),
    ("dump unix_main+xyz", "dump: unix_main+xyz is no address and no symbol"),
    ("dump unix_main 0", "dump: the length is a number from 1 to 65536, not 0"),
    ("dump unix_main 65537", "dump: the length is a number from 1 to 65536, not 65537"),
    ("dump unix_main many", "dump: the length is a number from 1 to 65536, not many"),
    ("dump 0x10", "dump: nothing is mapped at 0x10"),
    ("dump 0x8000000000000000", "dump: nothing is mapped at 0x8000000000000000"),
    ("dump ffffffffffffffff 16", "dump: nothing is mapped at 0xffffffffffffffff"),
    ("dump 0x11112222333344445", "dump: 0x11112222333344445 is no address"),
])
def test_bad_input_gets_a_clear_answer(machine: Machine, line: str, said: str) -> None:
    assert machine.command(line).startswith(said)


def test_help_lists_every_command_and_boot_argument(machine: Machine) -> None:
    text = machine.command("help")
    for word in ("dump", "features", "help", "hotinlines", "modinfo", "modload", "modunload",
                 "poweroff", "sym", "disable_FEATURE=1", "nokaslr", "FEATURE=1"):
        assert word in text
    for name in ("dump", "hotinlines", "sym"):
        assert machine.command(f"help {name}").startswith(f"{name} ")


def test_dump_shows_memory_as_qemu_sees_it(machine: Machine) -> None:
    address = guest.symbols(machine, ["unix_main"])["unix_main"].address
    for size in (1, 15, 16, 17, 300):
        assert guest.dump(machine, address, size) == machine.memory(address, size)


def test_dump_takes_symbols_with_module_and_offset(machine: Machine) -> None:
    plain = machine.command("dump unix_main+0x10 16")
    assert machine.command("dump unix:unix_main+16 16") == plain
    address = guest.symbols(machine, ["unix_main"])["unix_main"].address
    assert machine.command(f"dump {address + 16:x} 16") == plain
    assert machine.command(f"dump {address + 16:#x} 16") == plain


def test_dump_stops_where_nothing_is_mapped(machine: Machine) -> None:
    end = 0x400000 + 4096
    text = machine.command(f"dump {end - 24:#x} 64")
    assert text.splitlines()[0].startswith(f"{end - 24:016x}  5a 5a")
    assert text.splitlines()[1].startswith(f"{end - 8:016x}  5a 5a 5a 5a 5a 5a 5a 5a  ")
    assert text.splitlines()[2] == f"dump: nothing is mapped at {end:#x}"


def test_dump_opens_a_window_onto_user_memory_and_closes_it(machine: Machine) -> None:
    assert "SMAP on" in machine.console
    assert guest.dump(machine, 0x400000, 32) == b"\x5a" * 32
    assert not int(machine.monitor("info registers").split("RFL=")[1].split()[0], 16) >> 18 & 1


def test_sym_goes_both_ways(machine: Machine) -> None:
    found = guest.symbols(machine, ["unix_main"])["unix_main"]
    assert found.name == "unix:unix_main+0x0" and found.size > 0
    inside = guest.symbols(machine, [f"{found.address + 5:#x}"])
    assert inside[f"{found.address + 5:#x}"].name == "unix:unix_main+0x5"
    assert guest.symbols(machine, ["trap"])["trap"].name == "unix:trap+0x0"
    assert guest.symbols(machine, ["unix:run_help"])  # a local
    assert machine.command("sym 0x10") == "0000000000000010\t0x10\t0\n"


def test_features_say_who_decided() -> None:
    with booted(args="disable_smap=1 disable_fast_string=1", smp="2") as machine:
        machine.boot()
        said = guest.features(machine)
    assert said["smap"] == (False, "cpuid 7.0 ebx[20]", "disabled by boot argument")
    assert said["fast_string"] == (False, "erms || fsrm", "disabled by boot argument")
    assert said["erms"] == (True, "cpuid 7.0 ebx[9]", "-")
    assert said["up"] == (False, "boot", "decided by boot")


def test_a_boot_argument_decides_a_boot_feature() -> None:
    with booted(args="up=1", smp="2") as machine:
        machine.boot()
        assert guest.features(machine)["up"] == (True, "boot", "decided by boot argument")


def test_the_banner_tells_what_the_machine_is() -> None:
    with booted(cpu="Nehalem") as machine:
        text = machine.boot()
        load(machine, ["ring"])
    assert "hotinline on Intel Core i7 9xx" in text
    assert "SMAP off" in text and "sites patched" in text and "self-tests done" in text
    assert "features: intel popcnt tcg up guest lfence_waits" in text

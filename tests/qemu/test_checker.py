"""The checker must find what is wrong: each kind of lie is told to it once."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Callable, Iterator

import pytest

from machines import booted, load

import check
import expect
import guest
from expect import Alternative, Hotinline, Site
from machine import Machine
from objects import read_object
from table import Table, evaluate, read_table


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Machine]:
    """One machine for all these tests: the lies are in what it is compared with."""
    with booted() as machine:
        machine.boot()
        load(machine, ["ring", "usercopy"])
        yield machine


def with_alternative(table: Table, name: str, **changes: object) -> Table:
    """A table in which the first alternative of a hotinline differs."""
    other = copy.deepcopy(table)
    hotinline = other.hotinlines[name]
    first = replace(hotinline.alternatives[0], **changes)  # type: ignore[arg-type]
    other.hotinlines[name] = replace(hotinline,
                                     alternatives=(first, *hotinline.alternatives[1:]))
    return other


LIES: dict[str, Callable[[Table], Table]] = {
    "other code": lambda t: with_alternative(t, "smap_enable", code=b"\x0f\x01\xcb"),
    "other text": lambda t: with_alternative(t, "clean_line", text="clwb [rsi]"),
    "other condition text": lambda t: with_alternative(t, "clean_line", when="!clwb"),
    "other choice": lambda t: with_alternative(t, "smap_enable",
                                               condition={"not": {"feature": "smap"}}),
    "other size": lambda t: replace(t, hotinlines=t.hotinlines | {
        "clean_line": replace(t.hotinlines["clean_line"], size=7)}),
    "a hotinline less": lambda t: replace(t, hotinlines={
        name: each for name, each in t.hotinlines.items() if name != "io_delay"}),
    "a feature more": lambda t: replace(t, features=[*t.features, {
        "name": "invented", "kind": "boot"}]),
    "another bit": lambda t: replace(t, features=[
        feature | {"bit": 31} if feature["name"] == "erms" else feature
        for feature in t.features]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_wrong_expectation_is_found(machine: Machine, lie: str) -> None:
    assert check.check(machine, LIES[lie](read_table())).problems != []


def test_the_truth_is_accepted(machine: Machine) -> None:
    assert check.check(machine, read_table()).problems == []


@pytest.mark.parametrize("drop", ["said", "should"])
def test_a_site_that_one_side_does_not_know_is_found(machine: Machine, drop: str) -> None:
    table = read_table()
    item = read_object(check.object_path("ring"), "ring", table.sizes)
    listing = guest.hotinlines(machine)
    symbols = {name: found.address for name, found in guest.symbols(
        machine, sorted(set(table.hotinlines) | table.helpers())).items()}
    report = check.Report()
    check.check_features(table, machine, report)
    if drop == "said":
        sites = tuple(site for site in listing.sites if site.module != "ring")
        listing = replace(listing, sites=sites)
    else:
        item = replace(item, sites=item.sites[1:])
    check.check_module(machine, table, item, listing, symbols, report)
    assert any("missing" in each or "no such site" in each for each in report.problems)


AT = 0x1000
SYMBOLS = {"h": 0x2000, "f": 0x3000}
SHORT = Alternative("clac", "", None, bytes.fromhex("0f01ca"), (), False, False)
CALL_F = Alternative("call f", "", None, bytes.fromhex("e800000000"), ((1, "f", -4),), True,
                     False, frozenset({"rex"}))
FIVE = Alternative("popcnt rax, rdi", "", None, bytes.fromhex("f3480fb8c7"), (), False, False)
NOP5 = Alternative("nop5", "", None, bytes.fromhex("0f1f440000"), (), False, True,
                   frozenset({"rex"}))


@pytest.mark.parametrize("alternative, form, prefix, bytes_now", [
    (SHORT, "call", "", "0f 01 ca 66 90"),
    (SHORT, "call", "rex", "66 90 0f 01 ca"),
    (SHORT, "jmp", "", "0f 01 ca c3 cc"),
    (SHORT, "jmp", "rex", "e9 fb 0f 00 00"),
    (SHORT, "stub", "", "0f 01 ca c3 cc cc"),
    (CALL_F, "call", "", "e8 fb 1f 00 00"),
    (CALL_F, "call", "rex", "e8 fb 1f 00 00"),
    (CALL_F, "call", "operand", "e8 fb 0f 00 00"),
    (CALL_F, "jmp", "", "e9 fb 1f 00 00"),
    (CALL_F, "stub", "", "e9 fb 1f 00 00 cc"),
    (FIVE, "call", "", "f3 48 0f b8 c7"),
    (FIVE, "call", "segment", "e8 fb 0f 00 00"),
    (FIVE, "jmp", "", "e9 fb 0f 00 00"),
    (FIVE, "stub", "", "f3 48 0f b8 c7 c3"),
    (NOP5, "call", "rex", "0f 1f 44 00 00"),
    (NOP5, "jmp", "", "c3 cc cc cc cc"),
    (NOP5, "jmp", "rex", "0f 1f 40 00 c3"),
    (NOP5, "stub", "", "c3 cc cc cc cc cc"),
])
def test_the_second_implementation_makes_the_bytes_that_the_rules_ask_for(
        alternative: Alternative, form: str, prefix: str, bytes_now: str) -> None:
    hotinline = Hotinline("h", 5, (alternative, NOP5))
    site = Site(".text", 0, form, "h", 6 if form == "stub" else 5, prefix)
    assert expect.now(site, hotinline, 0, AT, SYMBOLS).hex(" ") == bytes_now


def test_nops_and_marks_have_the_length_that_is_asked_for() -> None:
    assert [len(expect.pad(n)) for n in range(40)] == list(range(40))
    for n in [0, *range(2, 60)]:
        assert len(expect.mark(n)) == n
    assert expect.mark(11) == expect.mark(9) + expect.mark(2)
    assert expect.pad(10) == expect.pad(9) + b"\x90"


def test_unknown_features_make_only_those_conditions_unknown_that_need_them() -> None:
    features = {"yes": True, "no": False, "maybe": None}
    maybe = {"feature": "maybe"}
    assert evaluate({"or": [maybe, {"feature": "yes"}]}, features) is True
    assert evaluate({"and": [maybe, {"feature": "no"}]}, features) is False
    assert evaluate({"and": [maybe, {"feature": "yes"}]}, features) is None
    assert evaluate({"not": maybe}, features) is None
    assert evaluate({"not": {"feature": "no"}}, features) is True
    assert evaluate(None, features) is True

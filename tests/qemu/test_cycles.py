"""Modules come and go, and memory is as it was; `make cycles` does it 100,000 times."""

from __future__ import annotations

import re

import pytest

import cycles

FEW = 200  # enough to meet every canary


@pytest.mark.parametrize("cpu", ["max", "Nehalem"])
def test_modules_that_come_and_go_2000_times_leave_nothing_behind(
        cpu: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = cycles.run(2000, cpu=cpu)
    with capsys.disabled():
        print(f"\ncycles on {cpu}: {figures}")
    assert not figures.wrong
    assert figures.cycles >= 2000 and figures.refused > 1000


@pytest.mark.parametrize("canary, whys", [
    ("keep_page", [" was free, and is not",
                   "differences: [1-9][0-9]* in pages, 0 in addresses, 0 in mappings"]),
    ("keep_address", [" was not taken, and is", " was not mapped, and is",
                      "differences: 0 in pages, [1-9][0-9]* in addresses, [1-9][0-9]* in map"]),
    ("wrong_answer", ["wrong_answer: a wrong answer"]),
    ("unresolved", ["unresolved: loaded or refused, against what is right", "`defined_nowhere'"]),
])
def test_a_canary_among_the_modules_is_found(canary: str, whys: list[str]) -> None:
    wrong = cycles.run(FEW, args=f"cycles.subject={canary}").wrong
    for why in whys:
        assert re.search(why, wrong), wrong


def test_without_smap_a_window_that_stays_shut_is_the_right_answer() -> None:
    """The accepted twin of wrong_answer: what is right depends on the features."""
    assert not cycles.run(FEW, cpu="Nehalem", args="cycles.subject=wrong_answer").wrong

"""Counting a boot's instructions: what tests/bench/boot.py relies on."""

from __future__ import annotations

import re
import sys

import pytest

from machines import ROOT, booted

sys.path.append(str(ROOT / "tests/bench"))  # behind kernel/qemu, where names may be the same

import boot  # noqa: E402

SITES = 1000


@pytest.mark.parametrize("shift, each", [(0, 1), (1, 2)])
def test_with_icount_an_instruction_is_a_power_of_two_time_stamps(shift: int, each: int) -> None:
    """The twin, shift=1, counts two for each: so would whoever forgot to say shift=0."""
    with booted(extra=("-icount", f"shift={shift},sleep=off")) as machine:
        machine.boot()
        said = re.search(r"instructions: (\d+)", machine.command("modload instructions"))
    assert said and 2000 * each <= int(said[1]) < 2020 * each


def test_krtld_and_do_hotinlines_take_as_many_instructions_wherever_unix_lies() -> None:
    """All of a boot may take a few hundred more: it waits for the serial line."""
    said = []
    for _ in range(2):
        with booted(args="timing", extra=("-icount", "shift=0,sleep=off")) as machine:
            said.append(machine.boot())
    first, second = (boot.find(boot.TIMING, text) for text in said)
    assert first[1:3] == second[1:3] and sum(first[1:3]) < first[0]
    assert len({re.search(r"unix at (\w+)", text)[1] for text in said}) == 2  # type: ignore[index]


def test_without_the_argument_nothing_is_said_of_timing() -> None:
    with booted() as machine:
        assert "timing:" not in machine.boot()


def test_the_sites_that_are_counted_are_there_and_no_others() -> None:
    boot.OUT.mkdir(parents=True, exist_ok=True)
    own = boot.own_sites(boot.make_archive(0, False))
    more = boot.make_archive(SITES, False)
    counts = boot.count(more, own + SITES)
    assert counts.krtld + counts.patch < counts.everything
    assert boot.count_module(boot.make_archive(SITES, True), SITES) > 0
    with pytest.raises(boot.BenchError, match=f"{own + SITES} sites are patched, not {own}"):
        boot.count(more, own)

"""Boot arguments: none is lost, and each that has no effect is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines import ROOT, booted, make_config

import guest
from iso import make_iso
from machine import Config, Machine, Result, Verdict

LINE_MAX = 4095  # characters: kernel/defs.h, CMDLINE_MAX
WORD_MAX = 127  # ARG_MAX


def line_of(length: int, last: str) -> str:
    """A line of that many characters of which only the last word does anything."""
    filler = " ".join(f"ring.a{number:04}=x" for number in range(length // 12))
    return filler[:length - len(last) - 1].ljust(length - len(last)) + last


def warnings(args: str) -> list[str]:
    """What a boot with these arguments warns of."""
    with booted(args=args) as machine:
        return [line.removeprefix("warning: boot argument ") for line in machine.boot().splitlines()
                if line.startswith("warning: ")]


def end_of(config: Config) -> Result:
    """How a machine ends that should not boot."""
    with Machine(config) as machine:
        return machine.finish("")


# ---- Nothing is cut ----

@pytest.mark.parametrize("length", [1100, LINE_MAX])
def test_peers_35_the_last_argument_of_a_long_line_counts(length: int) -> None:
    with booted(args=line_of(length, "disable_smap=1")) as machine:
        assert "SMAP off" in machine.boot()
        assert not guest.features(machine)["smap"][0]


def test_peers_35_a_line_that_does_not_fit_is_a_panic() -> None:
    result = end_of(make_config(args=line_of(LINE_MAX + 1, "disable_smap=1")))
    assert result.verdict is Verdict.PANIC
    assert "panic[boot]: the boot arguments are 4096 characters, and at most 4095 are taken: " \
        "shorten them" in result.reason


@pytest.mark.parametrize("word", ["x" * (WORD_MAX + 1), "timer=" + "0" * (WORD_MAX - 5),
                                  "ring.a=" + "x" * 900])
def test_peers_35_a_word_or_value_that_does_not_fit_is_a_panic(word: str) -> None:
    result = end_of(make_config(args=f"nokaslr {word} disable_smap=1"))
    assert result.verdict is Verdict.PANIC
    assert f"panic[boot]: the boot argument {word[:24]}... is {len(word)} characters, and at " \
        "most 127 are taken: shorten it" in result.reason


def test_a_word_that_just_fits_is_taken() -> None:
    assert warnings("timer=" + "250".zfill(WORD_MAX - 6)) == []


@pytest.mark.parametrize("uefi", [False, True])
def test_peers_35_grub_hands_over_a_long_line_whole(tmp_path: Path, uefi: bool) -> None:
    make_iso(tmp_path / "iso", line_of(1100, "disable_smap=1"))
    with Machine(make_config(machine="q35", mem="128M", iso=tmp_path / "iso", uefi=uefi)) as machine:
        text = machine.boot()
    assert "SMAP off" in text and "warning" not in text


def test_peers_35_grubs_line_that_does_not_fit_is_a_panic(tmp_path: Path) -> None:
    make_iso(tmp_path / "iso", line_of(LINE_MAX + 200, "disable_smap=1"))
    result = end_of(make_config(machine="q35", mem="128M", iso=tmp_path / "iso"))
    assert result.verdict is Verdict.PANIC and "and at most 4095 are taken" in result.reason


def test_a_second_module_of_grub_is_not_ignored(tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    import iso  # pylint: disable=import-outside-toplevel
    monkeypatch.setattr(iso, "MENU", iso.MENU.replace("\tmodule2", "\tmodule2 /boot/boot.elf\n"
                                                      "\tmodule2"))
    make_iso(tmp_path / "iso", "")
    result = end_of(make_config(machine="q35", mem="128M", iso=tmp_path / "iso"))
    assert result.verdict is Verdict.PANIC and "several boot modules" in result.reason


# ---- What is not known, or means nothing, is named ----

@pytest.mark.parametrize("args, said", [
    ("foo", "foo: not known; known are -k, -kd, nmi=count"),
    ("-kd=late", "-kd=late: only -kd has an effect: the same, and stop at boot"),
    ("disable_smap=1 disabel_erms=1", "disabel_erms=1: not known; known are -k"),
    ("=1", "=1: not known"),
    ("disable_smapp=1", "disable_smapp=1: no feature smapp; `features` lists them"),
    ("disable_", "disable_: no feature ;"),
    ("disable_smap=2", "disable_smap=2: only disable_smap=1 has an effect"),
    ("disable_smap=yes", "disable_smap=yes: only disable_smap=1 has an effect"),
    ("disable_smap", "disable_smap: only disable_smap=1 has an effect"),
    ("smap=1", "smap=1: smap is decided by `cpuid 7.0 ebx[20]`; only disable_smap=1 has an"),
    ("up=0", "up=0: only up=1 and disable_up=1 have an effect"),
    ("timer=0", "timer=0: only timer=HZ has an effect: how often the timer interrupts, 1 to 20000"),
    ("timer=20001", "timer=20001: only timer=HZ has an effect"),
    ("timer", "timer: only timer=HZ has an effect"),
    ("nmi=counts", "nmi=counts: only nmi=count has an effect"),
    ("nokaslr=0", "nokaslr=0: only nokaslr has an effect"),
    ("timing=1", "timing=1: only timing has an effect"),
    ("nothere.count=1", "nothere.count=1: no module nothere in the boot archive"),
    ("disable_smap=1 disable_smap=0", "disable_smap=0: disable_smap=1 is given, too; the last"),
    ("timer=100 nokaslr timer=200", "timer=200: timer=100 is given, too; the last counts"),
    ("up=1 disable_up=1", "up=1: disable_up=1 is given, too, and counts"),
    ("disable_up=1 up=1", "up=1: disable_up=1 is given, too, and counts"),
])
def test_an_argument_without_effect_is_named(args: str, said: str) -> None:
    found = warnings(args)
    assert len(found) == 1 and found[0].startswith(said), found


def test_each_is_named_by_itself() -> None:
    found = warnings("disable_smapp=1 one disable_smap=yes disable_erms=0 two")
    assert [line.partition(":")[0] for line in found] == ["disable_smapp=1", "one",
                                                          "disable_smap=yes", "two"]


@pytest.mark.parametrize("args", [
    "", " ", "\t nokaslr  timing\t", "disable_smap=1 disable_smap=1", "disable_smap=0 up=1 nmi=count",
    "ring.size=3 timer=0x10", "disable_smap=1\ndisable_erms=1",
])
def test_what_is_right_is_not_warned_about(args: str) -> None:
    """The twin."""
    assert warnings(args) == []


def test_of_two_the_last_counts() -> None:
    for args, smap in (("disable_smap=1 disable_smap=0", True),
                       ("disable_smap=0 disable_smap=1", False)):
        with booted(args=args) as machine:
            machine.boot()
            assert guest.features(machine)["smap"][0] is smap


def test_an_argument_with_a_value_that_means_nothing_has_no_effect() -> None:
    at = []
    for args in ("nokaslr", "nokaslr", "nokaslr=0", "nokaslr=0"):
        with booted(args=args) as machine:
            at.append(machine.boot().partition("\nunix at ")[2][:16])
    assert at[0] == at[1] and len(set(at)) == 3


def test_help_and_readme_name_every_argument() -> None:
    with booted() as machine:
        machine.boot()
        listed = machine.command("help").partition("boot arguments:\n")[2]
    names = [line.split()[0] for line in listed.splitlines()]
    assert "nokaslr" in names and "disable_FEATURE=1" in names and "MODULE.NAME=VALUE" in names
    readme = (ROOT / "README.md").read_text()
    assert [name for name in names if f"`{name}" not in readme] == []

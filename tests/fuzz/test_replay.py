"""Replays the corpora and every crash ever found, and sees that planted bugs are found by them."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "build/fuzz/bin"
TARGETS = ("krtld", "patch")


def replay(program: str, inputs: list[Path], planted: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a replayer; its last lines say what went wrong."""
    return subprocess.run([str(BIN / program), *map(str, inputs)], cwd=ROOT, text=True,
                          errors="replace", check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=os.environ | {"PLANTED": planted})


def files(*parts: str) -> list[Path]:
    """The files of a directory of tests/fuzz, in order."""
    return sorted((ROOT / "tests/fuzz").joinpath(*parts).glob("*"))


def expect_replayed(program: str, inputs: list[Path]) -> None:
    """All of them, each without a word."""
    done = replay(program, inputs)
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(inputs)} inputs replayed" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_the_corpus_breaks_a_rule(target: str) -> None:
    inputs = files("corpus", target)
    assert len(inputs) >= 50, "the corpus is gone"
    expect_replayed(f"{target}-replay", inputs)


@pytest.mark.parametrize("target", TARGETS)
def test_no_crash_ever_found_comes_back(target: str) -> None:
    inputs = files("crashes", target)
    if inputs:
        expect_replayed(f"{target}-replay", inputs)


def test_a_replay_of_nothing_is_a_failure() -> None:
    assert replay("krtld-replay", []).returncode == 64


# ---- The failing twins: the same inputs, and a bug in krtld or in the engine ----

@pytest.mark.parametrize(("target", "bug", "symptom"), [
    ("krtld", "leak", "does not hold"),
    ("krtld", "forgets", "does not hold"),
    ("patch", "leak", "does not hold"),
    ("patch", "forgets", "does not hold"),
    ("patch", "beside", "a byte outside of all sites was changed"),
])
def test_a_planted_bug_is_found_by_the_corpus(target: str, bug: str, symptom: str) -> None:
    done = replay(f"{target}-planted", files("corpus", target), bug)
    assert done.returncode != 0, f"nobody noticed {bug}"
    assert symptom in done.stdout, done.stdout[-4000:]


@pytest.mark.parametrize("target", TARGETS)
def test_without_a_planted_bug_that_replayer_is_content(target: str) -> None:
    expect_replayed(f"{target}-planted", files("corpus", target))


def test_a_field_outside_of_its_section_is_found_where_bounds_are_not_checked(
        tmp_path: Path) -> None:
    """An object known to be wrong: refused as it should be, and a disaster without the check."""
    good = (ROOT / "build/fuzz/seeds/krtld/calls-gcc-O2.o").read_bytes()
    bad = bytearray(good)
    table, = struct.unpack_from("<Q", good, 40)
    count, = struct.unpack_from("<H", good, 60)
    for i in range(count):
        kind, = struct.unpack_from("<I", good, table + 64 * i + 4)
        if kind == 4:  # SHT_RELA
            offset, = struct.unpack_from("<Q", good, table + 64 * i + 24)
            struct.pack_into("<Q", bad, offset, 0x10000)
    (tmp_path / "bad.o").write_bytes(bad)
    expect_replayed("krtld-replay", [tmp_path / "bad.o"])
    assert replay("krtld-planted", [tmp_path / "bad.o"], "bounds").returncode != 0

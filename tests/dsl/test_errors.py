"""How hotc reports and writes: everything at once, all or nothing, and nothing without need."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
from support import DSL, Outcome, compile_text, hotc, places, program, snapshot

GOOD = "hotinline f: nop5\n"
OUTPUTS = [
    "hot.mk",
    "hotinline.h",
    "hotinline.inc",
    "hotinline.json",
    "hotstubs.asm",
    "hottable.c",
    "hottable.h",
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.hot"
    path.write_text(GOOD)
    return path


def test_all_errors_of_all_files_come_in_one_run(tmp_path: Path) -> None:
    first = """\
featur a = boot
feature b = cpuid 1 eax[40]
hotinline f: smep ? clac : clax
hotinline g(: nop5
hotinline h: { ret; mov rbx, 1; push rax }
hotinline i: mov rax, xmm0, 3
"""
    second = """\
window w: p .. q
hotinline j: { nop
hotinline f: jz away
hotinline k: b ? nop5
"""
    outcome = compile_text(tmp_path, first, second)
    assert outcome.idents == [
        "statement",
        "feature-bit",
        "feature-unknown",
        "nasm",
        "syntax",
        "code-too-long",
        "code-exit",
        "code-writes",
        "nasm",
        "window-unknown",
        "window-unknown",
        "brace-open",
        "name-twice",
        "code-branch",
        "code-too-long",
        "baseline-missing",
    ], outcome
    assert [line for line, _ in places(outcome)] == [1, 2, 3, 3, 4, 5, 5, 5, 6, 1, 1, 2, 3, 3, 3, 4]


def test_several_nasm_errors_come_in_one_run(tmp_path: Path) -> None:
    text = "".join(f"hotinline f{i}: clax\nhotinline g{i}: jmp .away\n" for i in range(5))
    assert compile_text(tmp_path, text).idents == ["nasm"] * 10


def test_a_syntax_error_costs_one_statement(tmp_path: Path) -> None:
    text = "feature a = boot boot\n  more\nfeature b == boot\nhotinline f: c ? nop : nop5\n"
    outcome = compile_text(tmp_path, text)
    assert outcome.idents == ["syntax", "syntax", "feature-unknown"]


def test_an_error_in_a_long_line_shows_a_part_of_it(tmp_path: Path) -> None:
    text = f"hotinline f: {{ {'nop; ' * 100} clax; {'nop; ' * 100} }}\n"
    lines = compile_text(tmp_path, text).text().split("\n")
    assert len(lines[1]) <= 202
    assert lines[1].startswith("…") and lines[1].endswith("…")
    assert lines[1][lines[2].index("^") :].startswith("clax")


def test_tabs_keep_the_caret_below_its_word(tmp_path: Path) -> None:
    lines = compile_text(tmp_path, "hotinline f:\n\t\tclax\n").text().split("\n")
    assert lines[1:3] == ["\t\tclax", "\t\t^"]


def test_lines_may_end_in_cr_lf(tmp_path: Path) -> None:
    assert not compile_text(tmp_path, GOOD.replace("\n", "\r\n")).errors


def test_a_last_line_needs_no_end(tmp_path: Path) -> None:
    assert not compile_text(tmp_path, GOOD.rstrip()).errors


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert not compile_text(tmp_path, "\ufeff" + GOOD).errors


def test_other_line_separators_do_not_count_lines(tmp_path: Path) -> None:
    outcome = compile_text(tmp_path, "# \u2028 \x0b\nhotinline f: clax\n")
    assert places(outcome) == [(1, 3), (1, 5), (2, 14)], outcome


# Writing


def test_all_outputs_are_written(good: Path, tmp_path: Path) -> None:
    done = program("compile", "--out", tmp_path / "out", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    own = ["hotc.kept", "hotc.stamp"]
    assert sorted(os.listdir(tmp_path / "out")) == sorted([*OUTPUTS, *own])


def test_nothing_is_written_on_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.hot"
    bad.write_text("hotinline f: clax\n")
    done = hotc("compile", "--out", tmp_path / "out", bad)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{bad}:1:14: error: ")
    assert not (tmp_path / "out").exists()


def test_outputs_stay_as_they_are_on_an_error(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert hotc("compile", "--out", out, good).returncode == 0
    before = snapshot(out)
    good.write_text("hotinline f: clax\n")
    assert hotc("compile", "--out", out, good).returncode == 1
    assert snapshot(out) == before


def test_what_is_unchanged_is_not_touched(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert hotc("compile", "--out", out, good).returncode == 0
    before = snapshot(out)
    assert hotc("compile", "--out", out, good).returncode == 0
    assert snapshot(out) == before


def test_only_what_changes_is_rewritten(good: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert hotc("compile", "--out", out, good).returncode == 0
    before = snapshot(out)
    good.write_text('"New words."\n' + GOOD)
    assert hotc("compile", "--out", out, good).returncode == 0
    after = snapshot(out)
    changed = {name for name in OUTPUTS if after[name] != before[name]}
    assert changed == {"hotinline.h", "hotinline.inc", "hotinline.json"}


def test_outputs_have_the_modes_of_ordinary_files(good: Path, tmp_path: Path) -> None:
    def umask() -> None:
        os.umask(0o027)

    done = program("compile", "--out", tmp_path / "out", good, preexec_fn=umask)
    assert done.returncode == 0
    assert (tmp_path / "out" / "hotinline.h").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("in_the_way", ["hotinline.json", "hot.mk"])
def test_output_unwritable_leaves_nothing_half_written(
    good: Path, tmp_path: Path, in_the_way: str
) -> None:
    out = tmp_path / "out"
    (out / in_the_way).mkdir(parents=True)
    done = hotc("compile", "--out", out, good)
    assert done.returncode == 1
    assert f"cannot write {out / in_the_way}" in done.stderr  # output-unwritable
    assert os.listdir(out) == [in_the_way]


def test_an_output_folder_that_is_a_file_is_refused(good: Path, tmp_path: Path) -> None:
    done = hotc("compile", "--out", good, good)
    assert done.returncode == 1
    assert "cannot write" in done.stderr and "help:" in done.stderr


@pytest.mark.parametrize("room", [0, 1])
def test_a_full_disk_leaves_what_was_there(good: Path, tmp_path: Path, room: int) -> None:
    out = tmp_path / "out"
    assert hotc("compile", "--out", out, good).returncode == 0
    before = snapshot(out)
    good.write_text(GOOD + "hotinline g: nop5\n")

    def limit() -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room * 1024, room * 1024))

    done = program("compile", "--out", out, good, preexec_fn=limit)
    assert done.returncode == 1
    assert "error: " in done.stderr and "Traceback" not in done.stderr
    assert snapshot(out) == before


# Files


def _refused(done_text: Outcome, ident: str) -> None:
    assert done_text.idents == [ident], done_text
    assert "help: " in done_text.text()


def test_an_unreadable_file(tmp_path: Path) -> None:
    done = hotc("compile", "--out", tmp_path / "out", tmp_path / "none.hot")
    assert done.returncode == 1  # file-unreadable
    assert done.stderr.startswith(f"{tmp_path}/none.hot: error: cannot read it: No such file")
    done = hotc("compile", "--out", tmp_path / "out", tmp_path)
    assert done.returncode == 1 and "Is a directory" in done.stderr


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.hot"
    path.write_bytes(b'"caf\xe9"\n' + GOOD.encode())
    done = hotc("compile", "--out", tmp_path / "out", path)
    assert done.returncode == 1  # file-encoding
    assert f"{path}: error: not UTF-8 at byte 4" in done.stderr


def test_a_file_given_twice(good: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.hot"
    link.symlink_to(good)
    for other in (good, link):
        done = hotc("compile", "--out", tmp_path / "out", good, other)
        assert done.returncode == 1  # file-twice
        assert "the file is given twice" in done.stderr


def test_two_files_of_one_name(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "good.hot"
    other.parent.mkdir()
    other.write_text("hotinline g: nop5\n")
    done = hotc("compile", "--out", tmp_path / "out", good, other)
    assert done.returncode == 1  # file-basename
    assert "another file is called good.hot too" in done.stderr
    other = other.rename(tmp_path / "other" / "better.hot")
    assert hotc("compile", "--out", tmp_path / "out", good, other).returncode == 0


@pytest.mark.parametrize("name", ["a b.hot", "a$b.hot", "a*.hot", "a\nb.hot", "a#.hot"])
def test_a_file_name_that_outputs_cannot_hold(good: Path, tmp_path: Path, name: str) -> None:
    path = good.rename(tmp_path / name)
    done = hotc("compile", "--out", tmp_path / "out", path)
    assert done.returncode == 1  # file-name
    assert "outputs cannot name a file like this" in done.stderr


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_a_file_that_declares_nothing(tmp_path: Path, text: str) -> None:
    _refused(compile_text(tmp_path, text), "file-empty")
    assert not compile_text(tmp_path, "feature a = boot\n").errors


# The assembler


def test_a_missing_assembler(tmp_path: Path) -> None:
    _refused(compile_text(tmp_path, GOOD, nasm="/nowhere/nasm"), "nasm-missing")


def test_an_assembler_that_fails_for_reasons_of_its_own(tmp_path: Path) -> None:
    _refused(compile_text(tmp_path, GOOD, nasm="/bin/false"), "nasm-failed")


def test_an_assembler_that_succeeds_without_an_object(tmp_path: Path) -> None:
    _refused(compile_text(tmp_path, GOOD, nasm="/bin/true"), "nasm-failed")


@pytest.mark.parametrize(
    "made", ["echo word >$2", "head -c 99 /bin/true >$2", "as -o $2 /dev/null"]
)
def test_an_assembler_that_writes_another_object(tmp_path: Path, made: str) -> None:
    program = tmp_path / "nasm"
    program.write_text(f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n{made}\n')
    program.chmod(0o755)
    _refused(compile_text(tmp_path, GOOD, nasm=str(program)), "nasm-failed")


def test_no_room_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NASM needs one."""
    def full(**_: str) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    found = compile_text(tmp_path, GOOD)
    _refused(found, "nasm-failed")
    assert "No space left on device" in found.errors[0].render()


def test_the_environment_does_not_reach_the_assembler(good: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NASMENV": "-f bin -Ono_such_option"}
    done = program("compile", "--out", tmp_path / "out", good, env=environment)
    assert done.returncode == 0, done.stderr


# The command line


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["compile"],
        ["compile", "--out", "x"],
        ["compile", "good.hot"],
        ["frobnicate"],
        ["compile", "--out", "x", "--frob", "good.hot"],
        ["check", "--json", "x"],
    ],
)
def test_wrong_use_is_status_64(words: list[str]) -> None:
    done = hotc(*words)
    assert done.returncode == 64
    assert "usage: hotc" in done.stderr


def test_help_and_version() -> None:
    for words in (["--help"], ["compile", "--help"], ["check", "--help"]):
        done = hotc(*words)
        assert done.returncode == 0 and "usage: hotc" in done.stdout
    assert hotc("--version").stdout.startswith("hotc 1")


def test_messages_survive_an_ascii_terminal(tmp_path: Path) -> None:
    path = tmp_path / "é.hot"
    path.write_text("hotinline f: clax # é\n", encoding="utf-8")
    path = path.rename(tmp_path / "e.hot")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = program("compile", "--out", tmp_path / "out", path, env=environment)
    assert done.returncode == 1 and "clax" in done.stderr


def test_hotc_works_from_anywhere_and_from_a_copy(good: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tools" / "declarations"
    shutil.copytree(DSL, copy, ignore=shutil.ignore_patterns("__pycache__"))
    link = tmp_path / "hotc"
    link.symlink_to(copy / "hotc")
    done = subprocess.run([link, "compile", "--out", "out", "good.hot"], cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "out" / "hotinline.h").exists()


def test_the_tables_numbers_have_16_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hotinlines-too-many, with a smaller limit: 65,535 of them would take long."""
    monkeypatch.setattr("compiler.check.INDEX_MAX", 3)
    text = "".join(f"hotinline f{i}: call g{i}\n" for i in range(3))
    assert not compile_text(tmp_path, text).errors
    outcome = compile_text(tmp_path, text + "hotinline f: nop5\n")
    assert outcome.idents == ["hotinlines-too-many"] and "4 hotinlines" in outcome.text()
    outcome = compile_text(tmp_path, text.replace("call g2", "{ lea rax, [rel g2]; call g3 }")
                           .replace("f2:", "f2 clobbers rax size 12:"))
    assert outcome.idents == ["hotinlines-too-many"] and "4 symbols" in outcome.text()

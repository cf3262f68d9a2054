"""What a run takes over from an earlier one: outputs are those of a run that takes over nothing.
What is damaged, foreign or old is not believed."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import lark
import pytest
from compiler import kept, parse, record
from support import Done, hotc, program

TEXT = """\
feature smap = cpuid 7.0 ebx[20] enables clac, stac
feature popcnt = cpuid 1 ecx[23]
feature both = smap && popcnt
"Closes."
hotinline close_it: smap ? clac : nop5
hotinline open_it: smap ? stac : nop5
window it: open_it .. close_it
hotinline count(u64 x @rdi) -> u64 @rax pure:
\tboth ? popcnt rax, rdi : call count_soft
hotinline wide size 9: !popcnt ? { lfence; mfence } : sfence
feature quick = boot
feature either = quick || popcnt
hotinline third: either ? lfence : nop5
"""


ALL = {"close_it", "open_it", "count", "wide", "third"}


def files(folder: Path) -> dict[str, bytes]:
    """The outputs; none if there is no folder."""
    names = os.listdir(folder) if folder.exists() else []
    return {name: (folder / name).read_bytes() for name in names if not name.startswith("hotc.")}


class Scene:
    """Declarations that change, compiled with and without what was kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out, self.fresh = folder / "out", folder / "fresh"

    def compile(self, *texts: str, options: tuple[str, ...] = ()) -> Done:
        """With what was kept; compares with a run without."""
        sources = []
        for number, text in enumerate(texts):
            sources.append(self.folder / f"file{number}.hot")
            sources[-1].write_text(text)
        done = hotc("compile", *options, "--out", self.out, *sources)
        shutil.rmtree(self.fresh, ignore_errors=True)
        again = hotc("compile", *options, "--fresh", "--out", self.fresh, *sources)
        assert (done.returncode, done.stderr) == (again.returncode, again.stderr)
        if done.returncode == 0:
            assert files(self.out) == files(self.fresh)
            assert not (self.fresh / kept.NAME).exists()
        return done


@pytest.fixture(name="scene")
def fixture_scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture(name="judged")
def fixture_judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of hotinlines whose code NASM is asked to encode."""
    from compiler.encode import Encoder

    names: list[str] = []
    real = Encoder.encode

    def encode(self: Encoder, hotinlines: list[object]) -> None:
        names.extend(made.name for made in hotinlines)  # type: ignore[attr-defined]
        real(self, hotinlines)  # type: ignore[arg-type]

    monkeypatch.setattr(Encoder, "encode", encode)
    yield names


def judged_again(scene: Scene, judged: list[str], text: str) -> set[str]:
    """What is judged anew if the text becomes this one; all of it is with --fresh."""
    assert scene.compile(TEXT).returncode == 0
    (scene.folder / "file0.hot").write_text(text)
    judged.clear()
    done = hotc("compile", "--out", scene.out, scene.folder / "file0.hot")
    assert done.returncode == 0, done.stderr
    found = set(judged)
    scene.compile(text)
    return found


@pytest.mark.parametrize("old, new, expected", [
    ("", "", set()),
    ("feature smap", "# A comment.\n\nfeature smap", set()),
    ("smap && popcnt", "popcnt && smap", {"count"}),
    ("quick = boot", "quick = !smap", {"third"}),  # what a feature is made of
    ('"Closes."', '"Closes it."', {"close_it"}),
    ("lfence; mfence", "mfence; lfence", {"wide"}),
    (" enables clac, stac", "", ALL),
    ("ecx[23]", "ecx[23] enables popcnt", ALL),
    ("window it", "hotinline more: nop5\nwindow it", {"more"}),
    ("window it: open_it .. close_it\n", "", set()),
])
def test_what_a_change_concerns_is_judged_again_and_no_more(
    scene: Scene, judged: list[str], old: str, new: str, expected: set[str]
) -> None:
    assert old in TEXT
    assert judged_again(scene, judged, TEXT.replace(old, new, 1)) == expected


def test_what_is_wrong_in_one_declaration_is_said_as_ever(scene: Scene) -> None:
    """About those that were taken over, too: each text follows on one that was right."""
    for change, ident in (
        (("nop5\nwindow", "nop6\nwindow"), "6 bytes long"),
        (("hotinline open_it", "hotinline close_it"), "close_it"),
        (("call count_soft", "call open_it"), "open_it"),
        (("hotinline wide", "hotinline count_soft"), "count_soft"),
        (("feature both = smap && popcnt\n", ""), "both"),
        (("open_it .. close_it", "open_it .. shut_it"), "shut_it"),
        (("feature popcnt", "feature smap"), "smap"),
        (("popcnt rax, rdi", "popcnt rax, rbx"), "rbx"),
        (("feature both = smap && popcnt", "feature both = both && popcnt"), "both"),
        (("hotinline wide", "hotinline COUNT: nop5\nhotinline wide"), "COUNT"),
        (("ebx[20]", "ebx[19]"), "clac"),  # in a declaration that is as it was
    ):
        assert scene.compile(TEXT).returncode == 0
        assert change[0] in TEXT
        done = scene.compile(TEXT.replace(*change, 1))
        assert done.returncode == 1 and ident in done.stderr, (change, done.stderr)
        assert scene.compile(TEXT).returncode == 0


def test_a_thunk_that_a_kept_declaration_refers_to_is_refused(scene: Scene) -> None:
    assert scene.compile(TEXT).returncode == 0
    done = scene.compile(TEXT, options=("--return-thunk", "count_soft"))
    assert done.returncode == 1 and "refers to it" in done.stderr
    assert scene.compile(TEXT, options=("--return-thunk", "away")).returncode == 0


def test_a_declared_instruction_that_goes_is_missed(scene: Scene) -> None:
    declared = "instruction wrfoo = bytes 0f 0a c8 writes rax\n"
    text = "feature f = cpuid 1 ecx[1] enables wrfoo\nhotinline g: nop5\n"
    assert scene.compile(declared + text).returncode == 0
    assert "wrfoo" in scene.compile(text).stderr


@pytest.mark.parametrize("several", list(itertools.product(
    ((), ("--ibt",)), ((), ("--kcfi",)), ((), ("--return-thunk", "away")))))
def test_other_options_take_over_nothing(scene: Scene, several: tuple[tuple[str, ...]]) -> None:
    scene.compile(TEXT)
    assert scene.compile(TEXT, options=sum(several, ())).returncode == 0


def test_random_edits_give_what_a_run_without_gives(scene: Scene) -> None:
    """Lines come, go, move between two files, and are said in other words."""
    chance = random.Random(9)
    lines = TEXT.replace(":\n\t", ": ").splitlines()
    more = ["hotinline a: nop5", "hotinline b: popcnt ? lfence : nop5", "feature c = boot", "",
            "hotinline d: c ? mfence : nop5", "# words", '"Said."', "feature popcnt = boot",
            "hotinline b: both ? lfence : nop5", "feature e = !smap", "hotinline d: call a_soft"]
    right = 0
    for _ in range(60):
        before = list(lines)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(lines) + 1)
            if chance.random() < 0.5 and len(lines) > 4:
                del lines[place:place + 1]
            else:
                lines.insert(place, chance.choice(more + TEXT.replace(":\n\t", ": ").splitlines()))
        seen: set[str] = set()  # most names are declared once
        lines = [line for line in lines
                 if not (name := " ".join(line.replace(":", " ").split()[:2])) or name not in seen
                 and not seen.add(name)]  # type: ignore[func-returns-value]
        middle = chance.randrange(len(lines) + 1)
        texts = ["\n".join(part) + "\n" for part in (lines[:middle], lines[middle:])]
        if scene.compile(*texts).returncode == 0:
            right += 1
        else:
            lines = before
    assert 10 < right < 60


def test_grammar_and_templates_are_compiled_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Lark and Jinja2; a run without what was kept is the twin."""
    compiled: set[str] = set()

    def count(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def counted(*words: Any, **more: Any) -> Any:
            compiled.add(kind.__name__)
            return real(*words, **more)

        monkeypatch.setattr(kind, name, counted)

    count(lark.Lark, "__init__")
    count(jinja2.Environment, "compile")
    scene.compile(TEXT)
    (scene.folder / "file0.hot").write_text(TEXT + "hotinline more: nop5\n")
    cases: list[tuple[list[str], set[str]]] = [([], set()), (["--fresh"], {"Lark", "Environment"})]
    for words, expected in cases:
        compiled.clear()
        parse._lark.cache_clear()
        assert hotc("compile", *words, "--out", scene.out, scene.folder / "file0.hot").stderr == ""
        assert compiled == expected


# What is not believed


def test_a_file_with_any_byte_changed_or_cut_is_not_read(scene: Scene) -> None:
    scene.compile(TEXT)
    data = (scene.out / kept.NAME).read_bytes()
    maker = data[len(kept._MAGIC):][:64]
    assert kept.read(data, maker).entries
    chance = random.Random(3)
    for _ in range(300):
        at = chance.randrange(len(data))
        wrong = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1:]
        assert not kept.read(wrong, maker).entries
    for cut in (0, 1, len(kept._MAGIC), len(data) // 2, len(data) - 1):
        assert not kept.read(data[:cut], maker).entries
    assert not kept.read(data + b"x", maker).entries
    assert not kept.read(data, b"0" * len(maker)).entries


@pytest.mark.parametrize("body", [b"", b"\0" * 5000, kept._MAGIC, os.urandom(3000)])
def test_a_file_that_is_something_else_changes_nothing(scene: Scene, body: bytes) -> None:
    scene.compile(TEXT)
    (scene.out / kept.NAME).write_bytes(body)
    assert scene.compile(TEXT.replace("nop5", "nop4", 1)).returncode == 0


def test_what_is_not_declared_any_more_is_not_kept(scene: Scene) -> None:
    scene.compile(TEXT)
    size = (scene.out / kept.NAME).stat().st_size
    scene.compile(TEXT + "".join(f"hotinline more{i}: nop5\n" for i in range(200)))
    assert (scene.out / kept.NAME).stat().st_size > size + 200 * 500
    scene.compile(TEXT)
    assert (scene.out / kept.NAME).stat().st_size == size


# The record


@pytest.fixture(name="made")
def fixture_made(tmp_path: Path) -> tuple[str, ...]:
    """The words of a run that was."""
    (tmp_path / "a.hot").write_text(TEXT)
    (tmp_path / "nasm").write_text('#!/bin/sh\nexec nasm "$@"\n')
    (tmp_path / "nasm").chmod(0o755)
    words = ("--nasm", f"{tmp_path}/nasm", "--out", f"{tmp_path}/out", f"{tmp_path}/a.hot")
    assert hotc("compile", *words).returncode == 0
    return ("compile", *words)


def stamp(words: tuple[str, ...]) -> Path:
    return Path(words[4]) / record.NAME


def test_a_run_with_nothing_to_do_is_told_and_touches_its_record(made: tuple[str, ...]) -> None:
    os.utime(stamp(made), (0, 0))
    assert record.stands(list(made))
    assert stamp(made).stat().st_mtime > 0


@pytest.mark.parametrize("name", ["hotinline.h", "hotinline.json", "hot.mk", record.NAME])
@pytest.mark.parametrize("way", ["deleted", "edited", "cut", "emptied", "older"])
def test_an_output_that_is_not_as_it_was_is_noticed(
    made: tuple[str, ...], name: str, way: str
) -> None:
    path = Path(made[4]) / name
    was = path.read_bytes()
    path.unlink()
    if way != "deleted":
        new = {"edited": was + b"\n", "cut": was[:-1], "emptied": b"", "older": was[1:]}[way]
        path.write_bytes(new)
    if way == "older":
        os.utime(path, (0, 0))
    assert not record.stands(list(made))
    assert hotc(*made).returncode == 0
    assert path.read_bytes() == was and record.stands(list(made))


def test_any_other_input_word_or_tool_is_noticed(
    made: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = list(made)
    assert record.stands(words)
    others: list[list[str]] = [
        [*words, "--ibt"], [*words, words[-1]], words[:-1], ["check", *words[1:]],
        [*words, "--fresh"], ["compile", "--out", words[4], words[-1]], [],
    ]  # fmt: skip
    for other in others:
        assert not record.stands(other)
    source, nasm = tmp_path / "a.hot", tmp_path / "nasm"
    status = source.stat()
    source.write_text(TEXT.replace("nop5", "nop4", 1))  # of the same size, and as old
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not record.stands(words)
    source.write_text(TEXT)
    assert record.stands(words)
    os.utime(nasm, (1, 1))
    assert not record.stands(words)
    assert hotc(*words).returncode == 0 and record.stands(words)
    source.unlink()
    assert not record.stands(words)
    source.write_text(TEXT)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
        with monkeypatch.context() as inner:
            inner.setenv(name, "/nowhere")
            assert not record.stands(words)
    monkeypatch.setattr(record.sys, "version", "4.0")
    assert not record.stands(words)


def test_a_library_or_a_file_of_hotc_that_changes_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In copies: hotc's own by content, the libraries by size and date, and where they lie."""
    shutil.copytree(record._HERE, tmp_path / "dsl/compiler")
    (tmp_path / "dsl/hotc").write_text("#")
    (tmp_path / "site/lark/parsers").mkdir(parents=True)
    (tmp_path / "site/lark/parsers/lalr.py").write_text("x = 1\n")
    (tmp_path / "first").mkdir()
    monkeypatch.setattr(record, "_HERE", str(tmp_path / "dsl/compiler"))
    searched = [str(tmp_path / "first"), str(tmp_path / "site")]
    seen = {record.maker("nasm", searched)}
    for name in ("dsl/hotc", "dsl/compiler/check.py", "dsl/compiler/grammar.lark",
                 "dsl/compiler/templates/hot.mk.j2", "site/lark/parsers/lalr.py",
                 "site/jinja2/runtime.py", "site/markupsafe/_native.py",
                 "site/elftools/elf/elffile.py", "site/capstone/x86.py",
                 "dsl/compiler/more.py", "first/lark/more.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with open(tmp_path / name, "a") as file:
            file.write("# more\n")
        assert record.maker("nasm", searched) not in seen, name
        seen.add(record.maker("nasm", searched))
    (tmp_path / "dsl/compiler/notes.txt").write_text("not read")
    assert record.maker("nasm", searched) in seen


def test_the_program_does_nothing_if_nothing_changed(made: tuple[str, ...], tmp_path: Path) -> None:
    """NASM says that it ran; the declarations change, and it does."""
    nasm = tmp_path / "nasm"
    nasm.write_text(f'#!/bin/sh\n: >{tmp_path}/ran\nexec nasm "$@"\n')
    assert program(*made).returncode == 0
    (tmp_path / "ran").unlink()
    for _ in range(2):
        assert program(*made).returncode == 0
        assert not (tmp_path / "ran").exists()
    (tmp_path / "a.hot").write_text(TEXT + "hotinline more: nop5\n")
    assert program(*made).returncode == 0
    assert (tmp_path / "ran").exists()


def test_b2sum_reads_the_record(made: tuple[str, ...]) -> None:
    status = os.system(f"b2sum --status --strict -c {stamp(made)}")
    assert status == 0
    (Path(made[4]) / "hotinline.h").write_text("")
    assert os.system(f"b2sum --status -c {stamp(made)}") != 0

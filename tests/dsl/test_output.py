"""What is written is written whole: outputs change together, and messages arrive or are missed. A
failure, a signal or a kill at every single step."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from compiler import kept, output
from compiler.report import Errors
from support import HOTC, program

OLD = {f"file{i}": f"old {i}\n".encode() for i in range(3)} | {"hotinline.json": b"old {}\n"}
NEW = {name: body.replace(b"old", b"new") for name, body in OLD.items()} | {"more": b"new\n"}
STEPS = ("open", "link", "replace", "unlink", "makedirs")
KILLED = 9


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.exists():
        return {}
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}


def _write(folder: Path, outputs: dict[str, bytes]) -> Errors:
    errors = Errors()
    output.write(str(folder), outputs, errors)
    return errors


class Steps:
    """Counts the calls that change a folder, and does something at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
        self.count = 0
        for name in STEPS:
            patch.setattr(output.os, name, self._counted(getattr(os, name), act))

    def _counted(self, real: Any, act: Callable[[int], None]) -> Any:
        def called(*words: Any, **options: Any) -> Any:
            self.count += 1
            act(self.count)
            return real(*words, **options)

        return called


def _count_steps(folder: Path, outputs: dict[str, bytes], patch: pytest.MonkeyPatch) -> int:
    with patch.context() as inner:
        steps = Steps(inner, lambda _: None)
        assert not _write(folder, outputs)
        return steps.count


@pytest.fixture(params=["something", "nothing"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Makes a folder with a whole old set, or none."""
    made = 0

    def make() -> Path:
        nonlocal made
        made += 1
        folder = tmp_path / f"out{made}"
        if request.param == "something":
            assert not _write(folder, OLD)
        return folder

    yield make


def test_a_failure_at_any_step_leaves_what_was_there(
    scene: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = _count_steps(scene(), NEW, monkeypatch)
    assert count > 12
    failed = 0
    for step in range(1, count + 1):
        folder = scene()
        before = _files(folder)

        def fail(number: int, step: int = step) -> None:
            if number == step:
                raise OSError(28, "No space left on device")

        with monkeypatch.context() as inner:
            Steps(inner, fail)
            errors = _write(folder, NEW)
        after = _files(folder)
        if errors:
            failed += 1
            assert "cannot write" in errors.sorted()[0].message
            assert after == before, step
        else:  # of removing what is not needed any more
            assert {name: after[name] for name in NEW} == NEW, step
    assert failed > count / 2


def test_two_failures_at_any_step_are_found_by_the_next_run(
    scene: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undoing fails as well. What the next run makes is whole, and no litter stays."""
    for step in range(1, _count_steps(scene(), NEW, monkeypatch) + 1):
        folder = scene()

        def fail(number: int, step: int = step) -> None:
            if number >= step:
                raise OSError(5, "Input/output error")

        with monkeypatch.context() as inner:
            Steps(inner, fail)
            _write(folder, NEW)
        assert not _write(folder, NEW)
        assert _files(folder) == NEW, step


@pytest.mark.parametrize("wanted", ["the same", "what was there"])
def test_a_kill_at_any_step_is_found_by_the_next_run(
    scene: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    for step in range(1, _count_steps(scene(), NEW, monkeypatch) + 1):
        folder = scene()
        before = _files(folder)
        child = os.fork()
        if child == 0:
            Steps(monkeypatch, lambda number: os._exit(KILLED) if number == step else None)
            _write(folder, NEW)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
        if wanted == "the same":
            assert not _write(folder, NEW)
            assert _files(folder) == NEW, step
        elif before:
            _fails_at_its_first_file(folder, monkeypatch)
            assert _files(folder) in (before, NEW), step


def _fails_at_its_first_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run has no room for anything, and yet leaves no half-new set."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as inner:
        inner.setattr(output._Writer, "prepare", fail)
        assert _write(folder, NEW)


def test_a_kill_does_leave_half_new_sets_to_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failing twin of the test above."""
    mixed = 0
    assert not _write(tmp_path / "count", OLD)
    for step in range(1, _count_steps(tmp_path / "count", NEW, monkeypatch) + 1):
        folder = tmp_path / str(step)
        assert not _write(folder, OLD)
        child = os.fork()
        if child == 0:
            Steps(monkeypatch, lambda number: os._exit(KILLED) if number == step else None)
            _write(folder, NEW)
            os._exit(0)
        os.waitpid(child, 0)
        found = _files(folder)
        mixed += {found[name][:3] for name in OLD} == {b"old", b"new"}
    assert mixed > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("more", [False, True], ids=["one", "storm"])
def test_a_signal_at_any_step_leaves_a_whole_set(
    scene: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, number: int, more: bool
) -> None:
    """A storm: at that step and at each after it, while it is cleaned up as well."""
    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(number, interrupt)
    seen = set()
    try:
        for step in range(1, _count_steps(scene(), NEW, monkeypatch) + 1):
            folder = scene()
            old = _files(folder)
            with monkeypatch.context() as inner:
                last = 1000 if more else step

                def send(count: int, step: int = step, last: int = last) -> None:
                    if step <= count <= last:
                        os.kill(os.getpid(), number)

                Steps(inner, send)
                with pytest.raises(Interrupted):
                    _write(folder, NEW)
            assert _files(folder) in (old, NEW), step
            seen.add(_files(folder) == NEW)
    finally:
        signal.signal(number, before)
    assert seen == {False, True}


# The program


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_hotc_that_is_interrupted_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.hot").write_text("hotinline f: nop5\n")
    (tmp_path / "empty").mkdir()
    nasm = tmp_path / "nasm"
    nasm.write_text(f'#!/bin/sh\nkill -{name} $PPID\nexec nasm "$@"\n')
    nasm.chmod(0o755)
    words = ["compile", "--nasm", str(nasm), "--out", str(tmp_path / "out"), f"{tmp_path}/a.hot"]
    done = program(*words, env={**os.environ, "TMPDIR": str(tmp_path / "empty")})
    assert done.returncode == -getattr(signal, f"SIG{name}")
    assert done.stderr.startswith("hotc: ended by a signal: ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() and not os.listdir(tmp_path / "empty")
    nasm.write_text('#!/bin/sh\nexec nasm "$@"\n')
    assert program(*words).returncode == 0
    assert (tmp_path / "out" / "hotinline.json").exists()


@pytest.mark.parametrize("words", ["--help", "--version", "compile --help", "check --help"])
@pytest.mark.parametrize("to", [">/dev/full", ">&-", "| true"])
def test_words_that_do_not_arrive_are_status_1(words: str, to: str) -> None:
    shell = f"{HOTC} {words} {to}"
    if to == "| true":  # a pipe whose reader is gone before anything is written
        shell = f"exec 3> >(:); wait $!; {HOTC} {words} >&3"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("hotc: cannot write a message: ")
    assert done.stderr.count("\n") == 1
    twin = program(*words.split())
    assert (twin.returncode, twin.stderr) == (0, "") and twin.stdout


@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_a_refusal_that_does_not_arrive_is_a_refusal(tmp_path: Path, to: str) -> None:
    (tmp_path / "a.hot").write_text("hotinline f: clax\n")
    for words in (f"compile --out {tmp_path}/o {tmp_path}/a.hot", "compile", "check --json x"):
        done = subprocess.run(
            ["bash", "-c", f"{HOTC} {words} 2{to}"], capture_output=True, text=True
        )
        assert done.returncode == 1
        assert not done.stdout


def test_a_run_that_says_nothing_needs_no_output(tmp_path: Path) -> None:
    (tmp_path / "a.hot").write_text("hotinline f: nop5\n")
    shell = f"{HOTC} compile --out {tmp_path}/o {tmp_path}/a.hot >&- 2>&-"
    assert subprocess.run(["bash", "-c", shell]).returncode == 0


def test_two_hotc_at_once_leave_one_whole_set(tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        (tmp_path / f"{name}.hot").write_text(f"hotinline {name}: nop5\n")
        words = [str(HOTC), "compile", "--out", f"{tmp_path}/out", f"{tmp_path}/{name}.hot"]
        runs.append(subprocess.Popen(words))
    assert [run.wait() for run in runs] == [0, 0]
    files = {name: body for name, body in _files(tmp_path / "out").items() if name != kept.NAME}
    found = {name for name in "ab"
             if all(f"{name}.hot" in body.decode() for body in files.values())}
    assert len(found) == 1

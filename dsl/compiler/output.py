"""Puts outputs into a folder: all or none, and only those whose content changes.

New content is written next to the old, as .NAME.new, and the old gets a second name, .NAME.old.
When all of that is there, a file .hotc.undo says that names are about to change; it lists those
that are new. The new files take their place, and removing .hotc.undo makes it final. A failure or a
signal is cleaned up at once, a kill or a crash by the next run: with .hotc.undo it puts the old
files back, without it only litter is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator

from . import record
from .report import Errors

_HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_UNDO = ".hotc.undo"


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Another hotc that writes into the folder waits meanwhile, and its files are not litter."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


class _Writer:
    def __init__(self, folder: str, outputs: dict[str, bytes]) -> None:
        self.folder = folder
        self.outputs = outputs
        self.path = folder  # what is being written, for messages
        self.undo = os.path.join(folder, _UNDO)

    def at(self, name: str, kind: str = "") -> str:
        return os.path.join(self.folder, f".{name}.{kind}" if kind else name)

    def create(self, path: str, body: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(path, flags, 0o666), "wb") as file:
            file.write(body)

    def clean(self) -> None:
        """What an earlier run, or this one, has left half done."""
        created = _content(self.undo)
        for name in self.outputs:
            self.path = self.at(name)
            if created is not None and os.path.lexists(self.at(name, "old")):
                os.replace(self.at(name, "old"), self.path)
            elif created is not None and name in created.decode().split():
                _remove(self.path)
        _remove(self.undo)
        for name in (*self.outputs, "hotc"):
            _remove(self.at(name, "new"))
            _remove(self.at(name, "old"))

    def prepare(self) -> list[str]:
        """The names that will change."""
        changed = []
        for name, body in sorted(self.outputs.items()):
            self.path = self.at(name)
            if os.path.isdir(self.path):
                raise IsADirectoryError(21, "it is a folder")
            if _content(self.path) == body:
                continue
            self.create(self.at(name, "new"), body)
            if os.path.lexists(self.path):
                os.link(self.path, self.at(name, "old"), follow_symlinks=False)
            changed.append(name)
        return changed

    def place(self, changed: list[str]) -> None:
        self.path = self.undo
        created = [name for name in changed if not os.path.lexists(self.at(name))]
        self.create(self.at("hotc", "new"), "\n".join(created).encode())
        os.replace(self.at("hotc", "new"), self.undo)
        for name in changed:
            self.path = self.at(name)
            os.replace(self.at(name, "new"), self.path)
        os.unlink(self.undo)
        for name in changed:
            with contextlib.suppress(OSError):
                _remove(self.at(name, "old"))


def write(folder: str, outputs: dict[str, bytes], errors: Errors) -> None:
    writer = _Writer(folder, outputs)
    try:
        os.makedirs(folder, exist_ok=True)
        with _alone(folder):
            try:
                writer.clean()
                changed = writer.prepare()
                if changed:
                    writer.place(changed)
                if record.NAME in outputs:  # make has to see that it was looked at
                    os.utime(writer.at(record.NAME))
            except BaseException:
                path = writer.path
                with _signals_held(), contextlib.suppress(OSError):
                    writer.clean()
                writer.path = path
                raise
    except OSError as error:
        errors.add("hotc", "output-unwritable", path=writer.path, why=error.strerror or str(error))

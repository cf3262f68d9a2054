"""Puts outputs into a folder: all or none, and only those whose content changes."""

from __future__ import annotations

import contextlib
import os
import tempfile

from .report import Errors


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _prepare(folder: str, name: str, body: bytes) -> str:
    """The content under a temporary name in the same folder, so that a rename suffices."""
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
    except OSError:
        os.unlink(temporary)
        raise
    return temporary


def write(folder: str, outputs: dict[str, bytes], errors: Errors) -> None:
    prepared: dict[str, str] = {}  # temporary name to final one
    path = folder
    try:
        os.makedirs(folder, exist_ok=True)
        for name, body in sorted(outputs.items()):
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                raise IsADirectoryError(21, "it is a folder")
            if _content(path) != body:
                prepared[_prepare(folder, name, body)] = path
        for temporary, path in list(prepared.items()):
            os.replace(temporary, path)
            del prepared[temporary]
    except OSError as error:
        errors.add("hotc", "output-unwritable", path=path, why=error.strerror or str(error))
    finally:
        for temporary in prepared:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

"""The record of a run: what its outputs were made of, and what they are.

It lies beside the outputs as hotc.stamp, a text that people can read. Lines with # are hotc's, the
others are checksums of the outputs: `b2sum -c` compares them, and so does hot.mk. A run whose
record says that everything is as it was has nothing to do. That is asked before all else, so
this file imports nothing that takes a while.

What counts: the words of the command; the content of the declarations, of hotc's own files and of
the outputs; Python's version; size and date of NASM and of each file of the libraries; where these
are looked for; and the dynamic linker's cache, which changes with every library that is installed.
"""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b  # type: ignore[import]  # as hashlib has it, without OpenSSL

NAME = "hotc.stamp"
FRESH = "--fresh"
_LIBRARIES = ("lark", "jinja2", "markupsafe", "elftools", "capstone")
_LINKER_CACHE = "/etc/ld.so.cache"
_ENVIRONMENT = ("PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
_HERE = os.path.dirname(os.path.realpath(__file__))
_KINDS = (".py", ".lark", ".j2")  # of hotc's own files
_HEAD = "# The record of hotc's last run. `b2sum -c` compares the outputs with it."


def content(path: str) -> bytes | None:
    """Of a file; None if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def digest(*parts: bytes) -> str:
    """Of several texts, and of where one ends and the next begins."""
    made = blake2b(digest_size=32)
    for part in parts:
        made.update(b"%d:" % len(part))
        made.update(part)
    return str(made.hexdigest())


def _checksum(data: bytes) -> str:
    """As `b2sum -l 256`."""
    return str(blake2b(data, digest_size=32).hexdigest())


def _status(path: str) -> str:
    """Of a file or folder: it is another one if this is another."""
    try:
        status = os.stat(path)
    except OSError:
        return f"{path} is not there"
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _program(name: str) -> str:
    """Where a program is found."""
    if "/" in name:
        return name
    for folder in os.environ.get("PATH", os.defpath).split(":"):
        path = os.path.join(folder or ".", name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    return name


def _below(folder: str) -> list[str]:
    """All files below a folder that a program can import or read."""
    found, pending = [], [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    pending += [entry.path] if entry.name != "__pycache__" else []
                elif not entry.name.endswith(".pyc"):
                    found.append(entry.path)
    return sorted(found)


def folders() -> list[str]:
    """Where Python looks for libraries, but for hotc's own."""
    return [path for path in sys.path if os.path.realpath(path) != os.path.dirname(_HERE)]


def maker(nasm: str, searched: list[str]) -> str:
    """A digest of all that makes outputs of declarations."""
    parts = [sys.version.encode(), os.fsencode("\n".join(searched))]
    parts += [os.fsencode(f"{name}={os.environ.get(name)}") for name in _ENVIRONMENT]
    for path in [os.path.join(_HERE, "..", "hotc"), *_below(_HERE)]:
        if path.endswith((*_KINDS, "hotc")):
            parts += [os.fsencode(os.path.basename(path)), content(path) or b""]
    tools = [_program(nasm), _LINKER_CACHE]
    for library in _LIBRARIES:
        for folder in searched:
            if os.path.isdir(os.path.join(folder, library)):
                tools += _below(os.path.join(folder, library))
                break
    return digest(*parts, *(os.fsencode(_status(path)) for path in tools))


def _command(words: list[str]) -> str:
    return f"# <{' '.join([sys.argv[0], *words])}>"


def _end(made_by: str, lines: list[str], inputs: list[bytes]) -> str:
    """The last line of a record, whose lines before it these are."""
    return f"# digest {digest(made_by.encode(), os.fsencode(chr(10).join(lines)), *inputs)}"


def written(words: list[str], out: str, nasm: str, made_by: str, inputs: dict[str, bytes],
            outputs: dict[str, bytes]) -> bytes | None:  # fmt: skip
    """The record of a run with these words; None if a name cannot stand in it."""
    searched = folders()
    lines = [_HEAD, _command(words), f"# nasm {nasm}", f"# libraries {':'.join(searched)}"]
    lines += [f"# input {path}" for path in inputs]
    lines += [f"{_checksum(body)}  {os.path.join(out, name)}" for name, body in outputs.items()]
    if any("\n" in line or "\\" in line for line in lines):
        return None
    lines.append(_end(made_by, lines, list(inputs.values())))
    return os.fsencode("\n".join([*lines, ""]))


def _out(words: list[str]) -> str:
    """The folder of the outputs; "" if there is none."""
    for number, word in enumerate(words):
        if word == "--out" and number + 1 < len(words):
            return words[number + 1]
        if word.startswith("--out="):
            return word.removeprefix("--out=")
    return ""


def stands(words: list[str]) -> bool:
    """Whether the outputs are what `hotc WORDS` would make. Then it touches the record for make."""
    out = _out(words)
    data = content(os.path.join(out, NAME)) if out and FRESH not in words else None
    if data is None or words[:1] != ["compile"]:
        return False
    *lines, last, end = os.fsdecode(data).split("\n") if data.count(b"\n") > 1 else ["", "", "-"]
    said: dict[str, list[str]] = {"input": [], "nasm": [], "libraries": []}
    for line in lines[2:]:
        if line.startswith("# "):
            kind, _, value = line[2:].partition(" ")
            said.setdefault(kind, []).append(value)
        else:
            checksum, _, path = line.partition("  ")
            found = content(path)
            if found is None or _checksum(found) != checksum:
                return False
    if end or lines[:2] != [_HEAD, _command(words)] or not said["nasm"] or not said["libraries"]:
        return False
    made_by = maker(said["nasm"][0], said["libraries"][0].split(":"))
    inputs = [data for path in said["input"] if (data := content(path)) is not None]
    if len(inputs) < len(said["input"]) or last != _end(made_by, lines, inputs):
        return False
    try:
        os.utime(os.path.join(out, NAME))
    except OSError:
        return False
    return not os.path.lexists(os.path.join(out, ".hotc.undo"))

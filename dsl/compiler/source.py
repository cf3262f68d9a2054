"""Reads files of declarations and splits them into statements.

A statement starts in the first column; an indented line, or any line inside braces, continues it.
That makes a statement with a syntax error easy to leave behind, so that one run reports them all.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass

from .report import Errors, Place, Source

_STARTS = re.compile(r"(?:feature|hotinline|window|instruction)\b|\"")
_NAME = re.compile(r"[A-Za-z0-9._+-]+\Z")  # safe in make, C and assembly
_STRING = re.compile(r'"((?:[^"\\]|\\["\\])*)"\s*$')
_QUOTED_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|#.*')


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one statement, its comments blanked so that columns stay right."""

    source: Source
    line: int  # of its first line
    text: str
    documentation: str

    def place(self, line: int, column: int) -> Place:
        """Of a line and column of the text, both from 1."""
        return Place(self.source, self.line + line - 1, column)

    def place_at(self, offset: int) -> Place:
        text = self.text
        line = self.line + text.count("\n", 0, offset)
        return Place(self.source, line, offset - text.rfind("\n", 0, offset))


def read(path: str, errors: Errors) -> Source | None:
    """The lines of a file; None after an error."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        errors.add(path, "file-unreadable", why=error.strerror or str(error))
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        errors.add(path, "file-encoding", offset=error.start)
        return None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return Source(path, os.path.basename(path), lines, data)


def read_all(paths: list[str], errors: Errors) -> list[Source]:
    """All files, sorted by name so that the order of the command line does not matter."""
    sources: list[Source] = []
    seen: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (os.path.basename(path), path)):
        real = os.path.realpath(path)
        name = os.path.basename(path)
        if real in seen:
            errors.add(path, "file-twice")
        elif name in by_name:
            errors.add(path, "file-basename", name=name, other=by_name[name])
        elif not _NAME.match(name):
            errors.add(path, "file-name")
        else:
            source = read(path, errors)
            if source is not None:
                sources.append(source)
        seen.setdefault(real, path)
        by_name.setdefault(name, path)
    return sources


def _blank(match: re.Match[str]) -> str:
    text = match.group()
    return " " * len(text) if text.startswith("#") else text


def _bad_characters(source: Source, errors: Errors) -> None:
    """Control characters would be read by no one, and pass into C and assembly."""
    for number, line in enumerate(source.lines, 1):
        if line.isascii() and line.isprintable():
            continue
        for column, char in enumerate(line, 1):
            if char != "\t" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
                place = Place(source, number, column)
                errors.add(place, "control-character", code=ord(char))


class _Splitter:
    """The state of the walk over a file's lines."""

    def __init__(self, source: Source, errors: Errors) -> None:
        self.source = source
        self.errors = errors
        self.statements: list[Statement] = []
        self.lines: list[str] = []  # of the statement so far
        self.first = 0
        self.depth = 0
        self.brace = (0, 0)  # of the last `{` that opened
        self.documentation: list[str] = []
        self.documented = 0  # line of the last documentation, 0: none

    def finish(self) -> None:
        if not self.lines:
            return
        if self.depth > 0:
            self.errors.add(Place(self.source, *self.brace), "brace-open")
        else:
            text = "\n".join(self.lines).rstrip()
            documentation = "\n".join(self.documentation)
            self.statements.append(Statement(self.source, self.first, text, documentation))
        self.lines, self.depth, self.documentation, self.documented = [], 0, [], 0

    def undocumented(self) -> None:
        """The documentation seen last is not followed by a declaration."""
        if self.documented and not self.lines:
            place = Place(self.source, self.documented, 1)
            self.errors.add(place, "documentation-alone")
            self.documentation, self.documented = [], 0

    def document(self, number: int, line: str) -> None:
        self.finish()
        match = _STRING.match(line)
        if match is None:
            self.errors.add(Place(self.source, number, 1), "documentation-string")
            return
        self.documentation.append(re.sub(r"\\(.)", r"\1", match.group(1)))
        self.documented = number

    def begin(self, number: int) -> None:
        self.finish()
        self.first = number

    def extend(self, number: int, line: str) -> None:
        self.lines.append(line)
        if "{" not in line and "}" not in line:
            return
        for column, char in enumerate(re.sub(r'"[^"]*"?', lambda m: "." * len(m[0]), line), 1):
            if char == "{":
                self.depth, self.brace = self.depth + 1, (number, column)
            elif char == "}":
                self.depth = max(0, self.depth - 1)

    def line(self, number: int, line: str) -> None:
        if not line.strip():
            self.undocumented()
            if self.lines:
                self.lines.append("")
        elif line[0] == '"':
            self.document(number, line)
        elif line[0] in " \t" and not self.lines:
            self.undocumented()
            column = len(line) - len(line.lstrip()) + 1
            self.errors.add(Place(self.source, number, column), "stray-indent")
        else:
            if line[0] not in " \t" and (self.depth == 0 or _STARTS.match(line)):
                self.begin(number)
            self.extend(number, line)


def split(source: Source, errors: Errors) -> list[Statement]:
    """The statements of a file that are whole."""
    before = len(errors.found)
    _bad_characters(source, errors)
    splitter = _Splitter(source, errors)
    for number, line in enumerate(source.lines, 1):
        if "#" in line:
            line = _QUOTED_OR_COMMENT.sub(_blank, line)
        splitter.line(number, line.rstrip())
    splitter.finish()
    splitter.undocumented()
    if not splitter.statements and len(errors.found) == before:
        errors.add(source.path, "file-empty")
    return splitter.statements

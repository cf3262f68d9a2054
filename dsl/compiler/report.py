"""Places in declarations, and the list of everything that is wrong with them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from .messages import MESSAGES

_WIDEST = 200  # characters of a line that are shown


@dataclass(eq=False, slots=True)
class Source:
    """A file of declarations. Outputs name it by its base name, messages by its path."""

    path: str
    name: str
    lines: list[str] = field(repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1, columns in characters."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"

    def text(self) -> str:
        lines = self.source.lines
        return lines[self.line - 1] if 0 < self.line <= len(lines) else ""


def _visible(char: str) -> str:
    """Control and format characters could move what a terminal shows."""
    return "\ufffd" if char != "\t" and unicodedata.category(char)[0] == "C" else char


def _point(text: str, column: int) -> list[str]:
    """A line of a file and a caret below a column of it (from 0). Long lines are cut."""
    start = max(0, column - _WIDEST // 2) if len(text) > _WIDEST else 0
    cut = "".join(map(_visible, text[start : start + _WIDEST]))
    dots = "…" if start else ""
    more = "…" if start + _WIDEST < len(text) else ""
    below = "".join("\t" if char == "\t" else " " for char in dots + text[start:column])
    return [dots + cut + more, below + "^"]


@dataclass(frozen=True, slots=True)
class Error:
    """One refusal. where is a Place, or the path of a file as a whole."""

    where: Place | str
    ident: str
    message: str
    help: str

    def key(self) -> tuple[str, int, int, str, str]:
        if isinstance(self.where, str):
            return (self.where, 0, 0, self.ident, self.message)
        place = self.where
        return (place.source.path, place.line, place.column, self.ident, self.message)

    def render(self) -> str:
        lines = [f"{self.where}: error: {self.message}"]
        if isinstance(self.where, Place):
            lines += _point(self.where.text(), self.where.column - 1)
        lines.append(f"  help: {self.help}")
        return "\n".join(lines)


@dataclass(slots=True)
class Errors:
    """Collects refusals. Nothing is written as long as there is one."""

    found: list[Error] = field(default_factory=list)

    def add(self, where: Place | str, ident: str, **words: object) -> None:
        message, way_out = MESSAGES[ident]
        self.found.append(
            Error(where, ident, message.format(**words), way_out.format(**words))
        )

    def __bool__(self) -> bool:
        return bool(self.found)

    def sorted(self) -> list[Error]:
        """By place, each once."""
        return sorted(set(self.found), key=Error.key)

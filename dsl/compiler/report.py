"""Places in declarations, and the list of everything that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .messages import MESSAGES


@dataclass(eq=False, slots=True)
class Source:
    """A file of declarations. Outputs name it by its base name, messages by its path."""

    path: str
    name: str
    lines: list[str] = field(repr=False)


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
            text = self.where.text()
            before = text[: self.where.column - 1]
            lines.append(text)
            lines.append("".join("\t" if char == "\t" else " " for char in before) + "^")
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

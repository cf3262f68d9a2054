"""What a run has found out of each declaration, kept for the next one.

DIR/hotc.kept holds it, with digests of what it is of (hotc, its tools and its options) and of
its own bytes. A file that is damaged, or of another hotc, other tools or options, is not read.
An entry is found by the text of its statement. It is believed of a hotinline only if all else that
judged it is the same (Contexts): the features that its conditions depend on, and which instructions
need a feature. So one that is believed was accepted, and would be once more. What concerns several
declarations, such as names, is looked at in each run; and if anything is wrong, hotc starts afresh
without what was kept, so that it says what it always says.

The file holds what the last run used, and nothing older: it grows with the declarations. It is one
of the outputs for output.py, so runs that meet in one folder do not see half of it.
"""

from __future__ import annotations

import marshal
from _blake2 import blake2b  # type: ignore[import]  # as hashlib has it, without OpenSSL
from typing import Any

from . import logic
from .model import Condition, Declared, Feature, Window, Word
from .part import Part, Row
from .report import Place
from .source import Statement

NAME = "hotc.kept"
_MAGIC = b"hotc kept 2\n"
_DIGEST = 32  # bytes


def digest(*parts: bytes) -> bytes:
    """Of several texts, and of where one ends and the next begins."""
    made = blake2b(digest_size=_DIGEST)
    for part in parts:
        made.update(b"%d:" % len(part))
        made.update(part)
    return bytes(made.digest())


def key(statement: Statement) -> bytes:
    return digest(statement.text.encode(), statement.documentation.encode())


class Kept:
    """Entries by statement, and what Lark and Jinja2 have made of the grammar and the templates."""

    def __init__(self) -> None:
        self.entries: dict[bytes, tuple[Any, ...]] = {}
        self.parser = b""
        self.templates: dict[str, bytes] = {}
        self.inputs: dict[str, bytes] = {}  # files, as this run has read them; not for the next one


def read(data: bytes | None, maker: bytes) -> Kept:
    """What an earlier run has kept; nothing if the file is not whole, or not of this maker."""
    kept = Kept()
    if not data or not data.startswith(_MAGIC + maker):
        return kept
    start = len(_MAGIC) + len(maker)
    body = data[start + _DIGEST :]
    if data[start : start + _DIGEST] == digest(body):
        kept.parser, kept.templates, kept.entries = marshal.loads(body)
    return kept


def written(kept: Kept, maker: bytes) -> bytes:
    """The file. Its entries are sorted, so that the same ones make the same bytes."""
    body = marshal.dumps((kept.parser, kept.templates, dict(sorted(kept.entries.items()))), 2)
    return _MAGIC + maker + digest(body) + body


# Features, windows and parts, as plain data. Of places only the line is kept; no more is used.


def _words(words: list[Word]) -> tuple[str, ...]:
    return tuple(word.text for word in words)


def _places(texts: tuple[str, ...], place: Place) -> list[Word]:
    return [Word(text, place) for text in texts]


def plain_feature(feature: Feature) -> tuple[Any, ...]:
    condition = feature.condition
    tree = (condition.tree, condition.text, _words(list(condition.names))) if condition else ()
    number = (feature.leaf, feature.subleaf, feature.register, feature.bit, feature.signature)
    enables, parts = _words(feature.enables), _words(feature.parts)
    return (feature.name, feature.kind, feature.source, tree, number, enables, parts)


def feature(plain: tuple[Any, ...], place: Place, documentation: str) -> Feature:
    name, kind, source, tree, number, enables, parts = plain
    leaf, subleaf, register, bit, signature = number
    condition = Condition(tree[0], tree[1], tuple(_places(tree[2], place))) if tree else None
    return Feature(name, place, kind, source, documentation, leaf, subleaf, register, bit,
                   signature, condition, _places(enables, place), _places(parts, place),
                   kept=True)  # fmt: skip


def plain_window(window: Window) -> tuple[Any, ...]:
    return (window.name, window.opens.text, window.closes.text)


def window(plain: tuple[Any, ...], place: Place, documentation: str) -> Window:
    name, opens, closes = plain
    return Window(name, place, Word(opens, place), Word(closes, place), documentation)


def plain_part(part: Part) -> tuple[Any, ...]:
    fields: dict[str, Any] = part._asdict()
    fields["rows"] = tuple(map(tuple, part.rows))
    return tuple(fields.values())


def part(plain: tuple[Any, ...]) -> Part:
    found = Part._make(plain)
    return found._replace(rows=tuple(map(Row._make, found.rows)))


class Contexts:
    """Of what the judgement on a hotinline depends on besides its own text: what each feature means
    that its conditions name, and each that these are made of; and which instructions need one."""

    def __init__(self, features: list[Feature], instructions: list[Declared]) -> None:
        self.features = {made.name: made for made in features}
        needs = sorted((made.name, *_words(made.enables)) for made in features if made.enables)
        declared = sorted(
            (made.name, made.code, _words(made.reads), _words(made.writes), by.text if by else "")
            for made in instructions
            for by in [made.enabled_by]
        )
        self.everywhere = repr((needs, declared)).encode()
        self.known: dict[tuple[str, ...], bytes] = {}

    def of(self, named: tuple[str, ...]) -> bytes:
        """A digest. named: the features that the conditions of a hotinline name."""
        if named not in self.known:
            found: dict[str, tuple[str, ...]] = {}
            pending = list(named)
            while pending:
                name = pending.pop()
                made = self.features.get(name)
                if name not in found:
                    found[name] = (made.kind, made.source) if made else ()
                    pending += logic.names(made.condition.tree) if made and made.condition else ()
            self.known[named] = digest(self.everywhere, repr(sorted(found.items())).encode())
        return self.known[named]

"""Jinja2, which fills templates/. A run that renders nothing does not load it."""

from __future__ import annotations

import os
from typing import Any

import jinja2

from .model import Options
from .names import enumerator
from .part import c_string, octets, returns
from .table import ENDBR64

_FOLDER = os.path.join(os.path.dirname(__file__), "templates")


class _Compiled(jinja2.BytecodeCache):
    """Templates as Jinja2 has compiled them in an earlier run; it compares each with its text."""

    def __init__(self, kept: dict[str, bytes]) -> None:
        self.kept = kept

    def load_bytecode(self, bucket: Any) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Any) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


class Renderer:
    def __init__(self, options: Options, compiled: dict[str, bytes]) -> None:
        """compiled: kept between runs; it grows here."""
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER),
            bytecode_cache=_Compiled(compiled),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self.environment.filters |= {"c_string": c_string, "enumerator": enumerator}
        self.environment.globals |= {
            "kcfi": options.kcfi,
            "endbr64": octets(ENDBR64) if options.ibt else "",
            "thunk": options.return_thunk,
            "returns": returns(options.return_thunk),
        }
        self.parts = self.environment.get_template("parts.j2").module

    def output(self, name: str, words: dict[str, Any]) -> str:
        return self.environment.get_template(name + ".j2").render(words)

    def part(self, name: str, words: dict[str, Any]) -> str:
        """A macro of parts.j2."""
        return str(getattr(self.parts, name)(words))

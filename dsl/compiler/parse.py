"""Statements to model.py's objects, by Lark's LALR parser and the grammar in grammar.lark."""

from __future__ import annotations

import io
import os
import re
from functools import lru_cache
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.visitors import Transformer_NonRecursive

from . import c_types, model
from .logic import render
from .names import nearest
from .report import Errors, Place
from .source import Statement

_KEYWORDS = ("feature", "hotinline", "window", "instruction")
_FIRST = re.compile(r'"[^"\n]*"?|\w+|.', re.DOTALL)  # of what a token may hold too much of
_DEEPEST = model.DEPTH_MAX - 1  # one operand is pending for each level, and one more

# What the grammar's terminals are called in a message; the others are spelled in it.
_TERMINALS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "HEX": "a byte of two hexadecimal digits",
    "STRING": 'a string in "…"',
    "REGISTER": "@register",
    "CODE": "an instruction",
    "BLOCK": "{ instructions }",
    "$END": "the end of the statement",
}


def _number(token: Token) -> int:
    """Any number is refused long before 20 digits; int() would refuse some thousands itself."""
    if len(token) > 20:
        return 1 << 64
    return int(token, 16 if token[:2] in ("0x", "0X") else 10)


class _Builder(Transformer_NonRecursive):  # type: ignore[type-arg]
    """Its methods are called from the leaves of a tree up, one for each rule."""

    current: Statement  # being parsed
    deep: Place | None  # where a condition is nested too deeply

    def place(self, token: Token) -> Place:
        return self.current.place(token.line or 1, token.column or 1)

    def word(self, token: Token) -> model.Word:
        return model.Word(str(token), self.place(token))

    # Conditions are (tree, depth, tokens) until condition() is reached.

    def unary(self, parts: list[Any]) -> Any:
        if len(parts) == 2:
            tree, depth, tokens = parts[1]
            return (("not", tree), depth + 1, tokens)
        if isinstance(parts[0], str):
            return (("feature", str(parts[0])), 0, [parts[0]])
        return parts[0]

    def _several(self, op: str, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        tokens = [token for part in parts for token in part[2]]
        return ((op, *(part[0] for part in parts)), max(part[1] for part in parts) + 1, tokens)

    def and_(self, parts: list[Any]) -> Any:
        return self._several("and", parts)

    def or_(self, parts: list[Any]) -> Any:
        return self._several("or", parts)

    def condition(self, parts: list[Any]) -> model.Condition:
        tree, depth, tokens = parts[0]
        words = tuple(self.word(token) for token in tokens)
        if depth > _DEEPEST:
            self.deep = words[0].place
            tree = ("feature", words[0].text)
        return model.Condition(tree, render(tree), words)

    # Features are keywords of model.Feature until feature() is reached.

    def cpuid(self, parts: list[Any]) -> dict[str, Any]:
        leaf, subleaf, register, bit = parts
        named = leaf if subleaf is None else f"{leaf}.{subleaf}"
        return {
            "kind": "cpuid",
            "source": f"cpuid {named} {register}[{bit}]",
            "leaf": _number(leaf),
            "subleaf": _number(subleaf) if subleaf else 0,
            "register": str(register),
            "bit": _number(bit),
            "parts": [self.word(token) for token in (leaf, subleaf or leaf, register, bit)],
        }

    def _signature(self, kind: str, token: Token) -> dict[str, Any]:
        text = re.sub(r"\\(.)", r"\1", token[1:-1])
        source = f"{kind} {token}"
        return {"kind": kind, "source": source, "signature": text, "parts": [self.word(token)]}

    def vendor(self, parts: list[Any]) -> dict[str, Any]:
        return self._signature("vendor", parts[0])

    def hypervisor(self, parts: list[Any]) -> dict[str, Any]:
        return self._signature("hypervisor", parts[0])

    def boot(self, _: list[Any]) -> dict[str, Any]:
        return {"kind": "boot", "source": "boot"}

    def live(self, _: list[Any]) -> dict[str, Any]:
        return {"kind": "live", "source": "live"}

    def enables(self, parts: list[Any]) -> list[model.Word]:
        return [self.word(token) for token in parts]

    def feature(self, parts: list[Any]) -> model.Feature:
        name, origin, enables = parts
        if isinstance(origin, model.Condition):
            origin = {"kind": "derived", "source": origin.text, "condition": origin}
        return model.Feature(
            name=str(name),
            place=self.place(name),
            documentation=self.current.documentation,
            enables=enables or [],
            **origin,
        )

    # Signatures

    def value(self, kind: list[Token], name: Token | None, at: Token) -> model.Value:
        where = self.place(at)
        words = [token for token in kind if token.type == "NAME"]
        stars = [token.type for token in kind].count("STAR")
        text = " ".join(words)
        if all(token.type != "STAR" for token in kind[: len(kind) - stars]):
            text = c_types.normal(words) or text
        else:
            text = " ".join(kind)  # a word after a star: no type that is known
        return model.Value(
            type=text,
            const=any(token.type == "CONST" for token in kind),
            pointer=stars,
            name=str(name or ""),
            registers=tuple(at[1:].split(":")),
            place=self.place(name or kind[0]),
            type_place=self.place((words or kind)[0]),
            register_place=Place(where.source, where.line, where.column + 1),
        )

    def parameter(self, parts: list[Any]) -> model.Value:
        return self.value(parts[:-2], parts[-2], parts[-1])

    def parameters(self, parts: list[Any]) -> list[model.Value]:
        return [part for part in parts if part is not None]

    def result(self, parts: list[Any]) -> model.Value:
        return self.value(parts[:-1], None, parts[-1])

    def size(self, parts: list[Any]) -> list[Token]:
        return parts

    clobbers = reads = writes = pure = size

    def clauses(self, parts: list[Any]) -> list[list[Token]]:
        return parts

    bytes = effects = clauses

    # Hotinlines and windows

    def code(self, parts: list[Any]) -> model.Word:
        return model.Word(str(parts[0]).rstrip(), self.place(parts[0]))

    def alternative(self, parts: list[Any]) -> model.Alternative:
        condition = parts[0] if len(parts) == 2 else None
        body = parts[-1]
        place = condition.names[0].place if condition else body.place
        return model.Alternative(place, condition, body)

    def hotinline(self, parts: list[Any]) -> model.Hotinline:
        name, parameters, result, clauses, *alternatives = parts
        hotinline = model.Hotinline(
            str(name),
            self.place(name),
            self.current.documentation,
            parameters or [],
            result,
            alternatives=alternatives,
        )
        said: set[str] = set()
        for keyword, *tokens in clauses:
            if str(keyword) in said:
                hotinline.repeated.append(self.word(keyword))
            said.add(str(keyword))
            self._clause(hotinline, keyword, tokens)
        return hotinline

    def _clause(self, hotinline: model.Hotinline, keyword: Token, tokens: list[Token]) -> None:
        if keyword == "size":
            hotinline.size = _number(tokens[0])
            hotinline.size_place = self.place(tokens[0])
        elif keyword == "clobbers":
            hotinline.clobbers = [self.word(token) for token in tokens]
        elif keyword == "reads":
            hotinline.reads = [self.word(token) for token in tokens]
        else:
            hotinline.pure = True
            hotinline.pure_place = self.place(keyword)

    def window(self, parts: list[Any]) -> model.Window:
        name, opens, closes = parts
        return model.Window(
            str(name),
            self.place(name),
            self.word(opens),
            self.word(closes),
            self.current.documentation,
        )

    def enabled_by(self, parts: list[Any]) -> model.Word:
        return self.word(parts[0])

    def instruction(self, parts: list[Any]) -> model.Declared:
        name, code, effects, enabled_by = parts
        declared = model.Declared(str(name), self.place(name), bytes.fromhex("".join(code)))
        for keyword, *tokens in effects:
            words = declared.reads if keyword == "reads" else declared.writes
            if words:
                declared.repeated.append(self.word(keyword))
            words += [self.word(token) for token in tokens]
        declared.enabled_by = enabled_by
        declared.documentation = self.current.documentation
        return declared

    def start(self, parts: list[Any]) -> Any:
        return parts[0]


@lru_cache(maxsize=None)
def _lark(saved: bytes) -> tuple[Lark, bytes]:
    """The parser, and what Lark saves of it. Making it takes longer than most files, loading it
    does not."""
    if saved:
        return Lark.load(io.BytesIO(saved)), saved
    path = os.path.join(os.path.dirname(__file__), "grammar.lark")
    with open(path, encoding="utf-8") as grammar, io.BytesIO() as file:
        lark = Lark(grammar.read(), parser="lalr")
        lark.save(file)
        return lark, file.getvalue()


class Parser:
    """Parses statements, one at a time, and reports those it cannot."""

    def __init__(self, errors: Errors, saved: bytes = b"") -> None:
        """saved: that of an earlier run of this hotc."""
        self.errors = errors
        self.builder = _Builder()
        self.lark, self.saved = _lark(saved)

    def parse(self, statement: Statement, into: model.Declarations) -> Any:
        """Adds what is declared, and returns it; None if it is refused."""
        self.builder.current = statement
        self.builder.deep = None
        try:
            tree = self.lark.parse(statement.text)
        except UnexpectedInput as error:
            self._report(statement, error)
            return None
        parsed: Any = self.builder.transform(tree)
        if self.builder.deep is not None:
            self.errors.add(self.builder.deep, "condition-deep", limit=_DEEPEST)
            return None
        if isinstance(parsed, model.Feature):
            into.features.append(parsed)
        elif isinstance(parsed, model.Hotinline):
            into.hotinlines.append(parsed)
        elif isinstance(parsed, model.Window):
            into.windows.append(parsed)
        elif isinstance(parsed, model.Declared):
            into.instructions.append(parsed)
        return parsed

    def _report(self, statement: Statement, error: UnexpectedInput) -> None:
        expected: set[str] = set()
        end = len(statement.text)
        offset, found = end, "end of the statement"
        if isinstance(error, UnexpectedToken):
            expected = error.accepts or error.expected
            if error.token.type != "$END":
                offset = error.token.start_pos or 0
                found = f"`{_FIRST.match(error.token)[0]}`"  # type: ignore[index]
        elif isinstance(error, UnexpectedCharacters):
            expected = set(error.allowed or ())
            offset = error.pos_in_stream or 0
            found = f"`{statement.text[offset]}`"
        if offset == 0:
            word = statement.text.split()[0]
            hint = nearest(word, _KEYWORDS, "; did you mean {}?", "")
            self.errors.add(statement.place_at(0), "statement", word=word, nearest=hint)
            return
        self.errors.add(
            statement.place_at(offset), "syntax", found=found, expected=self._names(expected)
        )

    def _names(self, terminals: set[str]) -> str:
        spelled = {
            terminal.name: f"`{terminal.pattern.value}`"
            for terminal in self.lark.terminals
            if terminal.pattern.type == "str"
        }
        known = {**spelled, **_TERMINALS}
        words = sorted({known.get(name, name) for name in terminals})
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]

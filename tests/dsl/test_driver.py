"""driver.py accepts what Lark accepts, and makes the same of it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from compiler import model, source
from compiler.driver import Driver
from compiler.parse import Parser
from compiler.report import Errors, Source
from compiler.source import Statement
from lark.exceptions import UnexpectedInput
from support import ROOT

FILES = sorted([*ROOT.glob("alternatives/*.hot"), *ROOT.glob("tests/dsl/golden/*.hot")])
PIECES = ["hotinline", "feature", "size 9", "(", ")", "?", ":", "&&", "||", "!", "@rax", "@rdx:rax",
          "{ lfence; mfence }", "pure", "reads rax, flags", "clobbers", "0x10", "u64 *p @rdi", ",",
          "[", "]", "=", "enables", "\"x\"", "\n\t", " ", "call f", "->", "..", "\x0b", "é"]


def statements() -> list[Statement]:
    """Of the tree, and of the golden inputs."""
    found: list[Statement] = []
    for path in FILES:
        read = source.read(str(path), Errors())
        assert read is not None
        found += source.split(read, Errors())
    return found


def both(parser: Parser, text: str) -> tuple[object, object]:
    """What the driver and Lark make of it; None if it is not right."""
    said: list[object] = []
    lines = Source("x", "x", text.split("\n"), text.encode())
    parser.builder.current = Statement(lines, 1, text, "")
    ways: list[Callable[[str], object]] = [parser.driver.parse, parser.lark.parse]
    for parse in ways:
        parser.builder.deep = None
        try:
            said.append(parse(text))
        except UnexpectedInput:
            said.append(None)
    return said[0], said[1]


@pytest.fixture(name="parser", params=["made", "loaded"])
def fixture_parser(request: pytest.FixtureRequest) -> Parser:
    """As the grammar makes it, and as a run loads it that an earlier one has kept."""
    made = Parser(Errors())
    return made if request.param == "made" else Parser(Errors(), made.saved())


def test_what_is_declared_is_the_same(parser: Parser) -> None:
    several = statements()
    assert len(several) > 40
    for statement in several:
        ours, theirs = both(parser, statement.text)
        assert ours is not None and repr(ours) == repr(theirs)


def test_what_is_wrong_is_wrong_for_both(parser: Parser) -> None:
    """Texts of which a piece is gone, doubled, or another one."""
    chance = random.Random(11)
    texts = [statement.text for statement in statements()]
    right = wrong = 0
    for _ in range(3000):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 2)):
            at, size = chance.randrange(len(text) + 1), chance.choice((0, 0, 1, 1, 3, 9))
            text = text[:at] + chance.choice(["", *PIECES]) + text[at + size:]
        ours, theirs = both(parser, text)
        assert repr(ours) == repr(theirs), text
        right += ours is not None
        wrong += ours is None
    assert right > 300 and wrong > 300


def test_a_table_that_differs_is_noticed(parser: Parser) -> None:
    """The failing twin: one action gone, and a statement is not right any more."""
    broken = Driver(parser.lark)
    text = "hotinline f: nop5"
    parser.builder.current = Statement(Source("x", "x", [text], b""), 1, text, "")
    assert isinstance(broken.parse(text), model.Hotinline)
    for actions in broken.actions.values():
        actions.pop("CODE", None)
    assert broken.parse(text) is None

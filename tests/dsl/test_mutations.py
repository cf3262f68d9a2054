"""Declarations with random damage: hotc must answer each with outputs or with errors, and never
with an exception or a complaint of NASM's that it cannot place. The number that is printed on a
failure makes it happen again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cases_code import CODE
from cases_model import LANGUAGE
from cases_values import VALUES
from support import compile_text, tree_files

WORDS = """
? : { } [ ] ( ) " \\ # && || ! @rdi .. size clobbers pure nop5 = -> , * const live feature hotinline
reads writes bytes instruction flags by unsigned long struct jz 5
.a: .again $ % ; 0x é \x00 rel word lock rep times db rsp push pop ret call jmp xmm0 far a16 o16 bnd
999999999999999999999999999999
""".split(" ")
MUTATIONS = 40


def _texts() -> list[str]:
    cases = [text for case in LANGUAGE + CODE + VALUES for text in (case.bad, case.good)]
    return [path.read_text() for path in tree_files()] + [t for t in cases if len(t) < 2000]


def _damage(source: random.Random, text: str, texts: list[str]) -> str:
    at = source.randrange(len(text) + 1)
    kind = source.randrange(4)
    if kind == 0:
        return text[:at] + source.choice(WORDS) + text[at:]
    if kind == 1:
        return text[:at] + text[at + source.randint(1, 8) :]
    if kind == 2:
        other = source.choice(texts)
        start = source.randrange(len(other) + 1)
        return text[:at] + other[start : start + source.randint(1, 60)] + text[at:]
    return text[:at] + chr(source.randrange(0x3000)) + text[at + 1 :]


@pytest.mark.parametrize("seed", range(5))
def test_damage_is_answered(seed: int, tmp_path: Path) -> None:
    texts = _texts()
    for number in range(seed * MUTATIONS, (seed + 1) * MUTATIONS):
        source = random.Random(number)
        text = source.choice(texts)
        for _ in range(source.randint(1, 6)):
            text = _damage(source, text, texts)
        outcome = compile_text(tmp_path, text)
        assert bool(outcome.errors) != bool(outcome.outputs), (number, text)
        assert "nasm-failed" not in outcome.idents, (number, text)
        assert outcome.text() or outcome.outputs

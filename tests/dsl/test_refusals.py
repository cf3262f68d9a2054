"""One test for every refusal, next to what is accepted instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import Case
from cases_code import CODE
from cases_model import LANGUAGE
from cases_values import VALUES
from compiler.report import Place
from support import compile_text, marks, places

ALL = LANGUAGE + CODE + VALUES


@pytest.mark.parametrize("case", ALL, ids=str)
def test_refused(case: Case, tmp_path: Path) -> None:
    outcome = compile_text(tmp_path, case.bad)
    assert case.ident in outcome.idents, outcome
    assert set(outcome.idents) == {case.ident}, outcome
    assert places(outcome) == marks(case.bad), outcome
    assert not outcome.outputs
    assert case.says in outcome.text()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_accepted(case: Case, tmp_path: Path) -> None:
    outcome = compile_text(tmp_path, case.good)
    assert not outcome.errors, outcome
    assert "hottable.c" in outcome.outputs


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_message_has_line_caret_and_help(case: Case, tmp_path: Path) -> None:
    for error in compile_text(tmp_path, case.bad).errors:
        assert isinstance(error.where, Place)
        head, line, caret, way_out = error.render().split("\n")
        place = f"{tmp_path}/file0.hot:{error.where.line}:{error.where.column}"
        assert head == f"{place}: error: {error.message}"
        assert caret.endswith("^") and not caret[:-1].strip()
        text, column = error.where.text(), error.where.column - 1
        if len(text) <= 200:
            assert line == "".join("\ufffd" if c in "\x07\u202e" else c for c in text)
            assert len(caret) == error.where.column
        assert len(line) <= 202
        assert column == len(text) or line[len(caret) - 1] in (text[column], "\ufffd")
        assert way_out.startswith("  help: ") and len(way_out) > 12

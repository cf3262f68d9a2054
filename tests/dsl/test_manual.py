"""The manual and the tests know all that the compiler says, and the compiler says nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cases_code import CODE
from cases_model import LANGUAGE
from cases_values import VALUES
from compiler import cpu
from compiler.messages import MESSAGES
from conftest import Tree
from support import DSL, ROOT, compile_text, hotc

MANUAL = (DSL / "README.md").read_text()
LISTED = (DSL / "messages.md").read_text()
INSTRUCTIONS = (DSL / "instructions.md").read_text()
HERE = Path(__file__).parent


def _shown(template: str) -> str:
    """As the manual writes it: what stands for a word of the declaration is in capitals."""
    plain = template.replace("{{", "\x01").replace("}}", "\x02")
    plain = re.sub(r"\{(\w+)(:[^}]*)?\}", lambda match: match.group(1).upper(), plain)
    return plain.replace("\x01", "{").replace("\x02", "}")


@pytest.mark.parametrize("ident", MESSAGES)
def test_every_message_is_in_the_manual(ident: str) -> None:
    shown = re.escape(_shown(MESSAGES[ident][0]))
    row = re.search(rf"^\| {shown} \| (.+) \|$", LISTED, re.MULTILINE)
    assert row, f"no row for {ident}"
    assert len(row.group(1)) > 20


def test_the_manual_knows_no_other_messages() -> None:
    rows = re.findall(r"^\| (.+?) \| ", LISTED, re.MULTILINE)
    known = {_shown(message) for message, _ in MESSAGES.values()}
    assert set(rows) - {"message", "---"} == known


@pytest.mark.parametrize("ident", MESSAGES)
def test_every_message_is_used_and_tested(ident: str) -> None:
    code = "".join(path.read_text() for path in (DSL / "compiler").glob("*.py"))
    assert code.count(f'"{ident}"') >= 2, "used nowhere"
    cases = {case.ident for case in LANGUAGE + CODE + VALUES}
    if ident not in cases:
        tests = "".join(path.read_text() for path in HERE.glob("test_*.py"))
        assert re.search(rf"\b{ident}\b", tests), "tested nowhere"


def test_the_grammar_is_the_manuals() -> None:
    grammar = (DSL / "compiler" / "grammar.lark").read_text()
    lines = [line for line in grammar.split("\n") if not line.startswith("//")]
    assert "```lark\n" + "\n".join(lines).strip() + "\n```" in MANUAL


def test_examples_of_the_manual_compile(tmp_path: Path) -> None:
    part = MANUAL[MANUAL.index("## By example") : MANUAL.index("## Grammar")]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", part, re.MULTILINE)
    found = [block for block in blocks if re.search(r"^    (feature|hotinline)", block, re.M)]
    assert len(found) == 4
    features = "feature clwb = cpuid 7.0 ebx[24]\nfeature clflushopt = cpuid 7.0 ebx[23]\n"
    features += "feature rdtscp = cpuid 0x80000001 edx[27]\n"
    text = features + "".join(re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found)
    outcome = compile_text(tmp_path, text)
    assert not outcome.errors, outcome


def test_examples_of_the_chapter_on_instructions_compile(tmp_path: Path) -> None:
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", INSTRUCTIONS, re.MULTILINE)
    found = [b for b in blocks if re.match(r'\s+(feature|hotinline|"|instruction)', b)]
    assert len(found) == 4
    for block in found:
        outcome = compile_text(tmp_path, re.sub(r"^    ", "", block, flags=re.MULTILINE))
        assert not outcome.errors, outcome
    shown = [block for block in blocks if "error: " in block]
    assert len(shown) == 2
    for block in shown:
        lines = re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n").split("\n")
        said = compile_text(tmp_path, lines[1] + "\n").text().split("\n")
        assert lines[0].partition(":")[2] == said[0].partition("file0.hot:")[2]
        assert lines[1:] == said[1:]


def test_the_list_of_bits_is_the_compilers() -> None:
    """Each row of instructions.md, and nothing else."""
    rows = re.findall(r"^\| (\w+) \| `(cpuid .+?)`(.*) \| (.+) \|$", INSTRUCTIONS, re.MULTILINE)
    listed = {(name, bit, m) for name, bit, _, members in rows for m in members.split()}
    known = {(bit.name, bit.source(), m) for m, bit in cpu.named()}
    assert {(name, bit, m.upper() if "CC" in m else m) for name, bit, m in listed} == known


def test_the_json_has_the_members_that_the_manual_lists(tree: Tree) -> None:
    part = MANUAL[MANUAL.index("## hotinline.json") : MANUAL.index("## Messages")]

    def members(value: object) -> set[str]:
        if isinstance(value, dict):
            inner = (members(v) for k, v in value.items() if k != "condition")
            return set(value).union(*inner)
        return set().union(*map(members, value)) if isinstance(value, list) else set()

    for name in members(tree.json):
        assert re.search(rf"\b{name}\b", part), name


def test_options_are_in_the_manual() -> None:
    for command in ("compile", "check"):
        for option in re.findall(r"(--[a-z-]+)", hotc(command, "--help").stdout):
            assert option in MANUAL + LISTED or option == "--help", option


def test_variables_of_hot_mk_are_in_the_manual(tree: Tree) -> None:
    for name in re.findall(r"^(HOT\w*) +[?:]=", (tree.folder / "hot.mk").read_text(), re.MULTILINE):
        if name not in ("HOT_Q", "HOT_TOOL"):
            assert name in MANUAL, name


# The house's own rules


FILES = [
    *DSL.rglob("*.py"),
    *DSL.rglob("*.j2"),
    *DSL.rglob("*.lark"),
    *HERE.glob("*.py"),
    *HERE.glob("header/*"),
    DSL / "hotc",
    *DSL.glob("*.md"),
    *(ROOT / "alternatives").glob("*.hot"),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_narrow(path: Path) -> None:
    lines = path.read_text().split("\n")
    assert len(lines) <= 501
    for number, line in enumerate(lines, 1):
        narrow = path.suffix in (".md", ".j2") or len(line.expandtabs(8)) <= 100
        assert narrow, f"{path}:{number}"
        assert line == line.rstrip(), f"{path}:{number}"

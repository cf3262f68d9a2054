"""All alternatives of all files share one NASM source: what is written in one must not reach
another, nor anything else on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import compile_text, places

VICTIM = """\
hotinline victim(u64 x @rdi) -> u64 @rax: mov rax, rdi
hotinline victor(u64 x @rdi) -> u64 @rax: call helper
"""
VICTIM_CODE = '"code": "4889f8"'

# Each stands where one instruction should.
ATTACKS = [
    "%define mov add",
    "%macro mov 2",
    "%include 'a'",
    "%assign x 1",
    "%error gotcha",
    "%line 1 elsewhere",
    "%pragma asm",
    "%rep 1000000",
    "nop %+ 1",
    "[bits 16]",
    "[section .data]",
    "[default rel]",
    "[extern victim]",
    "[warning -all]",
    "bits 16",
    "BITS 16",
    "use32",
    "section .data",
    "segment .data",
    "SECTION .data",
    "org 5",
    "absolute 0",
    "default rel",
    "DEFAULT REL",
    "extern helper",
    "global victim",
    "static victim",
    "required helper",
    "common helper 8",
    "cpu 8086",
    "float daz",
    "prefix _",
    "gprefix _",
    "struc s",
    "istruc s",
    "align 4096",
    "alignb 4096",
    "sectalign 4096",
    "times 1000000000 nop",
    "TIMES 2 nop",
    "incbin '/etc/passwd'",
    "incbin \"/etc/passwd\"",
    "incbin `/etc/passwd`",
    "INCBIN secret",
    "db 0xc3",
    "DB 0xc3",
    "dw 1",
    "dd helper",
    "dq 1",
    "dt 1.0",
    "do 1",
    "dy 1",
    "dz 1",
    "resb 1000000000",
    "rest 1",
    "victim equ 5",
    "equ 5",
    "nop \\",
    "nop ` ",
    "nop $$",
    "jmp $$",
    "jmp $",
    "mov eax, $$ - $",
    "jmp ?0",
    "jmp ?1.again",
    "jmp ..@0",
    "call ..@1",
    "?0: nop",
    "..@0: nop",
    "..start: nop",
    "victim: nop",
    "helper: nop",
    "victim nop",
    "helper nop",
    "nop @",
    "nop = 1",
    "nop ! 1",
    "nop ~",
    "nop 'a'",
    "nop \"a\"",
    "mov rax, 'abcdefgh'",
    "mov rax, __?LINE?__",
    "mov rax, __LINE__",
    "mov rax, __?FILE?__",
    "nop\x00",
    "nop\x0bret",
    "nop\x0cret",
    "nop\x85ret",
    "nop\u2028ret",
    "nop\u00e9",
    "nop \uff1b ret",
]


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
@pytest.mark.parametrize("form", ["{}", "{{ {} }}", "{{ nop; {}; nop }}", "{{\n{}\n}}"])
def test_no_directive_gets_through(attack: str, form: str, tmp_path: Path) -> None:
    text = f"hotinline attack size 64: {form.format(attack)}\n"
    outcome = compile_text(tmp_path, text + VICTIM)
    assert outcome.errors, outcome
    assert not outcome.outputs
    assert {line for line, _ in places(outcome)} <= {1, 2}, outcome


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_an_attack_does_not_reach_the_other_alternatives(attack: str, tmp_path: Path) -> None:
    """Whatever is refused, the victim behind it is not: all errors are on the attack's lines."""
    text = f"hotinline attack size 64: {{ nop; {attack} }}\nhotinline behind: jz away\n"
    outcome = compile_text(tmp_path, VICTIM + text)
    lines = [line for line, _ in places(outcome)]
    assert set(lines) == {3, 4} and len(lines) == len(outcome.errors), outcome
    assert outcome.idents[lines.index(4) :] == ["code-branch", "code-too-long"], outcome


def test_local_labels_are_local_to_their_alternative(tmp_path: Path) -> None:
    loops = "".join(
        f"hotinline f{i}(u64 n @rcx) clobbers rcx size 8: {{ .again: dec rcx; jnz .again }}\n"
        for i in range(20)
    )
    outcome = compile_text(tmp_path, loops)
    assert not outcome.errors, outcome
    text = outcome.outputs["hotinline.json"].decode()
    assert text.count('"code": "48ffc975fb"') == 20  # each jumps to its own label


def test_a_label_of_another_alternative_is_out_of_reach(tmp_path: Path) -> None:
    text = "feature a = boot\nhotinline f: a ? { .there: nop } : { jmp .there }\n"
    outcome = compile_text(tmp_path, text)
    assert outcome.idents == ["nasm"], outcome
    assert "`.there' not defined" in outcome.text()


def test_symbols_keep_their_fixup_whatever_else_is_called_like_them(tmp_path: Path) -> None:
    """A symbol that another alternative could define would lose its relocation silently."""
    outcome = compile_text(tmp_path, VICTIM + "hotinline f: { .helper: nop; jmp .helper }\n")
    assert not outcome.errors, outcome
    text = outcome.outputs["hotinline.json"].decode()
    assert '"symbol": "helper"' in text and VICTIM_CODE in text


def test_documentation_cannot_leave_its_comment(tmp_path: Path) -> None:
    words = r"*/ #error gotcha /* // \" \\ ??/ %include 'x' ${x} {{ 7 * 7 }} \\"
    outcome = compile_text(tmp_path, f'"{words}"\n"{words}"\nhotinline f: nop5\n')
    assert not outcome.errors, outcome
    header = outcome.outputs["hotinline.h"].decode()
    body = header[header.index("#error gotcha") : header.index("HOT_WRAPPER void f(")]
    assert body.count("*/") == 1 and "/*" not in body and "??" not in body
    assert "{{ 7 * 7 }}" in body
    include = outcome.outputs["hotinline.inc"].decode()
    for line in include.split("\n"):
        assert not line.endswith("\\")
        assert "gotcha" not in line or line.startswith(";")


def test_signatures_cannot_leave_their_string(tmp_path: Path) -> None:
    feature = 'feature a = vendor "a\\"b\\\\c??/defg"\n'
    outcome = compile_text(tmp_path, feature + "hotinline f: a ? nop : nop5\n")
    assert not outcome.errors, outcome
    table = outcome.outputs["hottable.c"].decode()
    assert r'.signature = "a\"b\\c\?\?/defg"' in table

"""Behind which prefixes an alternative means the same (PEERS 30), against GNU objdump, which has a
decoder of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import compile_text, run, tree_files

CLASSES = {
    "segment": (0x26, 0x2E, 0x36, 0x3E),
    "fs-gs": (0x64, 0x65),
    "operand": (0x66,),
    "address": (0x67,),
    "repeat": (0xF2, 0xF3),
    "rex": tuple(range(0x40, 0x50)),
}
ALL = {*CLASSES, "lock", "several"}
# What objdump writes for a prefix that does nothing to the instruction behind it.
IDLE = re.compile(r"%[cdes]s:|(?<!%)\b(?:[cdefgs]s|addr32|rex(?:\.[WRXB]+)?)\b\s*")


def alternatives(folder: Path, *texts: str) -> list[dict[str, object]]:
    outcome = compile_text(folder, *texts)
    assert outcome.outputs, str(outcome)
    made = json.loads(outcome.outputs["hotinline.json"])
    return [each for hotinline in made["hotinlines"] for each in hotinline["alternatives"]]


def first_instructions(folder: Path, codes: list[bytes]) -> list[tuple[int, str]]:
    """Size and text of the first instruction of each code, without what does nothing."""
    (folder / "code.s").write_text("".join(
        f".globl c{i}; .p2align 5, 0xcc; c{i}: .byte {', '.join(map(str, code))}\n"
        for i, code in enumerate(codes)))
    run("as", "-o", folder / "code.o", folder / "code.s")
    text = run("objdump", "-d", "-z", "--insn-width=16", folder / "code.o")
    return [_first(block) for block in re.split(r"<c\d+>:\n", text)[1:]]


def _first(listing: str) -> tuple[int, str]:
    """objdump shows a REX that does not count on a line of its own: it belongs to the next."""
    size = 0
    for line in listing.splitlines():
        row = line.split("\t")
        size += len(row[1].split())
        words = " ".join(IDLE.sub("", row[2].partition("#")[0]).split())
        if words:
            return size, words
    raise AssertionError(f"no instruction in {listing}")


@pytest.mark.parametrize("code, classes", [
    ("nop5", ALL),
    ("nop2", ALL),
    ("nop6", ALL - {"several"}),  # with the ten prefixes that a call may have: 16 bytes
    ("nop1", {"segment", "fs-gs", "address", "lock"}),  # 41 90 is xchg
    ("call f", ALL),
    ("lfence", {"segment", "fs-gs", "address", "rex", "lock"}),  # f3 0f ae e8 is incsspd
    ("clflush [rdi]", {"segment", "lock"}),
    ("rep movsb", {"segment", "rex", "lock"}),  # REX counts only right before the opcode
    ("lock inc qword [rdi]", {"segment", "rex"}),
    ("mov eax, edi", {"segment", "fs-gs", "address", "lock"}),  # 48 makes it 64 bits
    ("mov rax, rdi", {"segment", "fs-gs", "address", "rex", "lock"}),  # the last of two REX counts
    ("mov rax, [rdi]", {"segment", "rex", "lock"}),
    ("inc qword [rdi]", {"segment", "rex"}),  # f0 makes it another instruction
])
def test_code_keeps_its_meaning_behind_these_prefixes(
        tmp_path: Path, code: str, classes: set[str]) -> None:
    signature = "h(u64 x @rdi, u64 y @rax) -> u64 @rax clobbers rdi, rsi, rcx reads rsi, rcx"
    size = " size 12" if code == "nop6" else ""
    made = alternatives(tmp_path, f"hotinline {signature}{size}: {code}")
    assert set(made[0]["behind"]) == classes  # type: ignore[call-overload]


def test_what_is_claimed_of_the_tree_is_what_objdump_sees(tmp_path: Path) -> None:
    made = alternatives(tmp_path, *(path.read_text() for path in tree_files()))
    plain = [bytes.fromhex(str(each["code"])) for each in made]
    claims = [(code, bytes([prefix]) + code)
              for code, each in zip(plain, made)
              if not {"several", "operand"} & set(each["behind"])  # type: ignore[call-overload]
              for name in each["behind"]  # type: ignore[attr-defined]
              if name != "lock"  # objdump shows it before what it cannot stand before as well
              for prefix in CLASSES[name]]
    assert len(claims) > 100
    before = first_instructions(tmp_path, [code for code, _ in claims])
    behind = first_instructions(tmp_path, [code for _, code in claims])
    for (code, _), (size, text), (wider, same) in zip(claims, before, behind):
        assert (wider, same) == (size + 1, text), f"{code.hex(' ')}: {text}, behind: {same}"


def test_objdump_would_see_a_difference(tmp_path: Path) -> None:
    clflush = bytes.fromhex("0fae3f")
    pairs = [(clflush, b"\x67"), (clflush, b"\x41"), (b"\x90", b"\x41"),
             (bytes.fromhex("89f8"), b"\x48"), (bytes.fromhex("0faee8"), b"\xf3")]
    before = first_instructions(tmp_path, [code for code, _ in pairs])
    behind = first_instructions(tmp_path, [prefix + code for code, prefix in pairs])
    for (code, _), (_, text), (_, other) in zip(pairs, before, behind):
        assert text != other, code.hex(" ")

"""Hotinlines in objects that others compiled: `make test-real`. Each rule stands next to a case in
which the comparison must say no."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from compare import DEFINED, KRTLD, REFUSALS, ROOT, Result, compare, compare_found
from corpus import Total, compare_all, extract
from count import ADDEND, CALL, DATA, JMP, OPCODE, TYPE, Lost, Reference, count
from expect import ANY, CHOSEN, PREFIX, SITE, expected, wrong_code
from objectfile import KERNEL, USER, ObjectFile, Place

ARCHIVES = {"libz": 1, "liblua5.4": 1, "libsqlite3": 1, "libc": 4}  # and which members: every n-th

# Every way to refer to a function that there is, and some bytes that only look like one. 2e is a
# prefix twice and once, as 66 is, the end of the instruction before.
FORMS = """
        .text
        call mutex_lock
        jmp kfree
        jne kfree
        .byte 0x2e
        call __x86_indirect_thunk_r11
        .byte 0x2e
        jmp __x86_indirect_thunk_r9
        mov $0x2e, %al
        call __x86_indirect_thunk_r10
        mov $0x66, %al
        call mutex_unlock
        mov $0x66, %al
        call malloc
        .byte 0x48
        call memcpy
        call memcpy + 4
        call *memcpy@GOTPCREL(%rip)
        lea memcpy(%rip), %rax
        mov $memcpy, %rdi
        .byte 0xe8, 0, 0, 0, 0
        mov $0xe8e8e8e8, %eax
        jmp 1f
        call not_declared
1:      ret
        .section .text.unlikely, "ax"
        call kfree
        .data
        .quad kfree
        .byte 0xe8
        .long free - .
        .section .note, ""
        .quad kfree
"""
IN_TEXT = [
    (CALL, "mutex_lock"), (JMP, "kfree"), (OPCODE, "kfree"), (CALL, "__x86_indirect_thunk_r11"),
    (JMP, "__x86_indirect_thunk_r9"), (CALL, "__x86_indirect_thunk_r10"), (CALL, "mutex_unlock"),
    (CALL, "malloc"), (CALL, "memcpy"), (ADDEND, "memcpy"), (CALL, "memcpy"), (OPCODE, "memcpy"),
    (TYPE, "memcpy"),
]  # fmt: skip
ELSEWHERE = [(CALL, "kfree"), (DATA, "kfree"), (DATA, "free")]


def assemble(text: str, folder: Path) -> Path:
    path = folder / "it.o"
    subprocess.run(["as", "-o", path, "-"], input=text, text=True, check=True)
    return path


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(FORMS, tmp_path_factory.mktemp("forms"))


def archive(name: str) -> Path:
    done = subprocess.run(["gcc", f"-print-file-name={name}.a"], capture_output=True, text=True)
    return Path(done.stdout.strip())


# ---- Real objects ----


@pytest.fixture(scope="session")
def totals() -> dict[str, Total]:
    """Each archive compared, once."""
    return {
        name: compare_all(name, extract(archive(name))[::every], 2)
        for name, every in ARCHIVES.items()
    }


@pytest.mark.parametrize("name", ARCHIVES)
def test_in_a_real_archive_no_site_is_missed_none_is_invented(
    name: str, totals: dict[str, Total]
) -> None:
    assert totals[name].problems == []
    assert totals[name].sites[CALL] > 100


@pytest.mark.parametrize("name", ARCHIVES)
def test_only_storage_of_threads_ifunc_and_definitions_are_refused(
    name: str, totals: dict[str, Total]
) -> None:
    assert totals[name].refused.keys() <= set(REFUSALS.values())


def test_real_archives_hold_every_kind_of_reference(totals: dict[str, Total]) -> None:
    sites: Counter[str] = sum((t.sites for t in totals.values()), Counter())
    plain: Counter[str] = sum((t.plain for t in totals.values()), Counter())
    filled: Counter[str] = sum((t.filled for t in totals.values()), Counter())
    assert sites.keys() == {CALL, JMP}
    assert {OPCODE, TYPE, DATA} <= plain.keys()
    assert filled.keys() == {"inline", "padding first", "branch", "stays"}


@pytest.mark.parametrize("name", ["z", "lua5.4", "sqlite3"])
def test_a_whole_library_that_defines_one_of_the_functions_is_refused(name: str) -> None:
    result = compare(ROOT / "build" / "tests" / "libraries" / f"{name}.o", USER)
    assert result.problems == []
    assert result.refused == DEFINED


def test_objects_are_loaded_where_kernels_have_their_modules(tmp_path: Path) -> None:
    result = compare(assemble(FORMS.replace("jmp 1f", "lfence"), tmp_path), KERNEL)
    assert (result.problems, result.refused) == ([], "")
    assert result.sites.total() == 10


# ---- Every form, counted by hand ----


def test_each_reference_is_classified(forms: Path) -> None:
    found = count(ObjectFile(forms), CHOSEN.keys())
    ordered = [found[place] for place in sorted(found, key=lambda p: (p.section, p.offset))]
    assert [(r.kind, r.name) for r in ordered[: len(IN_TEXT)]] == IN_TEXT
    rest = sorted((r.kind, r.name) for r in ordered[len(IN_TEXT) :])
    assert rest == sorted(ELSEWHERE)


def test_krtld_finds_what_was_counted_and_nothing_else(forms: Path) -> None:
    result = compare(forms, USER)
    assert (result.problems, result.refused) == ([], "")
    assert result.sites == {CALL: 8, JMP: 2}
    assert result.plain == {OPCODE: 2, TYPE: 1, ADDEND: 1, DATA: 2}
    assert result.filled == {"inline": 5, "padding first": 1, "branch": 3, "stays": 1}


@pytest.mark.parametrize(
    ("was", "becomes", "sites", "plain"),
    [
        ("jne kfree", "jmp kfree", 11, 5),
        ("call memcpy + 4", "call memcpy", 11, 5),
        ("call mutex_lock", "call mutex_lock + 1", 9, 7),
        (".byte 0xe8, 0, 0, 0, 0", "call kfree", 11, 6),
        ("call mutex_lock", ".byte 0xe8, 0, 0, 0, 0", 9, 6),
        (".byte 0x48", "nop", 10, 6),
        ("call not_declared", "call malloc", 11, 6),
    ],
)
def test_one_changed_instruction_changes_the_count(
    was: str, becomes: str, sites: int, plain: int, tmp_path: Path
) -> None:
    result = compare(assemble(FORMS.replace(was, becomes, 1), tmp_path), USER)
    assert (result.problems, result.refused) == ([], "")
    assert (result.sites.total(), result.plain.total()) == (sites, plain)


# ---- The comparison says no ----

SITE_AT, ELSE_AT = Place(1, 0x11), Place(1, 0x21)
WANT = {SITE_AT: Reference("free", CALL, "", ""), ELSE_AT: Reference("free", OPCODE, "", "")}


@pytest.mark.parametrize(
    ("change", "missed", "invented"),
    [
        ({}, 0, 0),
        ({SITE_AT: None}, 0, 1),
        ({ELSE_AT: None}, 0, 1),
        ({Place(1, 0x31): Reference("free", CALL, "", "")}, 1, 0),
        ({Place(2, 0x11): Reference("free", DATA, "", "")}, 1, 0),
        ({SITE_AT: Reference("free", JMP, "", "")}, 1, 0),
        ({SITE_AT: Reference("free", OPCODE, "", "")}, 0, 1),
        ({ELSE_AT: Reference("free", CALL, "", "")}, 1, 0),
        ({ELSE_AT: Reference("free", TYPE, "", "")}, 0, 1),
        ({SITE_AT: Reference("malloc", CALL, "", "")}, 1, 0),
    ],
)
def test_a_wrong_count_is_noticed(
    change: dict[Place, Reference | None], missed: int, invented: int
) -> None:
    merged: dict[Place, Reference | None] = {**WANT, **change}
    changed = {place: reference for place, reference in merged.items() if reference}
    result = Result(Path("it"))
    compare_found(changed, WANT, result)
    assert (len(result.missed), len(result.invented)) == (missed, invented)


LIAR = """#!/usr/bin/python3
import json, pathlib, subprocess, sys
done = subprocess.run(["{krtld}", *sys.argv[1:]], capture_output=True, text=True)
sys.stderr.write(done.stderr)
dump = pathlib.Path(sys.argv[sys.argv.index("--dump") + 1]) / "sec1.bin"
if "--json" in sys.argv and done.returncode == 0:
    said, code = json.loads(done.stdout), bytearray(dump.read_bytes())
    {lie}
    dump.write_bytes(code)
    print(json.dumps(said))
else:
    sys.stdout.write(done.stdout)
sys.exit(done.returncode)
"""


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        ("pass", ""),
        ("del said['sites'][0]", "missed"),
        ("del said['references'][0]", "missed"),
        ("said['sites'].append({**said['sites'][0], 'address': hex(int(said['sites'][0]['address'],"
         " 16) + 9)})", "invented"),
        ("said['sites'][1]['form'] = 'call'", "missed"),
        ("said['references'][0]['reason'] = 'a pointer in data'", "invented"),
        ("said['sites'][0]['after'] = '90 90 90 90 90'", "wrong"),
        ("code[1] ^= 1", "wrong"),
        ("code[-1] ^= 1", "wrong"),
        ("code[0:5] = bytes.fromhex('6690') + code[0:3]", "wrong"),
    ],
)  # fmt: skip
def test_a_krtld_that_errs_is_noticed(lie: str, problem: str, forms: Path, tmp_path: Path) -> None:
    liar = tmp_path / "krtld"
    liar.write_text(LIAR.format(krtld=KRTLD, lie=lie))
    liar.chmod(0o755)
    result = compare(forms, USER, liar)
    assert result.refused == ""
    assert bool(result.problems) == bool(problem)
    assert not problem or getattr(result, problem)


@pytest.mark.parametrize("why", ["it: no", "it: the name of a hotinline"])
def test_a_refusal_without_a_good_reason_is_noticed(why: str, forms: Path, tmp_path: Path) -> None:
    refuses = tmp_path / "krtld"
    refuses.write_text(f"#!/bin/sh\necho '{why}' >&2\nexit 2\n")
    refuses.chmod(0o755)
    assert compare(forms, USER, refuses).wrong == [f"refused: {why}"]


def test_a_relocation_that_no_instruction_shows_is_an_error_of_the_count(
    forms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("count._code", lambda file, names: iter(()))
    with pytest.raises(Lost, match="listed, but not in the disassembly"):
        count(ObjectFile(forms), CHOSEN.keys())


# ---- What is expected ----


def test_what_is_expected_is_what_is_declared() -> None:
    declared = json.loads((ROOT / "build/real/generated/hotinline.json").read_text())
    codes = {h["name"]: h["alternatives"][0] for h in declared["hotinlines"]}
    assert codes.keys() == CHOSEN.keys()
    for name, code in CHOSEN.items():
        assert bool(codes[name]["fixups"]) == (code is None), name
        if code:
            assert bytes.fromhex(codes[name]["code"]) == code.bytes, name
            assert set(codes[name]["behind"]) == code.behind, name


NAMES = {"kfree": 0x1000, "mutex_lock": 0x2000, "_printk": 0x3000, "__list_add_valid": 0x4000,
         "__x86_indirect_thunk_r10": 0x5000, "__fentry__": 0x7000, "chosen_function": 0x6000}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form", "before", "bytes_", "how"),
    [
        ("mutex_lock", CALL, "90 90", "0f 01 ca 66 90", "inline"),
        ("mutex_lock", JMP, "90 90", "0f 01 ca c3 cc", "inline"),
        ("mutex_lock", CALL, "90 2e", "0f 01 ca 66 90", "inline"),
        ("mutex_lock", CALL, "90 66", "66 90 0f 01 ca", "padding first"),
        ("mutex_lock", JMP, "90 66", "e9 fb 17 00 00", "stays"),
        ("_printk", CALL, "90 90", "b8 78 56 34 12", "inline"),
        ("_printk", JMP, "90 90", "e9 fb 27 00 00", "stays"),
        ("_printk", CALL, "90 48", "e8 fb 27 00 00", "stays"),
        ("kfree", CALL, "90 48", "e8 fb 57 00 00", "branch"),
        ("mutex_lock", CALL, "2e 2e", "66 90 0f 01 ca", "padding first"),
        ("mutex_lock", CALL, "f0 2e", "66 90 0f 01 ca", "padding first"),
        ("mutex_lock", CALL, "90 f0", "0f 01 ca 66 90", "inline"),
        ("__list_add_valid", CALL, "66 2e", "66 90 b0 01 fc", "padding first"),
        ("__fentry__", JMP, "90 90", "c3 cc cc cc cc", "inline"),
        ("__fentry__", JMP, "90 2e", "0f 1f 40 00 c3", "padding first"),
        ("__fentry__", CALL, "66 48", "0f 1f 44 00 00", "inline"),
        ("__x86_indirect_thunk_r10", CALL, "90 66", "e8 fb 47 00 00", "stays"),
    ],
)
def test_a_site_is_filled_as_the_manual_says(
    name: str, form: str, before: str, bytes_: str, how: str
) -> None:
    prefix = bytes.fromhex(before)
    want = expected(name, form, 0x800, prefix, NAMES)
    assert (want.bytes.hex(" "), want.how) == (bytes_, how)
    assert wrong_code(want, want.bytes, prefix, 0x800) == ""
    assert wrong_code(want, b"\xcc" + want.bytes[1:], prefix, 0x800)


def test_code_that_a_prefix_changes_is_noticed_by_the_disassembler() -> None:
    """66 makes `mov eax, …` two bytes shorter."""
    want = expected("_printk", CALL, 0x800, b"\x90\x90", NAMES)
    assert wrong_code(want, want.bytes, b"\x90\x66", 0x800)
    assert {*PREFIX.values(), "several"} == ANY and len(want.bytes) == SITE

"""GNU ld as oracle: on a small corpus krtld makes what ld makes and refuses what ld refuses; and an
oracle that is handed something wrong says so."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ld
import pytest
from check import DIFFERS, IDENTICAL, KRTLD, REFUSED, Tools, Verdict, check
from elf import SHDR, TLS_TYPES, NotAnObject, Object, members, type_name
from layout import KERNEL, WEAK, make
from made import ROOT, late_sections
from small import FOLDER, SLIM, library, library_members, recipes, refused
from weak import rewritten

RECIPES = recipes()
MEMBERS = library_members()
Wrong = Callable[[str], Path]


def made(name: str) -> Path:
    return RECIPES[name].make()


def gas(folder: Path, source: str, name: str = "it") -> Path:
    """An object of a few lines of assembly."""
    path = folder / f"{name}.o"
    subprocess.run(["gcc", "-c", "-x", "assembler", "-", "-o", path], input=source, text=True,
                   check=True, stderr=subprocess.PIPE)
    return path


def verdict_with(krtld: Path, path: Path) -> Verdict:
    return check(path, Tools(krtld))


# ---- The small corpus ----


@pytest.mark.parametrize("name", RECIPES)
def test_an_object_made_on_the_spot_is_as_ld_makes_it(name: str) -> None:
    path = made(name)
    for weak in WEAK:
        verdict = check(path, Tools(), partial(make, weak=weak))
        assert (verdict.status, verdict.reason) == (IDENTICAL, ""), f"--weak {weak}"
        assert verdict.relocations > 0


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_a_library_is_as_ld_makes_it_or_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "member.o"
    path.write_bytes(MEMBERS[name])
    verdict = check(path, Tools())
    assert verdict.status == IDENTICAL or verdict.reason in (
        "thread-local storage", "indirect function (IFUNC)",
    ), verdict.reason  # fmt: skip


def test_enough_members_were_found() -> None:
    assert len(MEMBERS) >= 15, sorted(MEMBERS)


def test_types_s_has_a_field_of_every_type_that_krtld_supports() -> None:
    rows = re.findall(r"= ROW\((\w+)", (ROOT / "loader/arch/amd64/reloc.c").read_text())
    there = {type_name(t) for t in Object(made("types-s.o").read_bytes()).types}
    there |= {type_name(t) for t in Object(made("weak-s.o").read_bytes()).types}
    newer = {f"CODE_{n}_GOTPCRELX" for n in (4, 5, 6)}  # APX: ld 2.40 does not know them
    assert newer <= set(rows)
    assert there == {f"R_X86_64_{row}" for row in set(rows) - newer}


def test_sections_whose_indices_16_bits_cannot_hold_are_as_ld_makes_them() -> None:
    path = late_sections(FOLDER).make()
    verdict = check(path, Tools())
    assert (verdict.status, verdict.relocations) == (IDENTICAL, 7)
    assert Object(path.read_bytes()).loaded[-1].index >= 0xFF00  # SHN_LORESERVE


def test_commons_and_empty_sections_and_names_have_been_compared() -> None:
    types, names = (Object(made(f"{n}-s.o").read_bytes()) for n in ("types", "names"))
    assert any(s.section == 0xFFF2 for s in types.symbols)
    assert any(s.loaded and s.size == 0 and s.name == ".empty" for s in types.sections)
    assert len({s.name for s in names.loaded}) < len(names.loaded)
    unloaded = [s for s in names.sections if s.name == ".rela.debug_info"]
    assert unloaded and unloaded[0].size  # and its fields overflow


# ---- An oracle that notices ----



def flip(file: str, at: int) -> str:
    """Shell commands that change a bit of a file."""
    return (
        f"f=$(echo $D/{file}); b=$(od -An -tu1 -j{at} -N1 $f); "
        f"printf \"\\\\x$(printf %x $((b ^ 8)))\" | "
        f"dd of=$f bs=1 seek={at} conv=notrunc status=none"
    )


def test_one_wrong_byte_is_reported_with_its_place(wrong_krtld: Wrong) -> None:
    path = made("weak-gcc-O2.o")
    object_ = Object(path.read_bytes())
    relocations = object_.relocations[0]
    offset, kind, symbol, _ = next(iter(relocations))
    krtld = wrong_krtld(flip(f"sec{relocations.target}.bin", offset + 1))
    verdict = verdict_with(krtld, path)
    assert verdict.status == DIFFERS
    name = object_.sections[relocations.target].name
    assert f"{name}+{offset + 1:#x} ({type_name(kind)} against" in verdict.reason
    assert object_.title(symbol) in verdict.reason


@pytest.mark.parametrize("at", [0, 17])
def test_a_wrong_byte_that_no_relocation_names_is_reported(at: int, wrong_krtld: Wrong) -> None:
    path = made("types-s.o")
    bss = next(s for s in Object(path.read_bytes()).loaded if s.name == ".bss")
    verdict = verdict_with(wrong_krtld(flip(f"sec{bss.index}.bin", at)), path)
    assert verdict.status == DIFFERS and f".bss+{at:#x}" in verdict.reason


def test_a_slot_with_a_wrong_value_is_reported(wrong_krtld: Wrong) -> None:
    verdict = verdict_with(wrong_krtld(flip("got*.bin", 1)), made("weak-gcc-noplt.o"))
    assert verdict.status == DIFFERS and "the slot holds" in verdict.reason


def test_a_field_that_leads_past_its_slot_is_reported(wrong_krtld: Wrong, tmp_path: Path) -> None:
    path = gas(tmp_path, "movq f@GOTPCREL(%rip), %rax; movq g@GOTPCREL(%rip), %rax")
    verdict = verdict_with(wrong_krtld(flip("sec1.bin", 3)), path)
    assert verdict.status == DIFFERS
    assert "R_X86_64_REX_GOTPCRELX against `f': the slot holds" in verdict.reason


def test_a_slot_of_an_absent_weak_symbol_that_is_not_0_is_reported(
    wrong_krtld: Wrong, tmp_path: Path
) -> None:
    path = gas(tmp_path, ".weak f; nop; f2: movq f@GOTPCREL(%rip), %rax", "weak")
    plan = partial(make, weak="absent")
    assert check(path, Tools(), plan).rewritten == 1
    verdict = check(path, Tools(wrong_krtld(flip("got*.bin", 0))), plan)
    assert verdict.status == DIFFERS and "against `f'" in verdict.reason


@pytest.mark.parametrize("commands", ["rm $D/sec1.bin", "echo >>$D/sec1.bin", ": >$D/sec99.bin"])
def test_a_dump_of_other_sections_or_sizes_is_reported(commands: str, wrong_krtld: Wrong) -> None:
    assert verdict_with(wrong_krtld(commands), made("weak-gcc-O0.o")).status == DIFFERS


def test_only_what_the_psabi_lets_a_linker_write_counts_as_rewritten() -> None:
    load = bytes.fromhex("488b05 00000000")
    assert rewritten(load, 0x1000) == [
        bytes.fromhex("488d05 fcefffff"), bytes.fromhex("48c7c0 00000000"),
    ]  # fmt: skip
    assert rewritten(bytes.fromhex("4c3b3d 00000000"), 0) == [bytes.fromhex("4981ff 00000000")]
    assert rewritten(bytes.fromhex("90ff15 00000000"), 8) == [bytes.fromhex("9067e8 f4ffffff")]
    assert rewritten(bytes.fromhex("90ff25 00000000"), 8) == [bytes.fromhex("90e9 f5ffffff 90")]
    for other in ("480faf05", "90ff35", "488b04"):
        assert rewritten(bytes.fromhex(other + "0000000000")[:7], 0x1000) == []


# ---- Refusals ----

OVERFLOWS = {
    "32": "s + 0x100000000", "32S": "s + 0x100000000", "PC32": "s + 0x100000000",
    "PLT32": "s - 0x100000000", "16": "s", "8": "s - 0x101", "PC16": "s", "PC8": "s + 1",
    "GOTPCREL": "s + 0x90000000", "GOT32": "s + 0x90000000", "SIZE32": "s + 0x100000000",
    "GOTPC32": "_GLOBAL_OFFSET_TABLE_ + 0x90000000", "GOTPCRELX": "s + 0x90000000",
    "REX_GOTPCRELX": "s - 0x90000000",
}  # fmt: skip


def overflowing(folder: Path, kind: str) -> Path:
    """An object whose relocation at .data+0xd does not fit."""
    source = f".data\n.quad 0, 0, 0\n.reloc . - 11, R_X86_64_{kind}, {OVERFLOWS[kind]}\n"
    return gas(folder, source)


@pytest.mark.parametrize("kind", OVERFLOWS)
def test_an_overflow_is_refused_by_both_at_the_same_place(kind: str, tmp_path: Path) -> None:
    path = overflowing(tmp_path, kind)
    verdict = check(path, Tools(), keep=tmp_path)
    assert (verdict.status, verdict.reason) == (REFUSED, "overflow, as by ld")
    command: list[str | Path] = [KRTLD, "--layout", tmp_path / "layout", path]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    symbol = OVERFLOWS[kind].split()[0]
    assert f": .data+0xd: R_X86_64_{kind} against `{symbol}' overflows, the value 0x" in said


# Values that ld stores in a field which cannot hold them; what is next to them krtld takes as well.
SMALL_FIELDS = [
    ("16", -0x8001, -0x8000), ("16", -0x10000, 0xFFFF), ("8", -0x81, -0x80), ("8", -0x100, 0xFF),
    ("PC16", 0x8000, 0x7FFF), ("PC16", -0x8001, -0x8000), ("PC16", 0xFFFF, 0),
]  # fmt: skip


def small_field(folder: Path, kind: str, value: int) -> Path:
    where = "1b" if kind.startswith("PC") else "0"
    source = f".data\n.quad 0\n1: .quad 0\n.reloc 1b, R_X86_64_{kind}, {where} + {value}\n"
    return gas(folder, source)


@pytest.mark.parametrize(("kind", "wrong", "right"), SMALL_FIELDS)
def test_what_ld_cuts_off_in_a_small_field_krtld_refuses(
    kind: str, wrong: int, right: int, tmp_path: Path
) -> None:
    verdict = check(small_field(tmp_path, kind, wrong), Tools())
    assert (verdict.status, verdict.reason) == (REFUSED, "small field, which ld cuts off")
    assert check(small_field(tmp_path, kind, right), Tools()).status == IDENTICAL


def test_the_ends_of_a_set_are_those_of_its_section(wrong_krtld: Wrong, tmp_path: Path) -> None:
    source = '.section set, "a"\n.quad 1, 2\n.data\n.weak __stop_set\n'
    path = gas(tmp_path, source + ".quad __start_set, __stop_set\n")
    verdict = check(path, Tools())
    assert (verdict.status, verdict.relocations) == (IDENTICAL, 2)
    data = next(s.index for s in Object(path.read_bytes()).sections if s.name == ".data")
    wrong = f"printf '\\0' | dd of=$D/sec{data}.bin bs=1 seek=8 conv=notrunc 2>&-"
    assert check(path, Tools(wrong_krtld(wrong))).status == DIFFERS


def test_a_refusal_of_a_small_field_that_could_hold_the_value_is_a_difference(
    wrong_krtld: Wrong, tmp_path: Path
) -> None:
    path = small_field(tmp_path, "16", 0x1234)
    line = f"krtld: {path}: .data+0x8: R_X86_64_16 overflows, the value 0x1234 does not fit"
    krtld = wrong_krtld(f"echo '{line} its field' >$D.err; status=2")
    assert check(path, Tools(krtld)).status == DIFFERS


def test_the_first_of_many_overflows_is_the_one_that_ld_finds_first(tmp_path: Path) -> None:
    one = ".long 0, 0\n.reloc . - 8, R_X86_64_32, s + 0x100000000\n"
    source = '.section .b, "a"\n' + 20 * one + ".text\n" + 20 * one
    assert check(gas(tmp_path, source), Tools()).reason == "overflow, as by ld"


@pytest.mark.parametrize("base", [KERNEL, 0x10000000, 0x7F0000000000])
def test_where_something_is_out_of_reach_both_stumble_over_the_same(base: int) -> None:
    statuses = set()
    for name in ("weak-gcc-O2.o", "weak-clang-large-pic.o", "types-s.o", "shapes-clang++-kernel.o"):
        plan = partial(make, base=base, outside=0x140000000)
        verdict = check(made(name), Tools(), plan)
        assert verdict.status != DIFFERS, verdict.reason
        statuses.add(verdict.status)
    assert statuses == {IDENTICAL, REFUSED}


WRONG_REFUSALS = {
    "another offset": r"sed -i 's/+0x\([0-9a-f]*\):/+0x1\1:/' $D.err",
    "another section": "sed -i 's/[.]data+/.text+/' $D.err",
    "another symbol": "sed -i \"s/against .s'/against \\`t'/\" $D.err",
    "another type": "sed -i 's/R_X86_64_32S/R_X86_64_32/' $D.err",
    "no place": "echo krtld: no >$D.err",
    "another reason": "sed -i 's/over.*/refused, thread-local storage is not supported/' $D.err",
    "no refusal": "mkdir $D; : >$D.err; status=0",
}


@pytest.mark.parametrize("what", WRONG_REFUSALS)
def test_a_refusal_with_another_place_or_reason_is_reported(
    what: str, wrong_krtld: Wrong, tmp_path: Path
) -> None:
    path = overflowing(tmp_path, "32S")
    assert verdict_with(wrong_krtld(":"), path).status == REFUSED
    assert verdict_with(wrong_krtld(WRONG_REFUSALS[what]), path).status == DIFFERS


def test_a_refusal_of_what_ld_accepts_is_reported(wrong_krtld: Wrong) -> None:
    krtld = wrong_krtld("echo 'krtld: it: no memory is left' >$D.err; status=2")
    verdict = verdict_with(krtld, made("weak-gcc-O0.o"))
    assert verdict.status == DIFFERS and "no memory is left" in verdict.reason


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    "source, flags, reason",
    [
        ("thread.c", ["-O1"], "thread-local storage"),
        ("thread.c", ["-O1", "-fPIC"], "thread-local storage"),
        ("chooser.c", ["-O1"], "indirect function (IFUNC)"),
        ("weak.c", SLIM, "intermediate language"),
    ],
)
def test_what_krtld_does_not_support_is_refused_by_name(
    source: str, flags: list[str], reason: str, compiler: str
) -> None:
    verdict = check(refused(source, compiler, flags), Tools())
    assert verdict.status == REFUSED and verdict.reason.startswith(reason), verdict.reason


def test_an_excuse_that_is_not_true_is_reported(wrong_krtld: Wrong) -> None:
    for excuse in ("thread-local storage is not supported", "functions (IFUNC) are not supported"):
        krtld = wrong_krtld(f"echo 'krtld: it: {excuse}' >$D.err; status=2")
        assert verdict_with(krtld, made("weak-gcc-O0.o")).status == DIFFERS


def test_symbols_without_an_address_are_undefined_in_both(
    tmp_path: Path, wrong_krtld: Wrong, capsys: pytest.CaptureFixture[str]
) -> None:
    path = gas(tmp_path, "call one; call two; .data; .quad three, two; .weak four; .quad four")
    layout = tmp_path / "layout"
    layout.write_text("section 1 10000000\nsymbol 20000000 one # given\n")
    assert ld.main(["--layout", str(layout), str(path)]) == 0
    assert "refused: undefined symbol" in capsys.readouterr().out
    krtld = wrong_krtld("sed -i '/three/d' $D.err")
    assert ld.main(["--layout", str(layout), "--krtld", str(krtld), str(path)]) == 1
    assert "undefined by only one of the two: three" in capsys.readouterr().out


@pytest.mark.parametrize("contents", [b"", b"no object", b"!<arch>\n"])
def test_a_file_that_is_no_object_is_refused_as_such(contents: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(contents)
    assert check(path, Tools()).reason.startswith("no object")
    assert check(KRTLD, Tools()).reason == "no object (not ET_REL of amd64)"


# ---- What neither of the two may ignore ----


def with_header(path: Path, number: int, field: int, value: int) -> Path:
    """The object with a field of the number-th section header, from 1, changed: 1 type, 7 info."""
    data = bytearray(path.read_bytes())
    at = Object(bytes(data)).table + number * SHDR.size
    row = list(SHDR.unpack_from(data, at))
    row[field] = value
    SHDR.pack_into(data, at, *row)
    changed = path.with_name(f"changed{number}-{field}-{value:x}.o")
    changed.write_bytes(data)
    return changed


def number_of(path: Path, name: str) -> int:
    return next(s.index for s in Object(path.read_bytes()).sections if s.name == name)


STRANGE = {
    "CREL": (".rela.text", 0x40000014), "RELR": (".rela.text", 19),
    "packed": (".rela.text", 0x60000001), "unknown table": (".rela.text", 0x12345678),
    "unknown data": (".data", 0x60001234), "REL": (".rela.text", 9),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_what_krtld_does_not_understand_it_must_refuse(
    what: str, tmp_path: Path, wrong_krtld: Wrong
) -> None:
    section, kind = STRANGE[what]
    path = gas(tmp_path, "call f; .data; .quad 1, 2; .section .note.x, \"a\", @note; .quad 3")
    assert check(path, Tools()).status == IDENTICAL
    path = with_header(path, number_of(path, section), 1, kind)
    verdict = check(path, Tools())
    assert verdict.status == REFUSED and verdict.reason.startswith("a section of unknown type")
    ignoring = wrong_krtld("mkdir -p $D; : >$D.err; status=0")
    verdict = verdict_with(ignoring, path)
    assert verdict.status == DIFFERS and f"ignores {section} of type {kind:#x}" in verdict.reason
    other = wrong_krtld("echo 'krtld: it: no memory is left' >$D.err; status=2")
    assert verdict_with(other, path).status == DIFFERS


@pytest.mark.parametrize("field, value", [(7, 9999), (6, 9999), (5, 24 * 1000)])
def test_a_table_that_leads_nowhere_is_a_damaged_object(
    field: int, value: int, tmp_path: Path, wrong_krtld: Wrong
) -> None:
    path = gas(tmp_path, "call f")
    path = with_header(path, number_of(path, ".rela.text" if field == 7 else ".symtab"), field, value)
    assert check(path, Tools()).reason.startswith("no object (")
    assert verdict_with(wrong_krtld("mkdir -p $D; : >$D.err; status=0"), path).status == DIFFERS


# ---- What is right must not be reported ----


def test_an_offset_from_a_got_that_nobody_needs_is_compared(
    tmp_path: Path, wrong_krtld: Wrong
) -> None:
    path = gas(tmp_path, "f: movabs $f@GOTOFF, %rax; movabs $x@GOTOFF, %rax; .data; x: .quad 1")
    assert (check(path, Tools()).status, check(path, Tools()).reason) == (IDENTICAL, "")
    for at in (3, 12):
        assert verdict_with(wrong_krtld(flip("sec1.bin", at)), path).status == DIFFERS


def test_a_hidden_common_symbol_is_compared(tmp_path: Path, wrong_krtld: Wrong) -> None:
    source = ".comm c, 16, 16; .hidden c; .comm d, 4; .data; .quad c, d; .text; lea c(%rip), %rax"
    path = gas(tmp_path, source)
    assert (check(path, Tools()).status, check(path, Tools()).reason) == (IDENTICAL, "")
    data = number_of(path, ".data")
    assert verdict_with(wrong_krtld(flip(f"sec{data}.bin", 1)), path).status == DIFFERS
    refusing = "case $D in */hidden/*) echo 'krtld: it: no' >$D.err; status=2;; esac"
    verdict = verdict_with(wrong_krtld(refusing), path)
    assert verdict.status == DIFFERS and "krtld: it: no" in verdict.reason


def test_a_name_with_a_version_is_a_name(tmp_path: Path, wrong_krtld: Wrong) -> None:
    source = ".globl i; i: ret; .symver i, f@@V; .symver g, g@W; call f; call g; call i; call h"
    path = gas(tmp_path, source)
    assert {"f@@V", "g@W", "f"} <= {s.name for s in Object(path.read_bytes()).symbols}
    assert (check(path, Tools()).status, check(path, Tools()).reason) == (IDENTICAL, "")
    assert verdict_with(wrong_krtld(flip("sec1.bin", 2)), path).status == DIFFERS
    layout = tmp_path / "layout"
    layout.write_text("section 1 10000000\nsymbol 10001000 f\nsymbol 10001000 h\n")
    assert ld.main(["--layout", str(layout), str(path)]) == 0  # both lack g@W, by that name


def test_gigabytes_of_zeros_are_compared_and_not_read(tmp_path: Path, wrong_krtld: Wrong) -> None:
    source = "movq x@GOTPCREL(%rip), %rax; .data; .quad big, big + 5000000000; .comm c, 8; .quad c"
    path = gas(tmp_path, source + "; .bss; big: .skip 6000000000")
    bss = number_of(path, ".bss")
    assert (check(path, Tools()).status, check(path, Tools()).reason) == (IDENTICAL, "")
    poke = f"printf x | dd of=$D/sec{bss}.bin bs=1 seek=5999999999 conv=notrunc status=none"
    verdict = verdict_with(wrong_krtld(poke), path)
    assert verdict.status == DIFFERS and ".bss+0x165a0bbff: not 0" in verdict.reason
    cut = wrong_krtld(f"truncate -s 5999999999 $D/sec{bss}.bin")
    assert verdict_with(cut, path).status == DIFFERS


# ---- The command line ----


def test_each_object_has_a_line_and_the_last_one_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [str(made("types-s.o")), str(refused("thread.c", "gcc", ["-O1"]))]
    assert ld.main(paths) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r".*types-s.o: identical: 5 sections, \d+ bytes, \d+ relocations, \d+ through the GOT",
        lines[0],
    ), lines[0]  # fmt: skip
    assert lines[1].endswith("refused: thread-local storage")
    count = r"2 objects: 1 identical \(\d+ relocations\), 1 refused, 0 differ"
    assert re.fullmatch(count, lines[2])


def test_a_difference_ends_with_status_1(wrong_krtld: Wrong) -> None:
    krtld = wrong_krtld(flip("sec1.bin", 0))
    assert ld.main(["--quiet", "--krtld", str(krtld), str(made("weak-gcc-O0.o"))]) == 1


@pytest.mark.parametrize(
    "arguments, status, said",
    [
        ([], 64, "required: OBJECT"),
        (["--colour", "x.o"], 64, "--colour"),
        (["--base", "zz", "x.o"], 64, "--base"),
        (["--base", "1000", "x.o"], 64, "0x200000"),
        (["--weak", "some", "x.o"], 64, "--weak"),
        (["/no/such.o"], 2, "/no/such.o"),
        (["--krtld", "/no/krtld", "x.o"], 2, "make all"),
        (["--ld", "/no/ld", "x.o"], 2, "binutils"),
    ],
)
def test_wrong_use_and_missing_files_are_told_apart(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert ld.main(arguments) == status
    except SystemExit as leaving:
        assert leaving.code == status
    assert said in capsys.readouterr().err


def test_a_bad_layout_is_wrong_use_and_names_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = tmp_path / "layout"
    for bad in ("section one 1000", "section 99 1000", "symbol zz name", "colour 1 2"):
        layout.write_text(f"# first\n{bad}\n")
        assert ld.main(["--layout", str(layout), str(made("types-s.o"))]) == 64
        assert f"layout:2: bad item `{bad}'" in capsys.readouterr().err
    assert ld.main(["--layout", "/no/layout", str(made("types-s.o"))]) == 2
    assert "/no/layout" in capsys.readouterr().err


def test_what_was_given_to_both_can_be_kept(tmp_path: Path) -> None:
    assert ld.main(["--keep", str(tmp_path), str(made("types-s.o"))]) == 0
    kept = {path.name for path in (tmp_path / "1").iterdir()}
    assert kept >= {"neutral.o", "symbols.o", "script", "linked", "layout", "dump"}


def test_an_archive_is_read_as_ar_reads_it(tmp_path: Path) -> None:
    for name in ("libgcc.a", "libc.a"):
        listed = subprocess.run(["ar", "t", library(name)], capture_output=True, text=True)
        assert [member for member, _ in members(library(name))] == listed.stdout.split()
    other = tmp_path / "it.a"
    other.write_bytes(b"no archive")
    with pytest.raises(NotAnObject):
        list(members(other))


def test_the_reader_sees_tls_where_it_is_and_not_elsewhere() -> None:
    thread = Object(refused("thread.c", "gcc", ["-O1"]).read_bytes())
    assert thread.has_tls and not TLS_TYPES.isdisjoint(thread.types)
    plain = Object(made("types-s.o").read_bytes())
    assert not (plain.has_tls or plain.has_ifunc or plain.is_slim)


def test_the_small_corpus_is_kept_in_the_build_directory() -> None:
    assert made("types-s.o").is_relative_to(FOLDER)

"""`hotc check` refuses what krtld refuses of an object's tables: each case is given to both, and so
is its twin, the object as it was assembled."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import ROOT, hotc, run
from test_check import Build, build, patch_section, refused

__all__ = ["build"]

KRTLD = ROOT / "build/bin/krtld"
OBJECT = """\
	.text
	.globl	f
f:	ret
	.section .more, "axG", @progbits, signature, comdat
	ret
	.section .ordered, "ao", @progbits, .text
	.quad	0
	.section .init_array, "aw", @init_array
	.quad	f
	.section .fini_array.5, "aw", @fini_array
	.quad	f
	.section .ctors, "aw", @progbits
	.quad	-1, f, 0
	.data
d:	.quad	f
"""


def assemble(build: Build, text: str) -> Path:
    made = build.folder / "it.o"
    (build.folder / "it.s").write_text(text)
    run("as", "-o", made, build.folder / "it.s")
    return made


def krtld(*objects: Path) -> str:
    """What krtld says; "" if it loads them."""
    words = [str(word) for word in (KRTLD, "--cpu", "none", *objects)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stderr == ""), done
    return done.stderr


def expect_both(build: Build, made: Path, by_hotc: str, by_krtld: str) -> None:
    refused(build.check(made), by_hotc)
    assert by_krtld in krtld(made)


def test_what_is_right_passes_both(build: Build) -> None:
    made = assemble(build, OBJECT)
    done = build.check(made)
    assert (done.returncode, done.stderr) == (0, "")
    assert krtld(made) == ""


@dataclass(frozen=True)
class Text:
    """A piece of OBJECT, and what stands there instead."""

    old: str
    new: str
    hotc: str
    krtld: str


FUNCTION = "quad	f\n	.section "
TEXTS = [
    Text(FUNCTION + ".fini", FUNCTION.replace("f\n", "0\n") + ".fini",
         ".init_array+0x0 leads to 0x0,", "executable sections, address"),
    Text(FUNCTION + ".fini", FUNCTION.replace("f\n", "d\n") + ".fini",
         "leads to `.data`+0x0, which is not", "executable sections, address"),
    Text(FUNCTION + ".ctors", FUNCTION.replace("f\n", "5\n") + ".ctors",
         ".fini_array.5+0x0 leads to 0x5", "executable sections, address"),
    Text("-1, f, 0", "-1, f, 7", ".ctors+0x10 leads to 0x7", "executable sections, address"),
    Text("-1, f, 0", "-1, f + 99, 0", ".ctors+0x8 leads to `f`+0x63,",
         "executable sections, address"),
    Text("-1, f, 0", "f\n	.long	1", "has 12 bytes, not a multiple of 8",
         "not a multiple of 8"),
    Text(".data\n", '.section .dtors, "aw", @nobits\n	.skip	8\n	.data\n',
         "has no contents (SHT_NOBITS)", "SHT_NOBITS"),
    Text("d:	", "	.globl _init\n_init:	", "`_init` is not in its own", "`_init'"),
    Text("d:	", "	.globl _fini\n	.set _fini, 5\n", "`_fini` is not in its own", "`_fini'"),
    Text("f:	ret", "	.type f, @gnu_indirect_function\nf:	ret", "symbol `f` is STT_GNU_IFUNC",
         "STT_GNU_IFUNC"),
    Text(".data\n", '.section .tdata, "awT", @progbits\n', ".tdata is thread-local", "SHF_TLS"),
    Text(".data\n", '.section .both, "awx", @progbits\n', "writable and executable",
         "writable and executable"),
    Text(".data\n", ".data\n	.balign 0x400000\n", "alignment of 0x400000",
         "alignment is too large"),
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.hotc)
def test_what_is_assembled(build: Build, text: Text) -> None:
    assert text.old in OBJECT
    made = assemble(build, OBJECT.replace(text.old, text.new))
    expect_both(build, made, text.hotc, text.krtld)


TYPE, FLAGS, SIZE, LINK, INFO, ALIGN, ENTSIZE = 4, 8, 32, 40, 44, 48, 56
FIELDS = [
    (".group", SIZE, 0, "group .group has 0 bytes", "the group is empty"),
    (".group", SIZE, 7, "group .group has 7 bytes", "not a multiple of 4"),
    (".group", LINK, 1, "names section 1 as its symbol table", "is not the symbol table"),
    (".group", INFO, 999, "group .group has symbol 999", "the group's symbol is out of range"),
    (".ordered", LINK, 999, "follows section 999 (SHF_LINK_ORDER)", "SHF_LINK_ORDER"),
    (".ordered", ALIGN, 24, "alignment of 0x18", "not a power of two"),
    (".ordered", FLAGS, 0x802, "compressed (SHF_COMPRESSED)", "SHF_COMPRESSED"),
    (".rela.data", INFO, 999, "are of section 999", "the relocated section is out of range"),
    (".rela.data", INFO, 0, "are of section 0", "of no section"),
    (".rela.data", LINK, 1, "name section 1 as their symbol table", "is not the symbol table"),
    (".rela.data", ENTSIZE, 16, "items of 16 bytes", "items are not of 24 bytes"),
    (".rela.data", SIZE, 23, "24 bytes in 23", "not a multiple of 24"),
    (".data", TYPE, 8, "which has no contents (SHT_NOBITS)", "SHT_NOBITS"),
    (".data", SIZE, 4, "the field of R_X86_64_64 lies outside", "lies outside its section"),
]


@pytest.mark.parametrize(("section", "field", "value", "says", "krtld_says"), FIELDS)
def test_a_field_of_a_section_header(
    build: Build, section: str, field: int, value: int, says: str, krtld_says: str
) -> None:
    made = patch_section(assemble(build, OBJECT), section, field, value)
    expect_both(build, made, says, krtld_says)


def headers(data: bytes) -> list[tuple[int, ...]]:
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    return [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * i) for i in range(count)]


def find(data: bytes, kind: int) -> tuple[int, ...]:
    """The header of the first section of that type."""
    return next(row for row in headers(data) if row[1] == kind)


def test_a_group_with_a_member_that_is_not_there(build: Build) -> None:
    made = assemble(build, OBJECT)
    data = bytearray(made.read_bytes())
    struct.pack_into("<I", data, find(data, 17)[4] + 4, 999)
    made.write_bytes(data)
    expect_both(build, made, "has section 999 as a member", "the group's member is not a section")


def test_a_second_table_for_one_section(build: Build) -> None:
    made = assemble(build, OBJECT)
    first = find(made.read_bytes(), 4)
    patch_section(made, ".rela.ctors", INFO, first[7])
    expect_both(build, made, "are a second table for", "a second table of relocations")


def test_a_symbol_of_a_section_that_is_not_there(build: Build) -> None:
    made = assemble(build, OBJECT)
    data = bytearray(made.read_bytes())
    table = find(data, 2)
    struct.pack_into("<H", data, table[4] + table[5] - 24 + 6, 999)
    made.write_bytes(data)
    expect_both(build, made, "is out of range: 0x3e7", "section is out of range")


def test_a_relocation_of_a_symbol_that_is_not_there(build: Build) -> None:
    made = assemble(build, OBJECT)
    data = bytearray(made.read_bytes())
    table = find(data, 4)
    struct.pack_into("<I", data, table[4] + 12, 999)
    made.write_bytes(data)
    expect_both(build, made, "the relocation's symbol is 999", "symbol is out of range")


def test_every_type_of_relocation_is_judged_as_krtld_does(build: Build) -> None:
    """And named as it is there."""
    text = "	.data\nhere:	.quad 0\n	.reloc 0, R_X86_64_64, here\n"
    data = bytearray(assemble(build, text).read_bytes())
    at = find(data, 4)[4] + 8
    paths = {}
    for kind in [*range(65), 0xFFFFFFFF]:
        struct.pack_into("<I", data, at, kind)
        paths[kind] = build.folder / f"type{kind}.o"
        paths[kind].write_bytes(data)
    said = build.check(*paths.values()).stderr
    refusals = 0
    for kind, path in paths.items():
        by_hotc = re.search(rf"^{re.escape(str(path))}: error: .*$", said, re.M)
        by_krtld = krtld(path)
        if not by_krtld or "overflows" in by_krtld:
            assert by_hotc is None, by_hotc
            continue
        assert by_hotc, f"{kind}: {by_krtld}"
        refusals += 1
        name = re.search(r"R_X86_64_\w+", by_krtld)
        assert (name.group() if name else f"no relocation type {kind}") in by_hotc.group()
    assert 30 < refusals < 50

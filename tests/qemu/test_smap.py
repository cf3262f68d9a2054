"""The procedure of `make smap` on a few machines, the ISO, and that the procedure can fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from machines import ROOT, TEST_ARCHIVE

import iso
import smap
from bochs import Bochs
from machine import Config, Ended, Machine, Verdict

FIXED = [("Nehalem", "microvm", "2", "PVH"), ("max,-smap", "microvm", "4", "PVH"),
         ("Skylake-Client", "microvm", "4", "PVH"), ("max", "q35", "4", "BIOS")]


@pytest.fixture(scope="module", name="isos")
def fixture_isos(tmp_path_factory: pytest.TempPathFactory) -> smap.Isos:
    """Made once."""
    return smap.Isos(tmp_path_factory.mktemp("isos"))


def find(cpu: str, machine: str, smp: str, boot: str) -> smap.Subject:
    """A machine of the procedure's table."""
    return next(subject for subject in smap.SUBJECTS
                if (subject.config.cpu, subject.config.machine, subject.config.smp,
                    subject.boot) == (cpu, machine, smp, boot))


@pytest.mark.parametrize("name", FIXED, ids=[" ".join(name) for name in FIXED])
def test_the_procedure_passes(name: tuple[str, str, str, str], isos: smap.Isos) -> None:
    subject = find(*name)
    rows = list(smap.procedure(subject, isos))
    assert [row for row in rows if not row.passed] == []
    assert [row.case for row in rows] == list("12534" if subject.smap else "1253")


def test_the_table_has_every_kind_of_machine() -> None:
    qemu = [subject for subject in smap.SUBJECTS if not subject.bochs]
    assert len(qemu) >= 10
    assert {subject.config.smp for subject in qemu} == {"1", "2", "4"}
    assert {subject.boot for subject in qemu} == {"PVH", "BIOS", "UEFI"}
    assert {subject.config.machine for subject in qemu} == {"q35", "microvm"}
    assert {subject.smap for subject in smap.SUBJECTS if subject.bochs} == {True, False}


def test_a_row_that_is_not_there_is_refused_with_those_that_are() -> None:
    """Not a table of no cases. Twin: a name of which there are rows."""
    command = [sys.executable, str(ROOT / "kernel/qemu/smap.py"), "--only"]
    done = subprocess.run([*command, "Pentium"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no row has 'Pentium' in it; the rows are\n" in done.stderr
    for subject in smap.SUBJECTS:
        assert f"    {subject.title()}\n" in done.stderr
    assert any("EPYC" in subject.title() for subject in smap.SUBJECTS)


@pytest.mark.parametrize("cpu, expected", [("Nehalem", True), ("max", False)])
def test_a_machine_that_is_not_what_is_said_fails(cpu: str, expected: bool,
                                                  isos: smap.Isos) -> None:
    """A canary: the cases with the wrong expectation."""
    subject = smap.Subject(Config(cpu, machine="microvm"), expected)
    rows = list(smap.run(subject, "-kd", "125", isos))
    assert [row.case for row in rows] == list("125")
    assert not any(row.passed for row in rows)


PANIC = """
panic[cpu0]/thread=1: BAD TRAP: type=e (#pf Page fault) rp=0x2 addr=0x8050ff0 occurred in module \
"vmloop" due to an illegal access to a user address

a.out: #pf Page fault
Bad kernel fault at addr=0x8050ff0
pid=2, pc=0x3, sp=0x4, error=0x1, eflags: 10286<rf,if,sf,pf>
cr0: 80010013<pg,wp,et,mp,pe>  cr4: 310620<smap,smep,pae>

trap trace, the newest first:
stack trace:
ffffffffbbee3000 vmloop:vmloop_ioctl+0x4 ()
"""


@pytest.mark.parametrize("old, new, missing", [
    ("", "", ""),
    ("8050ff0 occurred", "8050ff8 occurred", "first line"),
    ('"vmloop" due', '"unix" due', "first line"),
    ("a.out: #pf", "boot: #pf", "process"),
    ("at addr=0x8050ff0", "at addr=0x0", "address"),
    ("pid=2", "pid=0", "place"),
    ("<rf,if", "<rf,ac,if", "place"),
    ("<smap,", "<", "cr4 with smap"),
    ("trap trace", "traps", "trap trace"),
    ("vmloop_ioctl+0x4 ()", "other+0x4 ()", "stack"),
])
def test_a_panic_that_lacks_something_fails(old: str, new: str, missing: str) -> None:
    seen, good = smap.judge_panic(PANIC.replace(old, new) if old else PANIC)
    assert good == (not missing)
    assert missing in seen


WINDOW = """\
f:                               48 89 f8                 mov    rax, rdi
f+0x3:                           0f 01 cb                 stac  ; smap_disable: stac (smap)
f+0x6:                           66 90                    nop  ; smap_disable: padding
f+0x8:                           f3 a4                    rep movsb byte ptr [rdi], byte ptr [rsi]
f+0xa:                           0f 1f 00                 nop    dword ptr [rax]
f+0xd:                           0f 01 ca                 clac  ; smap_enable: clac (smap)
f+0x10:                          66 90                    nop  ; smap_enable: padding
f+0x12:                          5d                       pop    rbp
f+0x13:                          c3                       ret
"""
NOP5 = "0f 1f 44 00 00           nop    dword ptr [rax + rax]"
CALL = "e8 00 00 00 00           call   0xffffffff81000000 <smap_enable>"
STAC, CLAC, NOP2 = ("0f 01 cb                 stac", "0f 01 ca                 clac",
                    "66 90                    nop")


def change(*lines: tuple[int, str]) -> str:
    """WINDOW with other instructions in these lines; "" deletes one."""
    text = WINDOW.splitlines()
    for at, code in lines:
        text[at] = text[at][:33] + code if code else ""
    return "\n".join(text)


@pytest.mark.parametrize("text, first, last", [
    (WINDOW, "stac and 2 bytes of padding", "clac and 2 bytes of padding"),
    (f"mdb: not a line of code\n{WINDOW}> ", "stac and 2 bytes of padding",
     "clac and 2 bytes of padding"),
    (change((1, NOP5), (2, ""), (5, NOP5), (6, "")), "5 bytes of padding", "5 bytes of padding"),
    (change((1, CALL), (2, ""), (5, CALL), (6, "")), "0 bytes of padding", "no site"),
    (change((2, ""), (6, "")), "stac and 0 bytes of padding", "no site"),
    (change((1, CLAC), (5, STAC)), "clac and 2 bytes of padding", "stac and 2 bytes of padding"),
    (change((1, ""), (2, NOP5)), "5 bytes of padding", "clac and 2 bytes of padding"),
    (re.sub(r"  +[a-z].*$", "", WINDOW, flags=re.MULTILINE), "0 bytes of padding", "no site"),
    ("", "0 bytes of padding", "no site"),
])
def test_sites_are_found_in_what_dis_prints(text: str, first: str, last: str) -> None:
    """And not in bytes: what the guest's disassembler does not say, nobody says."""
    code = smap.instructions(text)
    assert smap.first_site(code) == first
    assert smap.last_site(code) == last


def boot_iso(path: Path, uefi: bool = False) -> str:
    """Boots it in QEMU; what it prints up to its prompt."""
    with Machine(Config(iso=path, uefi=uefi)) as machine:
        text = machine.boot()
        assert machine.finish().verdict is Verdict.PASS
    return text


@pytest.mark.parametrize("uefi", [False, True], ids=["BIOS", "UEFI"])
def test_the_iso_boots_with_its_arguments(tmp_path: Path, uefi: bool) -> None:
    iso.make_iso(tmp_path / "iso", "disable_smap=1", archive=TEST_ARCHIVE)
    assert "SMAP off" in boot_iso(tmp_path / "iso", uefi)


def test_an_iso_without_an_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(iso.IsoError, match="make all"):
        iso.make_iso(tmp_path / "iso", archive=tmp_path / "nothing")


def small_archive(path: Path) -> Path:
    """unix, vmloop and a.out: Bochs reads its CD slowly."""
    names = ["unix", "modules", "modules/vmloop.ko", "bin", "bin/a.out"]
    path.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"],
                                    cwd=ROOT / "build/boot.cpio.d", input="\n".join(names).encode(),
                                    capture_output=True, check=True).stdout)
    return path


@pytest.mark.parametrize("cpu, state", [("corei7_haswell_4770", "off"), ("broadwell_ult", "on")])
def test_bochs_agrees(tmp_path: Path, cpu: str, state: str) -> None:
    iso.make_iso(tmp_path / "iso", archive=small_archive(tmp_path / "cpio"))
    with Bochs(Config(cpu, iso=tmp_path / "iso")) as machine:
        assert f"SMAP {state}" in machine.boot()
        machine.command("modload vmloop")
        if state == "off":
            assert machine.command("a.out") == "ioctl returned 0\n"
        result = machine.finish("poweroff" if state == "off" else "a.out")
    assert result.verdict is (Verdict.PASS if state == "off" else Verdict.PANIC), str(result)


def test_a_bochs_that_does_not_start_is_broken(tmp_path: Path) -> None:
    with Bochs(Config("no_such_model", iso=tmp_path / "iso")) as machine:
        with pytest.raises(Ended) as ended:
            machine.boot()
    assert ended.value.result.verdict is Verdict.BROKEN_EMULATOR

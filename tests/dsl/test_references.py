"""`hotc check` lists each reference that will not be a site, and krtld says the same: of the tree's
kernel and modules, and of objects that refer to hotinlines in every way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT, Done, hotc, run

KRTLD = ROOT / "build/bin/krtld"
UNIX = ROOT / "build/kernel/unix.o"
JSON = ROOT / "generated/hotinline.json"
FORMS = """\
bits 64
default rel
extern smap_enable, popcount64, order_loads
section .text
global a_call:function
a_call:
	call smap_enable
	call smap_enable wrt ..plt
	db 0x2e
	call popcount64
	jmp smap_enable
global a_jcc:function
a_jcc:
	jne smap_enable
	jne popcount64 wrt ..plt
global inside:function
inside:
	call smap_enable + 1
	call popcount64 + 0x100
global address:function
address:
	lea rax, [smap_enable]
	mov rax, smap_enable
	push smap_enable
	mov rax, [rel popcount64 wrt ..got]
	cmp qword [rel popcount64 wrt ..got], 0
	loop $
	jmp short $
	db 0xe8
section .more progbits alloc exec nowrite align=1
	dd popcount64 - $
	dd 0
section .data
	dq smap_enable, popcount64 + 3
	dq order_loads
"""
# For GNU as: NASM knows no GOTPCRELX, which calls and jumps through the GOT have.
GOT_FORMS = """\
	.text
	.globl	through
through:
	call	*smap_enable@GOTPCREL(%rip)
	notrack jmp *popcount64@GOTPCREL(%rip)
	call	*smap_enable@GOTPCREL+1(%rip)
	jmp	*popcount64@GOTPCREL-8(%rip)
	mov	smap_enable@GOTPCREL(%rip), %eax
	mov	popcount64@GOTPCREL(%rip), %rax
	pushq	smap_enable@GOTPCREL(%rip)
	.section .short, "ax"
	.byte	0xff, 0x15, 0, 0, 0, 0
	.reloc	0, R_X86_64_GOTPCRELX, smap_enable-4
	.reloc	1, R_X86_64_GOTPCRELX, smap_enable-4
	.section .data
	.byte	0xff, 0x15
	.long	0
	.reloc	2, R_X86_64_GOTPCRELX, smap_enable-4
"""
IN_C = """\
#include "hotinline.h"
void f(void (*p)(void));
void f(void (*p)(void)) { p(); }
void g(int x);
void g(int x) { f(smap_enable); if (x) smap_enable(); smap_disable(); }
void (*volatile pointer)(void) = smap_disable;
uint64_t (*h(void))(void);
uint64_t (*h(void))(void) { return timestamp; }
uint64_t plain_call(void) __asm__("read_fsbase");
uint64_t tail(void);
uint64_t tail(void) { return plain_call(); }
uint64_t twice(void);
uint64_t twice(void) { return plain_call() + plain_call(); }
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("references")
    (folder / "forms.asm").write_text(FORMS)
    run("nasm", "-f", "elf64", "-o", folder / "forms.o", folder / "forms.asm")
    (folder / "c.c").write_text(IN_C)
    (folder / "got.s").write_text(GOT_FORMS)
    run("as", "-mrelax-relocations=yes", "-o", folder / "got.o", folder / "got.s")
    made = [folder / "forms.o", folder / "got.o"]
    for compiler in ("gcc", "clang"):
        for flags in ("-O2 -fno-plt -fPIC", "-Os -fno-pic -mcmodel=kernel", "-O0 -fPIC"):
            made.append(folder / f"{compiler}{len(made)}.o")
            common = ["-ffreestanding", "-mno-red-zone", f"-I{JSON.parent}", *flags.split(), "-c"]
            run(compiler, *common, folder / "c.c", "-o", made[-1])
    return made


def _listed(done: Done) -> set[tuple[str, str, str]]:
    """Object and place, hotinline, reason: as hotc says them."""
    lines = re.findall(r"^(\S+): (\S+): a reference to (\w+), not a site: (.+)$", done.stdout, re.M)
    assert len(lines) == done.stdout.count("\n")
    return {(f"{path}:{place}", name, reason) for path, place, name, reason in lines}


def _judged(*paths: Path) -> set[tuple[str, str, str]]:
    """As krtld does; the first object is unix."""
    lines = [line.split("\t") for line in run(KRTLD, "--sites", UNIX, *paths).splitlines()]
    return {(fields[1], fields[3], fields[5]) for fields in lines if fields[2] == "reference"}


def test_krtld_says_the_same_of_every_way_to_refer(objects: list[Path]) -> None:
    for path in objects:
        done = hotc("check", "--json", JSON, "--kernel", UNIX, path)
        assert (done.returncode, done.stderr) == (0, "")
        assert _listed(done) == _judged(path), path
    reasons = {reason for path in objects for _, _, reason in _judged(path)}
    assert len(reasons) >= 4, reasons


def test_krtld_says_the_same_of_the_trees_own() -> None:
    names = ["usercopy", "window", "counters", "clock", "ring"]
    paths = [ROOT / f"build/modules/{name}.ko" for name in names]
    done = hotc("check", "--json", JSON, "--kernel", UNIX, *paths)
    assert (done.returncode, done.stderr) == (0, "")
    assert _listed(done) == _judged(*paths)


def test_what_is_a_site_is_not_listed(tmp_path: Path) -> None:
    """The twin: direct calls and jumps by the stub's name, and through the GOT."""
    source = tmp_path / "a.asm"
    source.write_text(
        "extern smap_enable\nsection .text\ncall smap_enable\njmp smap_enable\n"
        "db 0x2e\ncall smap_enable wrt ..plt\n"
    )
    run("nasm", "-f", "elf64", "-o", tmp_path / "a.o", source)
    (tmp_path / "b.s").write_text("".join(GOT_FORMS.splitlines(keepends=True)[:5]))
    run("as", "-mrelax-relocations=yes", "-o", tmp_path / "b.o", tmp_path / "b.s")
    assert run("readelf", "-rW", tmp_path / "b.o").count("R_X86_64_GOTPCRELX") == 2
    done = hotc("check", "--json", JSON, "--kernel", UNIX, tmp_path / "a.o", tmp_path / "b.o")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_jump_by_section_in_the_kernel_itself_is_listed(tmp_path: Path) -> None:
    """An assembler resolves a name of its own file to the section and an offset."""
    declared = tmp_path / "a.hot"
    declared.write_text("hotinline one: nop5\nhotinline two size 8: nop5\n")
    assert hotc("compile", "--out", tmp_path, declared).returncode == 0
    text = (tmp_path / "hotstubs.asm").read_text() + (
        "\nsection .text progbits alloc exec\nglobal user:function\nuser:\n"
        "\tcall two\n\tlea rax, [rel one + 3]\n\tcall two + 8\n\tcall two + 9\n"
    )
    (tmp_path / "k.asm").write_text(text)
    run("nasm", "-f", "elf64", "-o", tmp_path / "k.o", tmp_path / "k.asm")
    done = hotc("check", "--json", tmp_path / "hotinline.json", "--kernel", tmp_path / "k.o")
    assert done.returncode == 0
    assert _listed(done) == {
        (f"{tmp_path}/k.o:user+0x1", "two", "by section and addend, not by the stub's name"),
        (f"{tmp_path}/k.o:user+0x8", "one", "by section and addend, not by the stub's name"),
        (f"{tmp_path}/k.o:user+0xd", "two", "by section and addend, not by the stub's name"),
    }

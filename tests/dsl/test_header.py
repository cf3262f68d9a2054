"""The generated header and include file: compiled by both compilers, executed, and looked into."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Tree
from support import C_FLAGS, KERNEL_FLAGS, ROOT, hotc, run

HERE = Path(__file__).parent / "header"
COMPILERS = ["gcc", "clang"]
LEVELS = ["-O0", "-O2"]
ALL = "rax rbx rcx rdx rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
GENERAL = ["-mgeneral-regs-only", "-mno-red-zone", "-fno-stack-protector"]


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of registers.hot, and its stubs as an object."""
    folder = tmp_path_factory.mktemp("registers")
    done = hotc("compile", "--out", folder, HERE / "registers.hot")
    assert done.returncode == 0, done.stderr
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "stubs.o", folder / "hotstubs.asm")
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "probe.o", HERE / "probe.asm")
    return folder


def _program(folder: Path, to: Path, compiler: str, level: str, values: Path) -> Path:
    flags = [*C_FLAGS, *GENERAL, level, f"-I{folder}", "-c"]
    run(compiler, *flags, values, "-o", to / "values.o")
    run(compiler, *flags, HERE / "helper.c", "-o", to / "helper.o")
    program = to / "program"
    objects = [to / "values.o", to / "helper.o", folder / "stubs.o", folder / "probe.o"]
    run(compiler, *C_FLAGS, "-no-pie", HERE / "main.c", *objects, "-o", program)
    return program


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_wrappers_tell_the_compiler_all_that_changes(
    registers: Path, tmp_path: Path, compiler: str, level: str
) -> None:
    program = _program(registers, tmp_path, compiler, level, HERE / "values.c")
    assert run(program) == ""


def _with_header(registers: Path, to: Path, old: str, new: str) -> Path:
    """The same outputs, with something in the header changed."""
    folder = to / "broken"
    shutil.copytree(registers, folder)
    header = (folder / "hotinline.h").read_text()
    assert old in header
    (folder / "hotinline.h").write_text(header.replace(old, new))
    return folder


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("".join(f'"{name}", ' for name in ALL), ""),
        ('"+b"(x)', '"+c"(x)'),
        ('"a"(x)', '"b"(x)'),
    ],
)
def test_a_wrapper_that_hides_a_change_is_found_out(
    registers: Path, tmp_path: Path, old: str, new: str
) -> None:
    """The failing twin: without this the test above would prove nothing."""
    folder = _with_header(registers, tmp_path, old, new)
    flags = [*C_FLAGS, *GENERAL, "-O2", f"-I{folder}", "-c"]
    done = subprocess.run(
        ["gcc", *flags, HERE / "values.c", "-o", tmp_path / "v.o"], capture_output=True
    )
    if done.returncode == 0:  # else the compiler has found it out itself
        program = _program(folder, tmp_path, "gcc", "-O2", HERE / "values.c")
        ended = subprocess.run([program], capture_output=True)
        assert ended.stdout or ended.returncode


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_helper_in_c_keeps_every_register_but_its_result(
    registers: Path, tmp_path: Path, compiler: str
) -> None:
    program = _program(registers, tmp_path, compiler, "-O2", HERE / "values.c")
    assert run(program, "helper").split() == ["rax"]
    changed = run(program, "body").split()
    assert len(changed) > 1, "the twin, the C function itself, must change more"
    assert set(run(program, "assembly").split()) == {"rcx", "r10"}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_what_a_pointer_points_to_keeps_what_c_functions_keep(
    registers: Path, tmp_path: Path, compiler: str
) -> None:
    program = _program(registers, tmp_path, compiler, "-O2", HERE / "values.c")
    kept = {"rbx", "rbp", "r12", "r13", "r14", "r15"}
    assert not kept & set(run(program, "wrapper").split())
    assert set(run(program, "stub").split()) == set(ALL), "the twin, the stub itself, changes all"


def test_a_call_is_a_site_and_a_wide_one_bears_its_mark(registers: Path, tmp_path: Path) -> None:
    source = tmp_path / "c.c"
    source.write_text('#include "hotinline.h"\nvoid f(void);\nvoid f(void)\n{\n\ttrash();\n}\n')
    for compiler in COMPILERS:
        flags = [*C_FLAGS, *KERNEL_FLAGS, "-O2", f"-I{registers}", "-c"]
        run(compiler, *flags, source, "-o", tmp_path / "c.o")
        text = run("objdump", "-dr", "--insn-width=16", tmp_path / "c.o")
        site = re.search(r"e8 00 00 00 00 .*\n\s+\w+: R_X86_64_PLT32\strash-0x4((?:\n.*)*)", text)
        assert site, text
        behind = "".join(re.findall(r"\t((?:[0-9a-f]{2} )+)", site.group(1))).replace(" ", "")
        # 59 bytes: five marks of 10 and one of 9
        mark = ("36" + "660f1f840000000000") * 5 + "36" + "0f1f840000000000"
        assert behind.startswith(mark), text


MARKS = {
    7: "3690",
    8: "366690",
    9: "360f1f00",
    10: "360f1f4000",
    14: "36660f1f840000000000"[:2] + "0f1f840000000000",
    15: "36660f1f840000000000",
    16: "360f1f840000000000" + "3690",
    17: "36660f1f840000000000" + "3690",
    26: "36660f1f840000000000" + "360f1f840000000000" + "3690",
}


@pytest.mark.parametrize("size", [5, *range(7, 65)])
def test_every_width_has_its_mark(size: int) -> None:
    from compiler import nops

    mark = nops.mark(size - 5)
    assert len(mark) == size - 5
    assert mark.hex() == MARKS.get(size, mark.hex())
    rest = mark
    while rest:  # a mark is SS and one canonical NOP, again and again
        assert rest[0] == 0x36
        nop = next(n for n in range(9, 0, -1) if rest[1:].startswith(nops.pad(n)))
        rest = rest[1 + nop :]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", [*LEVELS, "-Os"])
@pytest.mark.parametrize("flags", [KERNEL_FLAGS, ["-fPIC"]], ids=["kernel", "pic"])
def test_the_trees_header_compiles_cleanly(
    tree: Tree, tmp_path: Path, compiler: str, level: str, flags: list[str]
) -> None:
    source = tmp_path / "all.c"
    calls = "".join(f"\t(void){h['name']};\n" for h in tree.json["hotinlines"])
    source.write_text(f'#include "hotinline.h"\nvoid f(void);\nvoid f(void)\n{{\n{calls}}}\n')
    common = [*C_FLAGS, "-pedantic", level, f"-I{tree.folder}", "-c"]
    run(compiler, *common, *flags, source, "-o", tmp_path / "all.o")
    run(compiler, *common, *flags, tree.folder / "hottable.c", "-o", tmp_path / "table.o")


def test_the_include_file_makes_sites(registers: Path, tmp_path: Path) -> None:
    source = tmp_path / "sites.asm"
    source.write_text(
        '%include "hotinline.inc"\nbits 64\nsection .text\n'
        "hotcall add_abi\nhotcall counter\nhotjmp counter\nhotjmp add_abi\n"
    )
    run("nasm", "-f", "elf64", "-w+error", f"-I{registers}/", "-o", tmp_path / "s.o", source)
    run("objcopy", "-O", "binary", "-j", ".text", tmp_path / "s.o", tmp_path / "s.bin")
    code = (tmp_path / "s.bin").read_bytes().hex()
    mark = "360f1f4000"
    assert code == f"e800000000 e800000000{mark} e900000000{mark} e900000000".replace(" ", "")
    relocations = run("readelf", "-rW", tmp_path / "s.o")
    assert len(re.findall(r"R_X86_64_PC32 .*(?:add_abi|counter) - 4", relocations)) == 4
    names = run("nm", tmp_path / "s.o").split()
    assert "trash" not in names  # what is not used leaves no symbol


def test_the_include_file_refuses_unknown_names(registers: Path, tmp_path: Path) -> None:
    source = tmp_path / "bad.asm"
    source.write_text('%include "hotinline.inc"\nhotcall add_abj\n')
    done = subprocess.run(
        ["nasm", "-f", "elf64", f"-I{registers}/", "-o", tmp_path / "s.o", source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "add_abj is no hotinline" in done.stderr


# The tree's hotinlines, called


CALLS = """\
#include "hotinline.h"
#include <stdio.h>
#include <string.h>
uint64_t read_fsbase_msr(void) { return 0x1234; }
void write_fsbase_msr(uint64_t base) { (void)base; }
int run_all(void);
int run_all(void)
{
	char from[100], to[100];
	uint64_t counter = 41, before, after;
	for (int i = 0; i < 100; i++)
		from[i] = (char)i;
	copy_bytes(to, from, 100);
	if (memcmp(from, to, 100))
		return 1;
	fill_bytes(to, 7, 99);
	if (to[0] != 7 || to[98] != 7 || to[99] != 99)
		return 2;
	if (popcount64(0xff00ff00000000f1) != 21)
		return 3;
	atomic_increment(&counter);
	if (counter != 42)
		return 4;
	before = timestamp();
	order_loads();
	after = timestamp();
	if (after < before)
		return 5;
	smap_disable();
	clean_line(from);
	smap_enable();
	write_fsbase(read_fsbase());
	return read_fsbase() != 0x1234 ? 6 : 0;
}
"""
MAIN = "int run_all(void); int main(void) { return run_all(); }\n"


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", LEVELS)
def test_the_trees_stubs_work_unpatched(
    tree: Tree, tmp_path: Path, compiler: str, level: str
) -> None:
    """With the kernel's own helpers, but for those that need a privileged instruction."""
    (tmp_path / "calls.c").write_text(CALLS)
    (tmp_path / "main.c").write_text(MAIN)
    flags = ["-std=gnu11", *GENERAL, level, f"-I{tree.folder}", f"-I{ROOT}", "-c"]
    run(compiler, *flags, tmp_path / "calls.c", "-o", tmp_path / "calls.o")
    helpers = ROOT / "kernel/arch/amd64/helpers.c"
    run(compiler, *flags, helpers, "-o", tmp_path / "all.o")
    privileged = ["read_fsbase_msr.body", "write_fsbase_msr.body"]
    hidden = [f"--weaken-symbol={name}" for name in privileged]
    run("objcopy", *hidden, tmp_path / "all.o", tmp_path / "helpers.o")
    for name, source in (
        ("stubs.o", tree.folder / "hotstubs.asm"),
        ("copy.o", ROOT / "kernel/arch/amd64/copy.asm"),
    ):
        includes = [f"-I{ROOT}/", f"-I{tree.folder}/"]
        run("nasm", "-f", "elf64", *includes, "-o", tmp_path / name, source)
    objects = [tmp_path / name for name in ("calls.o", "helpers.o", "stubs.o", "copy.o")]
    run("gcc", "-no-pie", tmp_path / "main.c", *objects, "-o", tmp_path / "run")
    run(tmp_path / "run")

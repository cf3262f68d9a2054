"""Somebody adds a declaration, and calls it: no other file is edited, and `make run` shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from machines import ROOT

from machine import Config, Machine, Verdict

DECLARATION = '''
"The CPU knows movbe."
feature movbe_there = cpuid 1 ecx[22]
"The system has switched XSAVE on: CPUID says so only after CR4.OSXSAVE is set."
feature osxsave = cpuid 1 ecx[27]

"Turns the bytes of x around."
hotinline turn_bytes(u64 x @rdi) -> u64 @rax size 8:
	movbe_there ? { mov rax, rdi; bswap rax } : call turn_bytes_base
"1 if the system had switched XSAVE on when the choice was made."
hotinline xsave_was_on() -> u64 @rax:
	osxsave ? mov eax, 1 : xor eax, eax
'''
USE_IN_UNIX = '''
#include "hotinline.h"
uint64_t turned(uint64_t x);
uint64_t turned(uint64_t x)
{
	return turn_bytes(x) + 1;
}
uint64_t turn_bytes_base(uint64_t x)
{
	return __builtin_bswap64(x);
}
'''
# Modules are loaded in the order of their names. Without XSAVE the bit of CR4 is reserved, and QEMU
# 7.2 hangs for good where it should raise #GP.
USE_IN_MODULE = '''
#include "hotinline.h"
#include "kernel/arch/amd64/amd64.h"
#include "kernel/defs.h"
int _init(void)
{
	uint32_t regs[4];

	kprintf("turned: %lx\\n", turn_bytes(0x0102030405060708));
	cpuid(1, 0, regs);
	if (regs[2] >> 26 & 1)
		write_cr4(read_cr4() | 1ul << 18);
	cpuid(1, 0, regs);
	kprintf("osxsave: %u, it was %lu\\n", regs[2] >> 27 & 1, xsave_was_on());
	return turn_bytes(1) == 1ul << 56 ? 0 : 1;
}
'''
LOADED_LATER = '''
#include "hotinline.h"
#include "kernel/defs.h"
int _init(void)
{
	return xsave_was_on() == 0 ? 0 : 1;
}
'''


@pytest.fixture(scope="module", name="tree")
def fixture_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, as far as it is built, with one more file of declarations and their uses;
    built again."""
    tree = tmp_path_factory.mktemp("tree") / "hotinline"
    leave_out = {str(ROOT / ".git"), str(ROOT / "build/tests")}
    shutil.copytree(ROOT, tree, ignore=lambda folder, names: {
        name for name in names if f"{folder}/{name}" in leave_out or name.endswith("cache__")})
    (tree / "alternatives/turn.hot").write_text(DECLARATION)
    (tree / "kernel/turn.c").write_text(USE_IN_UNIX)
    (tree / "kernel/modules/turn.c").write_text(USE_IN_MODULE)
    (tree / "kernel/modules/turn_later.c").write_text(LOADED_LATER)
    made = subprocess.run(["make", "-C", tree, "-j2", "all"], text=True, capture_output=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return tree


def run(tree: Path, cpu: str) -> subprocess.CompletedProcess[str]:
    """`make run` in that tree, without a terminal."""
    return subprocess.run([sys.executable, tree / "kernel/qemu/run.py", "--cpu", cpu], text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("cpu, chosen", [("max", "bswap rax"), ("Nehalem", "turn_bytes_base")])
def test_a_new_declaration_needs_no_other_file_and_is_shown(tree: Path, cpu: str,
                                                           chosen: str) -> None:
    result = run(tree, cpu)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(rf"^turn_bytes .*{chosen}.*unix 2, turn \d", result.stdout, re.MULTILINE)
    assert re.search(rf"^  \+ .* {chosen}", result.stdout, re.MULTILINE)
    assert "turned: 807060504030201" in result.stdout


def test_peers_21_what_cpuid_says_later_changes_nothing(tree: Path) -> None:
    """The module turn makes CPUID answer otherwise; what is loaded later gets the old choice."""
    result = run(tree, "max")
    assert "osxsave: 1, it was 0" in result.stdout
    assert re.search(r"^xsave_was_on +- +xor eax, eax .*turn_later 1", result.stdout, re.MULTILINE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_images_of_different_declarations_do_not_meet(tree: Path) -> None:
    with Machine(Config(archive=tree / "build/boot.cpio")) as machine:
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC
    assert "boot.elf and unix come from different declarations" in result.reason

"""make: what was touched, deleted or changed is made again with all that depends on it, and nothing
else. README.md says of each file what it depends on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, Tree

UNIX = {"LD build/kernel/unix.o", "CHECK names in unix and its modules", "CPIO build/boot.cpio"}
BOOT = "LD build/kernel/boot.elf"
TOOL = "LD build/bin/krtld"
ARCHIVE = {"CHECK names in unix and its modules", "CPIO build/boot.cpio"}
OUTPUTS = ["hotinline.h", "hotinline.inc", "hottable.h", "hottable.c", "hotstubs.asm",
           "hotinline.json", "hot.mk"]


def now(path: Path) -> None:
    """Touches a file."""
    os.utime(path)


def including(tree: Tree, header: str) -> set[str]:
    """Sources that have this line, and so no others' headers in between."""
    return {str(path.relative_to(tree.folder)) for path in tree.folder.glob("kernel/**/*.c")
            if f'#include "{header}"' in path.read_text()}


def compiled(words: set[str]) -> set[str]:
    """The sources among what is rebuilt."""
    return {word.split()[1] for word in words if word.startswith(("CC ", "NASM "))}


# ---- Nothing to do, wherever the tree is ----


@pytest.mark.parametrize("words", [(), ("-r",), ("-R",), ("-j8",), ("-rRj4",)])
def test_a_tree_that_is_built_is_left_alone_in_any_folder(tree: Tree, words: tuple[str]) -> None:
    assert tree.make("-q", "all", *words).returncode == 0, tree.rebuilt(*words)
    assert not tree.rebuilt(*words)


@pytest.mark.parametrize("name, value", [
    ("MAKEFLAGS", "rR"), ("MAKEFLAGS", "-j8"), ("MAKEFLAGS", "k"), ("LC_ALL", "C"),
    ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "ja_JP.eucJP"), ("USER", "nobody"), ("PWD", "/"),
    ("CDPATH", "/:/usr"), ("MAKEFLAGS", "e"),
])
def test_the_environment_changes_nothing_that_is_built(tree: Tree, name: str, value: str) -> None:
    assert not tree.rebuilt(**{name: value})


# ---- Touched and deleted ----


@pytest.mark.parametrize("name, expected", [
    ("kernel/main.c", UNIX | {"CC kernel/main.c"}),
    ("kernel/arch/amd64/switch.asm", UNIX | {"NASM kernel/arch/amd64/switch.asm"}),
    ("kernel/boot/pvh.c", {"CC kernel/boot/pvh.c", BOOT}),
    ("kernel/boot/boot.ld", {BOOT}),
    ("kernel/user/hello.c", {"CC kernel/user/hello.c (for users)", "LD build/user/hello",
                             "CPIO build/boot.cpio"}),
    ("kernel/modules/ring.c", ARCHIVE | {"CC kernel/modules/ring.c"}),
    ("loader/tool/tool.c", {"CC loader/tool/tool.c", TOOL}),
    ("loader/sort.c", UNIX | {"CC loader/sort.c", BOOT, TOOL}),
    ("kernel/mdb/libc.c", ARCHIVE | {"CC kernel/mdb/libc.c", "LD build/modules/capstone.ko"}),
    ("README.md", set()), ("kernel/qemu/run.py", set()), ("tests/host/patch.c", set()),
])
def test_a_source_that_is_touched_makes_what_is_made_of_it(tree: Tree, name: str,
                                                           expected: set[str]) -> None:
    with tree.changed(name) as [path]:
        if path.exists():
            now(path)
        assert tree.rebuilt() == expected


def test_a_header_makes_the_sources_that_include_it(tree: Tree) -> None:
    with tree.changed("kernel/mdb.h") as [path]:
        now(path)
        rebuilt = tree.rebuilt()
    assert compiled(rebuilt) == including(tree, "kernel/mdb.h") | including(tree, "mdb.h")
    assert len(compiled(rebuilt)) > 5 and rebuilt >= UNIX and TOOL not in rebuilt


@pytest.mark.parametrize("name, expected", [
    ("build/kernel/kernel/main.o", UNIX | {"CC kernel/main.c"}),
    ("build/kernel/kernel/main.d", UNIX | {"CC kernel/main.c"}),
    ("build/kernel/kernel/main.o.command", UNIX | {"CC kernel/main.c"}),
    ("build/kernel/kernel/arch/amd64/switch.d", UNIX | {"NASM kernel/arch/amd64/switch.asm"}),
    ("build/kernel/unix.o", UNIX), ("build/kernel/boot.elf", {BOOT}), ("build/bin/krtld", {TOOL}),
    ("build/bin/krtld.command", {TOOL}), ("build/modules/ring.ko", ARCHIVE),
    ("build/modules/capstone.ko", ARCHIVE | {"LD build/modules/capstone.ko"}),
    ("build/user/hello", {"LD build/user/hello", "CPIO build/boot.cpio"}),
    ("build/names.checked", ARCHIVE), ("build/boot.cpio", {"CPIO build/boot.cpio"}),
])
def test_what_is_deleted_in_build_is_made_again(tree: Tree, name: str, expected: set[str]) -> None:
    with tree.changed(name) as [path]:
        path.unlink()
        assert tree.rebuilt() == expected


def test_a_source_that_comes_or_goes_makes_what_it_was_part_of(tree: Tree) -> None:
    with tree.changed("kernel/new.c") as [path]:
        path.write_text("")
        assert tree.rebuilt() == UNIX | {"CC kernel/new.c"}
    with tree.changed("loader/tool/tool_json.c") as [path]:
        path.unlink()
        assert tree.rebuilt() == {TOOL}
    with tree.changed("kernel/user/hello.c") as [path]:
        path.unlink()
        assert tree.rebuilt() == {"CPIO build/boot.cpio"}


# ---- Commands ----


def test_flags_of_the_user_make_what_is_made_with_them(tree: Tree) -> None:
    everything = compiled(tree.rebuilt("-B"))
    assembled = {name for name in everything if name.endswith(".asm")}
    assert compiled(tree.rebuilt("CFLAGS=-g")) == everything - assembled
    assert compiled(tree.rebuilt(CPPFLAGS="-DNDEBUG")) == everything - assembled
    assert compiled(tree.rebuilt("CC=clang")) == everything - assembled
    assert compiled(tree.rebuilt("NASMFLAGS=-O1")) == assembled
    assert tree.rebuilt("LDFLAGS=-Wl,-z,now") == {TOOL}


def test_flags_of_the_user_take_none_of_ours_away(tree: Tree) -> None:
    """What a distribution gives to its programs would break a kernel."""
    flags = "-O3 -flto=auto -fstack-protector-strong -fstack-clash-protection -fcf-protection" \
            " -fexceptions -fasynchronous-unwind-tables -fPIE"
    commands = tree.make("-n", "all", f"CFLAGS={flags}").stdout
    [command] = re.findall(r".*-c kernel/main\.c .*", commands)
    for ours in ("-mno-red-zone", "-fno-lto", "-fno-stack-protector", "-fcf-protection=none",
                 "-fno-exceptions", "-fno-asynchronous-unwind-tables", "-fno-pie"):
        assert command.index(flags) < command.index(ours)


def test_a_flag_that_changes_in_the_makefile_makes_what_is_made_with_it(tree: Tree) -> None:
    with tree.changed("Makefile") as [path]:
        text = path.read_text()
        path.write_text(text.replace("-mno-red-zone", "-mred-zone"))
        rebuilt = tree.rebuilt()
        assert "CC kernel/main.c" in rebuilt and UNIX <= rebuilt and BOOT in rebuilt
        assert TOOL not in rebuilt and "LD build/user/hello" not in rebuilt
        path.write_text(text.replace("--strip-debug", "--strip-unneeded"))
        assert tree.rebuilt() == {"CPIO build/boot.cpio"}
        path.write_text(text + "\n# A comment.\n")
        assert not tree.rebuilt()


def test_another_tool_of_the_same_name_makes_what_it_makes(tree: Tree, tmp_path: Path) -> None:
    other = tmp_path / "nasm"
    other.symlink_to("/bin/true")
    assert compiled(tree.rebuilt(PATH=f"{tmp_path}:{os.environ['PATH']}")) == {
        name for name in compiled(tree.rebuilt("-B")) if name.endswith(".asm")}


# ---- What hotc writes ----


def tamper(path: Path, way: str) -> None:
    """Does that to a file."""
    was = path.read_bytes()
    path.unlink()
    if way != "deleted":
        path.write_bytes(b"" if way == "emptied" else was + b"\n")
    if way == "older":
        os.utime(path, (0, 0))


@pytest.mark.parametrize("name, way", [(name, way) for name in OUTPUTS
                                       for way in ("deleted", "edited")] +
                         [("hotinline.h", "emptied"), ("hottable.h", "older")])
def test_hotc_runs_if_one_output_was_deleted_or_edited(tree: Tree, name: str, way: str) -> None:
    """A small script stands for hotc, and says that it ran."""
    with tree.changed("dsl/hotc", "generated/ran") as [hotc, ran]:
        status = hotc.stat()
        hotc.write_text("#!/bin/sh\n: >generated/ran\n")
        os.utime(hotc, ns=(status.st_atime_ns, status.st_mtime_ns))
        tree.make("-n", "all")
        assert not ran.exists()
        tamper(tree.folder / "generated" / name, way)
        tree.make("-n", "all")
        assert ran.exists()


@pytest.mark.parametrize("way", ["deleted", "edited", "older"])
def test_outputs_of_hotc_that_were_deleted_or_edited_are_written_again(tree: Tree,
                                                                       way: str) -> None:
    with tree.changed():
        folder = tree.folder / "generated"
        were = {name: (folder / name).read_bytes() for name in OUTPUTS}
        for name in OUTPUTS[:-1]:
            tamper(folder / name, way)
        assert UNIX <= tree.rebuilt()
        assert {name: (folder / name).read_bytes() for name in OUTPUTS} == were
        assert tree.make("-q", "generated/hot.mk").returncode == 0


def test_a_comment_in_a_declaration_makes_nothing_else(tree: Tree) -> None:
    with tree.changed("alternatives/smap.hot") as [path]:
        stamp = tree.folder / "generated/hotc.stamp"
        before = stamp.stat().st_mtime_ns
        path.write_text(path.read_text() + "# A comment.\n")
        assert not tree.rebuilt()
        assert stamp.stat().st_mtime_ns > before
    with tree.changed("alternatives/more.hot") as [path]:
        path.write_text("hotinline more: nop5\n")
        assert UNIX <= tree.rebuilt()


# ---- Made in earnest ----


def stripped(path: Path, folder: Path) -> bytes:
    """An object without what only a debugger reads."""
    out = folder / "stripped"
    subprocess.run(["objcopy", "--strip-debug", path, out], check=True)
    return out.read_bytes()


def test_what_is_made_elsewhere_by_somebody_else_is_the_same(tree: Tree, tmp_path: Path) -> None:
    """In another folder, with another umask, in another language, at another time. NASM writes the
    folder's name into debug information, so objects of .asm files differ there, and nowhere else."""
    again = ["build/kernel/kernel/main.o", "build/kernel/kernel/arch/amd64/switch.o",
             "build/kernel/generated/hotstubs.o", "build/kernel/kernel/modules/usercopy.o",
             "build/user/objects/kernel/user/hello.o", "build/host/loader/sort.o",
             "build/modules/capstone.ko", "build/boot.cpio", "generated/hot.mk",
             "generated/hotinline.json"]
    for name in again:
        (tree.folder / name).unlink()
    old = os.umask(0o077)
    try:
        done = tree.make("-j2", "all", LC_ALL="C", MAKEFLAGS="rR")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in again + ["build/kernel/unix.o", "build/kernel/boot.elf", "build/bin/krtld"]:
        here, there = ROOT / name, tree.folder / name
        if here.suffix in (".o", ".elf"):
            assert stripped(here, tmp_path) == stripped(there, tmp_path), name
        else:
            assert here.read_bytes() == there.read_bytes(), name
    assert (ROOT / again[0]).read_bytes() == (tree.folder / again[0]).read_bytes()
    assert not tree.rebuilt()
    assert set(os.listdir(tree.folder.parent)) == {tree.folder.name}


def test_clean_goes_before_what_is_named_after_it(tree: Tree) -> None:
    said = tree.make("-n", "-j8", "clean", "build/kernel/kernel/main.o").stdout
    assert said.index("rm -rf build") < said.index("main.o")

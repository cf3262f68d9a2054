"""hot.mk, in a small project of somebody else's: what is rebuilt when, and what is not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import DSL, run

# What a user writes. Folders have names of his own.
MAKEFILE = """\
HOT_OUT := made
HOT_DECLARED := choices
HOT_DSL := hotinline
HOT_BUILD := objects
ifneq ($(filter-out clean,$(or $(MAKECMDGOALS),all)),)
include $(HOT_OUT)/hot.mk
endif
ifeq ($(wildcard $(HOT_OUT)/hot.mk),)
$(HOT_OUT)/hot.mk:
	$(HOT_DSL)/hotc compile --out $(HOT_OUT) $(sort $(wildcard choices/*.hot))
endif
.DEFAULT_GOAL := all
all: unix.o main.o
unix.o: main.o $(HOT_STUBS)
	ld -r -z noexecstack -o $@ $^
main.o: main.c $(HOT_HEADERS)
	gcc -O1 -ffreestanding -fno-pic -Imade -c $< -o $@
.PHONY: check names
check: unix.o
	$(call hot-check,unix.o,)
names:
	@echo $(HOT_NAMES)
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Makefile").write_text(MAKEFILE)
        # make cannot have spaces in paths, and this tree may
        (folder / "hotinline").symlink_to(DSL)
        (folder / "choices").mkdir()
        self.declare("one", "hotinline one: nop5\n")
        text = '#include "hotinline.h"\nvoid *p(void) { one(); return 0; }\n'
        (folder / "main.c").write_text(text)

    def declare(self, name: str, text: str) -> None:
        (self.folder / "choices" / f"{name}.hot").write_text(text)

    def make(self, *goals: str, **more: str) -> str:
        environment = {name: os.environ[name] for name in os.environ if name != "MAKEFLAGS"} | more
        return run("make", "--no-print-directory", *goals, cwd=self.folder, env=environment)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_life_of_a_project(project: Project) -> None:
    first = project.make()
    assert "hotc compile" in first and "ld -r" in first
    again = project.make()
    assert "hotc" not in again and "gcc" not in again and "ld" not in again, again
    assert "hotc check" in project.make("check")

    # Words change, code does not: the header is rewritten, the stubs' object is not.
    project.declare("one", '"Words."\nhotinline one: nop5\n')
    words = project.make()
    assert "hotc compile" in words and "gcc" in words and "nasm -f" not in words, words

    # A comment changes: nothing is compiled at all, and hotc does not run again either.
    project.declare("one", '# A comment.\n"Words."\nhotinline one: nop5\n')
    comment = project.make()
    assert "hotc compile" in comment and "nasm -f" not in comment
    assert "hotc" not in project.make()

    # A file comes, and goes.
    project.declare("two", "hotinline two: nop5\n")
    assert "hotc compile" in project.make()
    assert project.make("names") == "one two\n"
    assert "hotc" not in project.make()
    (project.folder / "choices" / "two.hot").unlink()
    assert "hotc compile" in project.make()
    assert project.make("names") == "one\n"


def test_an_error_stops_make_and_keeps_what_was_there(project: Project) -> None:
    project.make()
    before = (project.folder / "made" / "hotinline.h").read_bytes()
    project.declare("one", "hotinline one: clax\n")
    done = subprocess.run(["make"], cwd=project.folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "choices/one.hot:1:16: error: unknown mnemonic `clax`" in done.stderr
    assert (project.folder / "made" / "hotinline.h").read_bytes() == before
    project.declare("one", "hotinline one: nop5\n")
    project.make()


def test_a_parallel_make_runs_hotc_once(project: Project) -> None:
    out = project.make("-j4")
    runs = [line for line in out.splitlines() if line.startswith("hotinline/hotc compile")]
    assert len(runs) == 2, out  # the project's own rule, and one whose command is known
    project.declare("one", "hotinline one: nop4\n")
    out = project.make("-j4")
    runs = [line for line in out.splitlines() if line.startswith("hotinline/hotc compile")]
    assert len(runs) == 1, out


OUTPUTS = ["hotinline.h", "hotinline.inc", "hottable.h", "hottable.c", "hotstubs.asm",
           "hotinline.json", "hot.mk"]


@pytest.mark.parametrize("way", ["deleted", "edited"])
def test_outputs_that_were_deleted_or_edited_by_hand_are_written_again(project: Project,
                                                                       way: str) -> None:
    project.make()
    folder = project.folder / "made"
    were = {name: (folder / name).read_bytes() for name in OUTPUTS}
    for name in OUTPUTS:
        (folder / name).unlink()
        if way != "deleted":
            (folder / name).write_bytes(were[name] + b"\n")
        again = project.make()
        assert "hotc compile" in again, f"{name}: {again}"
        assert {name: (folder / name).read_bytes() for name in OUTPUTS} == were
    assert "hotc" not in project.make()


def test_other_options_and_another_assembler_run_again(project: Project) -> None:
    project.make()
    assert "hotc compile" in project.make("HOT_OPTIONS=--return-thunk away")
    assert "hotc compile" in project.make("HOT_OPTIONS=")
    assert "hotc" not in project.make()
    (project.folder / "other").symlink_to("/usr/bin/nasm")
    other = project.make("HOT_NASM=./other")
    assert "./other -f elf64" in other and "hotc compile --nasm ./other" in other
    assert "other" not in project.make("HOT_NASM=./other")
    assert "nasm -f elf64" in project.make()


@pytest.mark.parametrize("flags", ["rR", "-j8", "k", "e"])
def test_in_any_folder_with_any_flags(tmp_path: Path, flags: str) -> None:
    folder = tmp_path / "it's a $(HOME) of #1: 50%"
    folder.mkdir()
    project = Project(folder)
    assert "ld -r" in project.make(MAKEFLAGS=flags)
    assert "hotc" not in project.make(MAKEFLAGS=flags)
    assert "hotc check" in project.make("check")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]

"""What a run of hotc loads: most of a short run is its start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import DSL, tree_files

# Runs hotc in a Python of its own and says which of these it has loaded.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
{first}
from compiler.cli import main
status = main(sys.argv[2:])
print(*sorted(set(sys.modules) & {{"setuptools", "capstone", "elftools", "jinja2", "lark"}}))
sys.exit(status)
"""


def loaded(*words: str | Path, first: str = "") -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(first=first), DSL, *words],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_capstone_is_loaded_without_setuptools(tmp_path: Path) -> None:
    assert loaded("compile", "--out", tmp_path, *tree_files()) == [
        "capstone", "elftools", "jinja2", "lark"
    ]


def test_what_is_known_of_declarations_is_not_found_out_again(tmp_path: Path) -> None:
    """Lines that move change hotinline.json, which Jinja2 does not make alone; no more is loaded.
    The twin is a declaration more."""
    path, words = tmp_path / "a.hot", ("compile", "--out", tmp_path / "out", tmp_path / "a.hot")
    text = "feature smap = cpuid 7.0 ebx[20]\nhotinline f: smap ? nop5 : lfence\n"
    for text, expected in (
        (text, ["capstone", "elftools", "jinja2", "lark"]),
        ("# More.\n" + text, ["jinja2"]),
        (text + "hotinline g: nop5\n", ["capstone", "elftools", "jinja2", "lark"]),
    ):
        path.write_text(text)
        assert loaded(*words) == expected




def test_capstone_by_itself_loads_setuptools(tmp_path: Path) -> None:
    """The failing twin."""
    pytest.importorskip("_distutils_hack")
    words: list[str | Path] = ["compile", "--out", tmp_path, *tree_files()]
    assert "setuptools" in loaded(*words, first="import capstone")

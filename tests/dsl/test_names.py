"""Names that compilers know already: each either works in the header or is refused in words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from compiler import names
from support import hotc, run

COMPILERS = [("gcc", "c"), ("clang", "c"), ("g++", "c++"), ("clang++", "c++")]
INCLUDES = "#include <stdint.h>\n#include <stdbool.h>\n"
# Two signatures, neither of them that of many of these functions, and how they are called.
SIGNATURES = {
    "": "{}()",
    "(const void *p @rdi, u64 n @rsi) -> u64 @rax": '(void){}((const void *)"abc", 3)',
}


def _builtins() -> list[str]:
    """Functions that gcc has built in under their own name: it warns of another type."""
    compiler = run("gcc", "-print-prog-name=cc1").strip()
    strings = run("strings", compiler).split()
    found = {s.removeprefix("__builtin_") for s in strings if s.startswith("__builtin_")}
    words = sorted(word for word in found if names.C_NAME.match(word) and word != "return")
    lines = (f"extern struct s *{word}(struct s *, char, char);\n" for word in words)
    text = "struct s;\n" + "".join(lines)
    done = subprocess.run(
        ["gcc", "-std=gnu11", "-fsyntax-only", "-x", "c", "-"], input=text, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return sorted(set(re.findall(r"built-in function [^\w]+(\w+)", done.stderr)))


BUILTINS = _builtins()


def test_gcc_has_hundreds_of_functions_built_in() -> None:
    assert {"memcpy", "strlen", "printf", "abs", "exit", "malloc"} <= set(BUILTINS)
    assert len(BUILTINS) > 300


@pytest.fixture(scope="module", params=SIGNATURES, ids=["void", "values"])
def built_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A header with all of them that are accepted, and a file that calls each and points to it."""
    folder = tmp_path_factory.mktemp("builtins")
    free = [name for name in BUILTINS if not names.why_not_hotinline(name)]
    assert len(free) >= len(BUILTINS) - 40
    code = "mov rax, rsi" if request.param else "nop5"
    text = "".join(f"hotinline {name}{request.param}: {code}\n" for name in free)
    (folder / "all.hot").write_text(text)
    done = hotc("compile", "--out", folder, folder / "all.hot")
    assert done.returncode == 0, done.stderr[:2000]
    call = SIGNATURES[request.param]
    calls = "".join(f"\t{call.format(name)};\n" for name in free)
    pointers = ",\n".join(f"\t(void *)&{name}" for name in free)
    body = f'#include "hotinline.h"\nvoid f(void);\nvoid f(void)\n{{\n{calls}}}\n'
    (folder / "all.c").write_text(body + f"extern void *all[];\nvoid *all[] = {{\n{pointers}}};\n")
    return folder


@pytest.mark.parametrize("flags", ["", "-ffreestanding", "-O2 -D_FORTIFY_SOURCE=2"])
@pytest.mark.parametrize(("compiler", "language"), COMPILERS)
def test_a_function_that_is_built_in_can_be_a_hotinline(
    built_in: Path, tmp_path: Path, compiler: str, language: str, flags: str
) -> None:
    words = ["-Wall", "-Wextra", "-Werror", "-mno-red-zone", f"-I{built_in}", *flags.split()]
    made = tmp_path / "all.o"
    run(compiler, "-x", language, *words, "-c", built_in / "all.c", "-o", made)
    count = (built_in / "all.hot").read_text().count("\n")
    sites = run("readelf", "-rW", made).count("R_X86_64_PLT32")
    assert sites >= count * 0.95, "each call is a site, but for what the compiler computes itself"


@pytest.mark.parametrize(("compiler", "language"), COMPILERS)
def test_a_header_that_does_not_say_so_would_not_compile(
    built_in: Path, tmp_path: Path, compiler: str, language: str
) -> None:
    """The failing twin: without the pragmas."""
    header = (built_in / "hotinline.h").read_text()
    header = re.sub(r"#pragma (clang|GCC) diagnostic ignored.*", "", header)
    (tmp_path / "hotinline.h").write_text(header)
    (tmp_path / "all.c").write_text((built_in / "all.c").read_text())
    words = [compiler, "-x", language, "-Wall", "-Werror", "-fsyntax-only"]
    done = subprocess.run([*words, tmp_path / "all.c"], capture_output=True)
    assert done.returncode != 0 or compiler == "clang++"


@pytest.mark.parametrize("flags", ["", "-ffreestanding", "-march=native", "-march=haswell"])
@pytest.mark.parametrize(("compiler", "language"), COMPILERS)
def test_no_macro_is_a_name(compiler: str, language: str, flags: str) -> None:
    """What the compiler and the header's own includes define as macros."""
    words = [compiler, "-x", language, "-dM", "-E", *flags.split(), "-"]
    done = subprocess.run(words, input=INCLUDES, capture_output=True, text=True, check=True)
    macros = re.findall(r"^#define (\w+)", done.stdout, re.MULTILINE)
    assert len(macros) > 300
    for name in macros:
        assert names.why_not_parameter(name), name
        assert names.why_not_hotinline(name), name


@pytest.mark.parametrize(
    "name",
    ["MutexLock", "_ZN6kernel4lockEv", "__fentry__", "_printk", "__x86_return_thunk", "X", "_x",
     "SetEvent", "copy_bytes", "I", "__list_add_valid", "memcpy", "Linux"],
)
def test_what_is_free_is_a_name(name: str, tmp_path: Path) -> None:
    """In C, in C++, in NASM and in the table."""
    path = tmp_path / "a.hot"
    path.write_text(f"hotinline {name}(u64 X @rdi): nop5\nhotinline twice(u64 Y @rbx): nop5\n")
    assert hotc("compile", "--out", tmp_path, path).returncode == 0
    source = tmp_path / "a.c"
    source.write_text(f'#include "hotinline.h"\nvoid f(void);\nvoid f(void) {{ {name}(1); }}\n')
    for compiler, language in COMPILERS:
        words = ["-x", language, "-Wall", "-Werror", "-O1", f"-I{tmp_path}", "-c"]
        run(compiler, *words, source, "-o", tmp_path / "a.o")
        assert f" {name} - 4" in run("readelf", "-rW", tmp_path / "a.o")
    run("nasm", "-f", "elf64", "-w+error", "-o", tmp_path / "s.o", tmp_path / "hotstubs.asm")
    assert f" T {name}\n" in run("nm", tmp_path / "s.o")
    asm = tmp_path / "c.asm"
    asm.write_text(f'%include "hotinline.inc"\nsection .text\nhotcall {name}\nhotjmp {name}\n')
    run("nasm", "-f", "elf64", "-w+error", f"-I{tmp_path}/", "-o", tmp_path / "c.o", asm)
    root = Path(__file__).parents[2]
    run("gcc", "-Wall", "-Werror", f"-I{root}", "-fsyntax-only", tmp_path / "hottable.c")
    enumerator = name if name != name.lower() else name.upper()
    assert f"HOT_INLINE_{enumerator}," in (tmp_path / "hottable.h").read_text()

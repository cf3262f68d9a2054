"""The generated header in every standard of C and C++ that gcc and clang know, pedantically; and in
words where it cannot serve."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import C_FLAGS, ROOT, hotc, run

HERE = Path(__file__).parent / "header"
LEVELS = ["-O0", "-O2"] * 3
C = [(c, s, level) for c in ("gcc", "clang")
     for s, level in zip(("c99", "gnu99", "gnu11", "c11", "c17", "gnu2x"), LEVELS)]
CXX = [(c, s, level) for c in ("g++", "clang++")
       for s, level in zip(("c++98", "c++11", "gnu++17", "c++14", "c++20", "c++2b"), LEVELS)]
STRICT = ["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-Wundef", "-Wshadow", "-Wconversion",
          "-Wsign-conversion", "-Wcast-qual", "-mno-red-zone",
          "-mgeneral-regs-only"]
OF_C = ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wc++-compat"]
OF_CXX = ["-Wold-style-cast", "-Wmissing-declarations", "-Wnon-virtual-dtor"]

# A header of somebody's, with an inline function that calls each kind of wrapper.
INLINE = """\
#include "hotinline.h"
#ifdef __cplusplus
extern "C" {
#endif
uint64_t in_one(uint64_t x);
uint64_t in_two(uint64_t x);
typedef uint64_t two_arguments(uint64_t, uint64_t);
extern two_arguments *const pointers_of_one[2];
extern two_arguments *const pointers_of_two[2];
#ifdef __cplusplus
}
#endif
INLINE uint64_t all(uint64_t x);
INLINE uint64_t all(uint64_t x)
{
	uint64_t cell = x;
	uint64_t sum = add_abi(x, 1) + six_abi(x, 1, 2, 3, 4, 5) + add_high(x, 2) + next_rax(x);

	sum += next_r9(x) + from_rbx(x) + counter() + join(x) + join_high(x);
	sum ^= nine(x, 1, 2, 3, 4, 5, 6, 7, 8);
	trash();
	store(&cell, sum);
	if (high_counter() > 0 || !is_small(9) || byte_of(0x1ff) != -1)
		return 0;
	return same_pointer(&cell) == &cell ? load(&cell) : 0;
}
"""
ONE = """\
#include "inline.h"
EMITTED
two_arguments *const pointers_of_one[2] = {add_abi, add_high};
uint64_t in_one(uint64_t x)
{
	return all(x);
}
"""
TWO = ONE.replace("EMITTED\n", "").replace("one", "two")
MAIN = """\
#include "inline.h"
int main(void)
{
	uint64_t x = 0x123456789abcdef0u;

	if (in_one(x) == 0 || in_one(x) != in_two(x) || all(x) != in_one(x))
		return 1;
	if (pointers_of_one[0] != pointers_of_two[0] || pointers_of_one[1] != pointers_of_two[1])
		return 2;
	return pointers_of_one[0](x, 1) == x + 1 && pointers_of_one[1](x, 1) == x + 1 ? 0 : 3;
}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of registers.hot; its stubs and helpers as objects."""
    folder = tmp_path_factory.mktemp("languages")
    assert hotc("compile", "--out", folder, HERE / "registers.hot").returncode == 0
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "stubs.o", folder / "hotstubs.asm")
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "probe.o", HERE / "probe.asm")
    flags = [*C_FLAGS, "-mgeneral-regs-only", f"-I{folder}", "-c"]
    run("gcc", *flags, HERE / "helper.c", "-o", folder / "helper.o")
    return folder


def _build(made: Path, to: Path, compiler: str, flags: list[str], inline: str, emit: str) -> Path:
    suffix = ".cc" if compiler.endswith("++") else ".c"
    (to / "inline.h").write_text(INLINE.replace("INLINE", inline))
    objects = [made / name for name in ("stubs.o", "probe.o", "helper.o")]
    for name, text in (("one", ONE), ("two", TWO), ("main", MAIN)):
        (to / (name + suffix)).write_text(text.replace("EMITTED", emit))
        made_here = to / f"{name}.o"
        run(compiler, *flags, f"-I{made}", "-c", to / (name + suffix), "-o", made_here)
        objects.append(made_here)
    run(compiler, "-no-pie", *objects, "-o", to / "program")
    return to / "program"


@pytest.mark.parametrize(("compiler", "standard", "level"), C)
def test_inline_functions_of_c_may_call_hotinlines(
    made: Path, tmp_path: Path, compiler: str, standard: str, level: str
) -> None:
    flags = [f"-std={standard}", level, *STRICT, *OF_C]
    run(_build(made, tmp_path, compiler, flags, "inline", "extern uint64_t all(uint64_t x);"))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c89_may_call_hotinlines(made: Path, tmp_path: Path, compiler: str) -> None:
    """With bool and integers of 64 bits, which are extensions there."""
    flags = ["-std=c89", "-O1", *STRICT[1:], *OF_C]
    run(_build(made, tmp_path, compiler, flags, "static __inline__", ""))


@pytest.mark.parametrize(("compiler", "standard", "level"), CXX)
def test_inline_functions_of_cxx_may_call_hotinlines(
    made: Path, tmp_path: Path, compiler: str, standard: str, level: str
) -> None:
    flags = [f"-std={standard}", level, *STRICT, *OF_CXX]
    run(_build(made, tmp_path, compiler, flags, "inline", ""))


@pytest.mark.parametrize("compiler", ["gcc", "g++", "clang", "clang++"])
def test_objects_hold_no_copy_of_a_wrapper(made: Path, tmp_path: Path, compiler: str) -> None:
    """So that there is no second definition anywhere, whatever the language."""
    emit = "" if compiler.endswith("++") else "extern uint64_t all(uint64_t x);"
    _build(made, tmp_path, compiler, ["-O0"], "inline", emit)
    for name in ("one", "two", "main"):
        lines = run("nm", tmp_path / f"{name}.o").splitlines()
        symbols = dict(line.split()[:-3:-1] for line in lines)
        for hotinline in ("add_abi", "add_high.wrapper"):
            assert symbols.get(hotinline, "U") == "U"
        assert name != "one" or symbols["trash"] == "U", "called here, and defined elsewhere"


def test_a_static_wrapper_would_be_found_out(made: Path, tmp_path: Path) -> None:
    """The failing twin: what the header must not do, these compilers refuse."""
    folder = tmp_path / "static"
    folder.mkdir()
    header = (made / "hotinline.h").read_text()
    old = "#define HOT_WRAPPER extern __inline__ __attribute__((__gnu_inline__, __always_inline__))"
    assert old in header
    header = header.replace(old, "#define HOT_WRAPPER static __inline__")
    (folder / "hotinline.h").write_text(header)
    (tmp_path / "inline.h").write_text(INLINE.replace("INLINE", "inline"))
    (tmp_path / "one.c").write_text(TWO)
    for compiler in ("gcc", "clang"):
        flags = ["-std=c99", *STRICT, *OF_C, f"-I{folder}", "-c", "-o", "/dev/null"]
        done = subprocess.run([compiler, *flags, tmp_path / "one.c"], capture_output=True)
        assert done.returncode != 0, compiler


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gcc", "-m32"], "the code is for 64-bit mode"),
        (["gcc", "-mx32"], "the code is for 64-bit mode"),
        (["gcc", "-m16"], "the code is for 64-bit mode"),
        (["clang", "--target=aarch64-linux-gnu"], "the code is for 64-bit mode"),
        (["clang", "--target=x86_64-apple-darwin"], "compile for an ELF target"),
        (["clang", "--target=x86_64-w64-mingw32"], "compile for an ELF target"),
        (["clang", "--target=x86_64-pc-windows-msvc"], "use gcc or clang"),
        (["gcc", "-U__GNUC__"], "use gcc or clang"),
        (["gcc", "-D__TINYC__=1"], "use gcc or clang"),
    ],
    ids=" ".join,
)
def test_a_compiler_that_cannot_do_it_is_told(made: Path, words: list[str], says: str) -> None:
    source = '#include "hotinline.h"\n'
    flags = ["-fsyntax-only", "-ffreestanding", f"-I{made}", "-x", "c", "-"]
    done = subprocess.run([*words, *flags], input=source, capture_output=True, text=True)
    assert done.returncode != 0
    assert '"hotinline.h: ' in done.stderr
    assert says in done.stderr
    twin = subprocess.run([words[0], *flags], input=source, capture_output=True, text=True)
    assert (twin.returncode, twin.stderr) == (0, "")


@pytest.mark.parametrize("compiler", ["gcc", "g++", "clang", "clang++"])
def test_the_trees_header_is_strict_too(tmp_path: Path, compiler: str) -> None:
    files = sorted((ROOT / "alternatives").glob("*.hot"))
    assert hotc("compile", "--out", tmp_path, *files).returncode == 0
    more = OF_CXX if compiler.endswith("++") else [*OF_C, "-std=c99"]
    source = tmp_path / ("a.cc" if compiler.endswith("++") else "a.c")
    source.write_text('#include "hotinline.h"\n')
    flags = [*STRICT, "-Wredundant-decls", *more, "-ffreestanding"]
    run(compiler, *flags, "-c", source, "-o", tmp_path / "a.o")

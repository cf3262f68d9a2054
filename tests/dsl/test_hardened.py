"""Stubs in kernels whose compilers check where an indirect call goes: IBT wants endbr64 there, and
kCFI the hash of the function's type before it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import C_FLAGS, ROOT, hotc, run

HERE = Path(__file__).parent / "header"
ENDBR64 = "f30f1efa"
ANSWERS = "3 11 20 15\n33 12 30 17\n"  # before the stubs are patched, and after
ENGINE = [*sorted((ROOT / "alternatives").glob("*.c")), ROOT / "alternatives/arch/amd64/branch.c"]
KCFI = next(
    (name for name in ("clang-16", "clang-19", "clang-18", "clang-17") if shutil.which(name)), ""
)
OPTIONS: list[list[str]] = [[], ["--ibt"], ["--kcfi"], ["--ibt", "--kcfi"]]
THUNK = ["--return-thunk", "thunk"]


def _compile(folder: Path, options: list[str]) -> Path:
    done = hotc("compile", *options, "--out", folder, HERE / "pointers.hot")
    assert done.returncode == 0, done.stderr
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "stubs.o", folder / "hotstubs.asm")
    return folder


def _program(folder: Path, compiler: str, flags: list[str], *more: Path) -> Path:
    common = [*C_FLAGS, f"-I{folder}", "-no-pie", "-O2", "-mno-red-zone", *flags]
    sources = [HERE / "pointers.c", *ENGINE, folder / "hottable.c", *more]
    run(compiler, *common, *sources, folder / "stubs.o", "-o", folder / "program")
    return folder / "program"


def _before(folder: Path, name: str, size: int) -> tuple[str, str]:
    """The bytes before a symbol of the stubs, and from it on."""
    run("objcopy", "-O", "binary", "-j", ".text.hotstubs", folder / "stubs.o", folder / "raw")
    raw = (folder / "raw").read_bytes()
    found = re.search(rf"^(\w+) . {name}$", run("nm", folder / "stubs.o"), re.MULTILINE)
    assert found
    at = int(found.group(1), 16)
    assert at % 16 == 0
    return raw[max(0, at - size) : at].hex(), raw[at : at + size].hex()


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_stub_begins_with_endbr64_if_asked_for(tmp_path: Path, options: list[str]) -> None:
    folder = _compile(tmp_path, options)
    described = json.loads((folder / "hotinline.json").read_text())
    ibt = "--ibt" in options
    assert described["entry"] == (4 if ibt else 0)
    assert described["kcfi"] == ("--kcfi" in options)
    for hotinline in described["hotinlines"]:
        _, code = _before(folder, hotinline["name"], 4)
        assert (code == ENDBR64) == ibt
        symbols = run("readelf", "-sW", folder / "stubs.o")
        size = re.search(rf" (\d+) FUNC .* {hotinline['name']}\n", symbols)
        assert size and int(size.group(1)) >= hotinline["size"] + 1 + described["entry"]
    text = run("objdump", "-d", "--no-show-raw-insn", folder / "stubs.o")
    wrapper = text[text.index("<twice.wrapper>:") :].split("\n")[1]
    assert ("endbr64" in wrapper) == ibt
    assert ("x86 feature: IBT" in run("readelf", "-nW", folder / "stubs.o")) == ibt


@pytest.mark.parametrize("options", OPTIONS[:2], ids=" ".join)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_pointer_reaches_the_code_that_was_chosen(
    tmp_path: Path, compiler: str, options: list[str]
) -> None:
    flags = ["-fcf-protection=branch"] if options else ["-fcf-protection=none"]
    assert run(_program(_compile(tmp_path, options), compiler, flags)) == ANSWERS
    if options:  # patching does not touch what an indirect branch needs
        assert _before(tmp_path, "plus", 4)[1] == ENDBR64


def test_the_engine_must_know_where_the_site_is(tmp_path: Path) -> None:
    """The failing twin: a table without endbr64, stubs with it."""
    folder = _compile(tmp_path, ["--ibt"])
    table = (folder / "hottable.c").read_text()
    assert ".entry = 4," in table
    (folder / "hottable.c").write_text(table.replace(".entry = 4,", ".entry = 0,"))
    said = subprocess.run([_program(folder, "gcc", [])], capture_output=True, text=True).stdout
    assert "the text does not hold what the relocator" in said


def test_the_hash_of_its_type_stands_before_each_stub(tmp_path: Path) -> None:
    """Layout as clang's: mov eax, hash (5 bytes) right before the symbol, NOPs up to 16."""
    folder = _compile(tmp_path, ["--ibt", "--kcfi"])
    assert _before(folder, "plus", 16)[0] == "90" * 11 + "b8" + "00" * 4
    assert _before(folder, "twice", 4)[0] != "00" * 4, "C code points to twice.wrapper instead"
    relocations = run("readelf", "-rW", folder / "stubs.o")
    for name in ("helped", "plus", "three", "twice.wrapper"):
        assert f"R_X86_64_32            0000000000000000 __kcfi_typeid_{name} + 0" in relocations
    assert "__kcfi_typeid_twice +" not in relocations
    assert not (_compile(tmp_path / "plain", []) / "hottypes.c").exists()


def test_types_need_a_compiler_that_knows_kcfi(tmp_path: Path) -> None:
    folder = _compile(tmp_path, ["--kcfi"])
    for compiler, says in (("gcc", "such as clang 16"), ("clang", "it with -fsanitize=kcfi")):
        words = [compiler, "-fsyntax-only", str(folder / "hottypes.c")]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode != 0 and says in done.stderr


@pytest.mark.parametrize("ibt", [[], ["--ibt"]], ids=["no ibt", "ibt"])
def test_kcfi_lets_a_pointer_to_a_stub_be_called(tmp_path: Path, ibt: list[str]) -> None:
    assert KCFI, "clang-16 is not installed: make setup test"
    flags = ["-fsanitize=kcfi", *(["-fcf-protection=branch"] if ibt else [])]
    folder = _compile(tmp_path, ["--kcfi", *ibt])
    assert run(_program(folder, KCFI, flags, folder / "hottypes.c")) == ANSWERS


def test_kcfi_stops_a_pointer_of_another_type(tmp_path: Path) -> None:
    """The failing twin: the checks are on."""
    folder = _compile(tmp_path, ["--kcfi"])
    flags = ["-fsanitize=kcfi", "-DWRONG_TYPE"]
    done = subprocess.run(
        [_program(folder, KCFI, flags, folder / "hottypes.c")], capture_output=True, text=True
    )
    assert done.stdout == ANSWERS + "now the wrong type\n"
    assert done.returncode == -4, "SIGILL"


def test_without_the_option_kcfi_stops_every_pointer(tmp_path: Path) -> None:
    folder = _compile(tmp_path, [])
    done = subprocess.run(
        [_program(folder, KCFI, ["-fsanitize=kcfi"])], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (-4, "")


def test_krtld_finds_the_hashes_in_a_kernel(tmp_path: Path) -> None:
    """They are absolute, weak symbols; the field is a word of text."""
    folder = _compile(tmp_path, ["--kcfi", "--ibt"])
    kernel = tmp_path / "kernel.o"
    common = ["-O2", "-ffreestanding", "-fno-pic", "-mcmodel=kernel", f"-I{folder}", "-c"]
    run(KCFI, *common, "-fsanitize=kcfi", folder / "hottypes.c", "-o", folder / "types.o")
    text = '#include "hotinline.h"\nuint64_t helper(uint64_t x) { return x; }\n'
    (tmp_path / "a.c").write_text(text)
    run("gcc", *common, tmp_path / "a.c", "-o", tmp_path / "a.o")
    objects = [folder / "stubs.o", folder / "types.o", tmp_path / "a.o"]
    run("ld", "-r", "-z", "noexecstack", "-o", kernel, *objects)
    words = ["check", "--json", str(folder / "hotinline.json"), "--kernel"]
    assert hotc(*words, kernel).returncode == 0
    run("ld", "-r", "-z", "noexecstack", "-o", kernel, folder / "stubs.o", tmp_path / "a.o")
    done = hotc(*words, kernel)
    assert done.returncode == 1
    assert "`__kcfi_typeid_plus` is defined nowhere" in done.stderr
    assert "link hottypes.o" in done.stderr


def test_hot_mk_runs_hotc_with_the_same_options(tmp_path: Path) -> None:
    for options in OPTIONS:
        text = (_compile(tmp_path / "".join(options), options) / "hot.mk").read_text()
        assert "HOT_OPTIONS  ?=" + "".join(f" {word}" for word in options) + "\n" in text
        assert ("hottypes.c" in text) == ("--kcfi" in options)


def _returns(binary: Path) -> list[str]:
    listing = run("objdump", "-d", binary)
    assert "<twice.wrapper>:" in listing
    return re.findall(r"^.*\tret[a-z]* *$", listing, re.MULTILINE)


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_with_a_return_thunk_stubs_hold_no_ret(tmp_path: Path, options: list[str]) -> None:
    """Helpers and wrappers included; and the failing twin, without the option."""
    folder = _compile(tmp_path, [*options, *THUNK])
    assert not _returns(folder / "stubs.o")
    assert json.loads((folder / "hotinline.json").read_text())["return_thunk"] == "thunk"
    assert f"HOT_OPTIONS  ?= {' '.join([*options, *THUNK])}\n" in (folder / "hot.mk").read_text()
    jumps = re.findall(r"R_X86_64_\w+ +\w+ thunk - 4", run("readelf", "-rW", folder / "stubs.o"))
    plain = _compile(tmp_path / "plain", options)
    # `helped` is a tail call and has none in its stub; in its place helper has one.
    assert len(_returns(plain / "stubs.o")) == len(jumps) == 5


@pytest.mark.parametrize("options", [[], ["--ibt"], THUNK, ["--ibt", *THUNK]], ids=" ".join)
def test_stub_size_is_what_the_stub_has(tmp_path: Path, options: list[str]) -> None:
    """endbr64, the hotinline's own bytes and the return; what fills up to the next stub traps."""
    folder = _compile(tmp_path, options)
    described = json.loads((folder / "hotinline.json").read_text())
    assert len(described["hotinlines"]) > 3
    added = 4 * ("--ibt" in options) + (5 if "--return-thunk" in options else 1)
    for hotinline in described["hotinlines"]:
        name, size = hotinline["name"], hotinline["stub_size"]
        assert size == hotinline["size"] + added
        found = re.search(rf"^\w+ (\w+) T {name}$", run("nm", "-S", folder / "stubs.o"), re.M)
        assert found and int(found.group(1), 16) == size
        code = _before(folder, name, (size + 15) // 16 * 16)[1]
        assert set(code[2 * size :]) <= {"c"}


@pytest.mark.parametrize("options", OPTIONS[:2], ids=" ".join)
def test_with_a_return_thunk_the_engine_writes_no_ret(tmp_path: Path, options: list[str]) -> None:
    """The program calls four pointers, patches their stubs and calls them again. Each return goes
    through the thunk: of four stubs or of what they jump to, and of the wrapper of one."""
    (tmp_path / "thunk.c").write_text(
        '__asm__(".globl thunk\\nthunk: incl returns(%rip)\\n\\tret");\n'
        "#include <stdio.h>\nint returns;\n"
        '__attribute__((destructor)) static void end(void) { printf("%d\\n", returns); }\n'
    )
    folder = _compile(tmp_path, [*options, *THUNK])
    flags = ["-fcf-protection=branch"] if options else ["-fcf-protection=none"]
    assert run(_program(folder, "gcc", flags, tmp_path / "thunk.c")) == ANSWERS + "10\n"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("plus", "hotinline `plus` would return through itself"),
        ("twice.wrapper", "hotinline `twice` would return through itself"),
        ("helper", "an alternative of `helped` refers to it"),
        ("rax", "it is a register"),
        ("align", "it is a word of the assembler"),
    ],
)
def test_what_cannot_be_a_return_thunk_is_refused(tmp_path: Path, name: str, why: str) -> None:
    """thunk-name; the twins are above."""
    out = tmp_path / "out"
    done = hotc("compile", "--return-thunk", name, "--out", out, HERE / "pointers.hot")
    assert done.returncode == 1 and not out.exists()
    assert f"`{name}` cannot be the return thunk: {why}" in done.stderr
    assert "help: name with --return-thunk the function" in done.stderr


@pytest.mark.parametrize("name", ["", "1f", "a b", "a;b", "a\n", "-"])
def test_a_return_thunk_is_a_symbol(tmp_path: Path, name: str) -> None:
    done = hotc("compile", f"--return-thunk={name}", "--out", tmp_path, HERE / "pointers.hot")
    assert done.returncode == 64 and "is not the name of a symbol" in done.stderr

"""The tree's own declarations: for every hotinline and every combination of the features that it
depends on, the engine must choose what the declaration says, and a disassembler must find in each
kind of site what the declaration says."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capstone  # type: ignore[import]
import pytest
from conftest import Tree
from support import C_FLAGS, ROOT, hotc, run

STUBS, SYMBOLS, SITE = 0x100000, 0x200000, 0x300000  # as in evaluate.c
KINDS = ["call", "wide call", "jmp", "wide jmp", "stub"]

_NOPS = {
    "90", "6690", "0f1f00", "0f1f4000", "0f1f440000", "660f1f440000", "0f1f8000000000",
    "0f1f840000000000", "660f1f840000000000",
}  # fmt: skip


def holds(tree: dict[str, Any], features: set[str]) -> bool:
    """The test's own reading of a condition in hotinline.json."""
    if "feature" in tree:
        return tree["feature"] in features
    if "not" in tree:
        return not holds(tree["not"], features)
    if "and" in tree:
        return all(holds(part, features) for part in tree["and"])
    return any(holds(part, features) for part in tree["or"])


def _named(tree: dict[str, Any] | None) -> set[str]:
    return set(re.findall(r'"feature": "(\w+)"', json.dumps(tree)))


def combinations(described: dict[str, Any], hotinline: dict[str, Any]) -> Iterator[set[str]]:
    """Every set of the features behind a hotinline: derived ones follow, or were disabled."""
    declared = {feature["name"]: feature for feature in described["features"]}
    behind: set[str] = set()
    pending = set().union(*(_named(a["condition"]) for a in hotinline["alternatives"]))
    while pending:
        name = pending.pop()
        if name not in behind:
            behind.add(name)
            pending |= _named(declared[name].get("condition"))
    for values in itertools.product([False, True], repeat=len(behind)):
        found = {name for name, value in zip(sorted(behind), values) if value}
        derived = [name for name in found if "condition" in declared[name]]
        if all(holds(declared[name]["condition"], found) for name in derived):
            yield found


def chosen(hotinline: dict[str, Any], features: set[str]) -> int:
    for number, alternative in enumerate(hotinline["alternatives"]):
        if alternative["condition"] is None or holds(alternative["condition"], features):
            return number
    raise AssertionError("no baseline")


class Engine:
    """The engine over the tree's table, asked once for everything."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        described = tree.json
        self.asked: list[tuple[dict[str, Any], set[str]]] = []
        lines = []
        index = {feature["name"]: i for i, feature in enumerate(described["features"])}
        for number, hotinline in enumerate(described["hotinlines"]):
            for features in combinations(described, hotinline):
                self.asked.append((hotinline, features))
                lines.append(" ".join(map(str, [number, *sorted(index[f] for f in features)])))
        program = folder / "evaluate"
        sources = [*(ROOT / "alternatives").glob("*.c")]
        sources += [*(ROOT / "alternatives/arch/amd64").glob("*.c")]
        sources += [tree.folder / "hottable.c", ROOT / "tests/dsl/evaluate.c"]
        run("gcc", *C_FLAGS, "-O1", f"-I{tree.folder}", *sources, "-o", program)
        done = subprocess.run(
            [program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
        )
        self.answers = [line.split() for line in done.stdout.splitlines()]
        assert len(self.answers) == len(lines)


@pytest.fixture(scope="module")
def engine(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("engine"), tree)


def test_there_is_something_to_test(engine: Engine, tree: Tree) -> None:
    assert len(tree.json["hotinlines"]) >= 8
    assert len(engine.asked) >= 2 * len(tree.json["hotinlines"])


def test_every_alternative_is_chosen_somewhere(engine: Engine) -> None:
    seen: dict[str, set[int]] = {}
    for hotinline, features in engine.asked:
        seen.setdefault(hotinline["name"], set()).add(chosen(hotinline, features))
    for hotinline, _ in engine.asked:
        assert seen[hotinline["name"]] == set(range(len(hotinline["alternatives"])))


def test_the_engine_chooses_what_the_declaration_says(engine: Engine) -> None:
    for (hotinline, features), answer in zip(engine.asked, engine.answers):
        assert int(answer[0]) == chosen(hotinline, features), (hotinline["name"], features)


# What a disassembler finds in a site


def _disassemble(code: bytes, address: int) -> list[str]:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found, at = [], 0
    while at < len(code):
        insn = next(decoder.disasm(code[at:], address + at), None)
        assert insn is not None, f"cannot decode {code.hex()} at {at}"
        raw = bytes(insn.bytes).hex()
        found.append("nop" if raw in _NOPS else _plain(f"{insn.mnemonic} {insn.op_str}"))
        at += insn.size
    return found


def _plain(text: str) -> str:
    """An instruction without what NASM may leave out: sizes, operands of string instructions."""
    text = re.sub(r"\b(byte|word|dword|qword)\b( ptr)?", "", text)
    text = re.sub(r"\b(rep\w* \w+).*", r"\1", text)
    return re.sub(r"\s+", " ", text).replace("[ ", "[").strip()


def _declared(alternative: dict[str, Any], symbols: list[str]) -> list[str]:
    """The same of a declaration; a call goes to where evaluate.c puts the symbol."""
    text = alternative["text"].strip("{} ")
    found = []
    for part in re.split(r"\s*;\s*", text):
        match = re.fullmatch(r"(?:call|jmp) (\w+)", part)
        if match:
            found.append(f"call 0x{SYMBOLS + 16 * symbols.index(match.group(1)):x}")
        elif match := re.fullmatch(r"nop(\d+)", part):
            found += ["nop"] * (-(-int(match.group(1)) // 9))
        else:
            found.append(_plain(part))
    return found


def _expected(kind: str, code: list[str], alternative: dict[str, Any]) -> list[str]:
    if kind.endswith("call"):
        return code
    if alternative["nop"]:
        return ["ret"]
    if alternative["tail"]:
        return [*code[:-1], code[-1].replace("call", "jmp")]
    return [*code, "ret"]


def _fits(kind: str, hotinline: dict[str, Any], alternative: dict[str, Any]) -> bool:
    size = hotinline["size"]
    room = {"call": 5, "jmp": 5, "wide call": size, "wide jmp": size, "stub": size + 1}[kind]
    returns = not kind.endswith("call")
    needed = 0 if returns and alternative["nop"] else len(alternative["code"]) // 2
    if not kind.endswith("call") and not alternative["tail"]:
        needed += 1
    return needed <= room


def test_sites_hold_what_the_declaration_says(engine: Engine, tree: Tree) -> None:
    names = [hotinline["name"] for hotinline in tree.json["hotinlines"]]
    seen = set()
    for (hotinline, features), answer in zip(engine.asked, engine.answers):
        stub = STUBS + 128 * names.index(hotinline["name"])
        alternative = hotinline["alternatives"][chosen(hotinline, features)]
        for kind, text in zip(KINDS, answer[1:]):
            code = bytes.fromhex(text)
            found = _disassemble(code, stub if kind == "stub" else SITE)
            place = (hotinline["name"], kind, sorted(features), text)
            if _fits(kind, hotinline, alternative):
                wanted = _declared(alternative, tree.json["symbols"])
                wanted = _expected(kind, wanted, alternative)
                filling: tuple[str, ...] = ("nop",) if kind.endswith("call") else ("int3",)
            else:
                filling = ("nop", "ss ", "nop ss:")
                wanted = [f"{kind.split()[-1]} 0x{stub:x}"]
                seen.add("kept its branch")
            padding = found[len(wanted) :]
            assert found[: len(wanted)] == wanted, place
            assert all(text.startswith(filling) for text in padding), place
            seen.add(kind)
    assert seen == {*KINDS, "kept its branch"}


# The stubs


@pytest.fixture(scope="module")
def stubs(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bodies of the stubs as linked, with evaluate.c's addresses for symbols."""
    folder = tmp_path_factory.mktemp("stubs")
    run("nasm", "-f", "elf64", "-w+error", "-o", folder / "s.o", tree.folder / "hotstubs.asm")
    outside = [helper["body"] or helper["symbol"] for helper in tree.json["helpers"]]
    symbols = [f"--defsym={name}=0x{SYMBOLS:x}" for name in outside]
    script = folder / "script"
    script.write_text("SECTIONS { . = 0x100000; .text : { *(.text.hotstubs) *(.text) } }\n")
    run("ld", "-T", script, "-e", "0", *symbols, "-o", folder / "s", folder / "s.o")
    found = {}
    text = run("objcopy", "-O", "binary", "-j", ".text", folder / "s", folder / "raw")
    raw = (folder / "raw").read_bytes()
    for line in run("nm", "-S", folder / "s").splitlines():
        fields = line.split()
        if len(fields) == 4:
            start = int(fields[0], 16) - STUBS
            assert start % 16 == 0
            found[fields[3]] = raw[start : start + int(fields[1], 16)]
    assert not text
    return found


def test_stubs_are_baselines_of_their_full_size(stubs: dict[str, bytes], tree: Tree) -> None:
    for hotinline in tree.json["hotinlines"]:
        body = stubs[hotinline["name"]]
        assert len(body) == hotinline["size"] + 1, hotinline["name"]
        baseline = hotinline["alternatives"][-1]
        wanted = _declared(baseline, tree.json["symbols"])
        wanted = _expected("stub", wanted, baseline)
        if not baseline["tail"]:
            found = _disassemble(body, 0)
            assert found[: len(wanted)] == wanted
            assert set(found[len(wanted) :]) <= {"int3"}
        else:
            assert body[len(baseline["code"]) // 2 - 5] == 0xE9


def test_stubs_are_what_the_engine_finds_unpatched(engine: Engine, tree: Tree) -> None:
    """hot_site_bytes(HOT_BEFORE) of a stub is checked by the engine at boot; here at build time."""
    nothing = {
        hotinline["name"]: answer[5]
        for (hotinline, features), answer in zip(engine.asked, engine.answers)
        if chosen(hotinline, features) == len(hotinline["alternatives"]) - 1
    }
    text = (tree.folder / "hotstubs.asm").read_text()
    for hotinline in tree.json["hotinlines"]:
        if hotinline["alternatives"][-1]["fixups"]:
            continue
        body = text[text.index(f"\n{hotinline['name']}:\n") :].split("\n\n")[0]
        found = "".join(re.findall(r"0x(..)", body.split("\tret")[0])) + "c3"
        found += "".join(re.findall(r"0x(..)", body.split("\tret")[1]))
        assert found == nothing[hotinline["name"]]


# The table


def test_the_table_says_what_the_json_says(tree: Tree) -> None:
    text = (tree.folder / "hottable.c").read_text()
    for feature in tree.json["features"]:
        body = text[text.index(f"[HOT_FEATURE_{feature['name'].upper()}] = {{") :].split("\n\t}")[0]
        assert f".kind = HOT_{feature['kind'].upper()}," in body
        if feature["kind"] == "cpuid":
            register = ["eax", "ebx", "ecx", "edx"].index(feature["register"])
            assert f".leaf = 0x{feature['leaf']:x}," in body
            assert f".subleaf = {feature['subleaf']}," in body
            assert f".reg = {register}," in body and f".bit = {feature['bit']}," in body
    assert f".fingerprint = {tree.json['fingerprint']}u" in text
    names = [hotinline["name"] for hotinline in tree.json["hotinlines"]]
    assert names == sorted(names)


def test_the_fingerprint_changes_with_code_and_not_with_words(tmp_path: Path) -> None:
    found = []
    for text in (
        "hotinline f: nop5\n",
        '# more\n"Words."\nhotinline f:   nop5\n',
        "hotinline f: nop4\n",
        "hotinline f pure: nop5\n",
        "hotinline f size 8: nop5\n",
        "feature a = boot\nhotinline f: nop5\n",
    ):
        path = tmp_path / "f.hot"
        path.write_text(text)
        assert hotc("compile", "--out", tmp_path / "out", path).returncode == 0
        found.append(json.loads((tmp_path / "out/hotinline.json").read_text())["fingerprint"])
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1

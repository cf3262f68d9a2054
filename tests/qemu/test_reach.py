"""What runs while unix is patched reaches no stub and no site: shown by its code, without a boot."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from machines import ROOT

STUBS = {made["name"] for made in
         json.loads((ROOT / "generated/hotinline.json").read_text())["hotinlines"]}
INDIRECT = "*"  # a branch through a register or memory: it may lead anywhere


class Code:
    """The functions of an object. Static functions of one name count as one that does all."""

    def __init__(self, binary: Path) -> None:
        words = ["objdump", "-dr", "--no-show-raw-insn", str(binary)]
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        self.lines: dict[str, list[str]] = {}
        name = ""
        for line in text.splitlines():
            start = re.fullmatch(r"[0-9a-f]+ <(.+)>:", line)
            name = start[1] if start else name
            self.lines.setdefault(name, []).append(line)

    @staticmethod
    def targets(lines: list[str]) -> set[str]:
        """What relocations and branches of these lines lead to."""
        found = set()
        for line in lines:
            symbol = re.search(r"R_X86_64_\w+\t([^\s+-]+)", line)
            near = re.search(r"\t(?:call|j\w+) +[0-9a-f]+ <([^>+]+)>", line)
            if symbol or near:
                found.add((symbol or near)[1])  # type: ignore[index]
            elif re.search(r"\t(?:notrack )?(?:call|jmp) +\*", line):
                found.add(INDIRECT)
        return found

    def reached(self, start: set[str]) -> set[str]:
        seen: set[str] = set()
        left = set(start)
        while left:
            name = left.pop()
            seen.add(name)
            left |= self.targets(self.lines.get(name, [])) - seen
        return seen

    def with_interrupts_off(self, name: str) -> set[str]:
        """What a function leads to from `cli` to where it tests whether to do `sti`."""
        lines = self.lines[name]
        first = next(i for i, line in enumerate(lines) if line.endswith("\tcli"))
        on = next(line for line in lines if line.endswith("\tsti")).split(":")[0].strip()
        last = next(i for i, line in enumerate(lines)
                    if re.search(rf"\tj?[a-z]+ +{on} <|^ *{on}:", line))
        assert first < last
        return self.targets(lines[first:last])


def test_no_function_that_runs_while_unix_is_patched_reaches_a_stub() -> None:
    code = Code(ROOT / "build/kernel/unix.o")
    called = code.with_interrupts_off("startup_smap")
    assert {"do_hotinlines", "cpu_synchronise"} <= called
    reached = code.reached(called)
    assert {"render", "hot_arch_pad"} <= reached
    assert not reached & (STUBS | {INDIRECT})
    assert "smap_enable" in code.reached({"startup_smap"})  # once it is whole again
    assert code.reached({"trap_common"}) & STUBS  # why interrupts are off, and NMIs go elsewhere


def serialises(code: Code, name: str) -> bool:
    """Whether a function has an instruction that does (Intel SDM vol. 3A, 8.3)."""
    return any(re.search(r"\t(cpuid|iretq|serialize)\b", line) for line in code.lines[name])


def test_the_core_is_synchronised_by_an_instruction_that_serialises() -> None:
    """QEMU fetches what was written at once: no run of it can tell. The twin: what does not."""
    code = Code(ROOT / "build/kernel/unix.o")
    assert serialises(code, "cpu_synchronise")
    assert not serialises(code, "cpu_enable_smap")


def test_a_function_that_reaches_a_stub_is_noticed(tmp_path: Path) -> None:
    """The failing twin: a copy that is a client of a hotinline, two calls away; and a pointer."""
    (tmp_path / "a.s").write_text("""
        .type patch, @function
patch:  cli
        call do_hotinlines
        jne 1f
2:      ret
1:      sti
        call copy_bytes
        jmp 2b
        .type do_hotinlines, @function
do_hotinlines: jmp memcpy@plt
        .globl memcpy
        .type memcpy, @function
memcpy: BODY
        ret
""".replace("BODY", "call copy_bytes"))
    made = tmp_path / "a.o"
    subprocess.run(["as", "-o", made, tmp_path / "a.s"], check=True)
    code = Code(made)
    called = code.with_interrupts_off("patch")
    assert called == {"do_hotinlines"} and "copy_bytes" in code.reached(called) & STUBS
    text = (tmp_path / "a.s").read_text()
    (tmp_path / "a.s").write_text(text.replace("memcpy: call copy_bytes", "memcpy: call *%rax"))
    subprocess.run(["as", "-o", made, tmp_path / "a.s"], check=True)
    code = Code(made)
    assert INDIRECT in code.reached(code.with_interrupts_off("patch"))

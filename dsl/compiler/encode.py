"""NASM as the encoder: one run for all alternatives; bytes and fix-ups come from its object.

In the source that NASM gets, each alternative starts with a label of its own, so that `.labels`
are local to it, and each instruction stands on one line after a label of NASM's `..@` kind, which
keeps NASM from taking a misspelt mnemonic for a label or a directive. No declaration can contain
`?` or `@`, of which those labels are made. The preprocessor is off (-a). A second section holds the
offsets of the instructions; a third asks NASM whether a hotinline's name means something to it.
"""

from __future__ import annotations

import bisect
import os
import re
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field

from elftools.common.exceptions import ELFError  # type: ignore[import]
from elftools.elf.elffile import ELFFile  # type: ignore[import]

from . import instructions, names, nops
from .model import Alternative, Fixup, Hotinline, Instruction
from .report import Errors, Place

_R_PC32, _R_PLT32 = 2, 4  # psABI table 4.9
_MESSAGE = re.compile(r"^[^:]*:(\d+): (?:error|fatal|panic|warning): (.*?)(?: \[-w\+[^\]]*\])?$")
_RUNS = 4  # NASM finds some errors only when others are gone


@dataclass
class _Job:
    """What one line of the NASM source came from."""

    place: Place
    alternative: Alternative | None = None
    instruction: Instruction | None = None
    hotinline: Hotinline | None = None


@dataclass
class _Text:
    """The NASM source, and where each of its lines is from."""

    lines: list[str] = field(default_factory=list)
    jobs: dict[int, _Job] = field(default_factory=dict)  # by line number

    def add(self, line: str, job: _Job | None = None) -> None:
        self.lines.append(line)
        if job is not None:
            self.jobs[len(self.lines)] = job


def _write(hotinlines: list[Hotinline], alternatives: list[Alternative]) -> _Text:
    text = _Text()
    text.add("[bits 64]")
    symbols = {w.text for a in alternatives for i in a.instructions for w in i.symbols}
    for symbol in sorted(symbols):
        text.add(f"[extern {symbol}]")
    text.add("[section .text]")
    offsets: list[str] = []
    for number, alternative in enumerate(alternatives):
        text.add(f"?{number}:")
        for made in alternative.instructions:
            if made.label:
                text.add(f"{made.label}:", _Job(made.place, alternative, made))
                continue
            raw = nops.pad(made.nop) if made.nop else made.raw
            code = "db " + ",".join(map(str, raw)) if raw else made.text
            offsets.append(f"..@{len(offsets)}")
            text.add(f"{offsets[-1]}: {code}", _Job(made.place, alternative, made))
    offsets.append(f"..@{len(offsets)}")
    text.add(f"{offsets[-1]}:")
    text.add("[section .offsets]")
    for start in range(0, len(offsets), 16):
        text.add("dd " + ",".join(f"{name}-..@0" for name in offsets[start : start + 16]))
    text.add("[section .names]")
    unique = {hotinline.name: hotinline for hotinline in reversed(hotinlines)}
    for name, hotinline in unique.items():  # NASM takes NAME for a label if it is nothing else
        free = not (names.why_not_form(name, in_c=True) or names.why_not_hotinline(name))
        if free and name not in symbols:
            text.add(f"{name} nop", _Job(hotinline.place, hotinline=hotinline))
    return text


class Encoder:
    def __init__(self, program: str, errors: Errors) -> None:
        self.program = program
        self.errors = errors

    def encode(self, hotinlines: list[Hotinline]) -> None:
        """Fills in the code of every sound alternative; the others stay unsound."""
        alternatives = [a for h in hotinlines for a in h.alternatives]
        try:
            encoded = self._encode(hotinlines, alternatives)
        except (OSError, ELFError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self.errors.add("hotc", "nasm-failed", why=why, program=self.program)
            encoded = False
        if not encoded:
            for alternative in alternatives:
                alternative.sound = False

    def _encode(self, hotinlines: list[Hotinline], alternatives: list[Alternative]) -> bool:
        suspects = list(hotinlines)
        for _ in range(_RUNS):
            sound = [alternative for alternative in alternatives if alternative.sound]
            text = _write(suspects, sound)
            with tempfile.TemporaryDirectory(prefix="hotc-") as folder:
                said = self._run(folder, text)
                if said == "":
                    self._read(os.path.join(folder, "code.o"), sound)
                    return True
            if said is None or not self._report(said, text, suspects):
                return False
        return False

    def _run(self, folder: str, text: _Text) -> str | None:
        """NASM's complaints, "" if there are none; None if it could not be run."""
        source = os.path.join(folder, "code.asm")
        with open(source, "w", encoding="ascii") as file:
            file.write("\n".join(text.lines) + "\n")
        command = [self.program, "-a", "-X", "gnu", "-w+error", "-f", "elf64"]
        command += ["-o", os.path.join(folder, "code.o"), source]
        environment = {**os.environ, "LC_ALL": "C", "NASMENV": ""}
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, errors="replace", env=environment
            )
        except OSError as error:
            why = error.strerror or str(error)
            self.errors.add("hotc", "nasm-missing", program=self.program, why=why)
            return None
        if run.returncode == 0:
            return ""
        return run.stderr or f"exit status {run.returncode}"

    def _report(self, said: str, text: _Text, suspects: list[Hotinline]) -> bool:
        """Maps NASM's messages back. False: it said nothing that can be mapped."""
        mapped: set[int] = set()
        for line in said.splitlines():
            match = _MESSAGE.match(line)
            job = text.jobs.get(int(match.group(1))) if match else None
            if match is None or job is None or int(match.group(1)) in mapped:
                continue
            mapped.add(int(match.group(1)))
            self._refuse(job, re.sub(r"\?\d+(?=\.)", "", match.group(2)), suspects)
        if not mapped:
            why = " ".join(said.split())[:300]
            self.errors.add("hotc", "nasm-failed", why=why, program=self.program)
        return bool(mapped)

    def _refuse(self, job: _Job, why: str, suspects: list[Hotinline]) -> None:
        if job.hotinline is not None:
            suspects.remove(job.hotinline)
            words = {"name": job.hotinline.name, "what": "hotinline"}
            owner = "the assembler has an instruction or a word of that name"
            self.errors.add(job.place, "name-reserved", owner=owner, **words)
            return
        assert job.alternative is not None and job.instruction is not None
        job.alternative.sound = False
        mnemonic, hint = job.instruction.mnemonic, ""
        known = mnemonic in instructions.PREFIXES or instructions.is_mnemonic(mnemonic)
        if mnemonic and not known:
            why = f"unknown mnemonic `{mnemonic}`: {why}"
            hint = names.nearest(mnemonic, instructions.mnemonics(), "; did you mean {}?", "")
        if mnemonic[-1:] in tuple("bwlq") and instructions.is_mnemonic(mnemonic[:-1]):
            hint = f"; in its syntax it is `{mnemonic[:-1]}`, and the destination comes first"
        self.errors.add(job.place, "nasm", why=why, hint=hint)

    def _read(self, path: str, alternatives: list[Alternative]) -> None:
        with open(path, "rb") as file:
            elf = ELFFile(file)
            code, raw, relocations = map(
                elf.get_section_by_name, (".text", ".offsets", ".rela.text")
            )
            if not code or not raw:
                raise ELFError("it wrote an object without .text or .offsets")
            offsets = [offset for offset, in struct.iter_unpack("<I", raw.data())]
            starts = self._slice(code.data(), offsets, alternatives)
            symbols = elf.get_section(relocations["sh_link"]) if relocations else None
            for each in relocations.iter_relocations() if relocations else ():
                number = bisect.bisect_right(starts, each["r_offset"]) - 1
                symbol = symbols.get_symbol(each["r_info_sym"]).name
                fixup = Fixup(each["r_offset"] - starts[number], symbol, each["r_addend"])
                self._fixup(alternatives[number], each["r_info_type"], fixup)

    def _slice(self, code: bytes, offsets: list[int], alternatives: list[Alternative]) -> list[int]:
        """Gives each alternative its bytes. Returns where each starts."""
        starts: list[int] = []
        position = iter(zip(offsets, offsets[1:]))
        for alternative in alternatives:
            start = end = -1
            for made in alternative.instructions:
                if made.label:
                    made.offset = end - start if end >= 0 else 0
                    continue
                first, end = next(position)
                start = first if start < 0 else start
                made.offset, made.size = first - start, end - first
            alternative.code = code[start:end]
            alternative.fixups = []
            starts.append(start)
        return starts

    def _fixup(self, alternative: Alternative, kind: int, fixup: Fixup) -> None:
        if kind in (_R_PC32, _R_PLT32) and fixup.symbol:
            alternative.fixups.append(fixup)
            return
        made = next(
            i for i in alternative.instructions if i.offset <= fixup.offset < i.offset + i.size
        )
        self.errors.add(made.place, "code-absolute", text=made.text)
        alternative.sound = False



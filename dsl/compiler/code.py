"""The text of alternatives: split into instructions, and vetted before NASM reads any of it.

All alternatives share one NASM source. What is let through here is one instruction a line, made of
characters that cannot start a directive, a macro, another line or a label of their own.
"""

from __future__ import annotations

import re

from . import instructions, model, names, registers
from .instructions import Effects
from .model import Alternative, Instruction, Word
from .report import Errors, Place

_ALLOWED = re.compile(r"[A-Za-z0-9_ \t.,+\-*/()\[\]:<>|&^]")
_ALL_ALLOWED = re.compile(f"{_ALLOWED.pattern}*")
_LABEL = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_]*)\s*:\s*")
_WORD = re.compile(r"(?<![A-Za-z0-9_.])[A-Za-z_.][A-Za-z0-9_.]*")
_LOCAL = re.compile(r"\.[A-Za-z_][A-Za-z0-9_]*\Z")
_MADE_OF = "an instruction is a mnemonic, registers, numbers, [memory], symbols and .labels"
# For what is written out of habit.
_WAYS = {
    "%": "this is NASM's syntax: registers have no %, and the destination comes first",
    "$": "this is NASM's syntax: numbers have no $; a branch goes to a .label in the braces, or to "
    "a symbol",
}
_CLAUSE = re.compile(r"\s(size|clobbers|reads|pure)(?:\s+\w+(?:\s*,\s*\w+)*)?\s*\Z")
_BYTES = re.compile(r"bytes((?: [0-9a-f]{2})+)\Z", re.IGNORECASE)
# A branch goes to a .label, a symbol, or (which is refused with other words) a register or memory.
_BRANCHES = ("j", "call", "loop")
_NOP = re.compile(r"nop([0-9]+)\Z", re.IGNORECASE)


def _moved(place: Place, text: str, offset: int) -> Place:
    """The place of text[offset], where text starts at place."""
    before = text[:offset]
    lines = before.count("\n")
    if lines == 0:
        return Place(place.source, place.line, place.column + offset)
    return Place(place.source, place.line + lines, offset - before.rfind("\n"))


def _pieces(body: Word) -> list[Word]:
    """The instructions of a body in braces, or the body itself."""
    if not body.text.startswith("{"):
        return [body]
    return [
        Word(match.group(), _moved(body.place, body.text, match.start()))
        for match in re.finditer(r"[^;\n\s{}](?:[^;\n{}]*[^;\n\s{}])?", body.text)
    ]


def _with_register(modrm: bytes, name: str) -> bytes:
    """An instruction with a 16-bit register in the last byte's low bits, and REX.B."""
    number = registers.NUMBERS.index(name)
    rex = b"\x41" if number >= 8 else b""
    return modrm[:1] + rex + modrm[1:-1] + bytes([modrm[-1] | number & 7])


class _Vetter:
    """Vets the instructions of one alternative."""

    def __init__(self, known: dict[str, Effects], errors: Errors) -> None:
        self.known = known
        self.errors = errors
        self.sound = True

    def refuse(self, place: Place, ident: str, **words: object) -> None:
        self.errors.add(place, ident, **words)
        self.sound = False

    def characters(self, piece: Word) -> bool:
        if _ALL_ALLOWED.fullmatch(piece.text):
            return True
        for offset, char in enumerate(piece.text):
            if not _ALLOWED.match(char):
                place = _moved(piece.place, piece.text, offset)
                self.refuse(place, "code-character", char=char, way=_WAYS.get(char, _MADE_OF))
                return False
        return True

    def words(self, text: str, place: Place) -> list[Word]:
        return [Word(m.group(), _moved(place, text, m.start())) for m in _WORD.finditer(text)]

    def symbol(self, word: Word) -> bool:
        """Whether a word of an operand is a symbol; refuses what cannot be one."""
        lower = word.text.lower()
        if lower in instructions.OPERAND_WORDS or registers.is_register(lower):
            return False
        if lower in instructions.DIRECTIVES:
            self.refuse(word.place, "code-directive", word=word.text)
            return False
        if word.text.startswith("."):
            if not _LOCAL.match(word.text):
                self.refuse(word.place, "code-label", label=word.text)
            return False
        owner = names.why_not_symbol(word.text)
        if owner:
            self.refuse(word.place, "code-symbol", name=word.text, owner=owner)
        return not owner

    def instruction(self, text: str, place: Place) -> Instruction | None:
        words = self.words(text, place)
        start = 0
        while start < len(words) and words[start].text.lower() in instructions.PREFIXES:
            start += 1
        start = min(start, len(words) - 1)
        if not words or words[0].place != place or words[start].text.startswith("."):
            self.refuse(place, "code-mnemonic", word=text.split()[0], way="start with a mnemonic")
            return None
        if words[start].text.lower() == "if":
            way = "choose by CONDITION ? CODE : CODE"
            self.refuse(place, "code-mnemonic", word=words[start].text, way=way)
            return None
        clause = _CLAUSE.search(text)
        if clause is not None:
            at = _moved(place, text, clause.start(1))
            self.refuse(at, "code-clause", word=clause.group(1))
            return None
        mnemonic = words[start].text.lower()
        if mnemonic == "bytes":
            return self.bytes(text, place)
        if mnemonic in instructions.DIRECTIVES:
            self.refuse(words[start].place, "code-directive", word=words[start].text)
            return None
        symbols = tuple(word for word in words[start + 1 :] if self.symbol(word))
        normal = " ".join(text.split())
        made = Instruction(normal, place, mnemonic=mnemonic, symbols=symbols)
        made.effects = self.known.get(mnemonic)
        if made.effects and (made.effects.code or made.effects.modrm):
            self.encode(made, made.effects)
        elif mnemonic.startswith(_BRANCHES) and self.is_numeric(text, words[start + 1 :]):
            self.refuse(place, "code-number", text=normal)
        nop = _NOP.match(normal)
        if nop is not None:
            made.nop = int(nop.group(1)) if len(nop.group(1)) < 4 else 0
            if not 1 <= made.nop <= model.SITE_MAX:
                self.refuse(place, "code-nop", text=normal, limit=model.SITE_MAX)
        return made

    def is_numeric(self, text: str, words: list[Word]) -> bool:
        """Whether an operand is nothing but a number."""
        return "[" not in text and all(
            word.text.lower() in instructions.OPERAND_WORDS for word in words
        )

    def encode(self, made: Instruction, effects: Effects) -> None:
        """Of one that NASM need not know: it stands alone, or takes a register of 16 bits."""
        mnemonic, _, operand = made.text.lower().partition(" ")
        if effects.modrm and mnemonic == made.mnemonic and operand in registers.NUMBERS:
            made.raw = _with_register(effects.modrm, operand)
        elif effects.code and made.text.lower() == made.mnemonic:
            made.raw = effects.code
        else:
            words = {"text": made.text, "mnemonic": made.mnemonic}
            takes = "a register of 16 bits" if effects.modrm else "no operand and no prefix"
            self.refuse(made.place, "code-operand", takes=takes, **words)

    def bytes(self, text: str, place: Place) -> Instruction | None:
        """One instruction, as bytes. It is one that is declared, or that hotc knows."""
        match = _BYTES.match(" ".join(text.split()))
        if match is None:
            self.refuse(place, "code-bytes", text=" ".join(text.split()))
            return None
        code = bytes.fromhex(match.group(1))
        made = Instruction(match.group(), place, mnemonic="bytes", raw=code)
        for mnemonic, effects in self.known.items():
            if effects.code == code:
                made.mnemonic, made.effects = mnemonic, effects
                break
        return made

    def piece(self, piece: Word, braces: bool) -> list[Instruction]:
        """The label and the instruction of one piece."""
        if not self.characters(piece):
            return []
        found: list[Instruction] = []
        text, place = piece.text, piece.place
        while match := _LABEL.match(text):
            label = match.group(1)
            found.append(Instruction(f"{label}:", place, label=label))
            place, text = _moved(place, text, match.end()), text[match.end() :]
        if found and not braces:
            self.refuse(piece.place, "code-label", label=found[0].label)
        other = re.match(r"([A-Za-z_.][A-Za-z0-9_.]*)\s*:", text)
        if other and not registers.is_register(other.group(1)):
            self.refuse(place, "code-label", label=other.group(1))
        elif text:
            made = self.instruction(text, place)
            found += [made] if made else []
        return found


def _shape(alternative: Alternative, errors: Errors) -> bool:
    """Whether a body without braces is one instruction."""
    body = alternative.body
    if body.text.startswith("{"):
        return True
    for char, ident in ((";", "code-separator"), ("\n", "code-lines")):
        if char in body.text:
            place = _moved(body.place, body.text, body.text.index(char))
            errors.add(place, ident, text=" ".join(body.text.split()))
            return False
    return True


def vet(alternative: Alternative, known: dict[str, Effects], errors: Errors) -> None:
    """Fills in the instructions of an alternative, or marks it as unsound."""
    if not _shape(alternative, errors):
        alternative.sound = False
        return
    braces = alternative.body.text.startswith("{")
    vetter = _Vetter(known, errors)
    for piece in _pieces(alternative.body):
        alternative.instructions += vetter.piece(piece, braces)
    if vetter.sound and not any(made.mnemonic for made in alternative.instructions):
        vetter.refuse(alternative.body.place, "code-empty")
    alternative.sound = vetter.sound
    text = ""
    for made in alternative.instructions:
        text += (" " if text.endswith(":") else "; " if text else "") + made.text
    alternative.text = f"{{ {text} }}" if braces else text

"""Compares what GNU ld and krtld make of one object, and gives a verdict: identical, refused by
both with a reason that has a name, or different.

Every byte of every loaded section is compared. Only two things may differ, and neither goes
unchecked: where the slots of the GOT are (both fields must lead to a slot that holds the symbol's
value), and instructions that ld rewrites for an undefined weak symbol (they must be what the psABI
lets a linker write, and krtld's must read a slot that holds 0).

Used by ld.py, corpus.py and the tests.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from elf import (
    SHN_ABS, SHN_COMMON, SHN_UNDEF, SHT_NOBITS, STB_WEAK, NotAnObject, Object, Relocations,
    Section, type_name,
)  # fmt: skip
from layout import GOT, Layout, make
from link import Linked, Place, link
from load import Loaded, load
from weak import rewritten

PC_SLOT = {9: 4, 28: 8, 41: 4, 42: 4}  # G + A - P: bytes of the field
GOT_SLOT = {3: 4, 27: 8, 30: 8}  # G + A - GOT
SLOT = PC_SLOT | GOT_SLOT
GOT_OFFSET = frozenset([25, 31])  # S + A - GOT
SHOWN = 8  # differences that a verdict tells about

KRTLD = Path(__file__).resolve().parents[2] / "build" / "bin" / "krtld"

IDENTICAL, REFUSED, DIFFERS = "identical", "refused", "differs"


@dataclass
class Verdict:
    """What came of one object."""

    status: str
    reason: str = ""  # of a refusal, a group's name; of a difference, all that is known
    sections: int = 0
    bytes: int = 0
    types: Counter[int] = field(default_factory=Counter)
    slots: int = 0  # fields that lead to a slot of the GOT
    rewritten: int = 0  # instructions that ld rewrote for an undefined weak symbol

    @property
    def relocations(self) -> int:
        return sum(self.types.values())


@dataclass
class Tools:
    """The two that are compared."""

    krtld: Path = KRTLD
    ld: str = "ld"


# ---- Both loaded it ----


def symbol_value(object_: Object, layout: Layout, linked: Linked, index: int) -> int:
    """S, worked out here and not by either of the two."""
    symbol = object_.symbols[index]
    if symbol.section == SHN_COMMON:
        return linked.commons[symbol.name]
    if symbol.section == SHN_ABS:
        return symbol.value
    if symbol.section != SHN_UNDEF:
        return layout.sections[symbol.section] + symbol.value
    return linked.got_symbol or 0 if symbol.name == GOT else layout.symbols.get(symbol.name, 0)


def implied_got(object_: Object, layout: Layout, linked: Linked) -> int | None:
    """Where ld believes the GOT to be. Without slots it keeps neither the GOT nor its symbol, and yet
    reckons from an address, which the first such field tells; all others must agree with it."""
    for relocations in object_.relocations:
        for offset, kind, symbol, addend in relocations:
            if kind in GOT_OFFSET:
                field_ = linked.sections[relocations.target][offset : offset + 8]
                value = symbol_value(object_, layout, linked, symbol) + addend
                return (value - int.from_bytes(field_, "little")) % 2**64
    return None


class Comparison:
    """The comparison of one object that both have loaded."""

    def __init__(self, object_: Object, layout: Layout, linked: Linked, loaded: Loaded) -> None:
        self.object, self.layout, self.linked, self.loaded = object_, layout, linked, loaded
        self.theirs = {i: bytearray(b) for i, b in linked.sections.items()}
        self.ours = {i: bytearray(b) for i, b in loaded.sections.items()}
        self.wrong: list[str] = []
        self.slots = self.rewritten = 0

    def run(self) -> None:
        indices = {s.index for s in self.object.loaded}
        dumped = {*self.ours, *self.loaded.zeros}
        if dumped != indices:
            self.wrong.append(f"krtld dumped sections {sorted(dumped ^ indices)} wrongly")
            return
        for section in self.object.loaded:
            if section.type == SHT_NOBITS:
                self.compare_zeros(section)
                continue
            theirs = self.theirs.setdefault(section.index, bytearray())
            if not len(theirs) == len(self.ours[section.index]) == section.size:
                self.wrong.append(
                    f"{section.name} has {section.size} bytes, {len(theirs)} by ld,"
                    f" {len(self.ours[section.index])} by krtld"
                )
                return
        for relocations in self.object.relocations:
            if not SLOT.keys().isdisjoint(relocations.types):
                self.compare_slots(relocations)
        for section in self.object.loaded:
            if section.type != SHT_NOBITS:
                self.compare_bytes(section.index)

    def compare_zeros(self, section: Section) -> None:
        """ld need not be asked."""
        size, wrong = self.loaded.zeros[section.index]
        if size != section.size:
            self.wrong.append(f"{section.name} has {section.size} bytes, {size} by krtld")
        elif wrong is not None:
            self.wrong.append(f"{section.name}+{wrong:#x}: not 0 by krtld")

    def compare_slots(self, relocations: Relocations) -> None:
        """Takes the fields that lead to the GOT out of the comparison, once they are right."""
        for offset, kind, symbol, addend in relocations:
            if kind not in SLOT:
                continue
            where = (relocations.target, offset, kind, symbol, addend)
            self.slots += 1
            if not self.compare_rewritten(*where) and not self.leads_to_value(*where):
                continue
            for contents in (self.theirs, self.ours):
                field_ = slice(offset, offset + SLOT[kind])
                contents[relocations.target][field_] = bytes(SLOT[kind])

    def slot(
        self, contents: dict[int, bytearray], got: tuple[int, bytes], at: tuple[int, int, int, int]
    ) -> int | None:
        """What the slot holds that a field leads to; None: it leads to no slot."""
        target, offset, kind, addend = at
        width = SLOT[kind]
        value = int.from_bytes(contents[target][offset : offset + width], "little", signed=True)
        if kind in PC_SLOT:
            value += self.layout.sections[target] + offset
        else:
            value += self.linked.got_symbol or 0
        place = (value - addend - got[0]) % 2**64
        if place + 8 > len(got[1]) or place % 8:
            return None
        return int.from_bytes(got[1][place : place + 8], "little")

    def leads_to_value(self, target: int, offset: int, kind: int, symbol: int, addend: int) -> bool:
        at = (target, offset, kind, addend)
        linked = self.slot(self.theirs, (self.linked.got_address, self.linked.got), at)
        loaded = self.slot(self.ours, (self.loaded.got_address, self.loaded.got), at)
        value = symbol_value(self.object, self.layout, self.linked, symbol)
        if linked == loaded == value:
            return True
        place = Place(
            self.object.sections[target].name, offset, self.object.title(symbol), type_name(kind)
        )
        self.wrong.append(
            f"{place}: the slot holds {hex_or_none(loaded)} by krtld, {hex_or_none(linked)} by ld,"
            f" the symbol's value is {value:#x}"
        )
        return False

    def compare_rewritten(
        self, target: int, offset: int, kind: int, symbol: int, addend: int
    ) -> bool:
        """An instruction that ld rewrote: puts the original in its place if it means the same."""
        found = self.object.symbols[symbol]
        absent = found.section == SHN_UNDEF and found.name not in self.layout.symbols
        if found.binding != STB_WEAK or not absent or kind not in PC_SLOT or offset < 3:
            return False
        original = self.object.contents(self.object.sections[target])[offset - 3 : offset + 4]
        place = self.layout.sections[target] + offset
        window = slice(offset - 3, offset + 4)
        if bytes(self.theirs[target][window]) not in rewritten(original, place):
            return False
        at = (target, offset, kind, addend)
        if self.slot(self.ours, (self.loaded.got_address, self.loaded.got), at) != 0:
            return False
        self.theirs[target][window] = original
        self.rewritten += 1
        return True

    def compare_bytes(self, index: int) -> None:
        theirs, ours = self.theirs[index], self.ours[index]
        if theirs == ours:
            return
        at = next(i for i, pair in enumerate(zip(theirs, ours)) if pair[0] != pair[1])
        section = self.object.sections[index]
        window = slice(max(at - 3, 0), at + 8)
        self.wrong.append(
            f"{section.name}+{at:#x}{self.near(index, at)}: {theirs[window].hex(' ')} by ld,"
            f" {ours[window].hex(' ')} by krtld (from {window.start:#x} on)"
        )

    def near(self, index: int, at: int) -> str:
        """The relocation whose field may hold that byte, if there is one."""
        before = [
            (offset, kind, symbol)
            for relocations in self.object.relocations
            if relocations.target == index
            for offset, kind, symbol, _ in relocations
            if offset <= at < offset + 8
        ]
        if not before:
            return ""
        _, kind, symbol = max(before)
        return f" ({type_name(kind)} against `{self.object.title(symbol)}')"


def hex_or_none(value: int | None) -> str:
    return "nothing: the field leads elsewhere" if value is None else f"{value:#x}"


# ---- One of them refused it ----


def _first(object_: Object, overflows: list[tuple[int, Place]]) -> Place:
    """The overflow that comes first in the order of the object's own tables."""
    wanted = {(index, place.offset, place.type): place for index, place in overflows}
    for relocations in object_.relocations:
        for offset, kind, _, _ in relocations:
            place = wanted.get((relocations.target, offset, type_name(kind)))
            if place:
                return place
    return overflows[0][1]


def _same_overflow(object_: Object, linked: Linked, loaded: Loaded) -> str:
    """Empty if both stumble over the same relocation first."""
    theirs = _first(object_, linked.overflows)
    if loaded.overflows == [theirs]:
        return ""
    return f"ld refuses first {theirs}, krtld {loaded.message.strip()}"


# Small fields in which ld stores values whose sign they cannot keep; krtld's own lowest and highest.
SMALL = {
    "R_X86_64_16": (-(2**15), 2**16 - 1), "R_X86_64_8": (-(2**7), 2**8 - 1),
    "R_X86_64_PC16": (-(2**15), 2**15 - 1),
}  # fmt: skip


def _is_small(loaded: Loaded) -> bool:
    """Whether krtld refused what ld stores though a small field cannot hold it."""
    if len(loaded.overflows) != 1 or loaded.overflows[0].type not in SMALL:
        return False
    low, high = SMALL[loaded.overflows[0].type]
    bits = 8 if loaded.overflows[0].type == "R_X86_64_8" else 16
    return -(2**bits) <= loaded.value < 2**bits and not low <= loaded.value <= high


def _same_undefined(linked: Linked, loaded: Loaded) -> str:
    """Empty if both lack the same symbols, and krtld's places are among ld's."""
    theirs, ours = {p.symbol for p in linked.undefined}, {p.symbol for p in loaded.undefined}
    if theirs != ours:
        return f"undefined by only one of the two: {', '.join(sorted(theirs ^ ours))}"
    strange = set(loaded.undefined) - set(linked.undefined)
    return f"ld does not name {', '.join(map(str, strange))}" if strange else ""


# What krtld refuses and ld need not: the phrase of its message, and what must then be true.
LIMITS: list[tuple[str, str, Callable[[Object], bool]]] = [
    ("thread-local storage is not supported", "thread-local storage", lambda o: o.has_tls),
    ("(SHF_TLS) is not supported", "thread-local storage", lambda o: o.has_tls),
    ("(IFUNC) are not supported", "indirect function (IFUNC)", lambda o: o.has_ifunc),
    ("intermediate language only", "intermediate language (slim LTO)", lambda o: o.is_slim),
]  # fmt: skip


def _refusal(object_: Object, linked: Linked, loaded: Loaded) -> Verdict:
    for phrase, name, is_so in LIMITS:
        if phrase in loaded.message:
            if is_so(object_):
                return Verdict(REFUSED, name)
            return Verdict(DIFFERS, f"no {name} in it, and yet krtld: {loaded.message.strip()}")
    if _is_small(loaded):
        return Verdict(REFUSED, "small field, which ld cuts off")
    if loaded.ok or linked.ok:
        by, other = ("ld", "krtld") if loaded.ok else ("krtld", "ld")
        message = (linked.message if loaded.ok else loaded.message).strip()
        return Verdict(DIFFERS, f"refused by {by} and not by {other}: {message[:600]}")
    if loaded.undefined:
        wrong = _same_undefined(linked, loaded)
        return Verdict(DIFFERS, wrong) if wrong else Verdict(REFUSED, "undefined symbol")
    if loaded.overflows and linked.overflows:
        wrong = _same_overflow(object_, linked, loaded)
        return Verdict(DIFFERS, wrong) if wrong else Verdict(REFUSED, "overflow, as by ld")
    return Verdict(
        DIFFERS,
        f"refused for two reasons, krtld: {loaded.message.strip()[:300]}"
        f" ld: {linked.message.strip()[:300]}",
    )


def _strange(object_: Object, loaded: Loaded) -> Verdict | None:
    """Of an object with something that neither of the two understands: krtld must refuse it by name. ld,
    which is shown none of it, has no say. None: krtld refuses it for something else."""
    said = [f"{s.name} of type {s.type:#x}" for s in object_.strange]
    if loaded.ok:
        return Verdict(DIFFERS, f"krtld loads it, and ignores {', '.join(said)}")
    if any(s.name in loaded.message for s in object_.strange):
        return Verdict(REFUSED, "a section of unknown type, or a table of relocations that is not RELA")
    return None


# ---- One object ----


def compare(object_: Object, layout: Layout, linked: Linked, loaded: Loaded) -> Verdict:
    """The verdict on what the two made of an object."""
    if object_.strange and (verdict_ := _strange(object_, loaded)):
        return verdict_
    if not (linked.ok and loaded.ok):
        verdict = _refusal(object_, linked, loaded)
    else:
        comparison = Comparison(object_, layout, linked, loaded)
        comparison.run()
        wrong = comparison.wrong
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        verdict = Verdict(
            DIFFERS if wrong else IDENTICAL,
            "; ".join(wrong[:SHOWN]) + more,
            slots=comparison.slots,
            rewritten=comparison.rewritten,
        )
    verdict.sections = len(object_.loaded)
    verdict.bytes = sum(s.size for s in object_.loaded)
    verdict.types = object_.types
    return verdict


def _foreign(path: Path, layout: Layout, folder: Path, tools: Tools, why: str) -> Verdict:
    """A file that is no object of ours: krtld must refuse it."""
    loaded = load(path, layout, Linked(False), folder, tools.krtld)
    if loaded.ok:
        return Verdict(DIFFERS, f"{why}, and yet krtld loads it")
    if "LLVM bitcode" in loaded.message:
        return Verdict(REFUSED, "intermediate language (LLVM bitcode)")
    return Verdict(REFUSED, f"no object ({why})")


def check(
    path: Path,
    tools: Tools,
    plan: Callable[[Object], Layout] = make,
    keep: Path | None = None,
) -> Verdict:
    """Runs both on a file, in a folder that is kept if there is one to keep it in."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            object_ = Object(path.read_bytes())
        except NotAnObject as error:
            return _foreign(path, Layout(), folder, tools, str(error))
        layout = plan(object_)
        linked = link(object_, layout, folder, tools.ld)
        if linked.ok and linked.got_symbol is None:
            linked.got_symbol = implied_got(object_, layout, linked)
        loaded = load(path, layout, linked, folder, tools.krtld, object_)
        return compare(object_, layout, linked, loaded)

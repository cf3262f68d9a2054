"""Everything that can be said about declarations without looking at their code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from . import c_types, instructions, names, registers
from .model import (
    CALL_SIZE,
    FEATURES_MAX,
    SITE_MAX,
    Declarations,
    Declared,
    Feature,
    Hotinline,
    Value,
    Window,
    Word,
)
from .report import Errors, Place

ALTERNATIVES_MAX = 255  # hotinline.nalternatives is a byte
INDEX_MAX = 0xFFFE  # 0xffff is HOT_NONE
INSTRUCTION_MAX = 15  # bytes of one (Intel SDM vol. 2A, 2.3.11)

_LEAVES = [(base, base + 0xFFFF) for base in (0, 0x40000000, 0x80000000, 0xC0000000)]
_CPUID_REGISTERS = ("eax", "ebx", "ecx", "edx")
_KINDS_AT_MOST_ONE = ("vendor", "hypervisor")


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Place: ...


_Declared = TypeVar("_Declared", bound=_Named)


def _first_is_at(place: Place) -> str:
    return f"{place.source.name}:{place.line}"


class Checker:
    """Reports into errors. features has the declarations that count: the first of each name."""

    def __init__(self, declarations: Declarations, errors: Errors) -> None:
        self.declarations = declarations
        self.errors = errors
        self.features: dict[str, Feature] = {}
        self.hotinlines: dict[str, Hotinline] = {}
        self.instructions: dict[str, Declared] = {}
        self.cyclic: set[str] = set()  # features that are defined by themselves

    def check(self) -> None:
        declared = self.declarations
        self._names()
        for feature in declared.features:
            self._feature(feature)
        for instruction in declared.instructions:
            self._instruction(instruction)
        self._same_bits()
        self._enables()
        self._cycles()
        for hotinline in declared.hotinlines:
            if not hotinline.kept:
                self._signature(hotinline)
                self._size(hotinline)
                self._alternatives(hotinline)
        for window in declared.windows:
            self._window(window)
        self._counts()

    # Names

    def _names(self) -> None:
        declared = self.declarations
        self.features = self._unique("feature", declared.features, names.why_not_feature)
        self.hotinlines = self._unique("hotinline", declared.hotinlines, names.why_not_hotinline)
        self._unique("window", declared.windows, names.why_not_window)
        self._enumerators(sorted(self.hotinlines))
        self.instructions = self._unique(
            "instruction", declared.instructions, names.why_not_instruction
        )

    def _enumerators(self, hotinlines: list[str]) -> None:
        found: dict[str, str] = {}
        for name in hotinlines:
            enumerator = names.enumerator(name)
            other = found.setdefault(enumerator, name)
            if other != name:
                words = {"enumerator": enumerator, "name": name, "other": other}
                first = _first_is_at(self.hotinlines[other].place)
                self.errors.add(
                    self.hotinlines[name].place, "name-enumerator", first=first, **words
                )

    def _name(self, what: str, word: _Named, why_not: Callable[[str], str]) -> None:
        owner = why_not(word.name)
        form = names.why_not_form(word.name, in_c=what in ("hotinline", "parameter"))
        if form:
            self.errors.add(word.place, "name-form", name=word.name, what=what, form=form)
        elif owner:
            self.errors.add(word.place, "name-reserved", name=word.name, what=what, owner=owner)

    def _unique(
        self, what: str, declared: Sequence[_Declared], why_not: Callable[[str], str]
    ) -> dict[str, _Declared]:
        found: dict[str, _Declared] = {}
        for word in declared:
            if not getattr(word, "kept", False):
                self._name(what, word, why_not)
            if word.name in found:
                first = _first_is_at(found[word.name].place)
                self.errors.add(word.place, "name-twice", what=what, name=word.name, first=first)
            found.setdefault(word.name, word)
        return found

    # Features

    def _feature(self, feature: Feature) -> None:
        if feature.kind == "cpuid":
            self._cpuid(feature)
        elif feature.kind in _KINDS_AT_MOST_ONE:
            self._feature_signature(feature)
        elif feature.kind == "live":
            self.errors.add(feature.place, "feature-live")
        if feature.condition:
            self._known(feature.condition.names)

    def _cpuid(self, feature: Feature) -> None:
        leaf, subleaf, register, bit = feature.parts
        if not any(low <= feature.leaf <= high for low, high in _LEAVES):
            self.errors.add(leaf.place, "feature-leaf", leaf=leaf.text)
        if feature.subleaf > 0xFFFF:
            self.errors.add(subleaf.place, "feature-subleaf", subleaf=subleaf.text)
        if feature.register not in _CPUID_REGISTERS:
            self.errors.add(register.place, "feature-register", register=register.text)
        if feature.bit > 31:
            self.errors.add(bit.place, "feature-bit", register=register.text, bit=bit.text)

    def _feature_signature(self, feature: Feature) -> None:
        text = feature.signature
        printable = text.isascii() and text.isprintable()
        if feature.kind == "vendor":
            good, rule = printable and len(text) == 12, "CPUID leaf 0 gives exactly 12 characters"
        else:
            good, rule = printable and 0 < len(text) <= 12, "CPUID gives 1 to 12 characters"
        if not good:
            self.errors.add(
                feature.parts[0].place,
                "feature-signature",
                kind=feature.kind,
                text=text,
                rule=f"{rule}, of ASCII",
            )

    def _same_bits(self) -> None:
        seen: dict[tuple[object, ...], Feature] = {}
        for feature in self.features.values():
            if feature.kind == "cpuid":
                key: tuple[object, ...] = (
                    feature.leaf,
                    feature.subleaf,
                    feature.register,
                    feature.bit,
                )
            elif feature.kind in _KINDS_AT_MOST_ONE:
                key = (feature.kind, feature.signature)
            else:
                continue
            first = seen.setdefault(key, feature)
            if first is not feature:
                self.errors.add(
                    feature.place,
                    "feature-same-bit",
                    first=first.name,
                    name=feature.name,
                    source=feature.source,
                    place=_first_is_at(first.place),
                )

    def _enables(self) -> None:
        owners: dict[str, tuple[Feature, Word]] = {}
        for feature in self.features.values():
            for word in feature.enables:
                name = word.text.lower()
                declared = feature.kept or name in self.instructions
                if not declared and not instructions.is_mnemonic(name):
                    known = instructions.mnemonics() | self.instructions.keys()
                    hint = names.nearest(word.text, known, "did you mean {}?", "check its spelling")
                    self.errors.add(word.place, "enables-unknown", name=word.text, nearest=hint)
                    continue
                key = instructions.canonical(word.text.lower())
                other, first = owners.setdefault(key, (feature, word))
                if first is not word:
                    self.errors.add(
                        word.place,
                        "enables-twice",
                        name=word.text,
                        other=other.name,
                        place=_first_is_at(first.place),
                    )

    def _instruction(self, declared: Declared) -> None:
        if len(declared.code) > INSTRUCTION_MAX:
            words = {"size": len(declared.code), "limit": INSTRUCTION_MAX}
            self.errors.add(declared.place, "instruction-long", **words)
        else:
            from . import effects  # here: what an earlier run has found does without it

            known = effects.known(declared.code)
            if known:
                code = declared.code.hex(" ")
                self.errors.add(declared.place, "instruction-known", code=code, known=known)
        for word in (*declared.reads, *declared.writes):
            known_word = word.text in ("memory", "flags") or registers.is_vector(word.text)
            if not known_word and registers.family(word.text) in ("", "rsp"):
                self.errors.add(word.place, "instruction-register", name=word.text)
        for word in declared.repeated:
            self.errors.add(word.place, "clause-twice", name=word.text)
        if declared.enabled_by:
            self._known([declared.enabled_by])

    def _known(self, words: Iterable[Word]) -> None:
        for word in words:
            if word.text not in self.features:
                hint = names.nearest(
                    word.text,
                    self.features,
                    "did you mean {}?",
                    f"declare it: feature {word.text} = cpuid LEAF.SUBLEAF REGISTER[BIT]",
                )
                self.errors.add(word.place, "feature-unknown", name=word.text, nearest=hint)

    def _cycles(self) -> None:
        """Reports each cycle of derived features once, at the first of its names."""
        done: set[str] = set()
        for start in sorted(self.features):
            path: dict[str, None] = {}  # from start down, in order
            stack = [iter([start])]
            while stack:
                name = next(stack[-1], None)
                if name is None:
                    stack.pop()
                    if path:
                        done.add(path.popitem()[0])
                elif name in path:
                    names_below = list(path)
                    self._cycle(names_below[names_below.index(name) :])
                elif name not in done and name in self.features:
                    path[name] = None
                    condition = self.features[name].condition
                    below = [word.text for word in condition.names] if condition else []
                    stack.append(iter(dict.fromkeys(below)))

    def _cycle(self, cycle: list[str]) -> None:
        self.cyclic.update(cycle)
        low = cycle.index(min(cycle))
        turned = cycle[low:] + cycle[:low]
        words = " -> ".join([*turned, turned[0]])
        feature = self.features[turned[0]]
        self.errors.add(feature.place, "feature-cycle", name=feature.name, cycle=words)

    # Hotinlines

    def _value(self, value: Value) -> None:
        if not c_types.is_known(value) or (c_types.tag(value) and not value.pointer):
            types = ", ".join(c_types.OWN) + ", C's integers, and pointers to a struct"
            hint = names.nearest(value.type, c_types.OWN, "did you mean {}?", f"types are {types}")
            self.errors.add(value.type_place, "type-unknown", name=value.type, nearest=hint)
        elif value.type == "void" and not value.pointer:
            self.errors.add(value.type_place, "type-void")
        elif value.const and not value.pointer:
            self.errors.add(value.type_place, "type-const")
        if len(value.registers) == 2 and (value.pointer or c_types.width(value) != 64):
            kind = c_types.declared(value)
            self.errors.add(value.register_place, "register-pair", type=kind)

    def _register(self, name: str, place: Place) -> bool:
        if name in registers.CONSTRAINTS:
            return True
        if name in registers.RESERVED:
            why = registers.RESERVED[name]
            self.errors.add(place, "register-reserved", name=name, why=why)
            return False
        wide = registers.wider(name)
        hint = f"write {wide}: registers are named by their 64 bits"
        if wide not in registers.CONSTRAINTS:
            hint = "rax, rbx, rcx, rdx, rsi, rdi and r8 … r15 are"
        self.errors.add(place, "register-unknown", name=name, nearest=hint)
        return False

    def _registers(self, value: Value, what: str, used: dict[str, str]) -> None:
        for name in value.registers:
            if not self._register(name, value.register_place):
                continue
            if name in used:
                self.errors.add(
                    value.register_place, "register-twice", name=name, other=used[name]
                )
            used.setdefault(name, what)

    def _signature(self, hotinline: Hotinline) -> None:
        used: dict[str, str] = {}
        seen: set[str] = set()
        before = len(self.errors.found)
        for value in hotinline.parameters:
            self._value(value)
            self._name("parameter", value, names.why_not_parameter)
            if value.name in seen:
                words = {"name": value.name, "what": "parameter"}
                self.errors.add(value.place, "name-twice", first="the same list", **words)
            seen.add(value.name)
            self._registers(value, f"`{value.name}`", used)
        if hotinline.result:
            self._value(hotinline.result)
            self._registers(hotinline.result, "the result", {})
        self._clobbers(hotinline)
        self._reads(hotinline)
        for word in hotinline.repeated:
            self.errors.add(word.place, "clause-twice", name=word.text)
        hotinline.sound = len(self.errors.found) == before

    def _clobbers(self, hotinline: Hotinline) -> None:
        result = hotinline.result.registers if hotinline.result else ()
        used: dict[str, str] = {}
        for word in hotinline.clobbers:
            if word.text == "memory":
                if hotinline.pure:
                    self.errors.add(word.place, "clobber-memory")
            elif not self._register(word.text, word.place):
                continue
            elif word.text in result:
                self.errors.add(word.place, "clobber-result", name=word.text)
            if word.text in used:
                self.errors.add(word.place, "register-twice", name=word.text, other="clobbers")
            used[word.text] = "clobbers"

    def _reads(self, hotinline: Hotinline) -> None:
        used = {name: f"`{v.name}`" for v in hotinline.parameters for name in v.registers}
        for word in hotinline.reads:
            general = word.text in registers.CONSTRAINTS or word.text == "rbp"
            if not general and word.text != "flags" and not registers.is_vector(word.text):
                self._register(word.text, word.place)
            elif word.text in used:
                self.errors.add(word.place, "register-twice", name=word.text, other=used[word.text])
            used.setdefault(word.text, "reads")

    def _size(self, hotinline: Hotinline) -> None:
        place = hotinline.size_place
        if place is None or hotinline.size == CALL_SIZE:
            return
        if hotinline.size == CALL_SIZE + 1:
            self.errors.add(place, "size-six")
        elif not CALL_SIZE <= hotinline.size <= SITE_MAX:
            size = hotinline.size if hotinline.size < 1 << 64 else "so many"
            self.errors.add(place, "size-range", size=size, limit=SITE_MAX)

    def _alternatives(self, hotinline: Hotinline) -> None:
        alternatives = hotinline.alternatives
        for alternative in alternatives[:-1]:
            if alternative.condition is None:
                self.errors.add(
                    alternatives[alternatives.index(alternative) + 1].place,
                    "never-chosen",
                    why="the one before it has no condition; give it one, or remove this one",
                )
                break
        if alternatives[-1].condition is not None:
            self.errors.add(hotinline.place, "baseline-missing", name=hotinline.name)
        for alternative in alternatives:
            if alternative.condition:
                self._known(alternative.condition.names)
        if len(alternatives) > ALTERNATIVES_MAX:
            self.errors.add(
                hotinline.place,
                "alternatives-too-many",
                name=hotinline.name,
                count=len(alternatives),
                limit=ALTERNATIVES_MAX,
            )

    def _window(self, window: Window) -> None:
        for word in (window.opens, window.closes):
            if word.text not in self.hotinlines:
                hint = names.nearest(
                    word.text, self.hotinlines, "did you mean {}?", "windows lie between hotinlines"
                )
                self.errors.add(word.place, "window-unknown", name=word.text, nearest=hint)
        if window.opens.text == window.closes.text:
            self.errors.add(window.closes.place, "window-same", name=window.closes.text)

    def check_symbols(self) -> None:
        """Once the code has been read."""
        symbols: set[str] = set()
        for hotinline in self.declarations.hotinlines:
            for alternative in hotinline.alternatives:
                symbols.update(word.text for i in alternative.instructions for word in i.symbols)
            if len(symbols) > INDEX_MAX:
                words = {"what": "symbols", "count": len(symbols), "limit": INDEX_MAX}
                self.errors.add(hotinline.place, "hotinlines-too-many", **words)
                return

    def _counts(self) -> None:
        count = len(self.declarations.features)
        if count > FEATURES_MAX:
            place = self.declarations.features[FEATURES_MAX].place
            self.errors.add(place, "feature-too-many", count=count, limit=FEATURES_MAX)
        count = len(self.declarations.hotinlines)
        if count > INDEX_MAX:
            place = self.declarations.hotinlines[INDEX_MAX].place
            words = {"what": "hotinlines", "count": count, "limit": INDEX_MAX}
            self.errors.add(place, "hotinlines-too-many", **words)

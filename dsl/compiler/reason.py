"""Which alternatives can be chosen, and what their conditions guarantee. Exact, by truth tables.

Two worlds are told apart. To be chosen, an alternative must be reachable on a machine where derived
features are what they are defined to be. To be guaranteed, a feature must also hold when the kernel
was told to take a derived one as absent (disable_FEATURE=1): then a derived feature still implies
its definition, but is no longer implied by it. In both, a CPU has one vendor and one hypervisor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from . import cpu, instructions, logic
from .check import Checker
from .effects import facts
from .model import VARIABLES_MAX, Alternative, Feature, Hotinline, Instruction
from .report import Errors


@dataclass(frozen=True, slots=True)
class _Need:
    """An instruction, and features of which one must be guaranteed."""

    made: Instruction
    mnemonic: str
    features: list[Feature]
    bit: cpu.Bit | None = None  # None: the author says so


class Reasoner:
    def __init__(self, checker: Checker, errors: Errors) -> None:
        self.features = checker.features
        self.cyclic = checker.cyclic
        self.errors = errors
        self.enabled_by: dict[str, Feature] = {}
        for feature in self.features.values():
            for word in feature.enables:
                self.enabled_by.setdefault(instructions.canonical(word.text.lower()), feature)
        for declared in checker.instructions.values():
            by = declared.enabled_by
            if by and by.text in self.features:
                self.enabled_by.setdefault(declared.name, self.features[by.text])
        self.by_bit: dict[cpu.Bit, list[Feature]] = {}
        self._closures: dict[str, frozenset[str] | None] = {}
        self.truth = lru_cache(maxsize=4096)(self._truth)

    def closure(self, name: str) -> frozenset[str] | None:
        """A feature and all that it depends on; None if one is unknown or cyclic."""
        if name not in self._closures:
            self._closures[name] = self._reach(name)
        return self._closures[name]

    def _reach(self, name: str) -> frozenset[str] | None:
        found: set[str] = set()
        pending = [name]
        while pending:
            feature = self.features.get(pending.pop())
            if feature is None or feature.name in self.cyclic:
                return None
            if feature.name not in found:
                found.add(feature.name)
                pending += logic.names(feature.condition.tree) if feature.condition else ()
        return frozenset(found)

    def _truth(self, variables: frozenset[str]) -> tuple[logic.Truth, int, int]:
        """Tables over these features, and the two worlds: as defined, and with any disabled."""
        truth = logic.Truth(variables)
        possible = truth.every
        for kind in ("vendor", "hypervisor"):
            group = [name for name in truth.variables if self.features[name].kind == kind]
            possible &= truth.at_most_one(group)
        defined = disabled = possible
        for name in truth.variables:
            condition = self.features[name].condition
            if condition is not None:
                holds, means = truth.columns[name], truth.table(condition.tree)
                disabled &= ~holds | means
                defined &= ~(holds ^ means)
        return truth, defined, disabled

    def _needs(self, alternative: Alternative) -> list[_Need]:
        """The instructions of an alternative that not every machine has: those that an author's
        feature enables, and those that a bit of CPUID stands for."""
        found = []
        for made in alternative.instructions:
            code = alternative.code[made.offset : made.offset + made.size]
            if not code or made.nop:
                continue
            decoded = facts(code, made.mnemonic, made.text, made.effects)
            if {made.mnemonic, decoded.mnemonic} & instructions.EXITS.keys():
                continue  # which is worse
            for mnemonic in dict.fromkeys((made.mnemonic, decoded.mnemonic)):
                feature = self.enabled_by.get(instructions.canonical(mnemonic))
                if feature is not None:
                    found.append(_Need(made, mnemonic, [feature]))
                    break
            for bit in cpu.needed(made.mnemonic, decoded.groups) or cpu.needed(
                decoded.mnemonic, decoded.groups
            ):
                found.append(_Need(made, decoded.mnemonic, self._guarantees(bit), bit))
        return found

    def _guarantees(self, bit: cpu.Bit) -> list[Feature]:
        """The declared features that mean this bit."""
        if bit not in self.by_bit:
            declared = self.features.values()
            self.by_bit[bit] = [feature for feature in declared if bit.is_guaranteed_by(feature)]
        return self.by_bit[bit]

    def _variables(self, hotinline: Hotinline) -> frozenset[str] | None:
        """What the conditions are made of. A feature that is none of this no condition implies."""
        wanted: set[str] = set()
        for alternative in hotinline.alternatives:
            if alternative.condition:
                wanted |= logic.names(alternative.condition.tree)
        parts = [self.closure(name) for name in sorted(wanted)]
        if None in parts:
            return None
        return frozenset().union(*(part for part in parts if part))

    def _guaranteed(self, alternative: Alternative, truth: logic.Truth, chosen: int) -> None:
        """chosen: the machines that choose it. All of them have what it needs."""
        reported: set[int] = set()
        for need in self._needs(alternative):
            missing = chosen
            for feature in need.features:
                missing &= ~truth.columns.get(feature.name, 0)
            if not missing or id(need.made) in reported:
                continue
            reported.add(id(need.made))
            words = {"mnemonic": need.mnemonic, "text": need.made.text}
            if need.bit is None:
                name = need.features[0].name
                self.errors.add(need.made.place, "not-guaranteed", feature=name, **words)
                continue
            if need.features:
                way = f"guard it: {need.features[0].name} ? {need.made.text} : …"
            else:
                way = f"declare feature {need.bit.name} = {need.bit.source()}, and guard it: " \
                    f"{need.bit.name} ? {need.made.text} : …"
            source = need.bit.source()
            self.errors.add(need.made.place, "not-everywhere", bit=source, way=way, **words)

    def check(self, hotinline: Hotinline) -> None:
        variables = self._variables(hotinline)
        if variables is None:
            return  # an unknown or cyclic feature, which has been reported
        if len(variables) > VARIABLES_MAX:
            self.errors.add(
                hotinline.place,
                "condition-wide",
                name=hotinline.name,
                count=len(variables),
                limit=VARIABLES_MAX,
            )
            return
        truth, left, allowed = self.truth(variables)
        for number, alternative in enumerate(hotinline.alternatives, 1):
            condition = alternative.condition
            holds = truth.table(condition.tree) if condition else truth.every
            if not left & holds:
                self._never(alternative, truth, holds)
                return  # what follows is judged once this is right
            self._guaranteed(alternative, truth, allowed & holds)
            if alternative.condition is None and number < len(hotinline.alternatives):
                return  # the rest has been reported
            left &= ~holds
            allowed &= ~holds

    def _never(self, alternative: Alternative, truth: logic.Truth, holds: int) -> None:
        _, defined, _ = self.truth(frozenset(truth.variables))
        if not holds & defined:
            why = "its condition cannot hold; change it, or remove the alternative"
        elif alternative.condition is None:
            why = "the others cover every machine; drop the condition of the last of them"
        else:
            why = "those before it cover its condition; remove it, or put it first"
        self.errors.add(alternative.place, "never-chosen", why=why)

"""Which alternatives can be chosen, and what their conditions guarantee. Exact, by truth tables.

Two worlds are told apart. To be chosen, an alternative must be reachable on a machine where derived
features are what they are defined to be. To be guaranteed, a feature must also hold when the kernel
was told to take a derived one as absent (disable_FEATURE=1): then a derived feature still implies
its definition, but is no longer implied by it. In both, a CPU has one vendor and one hypervisor.
"""

from __future__ import annotations

from functools import lru_cache

from . import instructions, logic
from .examine import facts
from .model import VARIABLES_MAX, Alternative, Feature, Hotinline, Instruction
from .report import Errors


class Reasoner:
    def __init__(self, features: dict[str, Feature], cyclic: set[str], errors: Errors) -> None:
        self.features = features
        self.cyclic = cyclic
        self.errors = errors
        self.enabled_by: dict[str, Feature] = {}
        for feature in features.values():
            for word in feature.enables:
                self.enabled_by.setdefault(instructions.canonical(word.text.lower()), feature)
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

    def _needs(self, alternative: Alternative) -> list[tuple[Instruction, str, Feature]]:
        """The instructions of an alternative that some feature enables."""
        found = []
        for made in alternative.instructions:
            code = alternative.code[made.offset : made.offset + made.size]
            decoded = facts(code, made.mnemonic, made.text).mnemonic if code else ""
            for mnemonic in dict.fromkeys((made.mnemonic, decoded)):
                feature = self.enabled_by.get(instructions.canonical(mnemonic))
                if feature is not None:
                    found.append((made, mnemonic, feature))
                    break
        return found

    def _variables(self, hotinline: Hotinline) -> frozenset[str] | None:
        wanted: set[str] = set()
        for alternative in hotinline.alternatives:
            if alternative.condition:
                wanted |= logic.names(alternative.condition.tree)
            wanted |= {feature.name for _, _, feature in self._needs(alternative)}
        parts = [self.closure(name) for name in sorted(wanted)]
        if None in parts:
            return None
        return frozenset().union(*(part for part in parts if part))

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
            for made, mnemonic, feature in self._needs(alternative):
                if allowed & holds & ~truth.columns[feature.name]:
                    words = {"mnemonic": mnemonic, "feature": feature.name, "text": made.text}
                    self.errors.add(made.place, "not-guaranteed", **words)
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

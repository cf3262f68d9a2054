"""hotinline.json as data, and what it demands of a machine: its features, and the choices.

Features can come from the guest's word, from the boot arguments, and from QEMU, which knows what
CPUID answers on the CPU that it models; check.py demands that all agree.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expect import Alternative, Hotinline
from machine import ROOT, Machine

EXTENDED = 0x80000000
HYPERVISOR_BIT = 1 << 31  # CPUID 1 ecx
TCG_SIGNATURE = "TCGTCGTCGTCG"  # what QEMU's TCG answers in CPUID 4000_0000


@dataclass(frozen=True)
class Table:
    """The declarations: features as hotinline.json has them, hotinlines by name."""

    features: list[dict[str, Any]]
    hotinlines: dict[str, Hotinline]
    windows: set[str]  # the hotinlines that open and close windows

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each hotinline."""
        return {name: hotinline.size for name, hotinline in self.hotinlines.items()}

    def helpers(self) -> set[str]:
        """The symbols that alternatives refer to."""
        return {symbol for hotinline in self.hotinlines.values()
                for alternative in hotinline.alternatives
                for _, symbol, _ in alternative.fixups}


def read_table(path: Path = ROOT / "generated/hotinline.json") -> Table:
    """Reads what hotc wrote."""
    data = json.loads(path.read_text())
    hotinlines = {}
    for each in data["hotinlines"]:
        alternatives = tuple(
            Alternative(a["text"], a["when"], a["condition"], bytes.fromhex(a["code"]),
                        tuple((f["offset"], f["symbol"], f["addend"]) for f in a["fixups"]),
                        a["tail"], a["nop"], frozenset(a["behind"])) for a in each["alternatives"])
        hotinlines[each["name"]] = Hotinline(each["name"], each["size"], alternatives)
    windows = {window[end] for window in data["windows"] for end in ("opens", "closes")}
    return Table(data["features"], hotinlines, windows)


def evaluate(condition: Any, features: dict[str, bool | None]) -> bool | None:
    """A condition, as hotinline.json has it: True, False, or None if unknown features matter."""
    if condition is None:
        return True
    (kind, parts), = condition.items()
    if kind == "feature":
        return features[parts]
    if kind == "not":
        value = evaluate(parts, features)
        return None if value is None else not value
    values = {evaluate(part, features) for part in parts}
    decisive = kind == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def choose(hotinline: Hotinline, features: dict[str, bool]) -> int:
    """The index of the first alternative whose condition holds."""
    return next(i for i, alternative in enumerate(hotinline.alternatives)
                if evaluate(alternative.condition, dict(features)))


def cpuid_words(machine: Machine) -> tuple[dict[tuple[int, int, str], int], str, dict[int, int]]:
    """What CPUID answers on CPU 0: words by leaf, subleaf and register; the vendor; and the highest
    basic and extended leaf, by 0 and EXTENDED."""
    path = machine.qmp("query-cpus-fast")[0]["qom-path"]

    def ask(name: str) -> Any:
        return machine.qmp("qom-get", path=path, property=name)

    words = {(word["cpuid-input-eax"], word.get("cpuid-input-ecx", 0),
              word["cpuid-register"].lower()): word["features"] for word in ask("feature-words")}
    return words, ask("vendor"), {0: ask("level"), EXTENDED: ask("xlevel")}


def machine_features(table: Table, machine: Machine, args: str) -> dict[str, bool | None]:
    """What the CPU model, the number of CPUs and the boot arguments make of each feature.

    None: QEMU does not tell that CPUID word, nor do the features that depend on it.
    """
    words, vendor, highest = cpuid_words(machine)
    arguments = args.split()
    found: dict[str, bool | None] = {}
    for feature in table.features:
        name, kind = feature["name"], feature["kind"]
        value: bool | None
        if f"disable_{name}=1" in arguments:
            value = False
        elif kind == "cpuid":
            leaf = feature["leaf"]
            word = words.get((leaf, feature["subleaf"], feature["register"]))
            if leaf > highest[leaf & EXTENDED]:
                word = 0
            value = None if word is None else bool(word >> feature["bit"] & 1)
        elif kind == "vendor":
            value = vendor == feature["signature"]
        elif kind == "hypervisor":
            value = bool(words[1, 0, "ecx"] & HYPERVISOR_BIT) and \
                feature["signature"] == TCG_SIGNATURE
        elif kind == "boot":
            one = machine.config.smp == "1" and "acpi=off" not in machine.config.machine
            value = f"{name}=1" in arguments or (name == "up" and one)
        else:
            value = evaluate(feature["condition"], found)
        found[name] = value
    return found

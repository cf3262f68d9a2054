"""hotinline.json as data, and what it demands of a machine: its features, and the choices.

Features can come from the guest's word, from the boot arguments, and from QEMU, which knows what
CPUID answers on the CPU that it models; check.py demands that all agree.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expect import Alternative, Hotinline
from machine import ROOT, Machine

HYPERVISOR_BIT = (1, 0, "ecx", 31)
TCG_SIGNATURE = "TCGTCGTCGTCG"  # what QEMU's TCG answers in CPUID 4000_0000


@dataclass(frozen=True)
class Table:
    """The declarations: features as hotinline.json has them, hotinlines by name."""

    features: list[dict[str, Any]]
    hotinlines: dict[str, Hotinline]

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
            Alternative(a["text"], a["when"], bytes.fromhex(a["code"]),
                        tuple((f["offset"], f["symbol"], f["addend"]) for f in a["fixups"]),
                        a["tail"]) for a in each["alternatives"])
        hotinlines[each["name"]] = Hotinline(each["name"], each["size"], alternatives)
    return Table(data["features"], hotinlines)


def holds(condition: str, features: dict[str, bool]) -> bool:
    """Evaluates a condition as it was declared; "" always holds."""
    if not condition:
        return True
    words = condition.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    return bool(eval(words, {"__builtins__": {}}, dict(features)))


def choose(hotinline: Hotinline, features: dict[str, bool]) -> int:
    """The index of the first alternative whose condition holds."""
    return next(i for i, alternative in enumerate(hotinline.alternatives)
                if holds(alternative.when, features))


def cpuid_words(machine: Machine) -> tuple[dict[tuple[int, int, str], int], str]:
    """What CPUID answers on CPU 0, by leaf, subleaf and register; and the vendor."""
    path = machine.qmp("query-cpus-fast")[0]["qom-path"]
    words = machine.qmp("qom-get", path=path, property="feature-words")
    vendor = machine.qmp("qom-get", path=path, property="vendor")
    return {(word["cpuid-input-eax"], word.get("cpuid-input-ecx", 0),
             word["cpuid-register"].lower()): word["features"] for word in words}, vendor


def machine_features(table: Table, machine: Machine, args: str) -> dict[str, bool | None]:
    """What the CPU model, the number of CPUs and the boot arguments make of each feature.

    None: QEMU does not tell that CPUID word, nor do the features that depend on it.
    """
    words, vendor = cpuid_words(machine)
    arguments = args.split()
    found: dict[str, bool | None] = {}
    for feature in table.features:
        name, kind = feature["name"], feature["kind"]
        value: bool | None
        if f"disable_{name}=1" in arguments:
            value = False
        elif kind == "cpuid":
            word = words.get((feature["leaf"], feature["subleaf"], feature["register"]))
            value = None if word is None else bool(word >> feature["bit"] & 1)
        elif kind == "vendor":
            value = vendor == feature["signature"]
        elif kind == "hypervisor":
            value = bool(words[HYPERVISOR_BIT[:3]] >> HYPERVISOR_BIT[3] & 1) and \
                feature["signature"] == TCG_SIGNATURE
        elif kind == "boot":
            value = f"{name}=1" in arguments or (name == "up" and machine.config.smp == "1")
        else:
            value = _derived(feature["condition"], found)
        found[name] = value
    return found


def _derived(condition: str, features: dict[str, bool | None]) -> bool | None:
    """A derived feature's value, if it is the same whatever the unknown ones are."""
    unknown = [name for name in set(re.findall(r"\w+", condition)) if features[name] is None]
    known = {name: value for name, value in features.items() if value is not None}
    values = {holds(condition, known | dict(zip(unknown, guess)))
              for guess in itertools.product([False, True], repeat=len(unknown))}
    return values.pop() if len(values) == 1 else None

"""Compares a running guest with what the declarations, the objects and the CPU model demand.

Every site of unix and of every loaded module: is it known to the guest, was it what krtld must have
left, is it now what the features demand, and does QEMU find the same in the guest's memory?
Used by run.py, whose exit status it decides, and by tests/qemu.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import expect
import guest
from machine import ROOT, Machine
from objects import Object, read_object
from table import Table, choose, machine_features

CR4_SMAP = 1 << 21


@dataclass
class Report:
    """What was compared; good if there are no problems."""

    features: dict[str, bool] = field(default_factory=dict)
    sites: tuple[guest.GuestSite, ...] = ()
    modules: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    smap: bool = False


def object_path(module: str) -> Path:
    """The object that a loaded module was made of; the tests' own lie in another folder."""
    if module == "unix":
        return ROOT / "build/kernel/unix.o"
    path = ROOT / f"build/modules/{module}.ko"
    return path if path.exists() else ROOT / f"build/tests/modules/{module}.ko"


def check_features(table: Table, machine: Machine, report: Report) -> None:
    """The guest's features against those of the CPU that QEMU models, and of the boot arguments."""
    said = {name: value for name, (value, _, _) in guest.features(machine).items()}
    expected = machine_features(table, machine, machine.config.args)
    for name, value in expected.items():
        if name not in said:
            report.problems.append(f"feature {name}: the guest does not list it")
        elif value is not None and said[name] != value:
            report.problems.append(f"feature {name}: the guest says {said[name]}, "
                                   f"the machine has {value}")
    report.features = {name: said.get(name, False) if value is None else value
                       for name, value in expected.items()}


def _section_bases(machine: Machine, item: Object, problems: list[str]) -> dict[str, int]:
    """The address of each section that has sites, by asking for a symbol in it."""
    wanted = {site.section for site in item.sites}
    names = {section: f"{item.name}:{name}" for name, (section, _) in item.symbols.items()
             if section in wanted and re.fullmatch(r"\w+", name)}
    found = guest.symbols(machine, list(names.values()))
    bases = {}
    for section in sorted(wanted):
        name = names.get(section, "")
        if name in found:
            bases[section] = found[name].address - item.symbols[name.partition(":")[2]][1]
        else:
            problems.append(f"{item.name}: section {section} has sites, and no symbol")
    return bases


def _prefix(machine: Machine, site: expect.Site, address: int,
            said: dict[int, guest.GuestSite]) -> str:
    """The class of the byte before a site, if that may be a prefix of it; of two, "several".

    They may be the last of an address, and so depend on where the module is; or of another site,
    which was not patched yet when krtld looked.
    """
    length = 0 if site.form == "stub" else min(site.offset, 2)
    found = [byte for byte in machine.memory(address - length, length)] if length else []
    for other in said.values():
        for i in range(length):
            at = address - length + i - other.address
            if 0 <= at < len(other.before):
                found[i] = other.before[at]
    classes = [expect.PREFIXES.get(byte, "") for byte in found]
    return "several" if len(classes) == 2 and all(classes) else "".join(classes[-1:])


def _check_site(site: expect.Site, said: guest.GuestSite, table: Table, report: Report,
                symbols: dict[str, int], live: bytes) -> list[str]:
    hotinline = table.hotinlines[site.hotinline]
    choice = choose(hotinline, report.features)
    alternative = hotinline.alternatives[choice]
    before = expect.before(site, hotinline, said.address, symbols)
    now = expect.now(site, hotinline, choice, said.address, symbols)
    pairs = [("form", said.form, site.form), ("hotinline", said.hotinline, site.hotinline),
             ("alternative", said.alternative, alternative.text),
             ("condition", said.when, alternative.when or "-"),
             ("bytes before", said.before.hex(" "), before.hex(" ")),
             ("bytes now", said.now.hex(" "), now.hex(" ")),
             ("memory", live.hex(" "), now.hex(" "))]
    return [f"{said.name}: {what} is {is_}, should be {should}"
            for what, is_, should in pairs if is_ != should]


def check_module(machine: Machine, table: Table, item: Object, listing: guest.Listing,
                 symbols: dict[str, int], report: Report) -> None:
    """All sites of one module: none missing, none too many, each as it should be."""
    bases = _section_bases(machine, item, report.problems)
    said = {site.address: site for site in listing.sites if site.module == item.name}
    should = {bases[site.section] + site.offset: site for site in item.sites
              if site.section in bases}
    for address in sorted(set(said) | set(should)):
        if address not in said:
            report.problems.append(f"{item.name}: site at {address:#x} is missing: "
                                   f"{should[address]}")
        elif address not in should:
            report.problems.append(f"{said[address].name}: the object has no such site")
        else:
            live = machine.memory(address, len(said[address].now))
            prefix = _prefix(machine, should[address], address, said)
            site = replace(should[address], prefix=prefix)
            report.problems += _check_site(site, said[address], table, report, symbols, live)
    counts = listing.counts.get(item.name)
    if counts != (len(item.sites), item.plain):
        report.problems.append(f"{item.name}: the guest counts {counts} sites and plain references,"
                               f" the object has {len(item.sites), item.plain}")


def check(machine: Machine, table: Table, unix: Path = object_path("unix")) -> Report:
    """Compares everything. The machine is at its prompt; unix: the object that it was made of."""
    report = Report(modules=guest.loaded_modules(machine))
    check_features(table, machine, report)
    listing = guest.hotinlines(machine, "-v")
    report.sites = listing.sites
    names = sorted(set(table.hotinlines) | table.helpers())
    symbols = {name: symbol.address for name, symbol in guest.symbols(machine, names).items()}
    missing = [name for name in names if name not in symbols]
    if missing:
        report.problems.append(f"unix does not define {', '.join(missing)}")
        return report
    for module in report.modules:
        path = unix if module == "unix" else object_path(module)
        item = read_object(path, module, table.sizes)
        check_module(machine, table, item, listing, symbols, report)
        if f"{module}: {len(item.sites)} sites, {item.plain} plain references: verified, OK" \
                not in listing.text:
            report.problems.append(f"{module}: hotinlines -v does not say that it is verified")
    check_smap(machine, report)
    return report


def check_smap(machine: Machine, report: Report) -> None:
    """CR4.SMAP, as QEMU sees it, is on exactly if the feature is there."""
    found = re.search(r"CR4=([0-9a-f]+)", machine.monitor("info registers"))
    report.smap = bool(found and int(found[1], 16) & CR4_SMAP)
    if report.smap != report.features.get("smap", False):
        report.problems.append(f"CR4.SMAP is {report.smap}, the feature smap is "
                               f"{report.features.get('smap')}")

"""`hotc check`: whether objects still have what krtld will need, at build time instead of at boot.

A static link resolves calls and drops their relocations, and link-time optimisation hides code
until later; either way sites would silently stay calls, or names be missing at load time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from elftools.common.exceptions import ELFError  # type: ignore[import]
from elftools.elf.elffile import ELFFile  # type: ignore[import]
from elftools.elf.sections import SymbolTableSection  # type: ignore[import]

from . import names, references, sections, tables
from .report import Errors

# Names that a linker makes, and krtld does too.
_LINKERS = frozenset(["_GLOBAL_OFFSET_TABLE_"])
# Globals that are every module's own affair, as hidden ones are: krtld exports neither.
_OWN = frozenset(["_init", "_fini"])
_KCFI = "__kcfi_typeid_"  # clang defines it for each function that is declared and pointed to
_HIDDEN = frozenset(["STV_HIDDEN", "STV_INTERNAL"])
_COMMON = frozenset(["SHN_COMMON", 0xFF02])  # SHN_X86_64_LCOMMON

_RELINK = "link it with `ld -r`, which keeps relocations"
_NO_LTO = "compile it without -flto"


@dataclass
class _Object:
    path: str
    strong: set[str] = field(default_factory=set)  # exported, and no other module may be
    weak: set[str] = field(default_factory=set)  # exported, and gives way: COMMON too
    hidden: set[str] = field(default_factory=set)  # global, and its own
    local: set[str] = field(default_factory=set)
    undefined: set[str] = field(default_factory=set)  # weak ones may stay so
    plain: list[references.Reference] = field(default_factory=list)

    @property
    def exported(self) -> set[str]:
        return self.strong | self.weak

    @property
    def globals(self) -> set[str]:
        return self.exported | self.hidden


def _refusal(elf: Any, data: bytes) -> tuple[str, str] | None:
    """Why krtld cannot load it, and the way out."""
    kind = {"ET_EXEC": "a linked program", "ET_DYN": "a linked, shared object"}.get(elf["e_type"])
    if kind:
        return f"{kind}, whose calls have lost their relocations", _RELINK
    if elf["e_type"] != "ET_REL":
        return "not relocatable", _RELINK
    if elf["e_machine"] != "EM_X86_64" or elf.elfclass != 64:
        return "not for amd64", "compile it for amd64"
    headers = sections.read(data)
    # pyelftools cannot read some of what these refuse.
    fault = sections.fault(data, headers) or tables.fault(data, headers)
    if fault:
        return fault
    slim = any(section.name.startswith(".gnu.lto_") for section in elf.iter_sections())
    code = any(
        section["sh_flags"] & 4 and section["sh_size"] for section in elf.iter_sections()
    )
    if slim and not code:
        return "GCC's intermediate code, not machine code (slim LTO)", _NO_LTO
    return None


def _symbols(elf: Any, found: _Object, names_: set[str]) -> None:
    """Sorts them as krtld does (loader/krtld.c, "Who may define what"). names_: not exported."""
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            bind = symbol["st_info"]["bind"]
            own = symbol.name in _OWN | names_ or symbol["st_other"]["visibility"] in _HIDDEN
            if not symbol.name or symbol["st_info"]["type"] in ("STT_SECTION", "STT_FILE"):
                continue
            if symbol["st_shndx"] == "SHN_UNDEF":
                if bind != "STB_WEAK":
                    found.undefined.add(symbol.name)
            elif bind == "STB_LOCAL":
                found.local.add(symbol.name)
            elif own:
                found.hidden.add(symbol.name)
            elif bind == "STB_GLOBAL" and symbol["st_shndx"] not in _COMMON:
                found.strong.add(symbol.name)
            else:
                found.weak.add(symbol.name)


def _read(
    path: str, stubs: references.Stubs, own: set[str], errors: Errors
) -> _Object | None:
    found = _Object(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
            stranger = sections.stranger(data)
            if stranger:
                errors.add(path, "object-format", why=stranger[0], way=stranger[1])
                return None
            elf = ELFFile(file)
            refusal = _refusal(elf, data)
            if refusal:
                errors.add(path, "object-format", why=refusal[0], way=refusal[1])
                return None
            _symbols(elf, found, own)
            found.undefined.difference_update(sections.set_ends(data))
            found.plain = references.plain(elf, stubs)
    except OSError as error:
        errors.add(path, "file-unreadable", why=error.strerror or str(error))
        return None
    except (ELFError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        why = f"damaged, or no ELF file ({error})"
        errors.add(path, "object-format", why=why, way="build it again")
        return None
    return found


def _declared(path: str, errors: Errors) -> tuple[references.Stubs, dict[str, str]] | None:
    """Hotinlines; and what the kernel defines for them, with who refers to it."""
    try:
        with open(path, encoding="utf-8") as file:
            described = json.load(file)
        if described["format"] != 1:
            raise ValueError(f"its format is {described['format']}, not 1")
        stubs = references.Stubs(described)
        helpers = {
            name: helper["users"][0]
            for helper in described["helpers"]
            for name in (helper["symbol"], helper["body"])
            if name
        }
    except KeyError as error:
        words = {"why": f"it has no {error.args[0]}: another hotc wrote it"}
        errors.add(path, "json-unusable", **words)
        return None
    except (OSError, ValueError, TypeError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        errors.add(path, "json-unusable", why=why)
        return None
    return stubs, helpers


def _kernel(kernel: _Object, stubs: set[str], helpers: dict[str, str], errors: Errors) -> None:
    for name in sorted(stubs - kernel.globals):
        words = {"symbol": name, "why": "the stub of a hotinline"}
        errors.add(kernel.path, "kernel-lacks", way="link hotstubs.o into it", **words)
    for name, user in sorted(helpers.items()):
        if name not in kernel.globals and name not in stubs:
            why = f"an alternative of {user} refers to it"
            way = "define it as a global, hidden or not; hotinline.h says how it is called"
            errors.add(kernel.path, "kernel-lacks", symbol=name, why=why, way=way)


def _module(module: _Object, stubs: set[str], owners: dict[str, str], errors: Errors) -> None:
    for name in sorted(stubs & (module.globals | module.local)):
        errors.add(module.path, "object-defines-hotinline", symbol=name)
    for name in sorted(module.strong - stubs):
        other = owners.setdefault(name, module.path)
        if other != module.path:
            errors.add(module.path, "object-duplicate", symbol=name, other=other)


def check_objects(
    described: str, kernel_path: str, paths: list[str], external: set[str], own: set[str],
    errors: Errors,
) -> list[str]:
    """external: symbols that the loader provides; own: what no object exports.
    Returns what is no error,
    but worth knowing: a line for each reference that is not a site."""
    declared = _declared(described, errors)
    found_stubs, helpers = declared or (references.Stubs({"hotinlines": []}), {})
    kernel = _read(kernel_path, found_stubs, own, errors)
    modules = [m for m in (_read(path, found_stubs, own, errors) for path in paths) if m]
    if declared is None or kernel is None:
        return []
    stubs = set(found_stubs.sizes)
    _kernel(kernel, stubs, helpers, errors)
    owners = dict.fromkeys(kernel.exported, kernel_path)  # it comes first: its weak ones count
    for module in modules:
        _module(module, stubs, owners, errors)
    known = {*owners, *stubs, *external, *_LINKERS}
    for module in modules:
        known |= module.weak
    missing = {*helpers} - kernel.globals  # reported once, by _kernel
    for found in (kernel, *modules):
        for name in sorted(found.undefined - known):
            if found is kernel and name in missing:
                continue
            hint = names.nearest(
                name, known, "did you mean {}?", "declare it as a hotinline, or define it"
            )
            if name.startswith(_KCFI):
                hint = "link hottypes.o, compiled with -fsanitize=kcfi, into the kernel"
            errors.add(found.path, "object-undefined", symbol=name, nearest=hint)
    return [
        f"{found.path}: {plain.place}: a reference to {plain.hotinline}, not a site: {plain.reason}"
        for found in (kernel, *modules)
        for plain in found.plain
    ]

#!/usr/bin/python3
"""krtld over real objects, with functions that everybody calls declared as hotinlines (calls.hot).

Every reference to one of them that objdump shows must be a site or a plain reference of krtld, of
the right form or for the right reason, and krtld may have no other; each site, patched, must hold
the bytes that expect.py asks for; and every other byte must be what it is without patching. Used by
test_real.py and corpus.py; on the command line it compares the OBJECTs named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from count import FIELD, FORMS, Reference, count  # noqa: E402
from expect import CHOSEN, OPCODES, TO, branch, expected, wrong_code  # noqa: E402
from objectfile import KERNEL, USER, Layout, ObjectFile, Place  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
KRTLD = ROOT / "build" / "real" / "krtld"
DEFINED = "one of the functions is defined there"
REFUSALS = {  # krtld's words: what to call it in a report
    "thread-local": "thread-local storage",
    "indirect functions": "IFUNC",
    "the name of a hotinline": DEFINED,
    "though other stubs are": DEFINED,
}
CS = 0x2E
NOTHING = b"\x90\x90"  # before a site at the beginning of its section


@dataclass
class Result:
    """What came of one object."""

    path: Path
    sites: Counter[str] = field(default_factory=Counter)  # by form
    filled: Counter[str] = field(default_factory=Counter)  # by how
    plain: Counter[str] = field(default_factory=Counter)  # references that are none, by reason
    prefixed: int = 0  # sites behind the prefix cs
    refused: str = ""  # why krtld does not load it
    missed: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # bytes, or refused for no good reason

    @property
    def problems(self) -> list[str]:
        return [
            f"{self.path}: {what}: {text}"
            for what in ("missed", "invented", "wrong")
            for text in getattr(self, what)
        ]


class Refused(Exception):
    """krtld does not load the object; the message is its first line."""


@dataclass
class Loaded:
    """What krtld made of an object: what it found, and the bytes of each section."""

    found: dict[Place, Reference]
    json: dict[Place, dict[str, str]]  # of the sites, as krtld prints them
    bytes: dict[int, bytes]


def _krtld(krtld: Path, file: ObjectFile, folder: Path, *options: str) -> str:
    command = [krtld, *options, "--layout", folder / "layout", "--dump", folder / "dump", file.path]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr.partition("\n")[0] or f"status {done.returncode}")
    return done.stdout


def _dumped(layout: Layout, folder: Path) -> dict[int, bytes]:
    return {i: (folder / "dump" / f"sec{i}.bin").read_bytes() for i in layout.sections}


def _read(layout: Layout, text: str, contents: dict[int, bytes]) -> Loaded:
    loaded = Loaded({}, {}, contents)
    said = json.loads(text)
    for site in said["sites"]:
        width = len(bytes.fromhex(site["before"]))
        place = layout.place(int(site["address"], 16) + width - FIELD)
        loaded.found[place] = Reference(site["hotinline"], site["form"], "", "")
        loaded.json[place] = site
    for reference in said["references"]:
        place = layout.place(int(reference["address"], 16))
        loaded.found[place] = Reference(
            reference["hotinline"], reference["reason"], reference["type"], ""
        )
    if len(loaded.found) != len(said["sites"]) + len(said["references"]):
        raise Refused("krtld names one place twice")
    return loaded


def compare_found(
    want: dict[Place, Reference], found: dict[Place, Reference], result: Result
) -> None:
    """What objdump shows and what krtld found."""
    for place in sorted(want, key=lambda place: (place.section, place.offset)):
        reference = want[place]
        mine = found.get(place)
        what = f"{place.section}+0x{place.offset:x} {reference.name} {reference.shown}"
        if mine is None:
            result.missed.append(f"{what}: a {reference.kind}, unknown to krtld")
        elif mine.name != reference.name or not mine.kind.startswith(reference.kind):
            kind = "missed" if reference.kind in FORMS else "invented"
            getattr(result, kind).append(
                f"{what}: {reference.kind} says objdump, {mine.kind} of {mine.name} says krtld"
            )
        elif reference.kind in FORMS:
            result.sites[reference.kind] += 1
        else:
            result.plain[reference.kind] += 1
    for place in found.keys() - want.keys():
        mine = found[place]
        result.invented.append(
            f"{place.section}+0x{place.offset:x} {mine.name}: {mine.kind}, unknown to objdump"
        )


def compare_bytes(layout: Layout, loaded: Loaded, before: dict[int, bytes], result: Result) -> None:
    """The patched sections, and the same unpatched."""
    should = {index: bytearray(contents) for index, contents in before.items()}
    for place, site in loaded.json.items():
        name, form = site["hotinline"], site["form"]
        width = len(bytes.fromhex(site["before"]))
        start = place.offset + FIELD - width
        address = layout.sections[place.section] + start
        old = before[place.section]
        prefix = (NOTHING + old[max(start - 2, 0) : start])[-2:]
        want = expected(name, form, address, prefix, layout.names, width)
        where = f"{place.section}+0x{start:x} {form} {name} after {prefix.hex(' ')}"
        result.filled[want.how] += 1
        result.prefixed += prefix[-1] == CS
        end = start + width
        if old[start:end] != branch(form, address, layout.names[name], width):
            result.wrong.append(f"{where}: unpatched {old[start:end].hex(' ')}")
        code = loaded.bytes[place.section][start:end]
        complaint = wrong_code(want, code, prefix, address)
        if code != want.bytes or bytes.fromhex(site["after"]) != want.bytes or complaint:
            result.wrong.append(
                f"{where}: {code.hex(' ')}, expected {want.bytes.hex(' ')}. {complaint}"
            )
        should[place.section][start:end] = want.bytes
    for index, contents in should.items():
        if contents != loaded.bytes[index]:
            at = next(i for i, pair in enumerate(zip(contents, loaded.bytes[index]))
                      if pair[0] != pair[1])  # fmt: skip
            result.wrong.append(f"{index}+0x{at:x}: changed, or not patched as expected")


def compare(path: Path, base: int, krtld: Path = KRTLD) -> Result:
    """One object, loaded from that address on."""
    result = Result(path)
    file = ObjectFile(path)
    if CHOSEN.keys().isdisjoint(file.undefined):
        return result
    layout = Layout(file, base, [*CHOSEN, TO, "baseline"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layout.write(folder / "layout")
        try:
            _krtld(krtld, file, folder)
            before = _dumped(layout, folder)
            text = _krtld(krtld, file, folder, "--cpu", "chosen", "--json")
            loaded = _read(layout, text, _dumped(layout, folder))
        except Refused as why:
            result.refused = next((r for w, r in REFUSALS.items() if w in str(why)), "otherwise")
            if result.refused == "otherwise" or (
                result.refused == DEFINED and not CHOSEN.keys() & file.defined
            ):
                result.wrong.append(f"refused: {why}")
            return result
    compare_found(count(file, CHOSEN.keys()), loaded.found, result)
    compare_bytes(layout, loaded, before, result)
    return result


def base_of(path: Path) -> int:
    return KERNEL if path.suffix == ".ko" else USER


def main() -> int:
    if len(sys.argv) == 1:
        print("usage: tests/real/compare.py OBJECT…", file=sys.stderr)
        return 64
    problems = 0
    for word in sys.argv[1:]:
        result = compare(Path(word), base_of(Path(word)))
        print(f"{word}: {result.refused or 'loaded'}, sites {dict(result.sites)}, filled"
              f" {dict(result.filled)}, plain references {dict(result.plain)}, missed"
              f" {len(result.missed)}, invented {len(result.invented)}, wrong {len(result.wrong)}")
        print("".join(f"  {problem}\n" for problem in result.problems[:20]), end="")
        problems += len(result.problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Packs objects into inputs of the fuzz target patch (container.h). Called by fuzz.mk.

usage: seeds.py OUT OBJECT…
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

UNIX_IS_FIRST = 0x80


def pack(objects: list[bytes], features: int, order: int = 0) -> bytes:
    """An input whose loads suffer no failure."""
    options = struct.pack("<6B2x", features, 0xFF, 0, 0, 0, order)
    return options + b"".join(struct.pack("<I", len(o)) + o for o in objects)


def main() -> None:
    """Each object alone with all features and with none, each with the next, and each unix."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    paths = sorted(Path(p) for p in sys.argv[2:])
    for i, path in enumerate(paths):
        one, other = path.read_bytes(), paths[(i + 7) % len(paths)].read_bytes()
        name = path.stem
        (out / f"{name}-all").write_bytes(pack([one], 0x7F))
        (out / f"{name}-none").write_bytes(pack([one], 0))
        (out / f"{name}-two").write_bytes(pack([one, other], i & 0x7F, order=i))
        if "unix" in name:
            (out / f"{name}-own").write_bytes(pack([one, other], 0x7F | UNIX_IS_FIRST))


if __name__ == "__main__":
    main()

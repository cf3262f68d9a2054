"""NOPs: padding, and the mark of a wide site. The engine's hot_arch_pad() and hot_arch_mark()."""

from __future__ import annotations

# The recommended NOP of 1 to 9 bytes (Intel SDM vol. 2B, NOP, table 4-12).
_NOPS = [
    bytes.fromhex(text)
    for text in (
        "90",
        "6690",
        "0f1f00",
        "0f1f4000",
        "0f1f440000",
        "660f1f440000",
        "0f1f8000000000",
        "0f1f840000000000",
        "660f1f840000000000",
    )
]

LONGEST = len(_NOPS)  # bytes
SS_OVERRIDE = b"\x36"  # ignored in 64-bit mode (Intel SDM vol. 1, 3.3.7.1)


def pad(size: int) -> bytes:
    """The fewest NOPs of that many bytes."""
    nines, rest = divmod(size, 9)
    return _NOPS[8] * nines + (_NOPS[rest - 1] if rest else b"")


def mark(size: int) -> bytes:
    """What stands after the call of a wide site: NOPs that nothing else makes. size >= 2, or 0."""
    marks = b""
    while size:
        chunk = 9 if size == 11 else min(size, 10)  # a rest of 1 byte cannot be a mark
        marks += SS_OVERRIDE + _NOPS[chunk - 2]
        size -= chunk
    return marks

"""After which prefixes does code mean the same?

The bytes before a site may be prefixes of the call that stood there, or the end of the instruction
before; no one can tell which (compilers emit 2e e8). The first instruction alone is concerned:
it is decoded once as it is and once after each prefix of a class, and compared. Of combinations
nothing is proven so: after several prefixes only a NOP or a branch may stand.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from . import instructions, nops
from .model import CALL_SIZE, Alternative

# Bit p - 1 of an alternative's `behind`: p of enum hot_arch_prefix (alternatives/arch.h).
CLASSES = {
    "segment": 1,
    "fs-gs": 2,
    "operand": 3,
    "address": 4,
    "repeat": 5,
    "rex": 6,
    "lock": 7,
    "several": 8,
}
ALL = 0xFF
SEVERAL = 1 << CLASSES["several"] - 1

# What LOCK means something for (Intel SDM vol. 2A, LOCK; AMD64 APM vol. 3, MOV CRn). With all
# others it is #UD, as it was with the call.
_LOCKABLE = frozenset(
    "adc add and btc btr bts cmpxchg cmpxchg8b cmpxchg16b dec inc neg not or sbb sub xor xadd"
    " xchg".split()
)

# 66, f2 and f3 are left out: before most opcodes they are reserved, or select another instruction
# (Intel SDM vol. 2A, 2.1.1).
_BYTES = {
    "segment": (0x26, 0x2E, 0x36, 0x3E),
    "fs-gs": (0x64, 0x65),
    "address": (0x67,),
    "rex": tuple(range(0x40, 0x50)),
}
_VECTOR = (0x62, 0x8F, 0xC4, 0xC5)  # EVEX, XOP, VEX: undefined after REX (SDM vol. 2A, 2.3.2)
_CALL_OR_JMP = (0xE8, 0xE9)


@functools.cache
def _decoder() -> Any:
    from . import disassembler  # here: what an earlier run has found does without it

    return disassembler.decoder()


def _meaning(code: bytes) -> tuple[int, str, str] | None:
    """Size, mnemonic and operands of the first instruction. An override of cs, ds, es or ss does
    nothing in 64-bit mode (SDM vol. 1, 3.3.7.1), so it is left out."""
    for _, size, mnemonic, operands in _decoder().disasm_lite(code, 0, 1):
        return size, mnemonic, re.sub(r"\b[cdes]s:", "", operands)
    return None


@functools.cache
def _harmless(code: bytes) -> int:
    """The classes that change nothing in this one instruction. Kept, because it takes two dozen
    decodings, and declarations have many instructions in common."""
    plain = _meaning(code)
    if plain is None or plain[0] != len(code):
        return 0
    wanted = (len(code) + 1, *plain[1:])
    mask = 0
    for name, prefixes in _BYTES.items():
        if name == "rex" and code[0] in _VECTOR:
            continue
        if all(_meaning(bytes([prefix]) + code) == wanted for prefix in prefixes):
            mask |= 1 << CLASSES[name] - 1
    if not _LOCKABLE & set(plain[1].split()) and not re.search(r"\bcr[0-9]", plain[2]):
        mask |= 1 << CLASSES["lock"] - 1
    return mask


def behind(alternative: Alternative) -> int:
    """The classes, as a mask."""
    first = next((made for made in alternative.instructions if made.mnemonic), None)
    if first is None:
        return 0
    code = alternative.code[first.offset : first.offset + first.size]
    if code[0] in _CALL_OR_JMP and len(code) == CALL_SIZE:
        return ALL
    # A NOP of one byte is none after 41: that is xchg r8d, eax. After several prefixes one that is
    # longer than the call could be longer than an instruction's 15 bytes.
    if first.nop >= 2:
        size = first.nop if first.nop <= nops.LONGEST else nops.LONGEST
        return ALL if size <= CALL_SIZE else ALL & ~SEVERAL
    return 0 if first.effects or first.raw else _harmless(code)


def names(mask: int) -> list[str]:
    """The classes of a mask, for hotinline.json."""
    return [name for name, number in CLASSES.items() if mask >> number - 1 & 1]

"""What a site must hold once it is patched: the choices of calls.hot, written down once more.

It knows the rules from the manual (dsl/README.md, alternatives/hotinline.h) and shares no code with
the engine or with hotc. Used by compare.py.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import capstone  # type: ignore[import]

from count import CALL, JMP

SITE = 5  # bytes
RELAXED = 6  # bytes of what was a call or jmp through the GOT
ADDR32 = b"\x67"
OPCODES = {CALL: b"\xe8", JMP: b"\xe9"}
RET = b"\xc3"
INT3 = b"\xcc"
NOPS = {n: bytes.fromhex(h) for n, h in enumerate(
    ("", "90", "6690", "0f1f00", "0f1f4000", "0f1f440000", "660f1f440000"))}  # fmt: skip

# Bytes that may be a prefix of what follows (Intel SDM vol. 2A, 2.1.1 and 2.2.1).
PREFIX = {
    **dict.fromkeys((0x26, 0x2E, 0x36, 0x3E), "segment"),
    **dict.fromkeys((0x64, 0x65), "fs-gs"),
    0x66: "operand",
    0x67: "address",
    **dict.fromkeys((0xF2, 0xF3), "repeat"),
    0xF0: "lock",
    **dict.fromkeys(range(0x40, 0x50), "rex"),
}
ANY = frozenset([*PREFIX.values(), "several"])
NO_OPERAND = ANY - {"operand", "repeat", "several"}  # nothing that a prefix could change; those two may select
REGISTERS = NO_OPERAND - {"rex"}
FLAT = frozenset(["segment", "lock"])  # memory: of the segments only fs and gs have a base

_DECODER = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


@dataclass(frozen=True)
class Code:
    """A chosen alternative."""

    bytes: bytes
    shown: tuple[str, ...]  # mnemonics
    behind: frozenset[str]  # prefixes with which it means the same


def _code(text: str, shown: str, behind: frozenset[str]) -> Code:
    return Code(bytes.fromhex(text), tuple(shown.split()), behind)


NOP1 = _code("90", "nop", REGISTERS)
NOP2 = _code("66 90", "nop", ANY)
NOP3 = _code("0f 1f 00", "nop", ANY)
NOP4 = _code("0f 1f 40 00", "nop", ANY)
NOP5 = _code("0f 1f 44 00 00", "nop", ANY)
LFENCE = _code("0f ae e8", "lfence", NO_OPERAND)
UD2 = _code("0f 0b", "ud2", NO_OPERAND)
CLAC = _code("0f 01 ca", "clac", NO_OPERAND)
STAC = _code("0f 01 cb", "stac", NO_OPERAND)
MOV = _code("b8 78 56 34 12", "mov", REGISTERS)
# xor can be locked, though not of a register; hotc need not know that.
XOR = _code("31 c0", "xor", REGISTERS - {"lock"})
XOR_CLD = _code("31 c0 fc", "xor cld", REGISTERS - {"lock"})
MOV_CLD = _code("b0 01 fc", "mov cld", REGISTERS)
LEA = _code("48 8d 47 01", "lea", FLAT | {"rex"})  # lea reads no memory; hotc need not know that
MOVSB = _code("f3 a4", "rep movsb", FLAT | {"rex"})
STOSB = _code("f3 aa", "rep stosb", FLAT | {"fs-gs", "rex"})

TO = "chosen_function"  # of those that are None: `call chosen_function`
CHOSEN: dict[str, Code | None] = {
    "__fentry__": NOP5,
    "__x86_return_thunk": LFENCE,
    "__stack_chk_fail": UD2,
    "mutex_lock": CLAC,
    "mutex_unlock": STAC,
    "kfree": None,
    "_printk": MOV,
    "_raw_spin_lock": XOR,
    "__list_add_valid": MOV_CLD,
    "__x86_indirect_thunk_rax": NOP3,
    "__x86_indirect_thunk_r8": NOP5,
    "__x86_indirect_thunk_r9": CLAC,
    "__x86_indirect_thunk_r10": LEA,
    "__x86_indirect_thunk_r11": None,
    "noop_llseek": NOP1,
    "seq_read": NOP2,
    "simple_open": NOP4,
    "memcpy": MOVSB,
    "memset": STOSB,
    "memmove": None,
    "strlen": XOR,
    "strcmp": XOR_CLD,
    "malloc": MOV,
    "free": NOP5,
    "__overflow": NOP3,
    "__lll_lock_wake_private": CLAC,
    "__errno_location": LEA,
    "__chk_fail": UD2,
    "adler32": NOP4,
    "lua_settop": None,
    "sqlite3_free": STAC,
}


def branch(form: str, site: int, target: int, width: int = SITE) -> bytes:
    """A direct call or jmp; of six bytes, as the psABI relaxes one through the GOT."""
    if width == RELAXED:
        if form == CALL:
            return ADDR32 + branch(form, site + 1, target)
        return branch(form, site, target) + NOPS[1]
    return OPCODES[form] + ((target - site - SITE) & 0xFFFFFFFF).to_bytes(4, "little")


@dataclass(frozen=True)
class Expected:
    """The bytes of a patched site, and what they are in assembly."""

    bytes: bytes
    shown: tuple[str, ...]
    how: str  # "inline", "padding first", "branch", "stays"
    to: int  # where a branch leads


def _fill(form: str, code: Code, prefix: str | None, width: int) -> tuple[bytes, tuple[str, ...], str] | None:
    silent = form == JMP and set(code.shown) == {"nop"}  # before a return, NOPs are no code
    body = (b"" if silent else code.bytes) + (RET if form == JMP else b"")
    shown = (() if silent else code.shown) + (("ret",) if form == JMP else ())
    room = width - len(body)
    pad = ("nop",) if room else ()
    if room < 0:
        return None
    if not prefix or (prefix in code.behind and not silent):
        if form == JMP:
            return body + INT3 * room, shown + ("int3",) * room, "inline"
        return body + NOPS[room], shown + pad, "inline"
    if room >= 2:
        if room > SITE:  # the first is not longer than a call
            return NOPS[SITE] + NOPS[room - SITE] + body, pad + pad + shown, "padding first"
        return NOPS[room] + body, pad + shown, "padding first"
    return None


def prefix_of(before: bytes) -> str | None:
    """What the two bytes before a site may be, as prefixes of it."""
    classes = [PREFIX.get(byte) for byte in before]
    return "several" if all(classes) else classes[-1]


def expected(
    name: str, form: str, site: int, before: bytes, names: dict[str, int], width: int = SITE
) -> Expected:
    """Of a site at that address. before: the two bytes before it, 0x90 where there is none."""
    code = CHOSEN[name]
    if code is None:
        rest = NOPS[width - SITE] if form == CALL else INT3 * (width - SITE)
        return Expected(branch(form, site, names[TO]) + rest, (form,), "branch", names[TO])
    filled = _fill(form, code, prefix_of(before), width)
    if filled:
        return Expected(*filled, 0)
    return Expected(branch(form, site, names[name], width), (form,), "stays", names[name])


@functools.lru_cache(maxsize=None)
def _decoded(code: bytes) -> tuple[int, tuple[str, ...]]:
    """How many bytes are instructions, and their mnemonics; a repeat is a word of its own."""
    instructions = list(_DECODER.disasm(code, 0))
    shown = tuple(word for i in instructions for word in i.mnemonic.split())
    return sum(i.size for i in instructions), shown


def wrong_code(want: Expected, code: bytes, before: bytes, site: int) -> str:
    """What the disassembler has against the patched bytes of a site; "" if nothing."""
    if want.how in ("branch", "stays"):
        instruction = next(_DECODER.disasm(code, site), None)
        shown = f"{instruction.mnemonic} {instruction.op_str}" if instruction else "nothing"
        shown = shown.removeprefix("addr32 ")
        return "" if shown == f"{want.shown[0]} 0x{want.to:x}" else f"it reads {shown}"
    if _decoded(code) != (len(code), want.shown):
        return f"it reads {_decoded(code)}"
    # LOCK is left out: with it, the call was #UD as well.
    for n in range(1, 3 if before[0] in PREFIX else 2):
        prefixes = before[-n:]
        if before[-1] not in PREFIX or 0xF0 in prefixes:
            break
        if _decoded(prefixes + code) != (len(code) + n, want.shown):
            return f"after {prefixes.hex(' ')} it reads {_decoded(prefixes + code)}"
    return ""

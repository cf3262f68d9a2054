"""What GNU ld writes over an instruction that reads an undefined weak symbol's slot of the GOT.

ld knows that the symbol's value is 0, and makes of the load or call an instruction that needs no
slot, even with --no-relax. The instructions are those of the psABI, "Optimize GOTPCRELX
Relocations" (B.2). Used by check.py.
"""

from __future__ import annotations

CALL, JMP = 0x15, 0x25  # ModRM of `call *slot(%rip)` and `jmp *slot(%rip)`
MOV, LEA, TEST, GROUP5 = 0x8B, 0x8D, 0x85, 0xFF
ADDR32, NOP = 0x67, 0x90


def _relative(place: int, end: int) -> bytes:
    """The displacement of a branch to 0 whose last byte is before place + end."""
    return (-(place + end) % 2**32).to_bytes(4, "little")


def rewritten(original: bytes, place: int) -> list[bytes]:
    """What may stand where the seven bytes stood whose last four are the field at place."""
    prefix, opcode, modrm = original[:3]
    if opcode == GROUP5 and modrm == CALL:
        return [bytes([prefix, ADDR32, 0xE8]) + _relative(place, 4)]
    if opcode == GROUP5 and modrm == JMP:
        return [bytes([prefix, 0xE9]) + _relative(place, 3) + bytes([NOP])]
    if modrm & 0xC7 != 5:  # not sym(%rip)
        return []
    register, relative = modrm >> 3 & 7, []
    if opcode == MOV:  # the address of what is at 0
        relative = [bytes([prefix, LEA, modrm]) + _relative(place, 4)]
    if prefix & 0xF0 == 0x40:  # REX: the register moves from ModRM.reg to ModRM.rm
        prefix = prefix & ~0x5 | prefix >> 2 & 1
    if opcode == MOV:
        head = bytes([prefix, 0xC7, 0xC0 | register])
    elif opcode == TEST:
        head = bytes([prefix, 0xF7, 0xC0 | register])
    elif opcode & 0xC7 == 0x03:  # add, or, adc, sbb, and, sub, xor, cmp
        head = bytes([prefix, 0x81, 0xC0 | opcode & 0x38 | register])
    else:
        return []
    return [*relative, head + bytes(4)]

"""What a pointer to a hotinline points to, if its signature is not the C ABI's: NAME.wrapper, a
function of the C ABI in hotstubs.asm that holds a site. (A copy in each C file would have to be
static, and an inline function of C may not refer to what is static: C11, 6.7.4.)"""

from __future__ import annotations

from . import nops, registers
from .model import CALL_SIZE, Hotinline, Value

_LOW = {f"r{name}": f"e{name}" for name in ("ax", "bx", "cx", "dx", "si", "di")}
_FIRST_ON_STACK = 16  # bytes from rbp: the saved rbp and the return address (psABI 3.2.2)


def _half(register: str) -> str:
    return _LOW.get(register, register + "d")


def _load(value: Value, at: str) -> list[str]:
    if len(value.registers) == 1:
        return [f"mov {value.registers[0]}, [{at}]"]
    high, low = value.registers
    return [f"mov {_half(low)}, [{at}]", f"mov {_half(high)}, [{at} + 4]"]


def _result(value: Value | None) -> list[str]:
    if value is None or value.registers == (registers.ABI_RESULT,):
        return []
    if len(value.registers) == 1:
        return [f"mov {registers.ABI_RESULT}, {value.registers[0]}"]
    high, low = value.registers
    if high == registers.ABI_RESULT:
        return ["shl rax, 32", f"mov {_half(low)}, {_half(low)}", f"or rax, {low}"]
    return [f"mov eax, {_half(low)}", f"shl {high}, 32", f"or rax, {high}"]


def wrapper(hotinline: Hotinline) -> list[str]:
    """The instructions. Arguments go through the stack, so that no order of moves can lose one."""
    parameters = hotinline.parameters
    used = {name for value in parameters for name in value.registers}
    used |= hotinline.registers_given()
    kept = [name for name in registers.CONSTRAINTS if name in used - registers.ABI_CHANGED]
    arguments = registers.ABI_ARGUMENTS[: len(parameters)]
    lines = ["push rbp", "mov rbp, rsp", *(f"push {name}" for name in (*kept, *arguments))]
    for number, value in enumerate(parameters):
        below = 8 * (len(kept) + number + 1)
        above = _FIRST_ON_STACK + 8 * (number - len(registers.ABI_ARGUMENTS))
        on_stack = number >= len(arguments)
        lines += _load(value, f"rbp + {above}" if on_stack else f"rbp - {below}")
    # With `wrt ..plt` NASM names the symbol, not its section and an offset: else it is no site.
    lines.append(f"call {hotinline.name} wrt ..plt")
    mark = nops.mark(hotinline.size - CALL_SIZE)
    lines += ["db " + ", ".join(f"0x{byte:02x}" for byte in mark)] if mark else []
    lines += _result(hotinline.result)
    lines += [f"lea rsp, [rbp - {8 * len(kept)}]"] if kept else []
    return [*lines, *(f"pop {name}" for name in reversed(kept)), "leave", "ret"]

"""A hotinline's signature in C: prototype, and the operands of the wrapper's asm()."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import c_types, registers
from .model import Hotinline, Value


def result_type(hotinline: Hotinline) -> str:
    return c_types.spelled(hotinline.result) if hotinline.result else "void "


def around(hotinline: Hotinline) -> tuple[str, str]:
    """A prototype, before and after the name."""
    parameters = ", ".join([c_types.spelled(value) + value.name for value in hotinline.parameters])
    return result_type(hotinline), f"({parameters or 'void'})"


def declared(hotinline: Hotinline) -> str:
    """The signature in the language's own words, for documentation."""

    def value(value: Value) -> str:
        kind = c_types.declared(value)
        gap = "" if not value.name or kind.endswith("*") else " "
        return f"{kind}{gap}{value.name} @{':'.join(value.registers)}"

    text = f"{hotinline.name}({', '.join(map(value, hotinline.parameters))})"
    if hotinline.result:
        text += f" -> {value(hotinline.result)}"
    return text


def is_c_abi(hotinline: Hotinline) -> bool:
    """Whether a plain C call to the stub does the right thing (psABI 3.2.3)."""
    places = [value.registers for value in hotinline.parameters]
    expected = [(name,) for name in registers.ABI_ARGUMENTS[: len(places)]]
    result = hotinline.result
    return (
        places == expected
        and (result is None or result.registers == (registers.ABI_RESULT,))
        and set(hotinline.registers_clobbered()) <= registers.ABI_CHANGED
    )


@dataclass
class Wrapper:
    """The body of a wrapper."""

    locals: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    clobbers: list[str] = field(default_factory=list)
    result: str = ""  # the expression to return


class _Maker:
    def __init__(self, hotinline: Hotinline) -> None:
        self.hotinline = hotinline
        self.wrapper = Wrapper()
        self.results = hotinline.result.registers if hotinline.result else ()
        self.clobbered = hotinline.registers_clobbered()

    def local(self, kind: str, name: str, register: str, value: str) -> str:
        """A variable, bound to its register where a constraint letter cannot do that."""
        set_to = f" = {value}" if value else ""
        if registers.CONSTRAINTS[register] == "r":
            self.wrapper.locals.append(f'register {kind}{name} __asm__("{register}"){set_to};')
        else:
            self.wrapper.locals.append(f"{kind}{name}{set_to};")
        return name

    def parameter(self, kind: str, register: str, expression: str, name: str) -> None:
        changes = register in self.clobbered
        letter = registers.CONSTRAINTS[register]
        if letter == "r" or (changes and expression != name):
            expression = self.local(kind, f"hot_in_{name}", register, expression)
        if changes:
            self.wrapper.outputs.append(f'"+{letter}"({expression})')
        else:
            self.wrapper.inputs.append(f'"{letter}"({expression})')

    def parameters(self) -> set[str]:
        taken: set[str] = set()
        for value in self.hotinline.parameters:
            taken.update(value.registers)
            if len(value.registers) == 1:
                self.parameter(c_types.spelled(value), value.registers[0], value.name, value.name)
                continue
            high, low = value.registers
            wide = value.name if value.type == "u64" else f"HOT_CAST(uint64_t, {value.name})"
            for register, name, shifted in ((low, "low", wide), (high, "high", f"{wide} >> 32")):
                half = f"HOT_CAST(uint32_t, {shifted})"
                self.parameter("uint32_t ", register, half, f"{value.name}_{name}")
        return taken

    def result(self) -> None:
        value = self.hotinline.result
        if value is None:
            return
        names = ["hot_result"] if len(value.registers) == 1 else ["hot_high", "hot_low"]
        kind = c_types.spelled(value) if len(names) == 1 else "uint32_t "
        for name, register in zip(names, value.registers):
            self.local(kind, name, register, "")
            self.wrapper.outputs.append(f'"={registers.CONSTRAINTS[register]}"({name})')
        self.wrapper.result = names[0]
        if len(names) == 2:
            joined = "HOT_CAST(uint64_t, hot_high) << 32 | hot_low"
            cast = f"HOT_CAST({c_types.spelled(value).strip()}, {joined})"
            self.wrapper.result = joined if value.type == "u64" else cast

    def make(self) -> Wrapper:
        self.result()
        taken = self.parameters()
        extra = [name for name in self.clobbered if name not in taken]
        self.wrapper.clobbers = [*extra, "cc", *([] if self.hotinline.pure else ["memory"])]
        return self.wrapper


def wrapper(hotinline: Hotinline) -> Wrapper:
    return _Maker(hotinline).make()

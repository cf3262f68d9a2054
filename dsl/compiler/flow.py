"""Follows the values through the code of an alternative: what is read must have been given one, by
a parameter, an earlier instruction or a `reads` clause; and so must the result, on every path.

The declaration's types count: a u32 in rdi gives bits 0 to 31 of rdi and nothing above. What is
pushed and popped keeps what value it has: to save a register of the caller's is no use of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import c_types, registers, values
from .effects import Facts
from .model import Hotinline, Value

_State = tuple[int, tuple[int, ...]]  # values, and for each slot of the stack which parts


def _of(value: Value) -> int:
    """What a parameter or the result holds; each half of a pair 32 bits."""
    width = c_types.width(value) if len(value.registers) == 1 else 32
    known = [name for name in value.registers if registers.family(name)]
    return sum(values.typed(name, width) for name in dict.fromkeys(known))


def parameters(hotinline: Hotinline) -> int:
    state = 0
    for value in hotinline.parameters:
        state |= _of(value)
    return state


def entry(hotinline: Hotinline) -> int:
    """What has a value when the code starts."""
    state = parameters(hotinline)
    for word in hotinline.reads:
        state |= values.ALL_FLAGS if word.text == "flags" else values.held(word.text)
    return state


@dataclass(slots=True)
class Found:
    """What is wrong: for an instruction's index, what is missing of what it needs; and what is
    missing of the result when the code ends."""

    read: dict[int, tuple[int, int]] = field(default_factory=dict)
    result: int = 0


def _step(fact: Facts, state: _State) -> _State:
    """What there is after an instruction."""
    have, stack = state
    have = (have & ~fact.loses) | fact.sets
    if fact.stack > 0:
        stack += (values.parts(fact.moved, state[0]) if fact.moved else values.WHOLE,)
    elif fact.stack < 0:
        if fact.mnemonic == "popfq" and stack[-1] != values.WHOLE:
            have &= ~values.ALL_FLAGS
        elif fact.moved:
            have &= ~values.part(fact.moved, values.WHOLE)
            have |= values.part(fact.moved, stack[-1])
        stack = stack[:-1]
    return have, stack


def _meet(one: _State, other: _State) -> _State:
    return one[0] & other[0], tuple(a & b for a, b in zip(one[1], other[1]))


def follow(
    hotinline: Hotinline, facts: list[Facts], after: Callable[[int], list[int]], tail: int
) -> Found:
    """The paths are sound: all branches lead to instructions or the end, and the stack's depth is
    the same wherever paths meet."""
    result = _of(hotinline.result) if hotinline.result else 0
    states: dict[int, _State] = {0: (entry(hotinline), ())}
    pending = [0]
    found = Found()
    while pending:
        index = pending.pop()
        state = states[index]
        if index == tail:
            continue  # the helper gives the result
        state = _step(facts[index], state)
        for next_one in () if facts[index].ends else after(index):
            if next_one == len(facts):
                found.result |= result & ~state[0]
                continue
            met = _meet(states[next_one], state) if next_one in states else state
            if met != states.get(next_one):
                states[next_one] = met
                pending.append(next_one)
    for index, (have, _) in states.items():
        needed = parameters(hotinline) if index == tail else facts[index].needs
        if needed & ~have:
            found.read[index] = (needed & ~have, needed)
    return found


def explain(hotinline: Hotinline, fact: Facts, missing: int, needed: int) -> tuple[str, str]:
    """What has no value, and the way out."""
    what = values.describe(missing, needed)
    for value in hotinline.parameters:
        for name in value.registers:
            if values.parts(name, missing) and len(value.registers) == 2:
                return what, f"{name} holds a half of `{value.name}`, 32 bits: use those alone"
            if values.parts(name, missing):
                kind = c_types.declared(value)
                way = f"`{value.name}` is {kind}, and above it {name} holds anything: use "
                return what, way + f"{values.narrow(name, c_types.width(value))}, or extend it"
    words = ", ".join(values.families(missing))
    if missing & fact.keeps:
        way = f"`{fact.mnemonic}` may leave it as it was: write it first, or say that this does"
        return what, f"{way} not matter: reads {words}"
    if missing & values.ALL_FLAGS:
        return what, f"compare or test first; if the caller's are meant, say so: reads {words}"
    way = "make it a parameter, or write it first; if what the caller left there is meant, say so"
    return what, f"{way}: reads {words}"


def result_of(hotinline: Hotinline, found: Found) -> str:
    assert hotinline.result is not None
    return values.describe(found.result, _of(hotinline.result))

"""Conditions: trees, postfix programs, and exact reasoning by truth tables.

A truth table over k variables is one integer of 2**k bits: bit number i says whether the condition
holds when variable v has the value of bit v of i. Python's integers make `and`, `or` and `not` of
whole tables single operations, so that 16 variables are no burden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

# ("feature", name) | ("not", tree) | ("and", tree, …) | ("or", tree, …)
Tree = tuple[Any, ...]
Word = TypeVar("Word")  # of a program: what stands for a feature

OP_NOT = 0xFFFC  # HOT_OP_… in alternatives/hotinline.h
OP_AND = 0xFFFD
OP_OR = 0xFFFE
OP_END = 0xFFFF


def names(tree: Tree) -> set[str]:
    """The features that a condition names."""
    if tree[0] == "feature":
        return {tree[1]}
    return set().union(*(names(part) for part in tree[1:]))


def postfix(tree: Tree, index: Callable[[str], Word]) -> list[Word | int]:
    """The program of a condition, without its end."""
    if tree[0] == "feature":
        return [index(tree[1])]
    if tree[0] == "not":
        return [*postfix(tree[1], index), OP_NOT]
    op = OP_AND if tree[0] == "and" else OP_OR
    program: list[Word | int] = postfix(tree[1], index)
    for part in tree[2:]:
        program += [*postfix(part, index), op]
    return program


def as_json(tree: Tree) -> dict[str, Any]:
    if tree[0] == "feature":
        return {"feature": tree[1]}
    if tree[0] == "not":
        return {"not": as_json(tree[1])}
    return {tree[0]: [as_json(part) for part in tree[1:]]}


@lru_cache(maxsize=None)
def _column(variable: int, count: int) -> int:
    """The truth table of one variable among count."""
    ones = ((1 << (1 << variable)) - 1) << (1 << variable)
    return ((1 << (1 << count)) - 1) // ((1 << (2 << variable)) - 1) * ones


class Truth:
    """Truth tables over some features."""

    def __init__(self, variables: Iterable[str]) -> None:
        self.variables = sorted(variables)
        count = len(self.variables)
        self.every = (1 << (1 << count)) - 1
        self.columns = {name: _column(i, count) for i, name in enumerate(self.variables)}

    def table(self, tree: Tree) -> int:
        if tree[0] == "feature":
            return self.columns[tree[1]]
        if tree[0] == "not":
            return self.every & ~self.table(tree[1])
        table = self.table(tree[1])
        for part in tree[2:]:
            if tree[0] == "and":
                table &= self.table(part)
            else:
                table |= self.table(part)
        return table

    def at_most_one(self, group: Iterable[str]) -> int:
        """Where no two features of the group hold."""
        seen, table = 0, self.every
        for name in group:
            table &= ~(seen & self.columns[name])
            seen |= self.columns[name]
        return table


def render(tree: Tree, within: str = "or") -> str:
    """A condition as its author would write it, with the fewest parentheses."""
    if tree[0] == "feature":
        return str(tree[1])
    if tree[0] == "not":
        return "!" + render(tree[1], "not")
    inner = (" && " if tree[0] == "and" else " || ").join(render(p, tree[0]) for p in tree[1:])
    order = ("or", "and", "not")
    return f"({inner})" if order.index(within) > order.index(tree[0]) else inner

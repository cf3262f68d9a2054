"""What alternatives refer to: data, functions in assembly, and functions in C.

A site gives away no more than its declaration says, so what it calls must keep every other
register. A C function does not, and no attribute makes it: clang's no_caller_saved_registers keeps
neither arguments (LLVM pull request 112098) nor, without optimisation, the result (LLVM issue
173800). So hotstubs.asm defines the symbol as a few instructions that save what C may change and
call the body, which is the C function under another name. The header gives it that name; its author
sees nothing of it.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from . import registers
from .model import CALL_SIZE
from .part import Part
from .table import Table

_WIDTH = 96


@dataclass(slots=True)
class Helper:
    symbol: str
    users: list[str]  # hotinlines, by name
    changes: list[str]  # registers that it may change
    alone: bool  # every use is an alternative that is nothing but a call of it
    prototype: str = ""  # of the C function
    body: str = ""  # its name in assembly

    def saved(self) -> list[str]:
        """What a C function may change and this one may not."""
        changed = registers.ABI_CHANGED - set(self.changes)
        return [name for name in registers.CONSTRAINTS if name in changed]

    def lines(self) -> list[str]:
        """What the header says about it."""
        text = f"{self.symbol}: referred to by {', '.join(self.users)}."
        changed = ", ".join(self.changes) or "no register"
        if self.body:
            kept = f"every register but {changed}" if self.changes else "every register"
            text += f" A C function, {self.body} in assembly. Alternatives reach it through"
            text += f" hotstubs.asm, which restores {kept}."
        else:
            takes = f" of {self.users[0]}() above" if self.alone else " that its uses above give it"
            text += f" If it is a function, it is one in assembly: it takes the registers{takes},"
            text += f" may change {changed} and the flags, and must keep every other register."
        return textwrap.wrap(text, _WIDTH)


def find(table: Table) -> list[Helper]:
    uses: dict[str, list[tuple[Part, bool]]] = {}
    for part in table.parts:
        for row in part.rows:
            for _, symbol, _ in row.fixups:
                alone = row.tail and len(row.code) == CALL_SIZE
                uses.setdefault(symbol, []).append((part, alone))
    return [_helper(symbol, uses[symbol]) for symbol in table.symbols if symbol in uses]


def _helper(symbol: str, uses: list[tuple[Part, bool]]) -> Helper:
    given = set.intersection(*(set(part.given) for part, _ in uses))
    users = sorted({part.name for part, _ in uses})
    helper = Helper(symbol, users, sorted(given), all(alone for _, alone in uses))
    prototypes = {symbol.join(part.prototype) for part, _ in uses}
    in_c = all(part.c_abi for part, _ in uses)
    if helper.alone and in_c and len(prototypes) == 1:
        helper.prototype = prototypes.pop()
        helper.body = f"{symbol}.body"
    return helper

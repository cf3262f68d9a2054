"""Walks the tables that Lark has made of the grammar, several times as fast as Lark does.

Lark's own loop keeps lines, columns and a history for messages, and finds rules and names by
comparing them. None of that is of use for a statement that is right. What is not, Lark
parses once more, and says why. Both use the same expressions, tables and callbacks, so both accept
the same statements (tests/dsl/test_driver.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lark import Lark

_END = "$END"  # Lark's name for the end of the text
_SPACES = re.compile(r"[ \t\f\r\n]*")  # common.WS; no other terminal begins with a space


class Word(str):
    """A token: its text, which terminal it is, and where it starts."""

    __slots__ = ("start_pos", "type")
    start_pos: int
    type: str


class Driver:
    def __init__(self, lark: Lark) -> None:
        made: Any = lark.parser.parser
        table, callbacks = made._parse_table, made.parser.callbacks
        self.start, self.end = table.start_states["start"], table.end_states["start"]
        # By state and name: the next state, or what is reduced (how many parts, by whom, to what).
        self.actions: dict[int, dict[str, Any]] = {
            state: {
                str(name): argument
                if isinstance(argument, int)
                else (len(argument.expansion), callbacks[argument], str(argument.origin.name))
                for name, (_, argument) in actions.items()
            }
            for state, actions in table.states.items()
        }
        self.made: Any = lark.parser.lexer
        self.lexers: dict[int, tuple[Callable[..., Any], dict[str, Any]]] = {}

    def lexer(self, state: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        """What matches a token there, and which terminals may be keywords instead."""
        lexer = self.made.lexers[state]
        [expression] = lexer.scanner._mres
        self.lexers[state] = expression.match, lexer.callback
        return self.lexers[state]

    def parse(self, text: str) -> Any:
        """What the callbacks make of it; None if it is not right."""
        states, values, at, end = [self.start], [], 0, len(text)
        actions, lexers, skip = self.actions, self.lexers, _SPACES.match
        while True:
            at = skip(text, at).end()  # type: ignore[union-attr]
            state = states[-1]
            if at == end:
                kind, token = _END, Word()
            else:
                match, keywords = lexers.get(state) or self.lexer(state)
                found = match(text, at)
                if found is None:
                    return None
                kind, token = found.lastgroup, Word(found[0])
                if kind in keywords:
                    keyword = keywords[kind].scanner.match(token, 0)
                    kind = keyword[1] if keyword else kind
                token.type, token.start_pos, at = kind, at, found.end()
            while True:
                action = actions[state].get(kind)
                if action is None:
                    return None
                if action.__class__ is int:
                    states.append(action)
                    values.append(token)
                    break
                size, callback, name = action
                parts = values[len(values) - size :]
                del values[len(values) - size :], states[len(states) - size :]
                values.append(callback(parts))
                state = actions[states[-1]][name]
                states.append(state)
                if kind is _END and state == self.end:
                    return values[-1]

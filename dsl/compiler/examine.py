"""What encoded code does, by Capstone: may it stand in a caller, and is the declaration honest?

A site's code runs in the middle of somebody's function, on its stack, with only the declared
registers given away. So: it must end where it ends (or in a last call), leave the stack as it was,
not look at rsp (which differs between a site and the stub), change only what is declared, and
(flow.py) read only what has a value and leave one in the result.
"""

from __future__ import annotations

from . import flow, instructions
from .effects import Facts, facts
from .model import CALL_SIZE, SITE_MAX, Alternative, Hotinline, Instruction
from .report import Errors

_CALL, _JMP = 0xE8, 0xE9
_OPERAND_SIZE = 0x66  # the prefix that makes push and pop move 2 bytes


class Examiner:
    """Examines the code of one alternative."""

    def __init__(self, hotinline: Hotinline, alternative: Alternative, errors: Errors) -> None:
        self.hotinline = hotinline
        self.alternative = alternative
        self.errors = errors
        self.code = [i for i in alternative.instructions if i.mnemonic]
        self.facts = [self._facts(made) for made in self.code]
        self.index = {made.offset: i for i, made in enumerate(self.code)}
        self.fixups = {self._of(fixup.offset): fixup for fixup in alternative.fixups}

    def _of(self, offset: int) -> int:
        """The index of the instruction that has that offset inside."""
        return max(i for i, made in enumerate(self.code) if made.offset <= offset)

    def _facts(self, made: Instruction) -> Facts:
        if made.nop:
            return Facts("nop")
        code = self.alternative.code[made.offset : made.offset + made.size]
        return facts(code, made.mnemonic, made.text, made.effects)

    def refuse(self, index: int, ident: str, **words: object) -> None:
        self.alternative.sound = False
        made = self.code[index]
        self.errors.add(made.place, ident, text=made.text, **words)

    def examine(self, stubs: set[str]) -> None:
        for index in range(len(self.code)):
            self._symbols(index, stubs)
            self._instruction(index)
        self.alternative.tail = self._is_tail()
        sound = self.alternative.sound
        for index in range(len(self.code)):
            self._branch(index)
        if sound and self.alternative.sound:
            self._stack()
        if sound and self.alternative.sound and self.hotinline.sound:
            self._values()
        if self.alternative.tail:
            self._as_call()

    def _symbols(self, index: int, stubs: set[str]) -> None:
        for word in self.code[index].symbols:
            if word.text in stubs:
                self.alternative.sound = False
                self.errors.add(word.place, "code-calls-hotinline", name=word.text)

    def _instruction(self, index: int) -> None:
        found, made = self.facts[index], self.code[index]
        if made.mnemonic in instructions.EXITS or found.mnemonic in instructions.EXITS:
            name = made.mnemonic if made.mnemonic in instructions.EXITS else found.mnemonic
            self.refuse(index, "code-exit", mnemonic=name, why=instructions.EXITS[name])
            return
        if found.unknown:
            self.refuse(index, "code-unknown", why=found.unknown)
            return
        if found.stack_operand:
            self.refuse(index, "code-stack-pointer")
        if found.stack and self.alternative.code[made.offset] == _OPERAND_SIZE:
            self.refuse(index, "code-stack-operand")
        if found.relative and index not in self.fixups:
            self.refuse(index, "code-relative")
        changed = found.writes - self.hotinline.registers_given()
        if changed and self.hotinline.sound:
            self.refuse(index, "code-writes", registers=", ".join(sorted(changed)))
        if found.vectors:
            self.refuse(index, "code-vector", registers=", ".join(sorted(found.vectors)))
        if found.memory and self.hotinline.pure:
            self.refuse(index, "code-pure", name=self.hotinline.name)

    def _is_tail(self) -> bool:
        """Whether the last instruction is a `call f` or `jmp f` of 5 bytes."""
        if not self.code or len(self.code) - 1 not in self.fixups:
            return False
        last = self.code[-1]
        fixup = self.fixups[len(self.code) - 1]
        opcode = self.alternative.code[last.offset]
        return (
            last.size == CALL_SIZE
            and opcode in (_CALL, _JMP)
            and fixup.offset == last.offset + 1
            and fixup.addend == -4
        )

    def _branch(self, index: int) -> None:
        found, made = self.facts[index], self.code[index]
        last = index == len(self.code) - 1
        if not found.branch or (last and self.alternative.tail):
            return
        if found.branch == "call" or found.target is None or index in self.fixups:
            self.refuse(index, "code-branch")
            return
        target = made.offset + found.target
        if target == len(self.alternative.code):
            if self.alternative.tail:
                self.refuse(index, "code-past-call")
        elif not 0 <= target < len(self.alternative.code):
            self.refuse(index, "code-branch")
        elif target not in self.index:
            self.refuse(index, "code-into")

    def next(self, index: int) -> list[int]:
        """Where control goes from there; len(code): the end of the site."""
        found = self.facts[index]
        if not found.branch or found.branch == "call" or index == self.tail_index():
            return [index + 1]
        target = self.code[index].offset + (found.target or 0)
        jump = self.index.get(target, len(self.code))
        return [jump] if found.branch == "jump" else [index + 1, jump]

    def tail_index(self) -> int:
        return len(self.code) - 1 if self.alternative.tail else -1

    def _stack(self) -> None:
        """Follows every path and keeps the depth of the stack before each instruction."""
        depths = {0: 0}
        pending = [0]
        while pending:
            index = pending.pop()
            depth = depths[index] + self.facts[index].stack
            if depth < 0:
                self.refuse(index, "code-stack-underflow")
                return
            for after in self.next(index):
                if after == len(self.code) or index == self.tail_index():
                    if depth:
                        self.refuse(index, "code-stack-unbalanced", bytes=depth)
                        return
                elif after not in depths:
                    depths[after] = depth
                    pending.append(after)
                elif depths[after] != depth:
                    self.refuse(after, "code-stack-paths")
                    return

    def _values(self) -> None:
        """Follows every path once more: what is read has a value, and so has the result."""
        found = flow.follow(self.hotinline, self.facts, self.next, self.tail_index())
        for index, (missing, needed) in sorted(found.read.items()):
            what, way = flow.explain(self.hotinline, self.facts[index], missing, needed)
            self.refuse(index, "code-reads", what=what, way=way)
        if found.result and not found.read:
            self.alternative.sound = False
            words = {"name": self.hotinline.name, "what": flow.result_of(self.hotinline, found)}
            self.errors.add(self.alternative.body.place, "code-result", **words)

    def _as_call(self) -> None:
        """The table holds a last `jmp f` as a call: they mean the same."""
        code = bytearray(self.alternative.code)
        code[self.code[-1].offset] = _CALL
        self.alternative.code = bytes(code)


def examine(hotinline: Hotinline, stubs: set[str], errors: Errors) -> None:
    """Every sound alternative of a hotinline, and its length."""
    for alternative in hotinline.alternatives:
        if not alternative.sound:
            continue
        Examiner(hotinline, alternative, errors).examine(stubs)
        size = len(alternative.code)
        if size <= hotinline.size:
            continue
        alternative.sound = False
        way = f"say size {max(size, CALL_SIZE + 2)}, or leave it to a function that it calls"
        if size > SITE_MAX:
            way = "leave it to a function that it calls"
        words = {"name": hotinline.name, "limit": hotinline.size, "way": way}
        errors.add(alternative.body.place, "code-too-long", size=size, **words)

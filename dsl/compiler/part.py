"""A hotinline's part of the outputs: all that depends on its declaration and the options alone.

emit.py puts the parts together and adds what depends on the others: indices, and where it stands in
its file. A part is made of text, numbers and tuples only, so that kept.py can keep it between runs.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from . import c_types, logic, names, nops, pointers, prefixes, signature
from .model import CALL_SIZE, Alternative, Hotinline, Options, Value
from .table import ENDBR64

if TYPE_CHECKING:
    from .render import Renderer

RETURN_SIZE = 1  # bytes of `ret`
INT3 = b"\xcc"
_WIDTH = 96  # columns of text in a comment
_PLAIN = re.compile(r"[ !#->@-\[\]-~]*")  # what stands in a C string as it is


class Row(NamedTuple):
    """An alternative's row of the table, but for the indices."""

    text: str  # as a C string, like the next
    when: str
    program: tuple[str | int, ...]  # its condition, with features by their name; (): none
    code: bytes
    fixups: tuple[tuple[int, str, int], ...]  # offset, symbol, addend
    behind: int
    tail: bool
    nop: bool


class Part(NamedTuple):
    """What emit.py needs to know of a hotinline. Texts are whole lines."""

    name: str
    size: int
    features: tuple[str, ...]  # that its conditions name
    symbols: tuple[str, ...]  # that its code names
    given: tuple[str, ...]  # registers that its code may change
    tags: tuple[str, ...]  # what pointers point at: "struct page"
    c_abi: bool
    prototype: tuple[str, str]  # before and after the name
    header: str
    include: str
    stub: str
    wrapper: str  # "": pointers point to the stub
    rows: tuple[Row, ...]
    json: tuple[str, str]  # before and after file and line
    canonical: str  # what the fingerprint is taken of


class Placed(NamedTuple):
    """A hotinline's part, and where it stands."""

    part: Part
    file: str
    line: int


def c_string(text: str) -> str:
    """A C string literal: ASCII, and free of trigraphs."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    out = ""
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in '"\\?':
            out += "\\" + char
        else:
            out += char if 32 <= byte < 127 else f"\\{byte:03o}"
    return f'"{out}"'


def comment(text: str) -> str:
    """Text that cannot end a C comment, open another, form a trigraph or continue a line."""
    text = text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    return text[:-1] + "\\." if text.endswith("\\") else text


def _documentation(text: str) -> list[str]:
    """The lines of a comment; an empty line of documentation separates paragraphs."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\n+", text) if text else []:
        lines += [""] if lines else []
        lines += textwrap.wrap(comment(paragraph), _WIDTH)
    return [comment(line) for line in lines]


def octets(code: bytes) -> str:
    """As C and NASM have them."""
    return ", ".join([f"0x{byte:02x}" for byte in code])


def _clauses(hotinline: Hotinline) -> list[str]:
    words = [f"size {hotinline.size}"] if hotinline.size != CALL_SIZE else []
    for what, listed in (("clobbers", hotinline.clobbers), ("reads", hotinline.reads)):
        words += [f"{what} {', '.join(word.text for word in listed)}"] if listed else []
    return words + (["pure"] if hotinline.pure else [])


def _alternative(alternative: Alternative) -> str:
    return f"{alternative.when} ? {alternative.text}" if alternative.when else alternative.text


# hotstubs.asm


def returns(thunk: str) -> str:
    """A return. thunk: the symbol that it jumps to; "": `ret`."""
    return f"jmp near {thunk}" if thunk else "ret"


def _return_size(thunk: str) -> int:
    return CALL_SIZE if thunk else RETURN_SIZE


def _stub(hotinline: Hotinline, thunk: str) -> list[str]:
    """The lines of a stub's body: the baseline, a return, and int3 up to the end. A baseline of
    NOPs is no code."""
    baseline = hotinline.alternatives[-1]
    code, lines, done = b"" if baseline.nop else baseline.code, [], 0
    for fixup in sorted(baseline.fixups, key=lambda fixup: fixup.offset):
        if baseline.tail and fixup.offset == len(code) - 4:
            break
        if fixup.offset > done:
            lines.append("db " + octets(code[done : fixup.offset]))
        sign = "-" if fixup.addend < 0 else "+"
        lines.append(f"dd {fixup.symbol} - $ {sign} {abs(fixup.addend)}")
        done = fixup.offset + 4
    end = len(code) - CALL_SIZE if baseline.tail else len(code)
    rest = hotinline.size + _return_size(thunk) - len(code)
    if end > done:
        lines.append("db " + octets(code[done:end]))
    if baseline.tail:
        symbol = next(f.symbol for f in baseline.fixups if f.offset == len(code) - 4)
        lines.append(f"jmp near {symbol}")
    else:
        lines.append(returns(thunk))
        rest -= _return_size(thunk)
    return lines + (["db " + octets(INT3 * rest)] if rest else [])


def _stub_size(hotinline: Hotinline, options: Options) -> int:
    """Bytes of a stub from its symbol on: endbr64, the hotinline's own, and a return."""
    entry = len(ENDBR64) if options.ibt else 0
    return entry + hotinline.size + _return_size(options.return_thunk)


# The table


def _row(alternative: Alternative, behind: int) -> Row:
    condition = alternative.condition
    return Row(
        text=c_string(alternative.text),
        when=c_string(alternative.when),
        program=tuple(logic.postfix(condition.tree, str)) if condition else (),
        code=alternative.code,
        fixups=tuple((fixup.offset, fixup.symbol, fixup.addend) for fixup in alternative.fixups),
        behind=behind,
        tail=alternative.tail,
        nop=alternative.nop,
    )


def _canonical(hotinline: Hotinline) -> str:
    """What an image depends on, and nothing else."""
    values = [*hotinline.parameters, *([hotinline.result] if hotinline.result else [])]
    canonical: list[Any] = [[hotinline.name, hotinline.size, hotinline.pure]]
    canonical.append([[v.type, v.const, v.pointer, *v.registers] for v in values])
    canonical.append(sorted([word.text for word in hotinline.clobbers]))
    for alternative in hotinline.alternatives:
        fixups = [[f.offset, f.symbol, f.addend] for f in alternative.fixups]
        canonical.append([alternative.when, alternative.code.hex(), fixups, alternative.tail])
    return json.dumps(canonical)[1:-1]


# hotinline.json


def _json_value(value: Value) -> dict[str, Any]:
    made = {"type": c_types.spelled(value).strip(), "registers": list(value.registers)}
    return {"name": value.name, **made} if value.name else made


def _json_alternative(alternative: Alternative, behind: int) -> dict[str, Any]:
    condition = alternative.condition
    return {
        "when": alternative.when,
        "condition": logic.as_json(condition.tree) if condition else None,
        "text": alternative.text,
        "code": alternative.code.hex(),
        "tail": alternative.tail,
        "nop": alternative.nop,
        "behind": prefixes.names(behind),
        "fixups": [
            {"offset": f.offset, "symbol": f.symbol, "addend": f.addend}
            for f in alternative.fixups
        ],
        "instructions": [
            {"offset": made.offset, "size": made.size, "text": made.text}
            for made in alternative.instructions
            if made.mnemonic
        ],
    }


def _json(hotinline: Hotinline, words: dict[str, Any], behind: list[int]) -> tuple[str, str]:
    first = {"name": hotinline.name, "documentation": hotinline.documentation}
    rest = {
        "size": hotinline.size,
        "stub_size": words["stub_size"],
        "mark": nops.mark(hotinline.size - CALL_SIZE).hex(),
        "signature": signature.declared(hotinline),
        "prototype": words["prototype"],
        "parameters": [_json_value(value) for value in hotinline.parameters],
        "result": _json_value(hotinline.result) if hotinline.result else None,
        "clobbers": hotinline.registers_clobbered(),
        "reads": [word.text for word in hotinline.reads],
        "pure": hotinline.pure,
        "c_abi": words["c_abi"],
        "alternatives": list(map(_json_alternative, hotinline.alternatives, behind)),
    }
    return json.dumps(first)[:-1], json.dumps(rest)[1:]


def _words(hotinline: Hotinline, options: Options) -> dict[str, Any]:
    """What parts.j2 is filled with."""
    name, c_abi = hotinline.name, signature.is_c_abi(hotinline)
    return {
        "name": name,
        "documentation": _documentation(hotinline.documentation),
        "declared": " ".join([signature.declared(hotinline), *_clauses(hotinline)]),
        "alternatives": [comment(_alternative(each)) for each in hotinline.alternatives],
        "size": hotinline.size,
        "mark": octets(nops.mark(hotinline.size - CALL_SIZE)),
        "c_abi": c_abi,
        "prototype": name.join(signature.around(hotinline)),
        "body": signature.wrapper(hotinline),
        "baseline": hotinline.alternatives[-1].text,
        "stub": _stub(hotinline, options.return_thunk),
        "stub_size": _stub_size(hotinline, options),
        "wrapper": [] if c_abi else pointers.wrapper(hotinline),
    }


def make(hotinline: Hotinline, options: Options, renderer: Renderer) -> Part:
    """Of a hotinline that has been found right."""
    words = _words(hotinline, options)
    named = [v for a in hotinline.alternatives if a.condition for v in a.condition.names]
    used = [w for a in hotinline.alternatives for made in a.instructions for w in made.symbols]
    values = [*hotinline.parameters, *([hotinline.result] if hotinline.result else [])]
    behind = list(map(prefixes.behind, hotinline.alternatives))
    return Part(
        name=hotinline.name,
        size=hotinline.size,
        features=tuple(sorted({word.text for word in named})),
        symbols=tuple(sorted({word.text for word in used})),
        given=tuple(sorted(hotinline.registers_given())),
        tags=tuple(sorted({c_types.tag(value) for value in values} - {""})),
        c_abi=words["c_abi"],
        prototype=signature.around(hotinline),
        header=renderer.part("header", words),
        include=renderer.part("include", words),
        stub=renderer.part("stub", words),
        wrapper=renderer.part("wrapper", words) if words["wrapper"] else "",
        rows=tuple(map(_row, hotinline.alternatives, behind)),
        json=_json(hotinline, words, behind),
        canonical=_canonical(hotinline),
    )

"""A hotinline's part of the outputs: all that depends on its declaration and the options alone.

emit.py puts the parts together and adds what depends on the others: indices, and where it stands in
its file. A part is made of text, numbers and tuples only, so that kept.py can keep it between runs.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any, NamedTuple

from . import c_types, logic, names, nops, pointers, prefixes, signature
from .model import CALL_SIZE, Alternative, Hotinline, Options, Value
from .table import ENDBR64

RETURN_SIZE = 1  # bytes of `ret`
INT3 = b"\xcc"
_WIDTH = 96  # columns of text in a comment
_PLAIN = re.compile(r"[ !#->@-\[\]-~]*")  # what stands in a C string as it is


class Row(NamedTuple):
    """An alternative's row of the table. before, after: what the row says before and after its
    indices, in C."""

    before: str
    program: tuple[str | int, ...]  # its condition, with features by their name; (): none
    code: bytes
    fixups: tuple[tuple[int, str, int], ...]  # offset, symbol, addend
    after: str
    tail: bool


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
    typed: str
    rows: tuple[Row, ...]
    json: tuple[str, str]  # before and after file and line
    canonical: str  # what the fingerprint is taken of


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


def _wrap(text: str) -> list[str]:
    if 0 < len(text) <= _WIDTH and text.isprintable() and text == text.strip():
        return [text]  # as textwrap has it, which takes its time
    return textwrap.wrap(text, _WIDTH)


def _documentation(text: str) -> list[str]:
    """The lines of a comment; an empty line of documentation separates paragraphs."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\n+", text) if text else []:
        lines += [""] if lines else []
        lines += _wrap(comment(paragraph))
    return [comment(line) for line in lines]


def octets(code: bytes) -> str:
    """As C and NASM have them."""
    return ", ".join([f"0x{byte:02x}" for byte in code])


def _clauses(hotinline: Hotinline) -> str:
    words = [f"size {hotinline.size}"] if hotinline.size != CALL_SIZE else []
    if hotinline.clobbers:
        words.append("clobbers " + ", ".join(word.text for word in hotinline.clobbers))
    if hotinline.reads:
        words.append("reads " + ", ".join(word.text for word in hotinline.reads))
    return " ".join(words + (["pure"] if hotinline.pure else []))


def _alternative(alternative: Alternative) -> str:
    return f"{alternative.when} ? {alternative.text}" if alternative.when else alternative.text


# hotinline.h and hotinline.inc


def _said(hotinline: Hotinline, declared: str) -> list[str]:
    """What a comment says of it, after its documentation."""
    clauses = _clauses(hotinline)
    lines = [f"{declared} {clauses}" if clauses else declared]
    each = [comment(_alternative(alternative)) for alternative in hotinline.alternatives]
    lines += [f"    {text} :" for text in each[:-1]]
    return [*lines, f"    {each[-1]}"]


def _commented(lines: list[str], mark: str) -> str:
    return "".join([f"{mark} {line}\n" if line else f"{mark}\n" for line in lines])


def _header(hotinline: Hotinline, said: list[str], prototype: str, c_abi: bool, mark: bytes) -> str:
    documented = _documentation(hotinline.documentation)
    body = signature.wrapper(hotinline)
    name = hotinline.name
    outside = "" if c_abi else f'extern {prototype} __asm__("{name}.wrapper");\n'
    local = "".join([f"\t{line}\n" for line in body.locals]) + ("\n" if body.locals else "")
    marked = f"\\n\\t.byte {octets(mark)}" if mark else ""
    returned = f"\treturn {body.result};\n" if body.result else ""
    operands = "".join(
        [
            "\n\t\t\t :" + (" " if each else "") + ", ".join(each)
            for each in (body.outputs, body.inputs)
        ]
    )
    clobbers = ", ".join([f'"{word}"' for word in body.clobbers])
    return (
        f"\n/*\n{_commented(documented + [''] * bool(documented) + said, ' *')} */\n{outside}"
        f"HOT_WRAPPER {prototype}\n{{\n{local}"
        f'\t__asm__ volatile("call {name}{marked}"{operands}\n\t\t\t : {clobbers});\n'
        f"{returned}}}\n"
    )


def _include(hotinline: Hotinline, said: list[str], mark: bytes) -> str:
    name = hotinline.name
    lines = _documentation(hotinline.documentation) + said
    text = f"\n{_commented(lines, ';')}extern {name}\n%define hot_size_{name} {hotinline.size}\n"
    return text + (f"%define hot_mark_{name} db {octets(mark)}\n" if mark else "")


# hotstubs.asm


def _return(thunk: str) -> tuple[str, int]:
    """A return, and its bytes. thunk: the symbol that it jumps to; "": `ret`."""
    return (f"jmp near {thunk}", CALL_SIZE) if thunk else ("ret", RETURN_SIZE)


def _body(hotinline: Hotinline, thunk: str) -> list[str]:
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
    back, back_size = _return(thunk)
    rest = hotinline.size + back_size - len(code)
    if end > done:
        lines.append("db " + octets(code[done:end]))
    if baseline.tail:
        symbol = next(f.symbol for f in baseline.fixups if f.offset == len(code) - 4)
        lines.append(f"jmp near {symbol}")
    else:
        lines.append(back)
        rest -= back_size
    return lines + (["db " + octets(INT3 * rest)] if rest else [])


def stub_size(hotinline: Hotinline, options: Options) -> int:
    """Bytes of a stub from its symbol on: endbr64, the hotinline's own, and a return."""
    entry = len(ENDBR64) if options.ibt else 0
    return entry + hotinline.size + _return(options.return_thunk)[1]


def _entry(name: str, size: str, typed: bool, options: Options) -> str:
    """The lines before a function's code. typed: pointers to it are."""
    lines = ["align 16, db 0xcc"]
    if options.kcfi and typed:
        lines += ["\ttimes 11 db 0x90", "\tdb 0xb8\t\t\t; mov eax, the hash of its type"]
        lines += [f"\tdd __kcfi_typeid_{name}"]
    lines += [f"global {name}:function {size}", f"{name}:"]
    if options.ibt:
        lines.append(f"\tdb {octets(ENDBR64)}\t; endbr64")
    return "\n".join(lines) + "\n"


def _stub(hotinline: Hotinline, prototype: str, c_abi: bool, options: Options) -> str:
    entry = _entry(hotinline.name, str(stub_size(hotinline, options)), c_abi, options)
    body = "".join([f"\t{line}\n" for line in _body(hotinline, options.return_thunk)])
    return f"\n; {prototype};\n; {hotinline.alternatives[-1].text}\n{entry}{body}"


def _wrapper(hotinline: Hotinline, prototype: str, options: Options) -> str:
    name, back = f"{hotinline.name}.wrapper", _return(options.return_thunk)[0]
    lines = [back if line == "ret" else line for line in pointers.wrapper(hotinline)]
    entry = _entry(name, f"({name}.end - {name})", True, options)
    return f"\n; {prototype};\n{entry}" + "".join([f"\t{line}\n" for line in lines]) + ".end:\n"


# The table


def _row(alternative: Alternative, behind: int) -> Row:
    condition = alternative.condition
    tail, nop = ("true" if bit else "false" for bit in (alternative.tail, alternative.nop))
    counts = f"{len(alternative.code)}, {len(alternative.fixups)}"
    return Row(
        before=f"\t{{{c_string(alternative.text)}, {c_string(alternative.when)}, ",
        program=tuple(logic.postfix(condition.tree, str)) if condition else (),
        code=alternative.code,
        fixups=tuple((fixup.offset, fixup.symbol, fixup.addend) for fixup in alternative.fixups),
        after=f", {counts}, 0x{behind:02x}, {tail}, {nop}}},\n",
        tail=alternative.tail,
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


def _json(hotinline: Hotinline, declared: str, prototype: str, c_abi: bool, mark: bytes,
          behind: list[int], options: Options) -> tuple[str, str]:  # fmt: skip
    first = {"name": hotinline.name, "documentation": hotinline.documentation}
    rest = {
        "size": hotinline.size,
        "stub_size": stub_size(hotinline, options),
        "mark": mark.hex(),
        "signature": declared,
        "prototype": prototype,
        "parameters": [_json_value(value) for value in hotinline.parameters],
        "result": _json_value(hotinline.result) if hotinline.result else None,
        "clobbers": hotinline.registers_clobbered(),
        "reads": [word.text for word in hotinline.reads],
        "pure": hotinline.pure,
        "c_abi": c_abi,
        "alternatives": list(map(_json_alternative, hotinline.alternatives, behind)),
    }
    return json.dumps(first)[:-1], json.dumps(rest)[1:]


def make(hotinline: Hotinline, options: Options) -> Part:
    """Of a hotinline that has been found right."""
    name, c_abi = hotinline.name, signature.is_c_abi(hotinline)
    declared, mark = signature.declared(hotinline), nops.mark(hotinline.size - CALL_SIZE)
    said = _said(hotinline, declared)
    around = signature.around(hotinline)
    prototype = name.join(around)
    named = [v for a in hotinline.alternatives if a.condition for v in a.condition.names]
    used = [w for a in hotinline.alternatives for made in a.instructions for w in made.symbols]
    values = [*hotinline.parameters, *([hotinline.result] if hotinline.result else [])]
    tags = {c_types.tag(value) for value in values} - {""}
    typed = f"hot_type_{name}".join(around)
    behind = list(map(prefixes.behind, hotinline.alternatives))
    return Part(
        name=name,
        size=hotinline.size,
        features=tuple(sorted({word.text for word in named})),
        symbols=tuple(sorted({word.text for word in used})),
        given=tuple(sorted(hotinline.registers_given())),
        tags=tuple(sorted(tags)),
        c_abi=c_abi,
        prototype=around,
        header=_header(hotinline, said, prototype, c_abi, mark),
        include=_include(hotinline, said, mark),
        stub=_stub(hotinline, prototype, c_abi, options),
        wrapper="" if c_abi else _wrapper(hotinline, prototype, options),
        typed=f'\nextern {typed} __asm__("{name}{"" if c_abi else ".wrapper"}");\n',
        rows=tuple(map(_row, hotinline.alternatives, behind)),
        json=_json(hotinline, declared, prototype, c_abi, mark, behind, options),
        canonical=_canonical(hotinline),
    )

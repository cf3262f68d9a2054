"""What krtld refuses in the tables of an object: symbols, relocations, groups, arrays of functions.

The rules are those of loader/check.c, check_symbols.c, start.c and arch/amd64/reloc.c, as far as no
address is needed for them. Used by objects.py, after sections.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from .sections import EXEC, NOBITS, SYMTAB, Refusal, Section

_RELA, _GROUP, _INDICES = 4, 17, 18
_ITEM = struct.Struct("<QQq")
_SYM = struct.Struct("<IBBHQQ")
_WORD = struct.Struct("<Q")
_ABS, _COMMON, _LARGE_COMMON, _XINDEX, _RESERVED = 0xFFF1, 0xFFF2, 0xFF02, 0xFFFF, 0xFF00
_POINTER = 1  # R_X86_64_64

_AGAIN = "build it again, with tools that write what the gABI has"
_TLS = "thread-local storage is not supported"
_DYNAMIC = "it belongs into a linked file, not into an object"
_IFUNC = "indirect functions (IFUNC) are not supported"
_WAYS = {
    _TLS: "use a variable that is not thread-local",
    _DYNAMIC: "link it with `ld -r`",
    _IFUNC: "declare a hotinline instead, or choose the function in C",
}
_SYMBOL_TYPES = {6: ("STT_TLS", _TLS), 10: ("STT_GNU_IFUNC", _IFUNC)}

# The relocation types by number (psABI 1.0, table 4.9): bytes of their fields, or why krtld refuses
# them.
_TYPES: list[tuple[str, int | str]] = [
    ("NONE", 0), ("64", 8), ("PC32", 4), ("GOT32", 4), ("PLT32", 4), ("COPY", _DYNAMIC),
    ("GLOB_DAT", _DYNAMIC), ("JUMP_SLOT", _DYNAMIC), ("RELATIVE", _DYNAMIC), ("GOTPCREL", 4),
    ("32", 4), ("32S", 4), ("16", 2), ("PC16", 2), ("8", 1), ("PC8", 1), ("DTPMOD64", _TLS),
    ("DTPOFF64", _TLS), ("TPOFF64", _TLS), ("TLSGD", _TLS), ("TLSLD", _TLS), ("DTPOFF32", _TLS),
    ("GOTTPOFF", _TLS), ("TPOFF32", _TLS), ("PC64", 8), ("GOTOFF64", 8), ("GOTPC32", 4),
    ("GOT64", 8), ("GOTPCREL64", 8), ("GOTPC64", 8), ("GOTPLT64", 8), ("PLTOFF64", 8),
    ("SIZE32", 4), ("SIZE64", 8), ("GOTPC32_TLSDESC", _TLS), ("TLSDESC_CALL", _TLS),
    ("TLSDESC", _TLS), ("IRELATIVE", _IFUNC), ("RELATIVE64", _DYNAMIC), ("PC32_BND", 4),
    ("PLT32_BND", 4), ("GOTPCRELX", 4), ("REX_GOTPCRELX", 4), ("CODE_4_GOTPCRELX", 4),
    ("CODE_4_GOTTPOFF", _TLS), ("CODE_4_GOTPC32_TLSDESC", _TLS), ("CODE_5_GOTPCRELX", 4),
    ("CODE_5_GOTTPOFF", _TLS), ("CODE_5_GOTPC32_TLSDESC", _TLS), ("CODE_6_GOTPCRELX", 4),
    ("CODE_6_GOTTPOFF", _TLS), ("CODE_6_GOTPC32_TLSDESC", _TLS),
]  # fmt: skip

# Arrays of functions, by name and type; and whether 0 and -1 in them are no functions.
_ARRAYS = [
    (".preinit_array", 16, False), (".init_array", 14, False), (".fini_array", 15, False),
    (".ctors", None, True), (".dtors", None, True),
]  # fmt: skip
_CALLED = ("_init", "_fini")


class _Symbol:
    def __init__(self, name: str, info: int, section: int, value: int) -> None:
        self.name, self.section, self.value = name, section, value
        self.type = info & 15


class _Object:
    def __init__(self, data: bytes, sections: list[Section]) -> None:
        self.data = data
        self.sections = sections
        self.symtab = next((i for i, s in enumerate(sections) if s.type == SYMTAB), 0)
        self.symbols = list(self._symbols()) if self.symtab else []
        self.pointers: dict[int, dict[int, tuple[_Symbol, int]]] = {}  # by section and offset

    def contents(self, section: Section) -> bytes:
        return self.data[section.offset : section.offset + section.size]

    def _symbols(self) -> Iterator[_Symbol]:
        table = self.sections[self.symtab]
        strings = self.contents(self.sections[table.link])
        extended = [self.contents(s) for s in self.sections if s.type == _INDICES]
        rows = self.contents(table)[: table.size // _SYM.size * _SYM.size]
        for i, (name, info, _, section, value, _) in enumerate(_SYM.iter_unpack(rows)):
            if section == _XINDEX and extended:
                section = struct.unpack_from("<I", extended[0], 4 * i)[0]
            text = strings[name : strings.index(b"\0", name)] if name else b""
            yield _Symbol(text.decode("utf-8", "surrogateescape"), info, section, value)

    def is_own_code(self, section: int, offset: int) -> bool:
        if not 0 < section < len(self.sections):
            return False
        found = self.sections[section]
        return found.loaded and bool(found.flags & EXEC) and 0 <= offset < found.size


def _title(made: _Object, symbol: _Symbol) -> str:
    if symbol.type == 3 and symbol.section < len(made.sections):  # STT_SECTION
        return made.sections[symbol.section].name
    return symbol.name


def _symbol_fault(made: _Object) -> Refusal | None:
    for symbol in made.symbols[1:]:
        name = symbol.name
        if symbol.section and symbol.type > 5:
            kind, why = _SYMBOL_TYPES.get(symbol.type, (f"the type {symbol.type}", ""))
            return f"symbol `{name}` is {kind}: {why or 'not one of the gABI'}", _WAYS.get(
                why, _AGAIN
            )
        reserved = symbol.section in (_ABS, _COMMON, _LARGE_COMMON)
        if symbol.section >= len(made.sections) and not reserved:
            return f"the section of symbol `{name}` is out of range: {symbol.section:#x}", _AGAIN
        if name in _CALLED and symbol.section:
            if not made.is_own_code(symbol.section, symbol.value):
                why = f"`{name}` is not in its own executable sections, and krtld would call it"
                return why, "make it a function, or give it another name"
    return None


def _group_fault(made: _Object, section: Section) -> Refusal | None:
    why = ""
    if not section.size or section.size % 4:
        why = f"has {section.size} bytes, and its flags and members have 4 each"
    elif section.link != made.symtab or not made.symtab:
        why = f"names section {section.link} as its symbol table (sh_link)"
    elif section.info >= len(made.symbols):
        why = f"has symbol {section.info}, and there are {len(made.symbols)} (sh_info)"
    else:
        for (member,) in struct.iter_unpack("<I", made.contents(section)[4:]):
            if member >= len(made.sections):
                why = f"has section {member} as a member, and there are {len(made.sections)}"
    return (f"group {section.name} {why}", _AGAIN) if why else None


def _table_fault(made: _Object, section: Section, seen: set[int]) -> Refusal | None:
    count = len(made.sections)
    name = f"relocations {section.name}"
    if section.info >= count or (not section.info and section.size):
        return f"{name} are of section {section.info}, and there are 1 to {count - 1}", _AGAIN
    target = made.sections[section.info]
    if not target.loaded:
        return None
    if section.entsize != _ITEM.size or section.size % _ITEM.size:
        why = f"{name} are items of {section.entsize} bytes in {section.size}, and not of 24"
        return why, _AGAIN
    if section.link != made.symtab or not made.symtab:
        return f"{name} name section {section.link} as their symbol table (sh_link)", _AGAIN
    if section.size and target.type == NOBITS:
        return f"{name} are of {target.name}, which has no contents (SHT_NOBITS)", _AGAIN
    if section.size and section.info in seen:
        return f"{name} are a second table for {target.name}", "link it with `ld -r`"
    if section.size:
        seen.add(section.info)
    return None


def _relocation_fault(made: _Object, section: Section) -> Refusal | None:
    target = made.sections[section.info]
    if not target.loaded:
        return None
    pointers = made.pointers.setdefault(section.info, {})
    for offset, info, addend in _ITEM.iter_unpack(made.contents(section)):
        number, kind = info >> 32, info & 0xFFFFFFFF
        where = f"{target.name}+0x{offset:x}"
        if number >= len(made.symbols):
            why = f"{where}: the relocation's symbol is {number}, and there are {len(made.symbols)}"
            return why, _AGAIN
        if kind >= len(_TYPES):
            return f"{where}: the psABI has no relocation type {kind}", _AGAIN
        short, width = _TYPES[kind]
        symbol = made.symbols[number]
        if isinstance(width, str):
            why = f"{where}: R_X86_64_{short} against `{_title(made, symbol)}`: {width}"
            return why, _WAYS[width]
        if offset + width > target.size:
            why = f"{where}: the field of R_X86_64_{short} lies outside its section, which has"
            return f"{why} {target.size} bytes", _AGAIN
        if kind == _POINTER:
            pointers[offset] = (symbol, addend)
        elif width:
            pointers.pop(offset, None)
    return None


def _array_fault(made: _Object, index: int) -> Refusal | None:
    section = made.sections[index]
    for name, kind, sentinels in _ARRAYS:
        if section.type == kind or (section.name + ".").startswith(name + "."):
            break
    else:
        return None
    what = f"{section.name}, an array of functions,"
    if section.type == NOBITS:
        return f"{what} has no contents (SHT_NOBITS)", "give it the type @progbits"
    if section.size % _WORD.size:
        return f"{what} has {section.size} bytes, not a multiple of 8", "put only pointers into it"
    for at, (value,) in enumerate(_WORD.iter_unpack(made.contents(section))):
        symbol, addend = made.pointers.get(index, {}).get(at * _WORD.size, (None, 0))
        if symbol is None and sentinels and value in (0, (1 << 64) - 1):
            continue
        if symbol is None or not made.is_own_code(symbol.section, symbol.value + addend):
            leads = f"`{_title(made, symbol)}`+{addend:#x}" if symbol else f"{value:#x}"
            why = f"{section.name}+0x{at * _WORD.size:x} leads to {leads}, which is not in its own"
            return f"{why} executable sections, and krtld would call it", "remove it from the array"
    return None


def fault(data: bytes, sections: list[Section]) -> Refusal | None:
    """The first thing in an object's tables that krtld refuses."""
    made = _Object(data, sections)
    seen: set[int] = set()
    found = _symbol_fault(made)
    for section in sections[1:]:
        if section.type == _GROUP:
            found = found or _group_fault(made, section)
        elif section.type == _RELA:
            found = found or _table_fault(made, section, seen) or _relocation_fault(made, section)
    for index, section in enumerate(sections):
        if section.loaded and section.size:
            found = found or _array_fault(made, index)
    return found

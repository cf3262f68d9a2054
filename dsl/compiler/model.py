"""What the declarations say, as data. parse.py makes it; every later step reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .instructions import Effects
from .logic import Tree
from .report import Place

FEATURES_MAX = 512  # HOT_FEATURES_MAX in alternatives/hotinline.h
SITE_MAX = 64  # HOT_SITE_MAX
DEPTH_MAX = 64  # HOT_DEPTH_MAX
CALL_SIZE = 5  # bytes of a direct call or jmp
VARIABLES_MAX = 16  # features that one hotinline depends on: all combinations are tested


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a declaration and where it stands."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Condition:
    tree: Tree
    text: str
    names: tuple[Word, ...]  # the features it names, in order


@dataclass(slots=True)
class Feature:
    name: str
    place: Place
    kind: str  # cpuid, vendor, hypervisor, boot, live, derived
    source: str  # as declared: "cpuid 7.0 ebx[20]"
    documentation: str = ""
    leaf: int = 0
    subleaf: int = 0
    register: str = ""
    bit: int = 0
    signature: str = ""
    condition: Condition | None = None
    enables: list[Word] = field(default_factory=list)
    parts: list[Word] = field(default_factory=list)  # of source, for messages
    kept: bool = False  # found right by an earlier run


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter or the result: a C type and the register it is in, or a pair, high:low."""

    type: str
    const: bool
    pointer: int  # its stars
    name: str  # "" for the result
    registers: tuple[str, ...]
    place: Place
    type_place: Place
    register_place: Place


@dataclass(frozen=True, slots=True)
class Fixup:
    offset: int
    symbol: str
    addend: int


@dataclass(slots=True)
class Instruction:
    """One instruction, or a label (mnemonic "")."""

    text: str
    place: Place
    label: str = ""
    mnemonic: str = ""
    symbols: tuple[Word, ...] = ()
    nop: int = 0  # nopN: its bytes
    raw: bytes = b""  # what NASM does not encode: its bytes
    effects: Effects | None = None  # if Capstone has to be told
    offset: int = 0
    size: int = 0


@dataclass(slots=True)
class Alternative:
    place: Place
    condition: Condition | None  # None: unguarded
    body: Word  # as written; in braces if it has several instructions
    text: str = ""  # normalised
    instructions: list[Instruction] = field(default_factory=list)
    code: bytes = b""
    fixups: list[Fixup] = field(default_factory=list)
    tail: bool = False
    sound: bool = True  # nothing wrong found with its code so far

    @property
    def when(self) -> str:
        return self.condition.text if self.condition else ""

    @property
    def nop(self) -> bool:
        """Whether it does nothing."""
        made = [each for each in self.instructions if each.mnemonic]
        return all(each.nop or each.mnemonic == "nop" for each in made)


@dataclass(frozen=True, slots=True)
class Options:
    """What the kernel is built with, so far as code of hotinlines must heed it."""

    ibt: bool = False  # indirect branches go to endbr64
    kcfi: bool = False  # the hash of a function's type stands before it
    return_thunk: str = ""  # the symbol that a return jumps to; "": `ret`

    def words(self) -> list[str]:
        """As on the command line."""
        words = ["--ibt"] * self.ibt + ["--kcfi"] * self.kcfi
        return words + (["--return-thunk", self.return_thunk] if self.return_thunk else [])


@dataclass(slots=True)
class Hotinline:
    name: str
    place: Place
    documentation: str = ""
    parameters: list[Value] = field(default_factory=list)
    result: Value | None = None
    size: int = CALL_SIZE
    size_place: Place | None = None
    clobbers: list[Word] = field(default_factory=list)
    reads: list[Word] = field(default_factory=list)  # of what the caller left there
    pure: bool = False
    pure_place: Place | None = None
    repeated: list[Word] = field(default_factory=list)  # clauses said twice
    alternatives: list[Alternative] = field(default_factory=list)
    sound: bool = True  # nothing wrong found with its signature
    kept: bool = False  # found right by an earlier run: only its name is known

    def registers_clobbered(self) -> list[str]:
        return [word.text for word in self.clobbers if word.text != "memory"]

    def registers_given(self) -> set[str]:
        """Registers that the code may change."""
        result = self.result.registers if self.result else ()
        return {*result, *self.registers_clobbered()}


@dataclass(slots=True)
class Window:
    name: str
    place: Place
    opens: Word
    closes: Word
    documentation: str = ""


@dataclass(slots=True)
class Declared:
    """An instruction that the author knows and hotc does not."""

    name: str
    place: Place
    code: bytes
    reads: list[Word] = field(default_factory=list)
    writes: list[Word] = field(default_factory=list)
    enabled_by: Word | None = None
    repeated: list[Word] = field(default_factory=list)
    documentation: str = ""

    def effects(self) -> Effects:
        reads, writes = ([word.text for word in words] for words in (self.reads, self.writes))
        memory = "memory" in (*reads, *writes)
        return Effects(tuple(reads), tuple(writes), memory=memory, code=self.code)


@dataclass(slots=True)
class Declarations:
    features: list[Feature] = field(default_factory=list)
    hotinlines: list[Hotinline] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    instructions: list[Declared] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)  # base names, sorted

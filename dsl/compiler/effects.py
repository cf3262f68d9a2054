"""What one encoded instruction reads, writes and needs: Capstone's word, corrected.

tests/dsl/test_effects.py compares it with what a CPU does and with tables of the Intel SDM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from . import disassembler, instructions, registers, values
from .disassembler import capstone
from .instructions import Effects

x86 = capstone.x86
_PUSH = ("push", "pushfq")
_POP = ("pop", "popfq")
_STRINGS_KEPT = ("lodsb", "lodsw", "lodsd", "lodsq")  # after rep, with rcx 0
_FLAGS_KEPT = ("cmpsb", "cmpsw", "cmpsd", "cmpsq", "scasb", "scasw", "scasd", "scasq")
_SHIFTS = ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd")
_REPEATS = (0xF2, 0xF3)
_MANDATORY = (0x66, *_REPEATS)
_LEGACY = (*_MANDATORY, 0xF0, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x67)

# What Capstone 4 leaves out or has wrong. Each row is found by tests/dsl/test_effects.py.
_ALSO_READS = {"xlatb": ("rbx", "al"), "monitor": ("rax",)}
_MASKED = ("xsave", "xrstor")  # by edx:eax, not by all of the two
_ALSO_WRITES = {
    "xlatb": ("al",),
    "vmcall": ("rax",),  # a hypercall answers there (KVM, Hyper-V, Xen)
    "vmmcall": ("rax",),
    "cmpxchg": ("rax",),
}
# The first operand counts, too: it is compared, or kept if there is nothing to write. (Of bsf and
# bsr the SDM says "undefined" for a source of 0, the AMD APM that they keep it; all CPUs do.)
_KEEPS = frozenset(["bsf", "bsr", "lar", "lsl"])
_READS_FIRST = frozenset(["adox", "cmpxchg", "vmwrite"]) | _KEEPS
_ONLY_READS = frozenset(["vmwrite"])
_COMPARES = frozenset(["cmpxchg", "cmpxchg8b", "cmpxchg16b"])
_SELECTORS = frozenset(["lar", "lsl"])  # 16 bits of the second operand count
# Of the last operand only so many bits count: a number of bits, or what bextr makes of two bytes.
_LOW = {**dict.fromkeys(("shlx", "shrx", "sarx", "bzhi"), 8), "bextr": 16}
_BIT_TESTS = frozenset(["bt", "btc", "btr", "bts"])  # 8 bits, if the first is no memory
_EXTENDS = frozenset(["cwd", "cdq", "cqo"])  # Capstone has them change rax
_SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs"])
_SAME_IS_CONSTANT = frozenset(["xor", "sub", "sbb", "cmp"])
# For `and` and `or` with an immediate, the one that makes the result a constant.
_CONSTANT = {"and": 0, "or": -1}

# Status flags by their letters (SDM vol. 1, table A-2), where Capstone has others or none.
_FLAGS_READ = {
    **dict.fromkeys(("adc", "sbb", "rcl", "rcr", "cmc", "adcx"), "C"),
    "adox": "O",
    "lahf": "CPAZS",
}
_FLAGS_SET = {
    "adcx": "C",
    "adox": "O",
    "lzcnt": "CZ",
    **dict.fromkeys(("fcomi", "fcompi", "fucomi", "fucompi"), "CPZ"),
    **dict.fromkeys(("blsr", "blsmsk", "blsi"), "CZSO"),
    **dict.fromkeys(("imul", "mul"), "CO"),
    "prefetchw": "",
    **dict.fromkeys(
        ("invept", "invvpid", "vmclear", "vmptrld", "vmptrst", "vmread", "vmwrite", "vmxoff",
         "vmxon"), "CPAZSO"),
}  # fmt: skip


def _masks(kinds: tuple[str, ...]) -> list[tuple[int, int]]:
    """Capstone's bits for a kind of effect on each status flag, with ours."""
    pairs = []
    for letter in values.FLAGS:
        bit = 0
        for kind in kinds:
            bit |= getattr(x86, f"X86_EFLAGS_{kind}_{letter}F", 0)
        pairs.append((bit, values.flags(letter)))
    return pairs


_TESTS = _masks(("TEST",))
_SETS = _masks(("MODIFY", "RESET", "SET"))
_LOSES = _masks(("UNDEFINED",))


def _flags(word: int, masks: list[tuple[int, int]]) -> int:
    return sum(ours for theirs, ours in masks if word & theirs)


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one instruction. needs, sets and loses are values.py's bits: what must have a value
    before, what has one afterwards, and what has none then."""

    mnemonic: str
    needs: int = 0
    sets: int = 0
    loses: int = 0
    keeps: int = 0  # of what it needs: what it may leave as it was, and does not look at
    writes: frozenset[str] = frozenset()  # families of general registers that it may change
    vectors: frozenset[str] = frozenset()
    memory: bool = False
    relative: bool = False  # has a RIP-relative operand
    stack_operand: bool = False  # names rsp, or changes it otherwise than by push and pop
    stack: int = 0  # bytes pushed
    moved: str = ""  # the register pushed or popped
    branch: str = ""  # "", "jump", "maybe" (a conditional one), "call"
    target: int | None = None  # of a direct branch, from its own start
    groups: frozenset[str] = frozenset()  # of Capstone: the extensions that it belongs to
    ends: bool = False  # control does not come to the next instruction
    unknown: str = ""  # why nothing of all this is known


def _decoder() -> capstone.Cs:
    decoder = disassembler.decoder()
    decoder.detail = True
    return decoder


_DECODER = _decoder()


def _families(names: set[str]) -> frozenset[str]:
    return frozenset({registers.family(name) for name in names} - {"", "rsp"})


def _by_table(mnemonic: str, text: str, effects: Effects) -> Facts:
    """Of an instruction that Capstone does not know."""
    needs = sets = keeps = 0
    words = text.lower().partition(mnemonic)[2]
    written, named = set(effects.writes), re.findall(r"[a-z0-9_]+", words)
    for number, operand in enumerate(words.split(","), 1):
        name = operand.strip()
        if number == effects.target:
            written.add(name)
            keeps = values.held(name) if number == 1 else 0
            if not effects.target_read:
                sets |= values.written(name)
                continue
        for word in re.findall(r"[a-z0-9_]+", name):
            needs |= values.held(word)
    for name in effects.reads:
        needs |= values.ALL_FLAGS if name == "flags" else values.held(name)
    for name in effects.writes:
        sets |= values.ALL_FLAGS if name == "flags" else values.written(name)
    return Facts(
        mnemonic,
        needs=needs,
        sets=sets | values.flags(effects.flags),
        keeps=keeps,
        writes=_families(written),
        vectors=frozenset(name for name in written if registers.is_vector(name)),
        memory=effects.memory,
        relative="rel" in named,
        stack_operand=any(registers.family(word) == "rsp" for word in named),
    )


def _branch(insn: capstone.CsInsn, mnemonic: str) -> tuple[str, int | None]:
    groups = set(insn.groups)
    if capstone.CS_GRP_CALL in groups:
        kind = "call"
    elif mnemonic == "jmp":
        kind = "jump"
    elif groups & {capstone.CS_GRP_JUMP, x86.X86_GRP_BRANCH_RELATIVE}:
        kind = "maybe"
    else:
        return "", None
    operand = insn.operands[0]
    return kind, operand.imm if operand.type == x86.X86_OP_IMM else None


@dataclass(slots=True)
class _Operands:
    named: list[str]  # registers, those of addresses too
    first: str = ""  # the first operand, if it is a register
    second: str = ""
    last: str = ""
    constant: int | None = None  # the last operand, if it is a number
    memory: bool = False
    relative: bool = False


def _operands(insn: capstone.CsInsn) -> _Operands:
    found = _Operands([])
    for number, operand in enumerate(insn.operands):
        found.constant = None
        if operand.type == x86.X86_OP_REG:
            name = insn.reg_name(operand.reg)
            found.named.append(name)
            found.first = name if number == 0 else found.first
            found.last = name
            found.second = name if number == 1 else found.second
        elif operand.type == x86.X86_OP_IMM:
            found.constant = operand.imm
        elif operand.type == x86.X86_OP_MEM:
            found.memory = True
            found.relative |= operand.mem.base == x86.X86_REG_RIP
            for number in (operand.mem.base, operand.mem.index):
                found.named.append(insn.reg_name(number) or "")
    return found


def _drops_upper_half(name: str, found: _Operands) -> bool:
    """`shl r, 32`, which joins the halves of a pair: what is above bit 31 is shifted out."""
    return name == "shl" and found.constant in range(32, 64) and values.width(found.first) == 64


def _needed(name: str, read: set[str], found: _Operands, repeated: bool) -> int:
    """What an instruction reads of general and vector registers."""
    if name in ("nop", "endbr64") or name in _PUSH:
        return 0  # a pushed register is a value of the stack's, of any kind
    if name in _SAME_IS_CONSTANT and found.first and found.first == found.second:
        return 0
    if name in _CONSTANT and found.first and found.constant is not None:
        ones = (1 << values.width(found.first)) - 1
        if found.constant & ones == _CONSTANT[name] & ones:
            return 0
    if name.startswith(_MASKED):
        read = {{"rax": "eax", "rdx": "edx"}.get(register, register) for register in read}
    needs = 0
    for register in (*read, *_ALSO_READS.get(name, ())):
        needs |= values.held(register)
    if name == "lea":  # of an address as much as the result has: the rest is cut off
        low = values.width(found.first)
        needs &= sum(values.typed(register, low) for register in read if registers.family(register))
    if name == "crc32":
        needs = (needs & ~values.part(found.first, 8)) | values.held(found.second)
    if found.first and name in _READS_FIRST:
        needs |= values.held(found.first)
    if found.second and (name in _SELECTORS or (name == "mov" and found.first in _SEGMENTS)):
        needs = (needs & ~values.part(found.second, values.WHOLE)) | values.typed(found.second, 16)
    low = 8 if name in _BIT_TESTS and found.first else _LOW.get(name, 64)
    if low < 64 and registers.family(found.last) and found.last != found.first:
        needs = (needs & ~values.part(found.last, values.WHOLE)) | values.typed(found.last, low)
    if _drops_upper_half(name, found):
        needs = values.typed(found.first, 32)
    if repeated and name in _STRINGS_KEPT:
        needs |= values.held({"b": "al", "w": "ax", "d": "eax", "q": "rax"}[name[-1]])
    return needs


def _kept(name: str, found: _Operands, repeated: bool) -> int:
    if name in _KEEPS or name.startswith("cmov"):
        return values.held(found.first)
    return values.held("rax") if repeated and name in _STRINGS_KEPT else 0


def _written(name: str, changed: set[str], found: _Operands, repeated: bool) -> int:
    """What has a value afterwards because the instruction writes it, whatever happens. What it may
    keep is needed before, and so has a value anyway."""
    sets = 0
    if name in _COMPARES or (repeated and name in _STRINGS_KEPT):
        return 0
    for register in changed:
        if not (name in _KEEPS and register == found.first):
            sets |= values.written(register)
    return sets


def _status(insn: capstone.CsInsn, name: str, changed: set[str], found: _Operands,
            repeated: bool) -> tuple[int, int, int]:  # fmt: skip
    """The status flags that it needs, sets, and leaves undefined."""
    word = insn.eflags
    if x86.X86_GRP_FPU in insn.groups and name not in _FLAGS_SET:
        return 0, 0, 0  # Capstone has the x87 status word there
    needs = _flags(word, _TESTS) | values.flags(_FLAGS_READ.get(name, ""))
    loses = _flags(word, _LOSES)
    if name in _FLAGS_SET:
        sets = values.flags(_FLAGS_SET[name])
        if name in ("imul", "mul"):
            loses = values.ALL_FLAGS
    else:
        sets = _flags(word, _SETS)
        if "rflags" in changed and not word and name != "stac":
            loses = values.ALL_FLAGS
    if repeated and name in _FLAGS_KEPT:
        sets = 0
    if name in _SHIFTS and found.constant is None and found.last == "cl":
        sets = 0
    if name in _SHIFTS and (found.last == "cl" or found.constant not in (None, 1)):
        sets, loses = sets & ~values.flags("O"), loses | values.flags("O")
    if _drops_upper_half(name, found):
        sets, loses = sets & ~values.flags("C"), loses | values.flags("C")  # it may come from there
    return needs, sets, loses & ~sets


def _disagree(name: str, mnemonic: str, code: bytes) -> str:
    """Why NASM's mnemonic, or plain bytes, and what Capstone makes of them do not fit."""
    if mnemonic == "bytes":
        at = 0
        while at < len(code) and (code[at] in _LEGACY or code[at] & 0xF0 == 0x40):
            at += 1
        if code[at : at + 1] == b"\x0f" and set(code[:at]) & set(_MANDATORY):
            return "66, f2 and f3 before 0f may select an instruction that it does not know"
        return ""
    if instructions.canonical(name) != instructions.canonical(mnemonic):
        if not (name == "nop" and mnemonic == "xchg"):
            return f"Capstone takes it for `{name}`"
    return ""


def known(code: bytes) -> str:
    """The instruction that these bytes are, or start with, if that is certain; else ""."""
    insn = next(_DECODER.disasm(code, 0), None)
    name = insn.mnemonic.split()[-1] if insn else ""
    return "" if _disagree(name, "bytes", code) else name


@lru_cache(maxsize=65536)
def facts(code: bytes, mnemonic: str, text: str, effects: Effects | None = None) -> Facts:
    """mnemonic and text are NASM's side of it: what Capstone misreads is known by them."""
    if effects is not None:
        return _by_table(mnemonic, text, effects)
    decoded = list(_DECODER.disasm(code, 0))
    if len(decoded) != 1 or decoded[0].size != len(code):
        return Facts(mnemonic, unknown="Capstone cannot decode it")
    insn = decoded[0]
    name = insn.mnemonic.split()[-1]
    why = _disagree(name, mnemonic, code)
    if why:
        return Facts(mnemonic, unknown=why)
    read, changed = ({insn.reg_name(number) for number in part} for part in insn.regs_access())
    if name in _ONLY_READS:
        changed = set()
    if name in _EXTENDS:
        changed -= {"rax", "eax", "ax"}
    repeated = any(prefix in _REPEATS for prefix in insn.prefix)
    if name == "stosq" and not repeated:
        read, changed = read - {"rcx"}, changed - {"rcx"}
    changed.update(_ALSO_WRITES.get(name, ()))
    found = _operands(insn)
    needs, sets, loses = _status(insn, name, changed, found, repeated)
    moves = name in _PUSH + _POP
    branch, target = _branch(insn, name)
    families = {registers.family(register) for register in changed}
    names_rsp = any(registers.family(register) == "rsp" for register in found.named)
    return Facts(
        name,
        needs=needs | _needed(name, read - {"rsp"}, found, repeated),
        sets=sets | _written(name, changed - {"rsp"}, found, repeated),
        loses=loses,
        keeps=_kept(name, found, repeated),
        writes=_families(changed),
        vectors=frozenset(r for r in changed if registers.is_vector(r)),
        memory=found.memory and name not in ("lea", "nop"),
        relative=found.relative,
        stack_operand=names_rsp or ("rsp" in families and not moves and branch != "call"),
        stack=(8 if name in _PUSH else -8) if moves else 0,
        moved=found.first if moves and registers.family(found.first) else "",
        branch=branch,
        target=target,
        groups=frozenset(insn.group_name(group) for group in insn.groups),
        ends=name in ("ud0", "ud2", "ud2b"),
    )

"""What hotc knows about instructions beyond what Capstone tells.

Capstone 4 decodes most of what NASM encodes and names the registers that each instruction changes.
Three kinds of instruction need more: those that it does not know or takes for an older one, those
whose implicit results it leaves out (effects.py), and those that do not come back to the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

PREFIXES = frozenset(
    """
    lock rep repe repz repne repnz xacquire xrelease bnd nobnd a16 a32 a64 o16 o32 o64 asp wait
    """.split()
)

# Directives and pseudo-instructions of NASM. None of them is an instruction, and each could reach
# beyond the alternative that it stands in. What is missing here NASM itself refuses after a label.
DIRECTIVES = frozenset(
    """
    absolute align alignb at bits common cpu db dd default do dq dt dup dw dy dz endstruc equ extern
    float global group iend import export incbin istruc list org pragma required resb resd reso resq
    rest resw resy resz sectalign section seg segment static struc times use16 use32 use64 warning
    wrt
    """.split()
)

# Words of an operand that are neither registers nor symbols.
OPERAND_WORDS = frozenset(
    """
    abs rel byte word dword qword tword tbyte oword yword zword xmmword ymmword zmmword short near
    far strict nosplit to ptr
    """.split()
)


@dataclass(frozen=True, slots=True)
class Effects:
    """Of an instruction that Capstone 4 lacks or misnames (Intel SDM vol. 2, AMD APM vol. 3).

    Registers are named by the width that counts. Registers among the operands are read, and the
    `target`, an operand's number from 1, is written.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    flags: str = ""  # status flags that it sets
    target: int = 0
    target_read: bool = True  # it may keep its old value, or that counts for the new one
    memory: bool = False
    code: bytes = b""  # the whole instruction, or
    modrm: bytes = b""  # all but the 16-bit register that it takes, which goes into the last byte


def _known(code: str, *reads: str, writes: tuple[str, ...] = (), flags: str = "",
           memory: bool = False) -> Effects:  # fmt: skip
    return Effects(reads, writes, flags, memory=memory, code=bytes.fromhex(code))


_NONE = Effects()
_MEMORY = Effects(memory=True)
_KEEPS = Effects(target=1, memory=True)
_MSR = ("ecx", "eax", "edx")
_WAIT = Effects(("eax", "edx"), flags="CPAZSO")
_ANSWER = ("eax",)
_ALL = "CPAZSO"

NEWER: dict[str, Effects] = {
    **dict.fromkeys(("aadd", "aand", "aor", "axor"), _MEMORY),
    "cldemote": _MEMORY,
    "clrssbsy": Effects(flags=_ALL, memory=True),
    "clui": _known("f30f01ee"),
    "clzero": _known("0f01fc", "rax", memory=True),
    **{f"cmp{condition}xadd": Effects(flags=_ALL, target=2, memory=True) for condition in (
        "o no b nb z nz be nbe s ns p np l nl le nle ae e ne a ge g").split()},
    "enqcmd": Effects(flags=_ALL, memory=True),
    "enqcmds": Effects(flags=_ALL, memory=True),
    "hreset": Effects(("eax",)),
    "incsspd": _NONE,
    "incsspq": _NONE,
    "invlpgb": _known("0f01fe", "rax", "ecx", "edx"),
    "lkgs": Effects(modrm=bytes.fromhex("f20f00f0")),
    "mcommit": _known("f30f01fa", flags=_ALL, memory=True),
    "monitorx": _known("0f01fa", "rax", "ecx", "edx", memory=True),
    "movdir64b": _MEMORY,
    "movdiri": _MEMORY,
    "mwaitx": _known("0f01fb", "eax", "ecx", "ebx"),
    "pconfig": _known("0f01c5", "eax", "rbx", "rcx", "rdx",
                      writes=_ANSWER, flags=_ALL, memory=True),
    "prefetchit0": _MEMORY,
    "prefetchit1": _MEMORY,
    "prefetchwt1": _MEMORY,
    "psmash": _known("f30f01ff", "rax", writes=_ANSWER, flags="PAZSO", memory=True),
    "ptwrite": _MEMORY,
    "pvalidate": _known("f20f01ff", "rax", "ecx", "edx", writes=_ANSWER, flags=_ALL, memory=True),
    "rdmsrlist": _known("f20f01c6", "rsi", "rdi", "rcx", writes=("rcx",), memory=True),
    "rdpid": Effects(target=1, target_read=False),
    "rdpkru": _known("0f01ee", "ecx", writes=("eax", "edx")),
    "rdpru": _known("0f01fd", "ecx", writes=("eax", "edx"), flags="C"),
    "rdsspd": _KEEPS,
    "rdsspq": _KEEPS,
    "rmpadjust": _known("f30f01fe", "rax", "rcx", "rdx",
                        writes=_ANSWER, flags="PAZSO", memory=True),
    "rmpquery": _known("f30f01fd", "rax", writes=("eax", "rcx", "rdx"), flags="PAZSO", memory=True),
    "rmpread": _known("f20f01fd", "rax", "rcx", writes=_ANSWER, flags="PAZSO", memory=True),
    "rmpupdate": _known("f20f01fe", "rax", "rcx", writes=_ANSWER, flags="PAZSO", memory=True),
    "rstorssp": Effects(flags=_ALL, memory=True),
    "saveprevssp": _known("f30f01ea", memory=True),
    "senduipi": _MEMORY,
    "serialize": _known("0f01e8"),
    "setssbsy": _known("f30f01e8", memory=True),
    "stui": _known("f30f01ef"),
    "testui": _known("f30f01ed", flags=_ALL),
    "tlbsync": _known("0f01ff"),
    "tpause": _WAIT,
    "umonitor": _MEMORY,
    "umwait": _WAIT,
    "vmgexit": _known("f30f01d9", memory=True),  # NASM 2.16 writes f2 0f 01 c1
    "wbnoinvd": _known("f30f09"),
    "wrmsrlist": _known("f30f01c6", "rsi", "rdi", "rcx", writes=("rcx",), memory=True),
    "wrmsrns": _known("0f01c6", *_MSR),
    "wrpkru": _known("0f01ef", *_MSR),
    "wrssd": _MEMORY,
    "wrssq": _MEMORY,
    "wrussd": _MEMORY,
    "wrussq": _MEMORY,
    "xresldtrk": _known("f20f01e9"),
    "xsusldtrk": _known("f20f01e8"),
    "eretu": _known("f30f01ca"),
    "erets": _known("f20f01ca"),
}

_ELSEWHERE = "it does not come back to the next instruction"
_RETURN = "it returns from the function that it is put into"
_HANDLER = "it runs a handler that may change any register"

EXITS: dict[str, str] = {
    **dict.fromkeys(("ret", "retn", "retf", "retfq", "retq", "retw"), _RETURN),
    **dict.fromkeys(("iret", "iretd", "iretq", "iretw", "rsm", "eretu", "erets"), _ELSEWHERE),
    **dict.fromkeys(("sysret", "sysretq", "sysexit", "sysexitq", "uiret"), _ELSEWHERE),
    **dict.fromkeys(("syscall", "sysenter", "int", "int1", "int3", "into", "icebp"), _HANDLER),
    **dict.fromkeys(("encls", "enclu", "enclv", "getsec", "skinit"), _HANDLER),
    **dict.fromkeys(("vmlaunch", "vmresume", "vmrun"), _ELSEWHERE),
    **dict.fromkeys(("xbegin", "xabort"), "an abort continues elsewhere"),
    **dict.fromkeys(("ljmp", "lcall"), _ELSEWHERE),
    "enter": "it makes a stack frame",
    "leave": "it takes a stack frame away",
    "std": "the psABI wants the direction flag clear",
}

_CONDITIONS = {
    "z": "e", "nz": "ne", "c": "b", "nae": "b", "nc": "ae", "nb": "ae", "na": "be", "nbe": "a",
    "nge": "l", "nl": "ge", "ng": "le", "nle": "g", "pe": "p", "po": "np",
}  # fmt: skip

# One instruction, two names: NASM's to Capstone's.
_ALIASES = {
    "sal": "shl",
    "xlat": "xlatb",
    "pushf": "pushfq",
    "popf": "popfq",
    "loopz": "loope",
    "loopnz": "loopne",
    "movabs": "mov",
    "movsxd": "movsx",
    "fwait": "wait",
    "xstore": "xstorerng",
    **{
        prefix + other: prefix + name
        for prefix in ("j", "set", "cmov")
        for other, name in _CONDITIONS.items()
    },
}


def canonical(mnemonic: str) -> str:
    """One name for the several that an instruction may have."""
    return _ALIASES.get(mnemonic, mnemonic)


@lru_cache(maxsize=None)
def mnemonics() -> frozenset[str]:
    """Every mnemonic that Capstone or this file knows."""
    from .disassembler import capstone, decoder  # here: `hotc check` does without it

    named = decoder().insn_name
    found = {named(i) for i in range(1, capstone.x86.X86_INS_ENDING)}
    return frozenset({*filter(None, found), *NEWER, *_ALIASES, *EXITS})


def is_mnemonic(word: str) -> bool:
    return word.lower() in mnemonics()

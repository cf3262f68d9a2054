"""What hotc knows about instructions beyond what Capstone tells.

Capstone 4 decodes most of what NASM encodes and names the registers that each instruction changes.
Three kinds of instruction need more: those that it does not know or takes for an older one, those
whose implicit results it leaves out, and those that do not come back to the next instruction.
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
# beyond the alternative that it stands in. What is missing here NASM itself refuses behind a label.
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


@dataclass(frozen=True)
class Effects:
    """Of an instruction that Capstone 4 lacks or misnames (Intel SDM vol. 2, AMD APM vol. 3)."""

    first: bool = False  # it changes its first operand
    writes: tuple[str, ...] = ()  # it changes these
    memory: bool = False


_FLAGS_ONLY = Effects()
_MEMORY = Effects(memory=True)
_FIRST = Effects(first=True)

NEWER: dict[str, Effects] = {
    "cldemote": _MEMORY,
    "clrssbsy": _MEMORY,
    "clui": _FLAGS_ONLY,
    "clzero": _MEMORY,
    "enqcmd": _MEMORY,
    "enqcmds": _MEMORY,
    "hreset": _FLAGS_ONLY,
    "incsspd": _FLAGS_ONLY,
    "incsspq": _FLAGS_ONLY,
    "monitorx": _MEMORY,
    "movdir64b": _MEMORY,
    "movdiri": _MEMORY,
    "mwaitx": _FLAGS_ONLY,
    "pconfig": Effects(writes=("rax",), memory=True),
    "psmash": Effects(writes=("rax",), memory=True),
    "ptwrite": _MEMORY,
    "pvalidate": Effects(writes=("rax",), memory=True),
    "rdpid": _FIRST,
    "rdsspd": _FIRST,
    "rdsspq": _FIRST,
    "rstorssp": _MEMORY,
    "saveprevssp": _MEMORY,
    "senduipi": _MEMORY,
    "serialize": _FLAGS_ONLY,
    "setssbsy": _MEMORY,
    "stui": _FLAGS_ONLY,
    "testui": _FLAGS_ONLY,
    "tpause": _FLAGS_ONLY,
    "umonitor": _MEMORY,
    "umwait": _FLAGS_ONLY,
    "wbnoinvd": _FLAGS_ONLY,
    "wrssd": _MEMORY,
    "wrssq": _MEMORY,
    "wrussd": _MEMORY,
    "wrussq": _MEMORY,
    "xresldtrk": _FLAGS_ONLY,
    "xsusldtrk": _FLAGS_ONLY,
}

# Results that Capstone 4 leaves out. A hypercall answers in rax (KVM, Hyper-V, Xen).
ALSO_WRITES: dict[str, tuple[str, ...]] = {
    "cmpxchg": ("rax",),
    "vmcall": ("rax",),
    "vmmcall": ("rax",),
    "xlatb": ("rax",),
}
# Operands that Capstone 4 takes for results.
ONLY_READS = frozenset(["vmwrite"])

_ELSEWHERE = "it does not come back to the next instruction"
_RETURN = "it returns from the function that it is put into"
_HANDLER = "it runs a handler that may change any register"

EXITS: dict[str, str] = {
    **dict.fromkeys(("ret", "retn", "retf", "retfq", "retq", "retw"), _RETURN),
    **dict.fromkeys(("iret", "iretd", "iretq", "iretw", "rsm"), _ELSEWHERE),
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
    import capstone  # type: ignore[import]  # here: `hotc check` does without it

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = {decoder.insn_name(i) for i in range(1, capstone.x86.X86_INS_ENDING)}
    return frozenset({*filter(None, found), *NEWER, *_ALIASES, *EXITS})


def is_mnemonic(word: str) -> bool:
    return word.lower() in mnemonics()

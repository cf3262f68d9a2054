"""Refusals of features, conditions and signatures, as in cases.py."""

from __future__ import annotations

from cases import FEATURES, NAMES, SHAPE, Case


def _many(count: int, line: str) -> str:
    return "".join(line.format(i) + "\n" for i in range(count))


def _minterms(count: int) -> str:
    """As many alternatives, each for one combination of eight features."""
    text = ""
    for number in range(count):
        bits = " && ".join(("" if number >> i & 1 else "!") + f"f{i}" for i in range(8))
        text += bits + " ? nop1 : "
    return text


_EIGHT = _many(8, "feature f{0} = cpuid 1 ecx[{0}]")
_WIDE = _many(17, "feature f{0} = cpuid 1 ecx[{0}]")
_DEEP = "(!" * 40 + "a" + ")" * 40

FEATURE_CASES = [
    Case(
        "a condition tests declared features",
        "feature-unknown",
        FEATURES + "hotinline f: «smep ? nop3 : nop5\n",
        FEATURES + "hotinline f: smap ? nop3 : nop5\n",
        "did you mean smap?",
    ),
    Case(
        "a derived feature is made of declared ones",
        "feature-unknown",
        "feature x = boot\nfeature d = x && «qqqq\n",
        "feature x = boot\nfeature d = !x\n",
        "declare it",
    ),
    Case(
        "a feature is not defined by itself",
        "feature-cycle",
        "feature «c = !c\n",
        "feature b = boot\nfeature c = !b\n",
        "c -> c",
    ),
    Case(
        "features are not defined in a circle",
        "feature-cycle",
        "feature z = x\nfeature y = z\nfeature «x = y\n",
        "feature x = boot\nfeature z = x\nfeature y = z\n",
        "x -> y -> z -> x",
    ),
    Case(
        "no two features are the same bit",
        "feature-same-bit",
        "feature a = cpuid 7 ebx[20]\nfeature «b = cpuid 0x7.0 ebx[20]\n",
        "feature a = cpuid 7 ebx[20]\nfeature b = cpuid 7.1 ebx[20]\n",
        "use `a`",
    ),
    Case(
        "no two features are the same vendor",
        "feature-same-bit",
        'feature a = vendor "AuthenticAMD"\nfeature «b = vendor "AuthenticAMD"\n',
        'feature a = vendor "AuthenticAMD"\nfeature b = hypervisor "AuthenticAMD"\n',
    ),
    Case(
        "live features are not offered yet",
        "feature-live",
        "feature «trace = live\n",
        "feature trace = boot\n",
        "not offered yet",
    ),
    Case(
        "a leaf is one of CPUID's",
        "feature-leaf",
        "feature a = cpuid «80000021.0 eax[2]\n",
        "feature a = cpuid 0x80000021.0 eax[2]\n",
        "start with 0x",
    ),
    Case(
        "a subleaf is one of CPUID's",
        "feature-subleaf",
        "feature a = cpuid 7.«65536 eax[2]\n",
        "feature a = cpuid 7.65535 eax[2]\n",
    ),
    Case(
        "CPUID has four registers",
        "feature-register",
        "feature a = cpuid 7.0 «esi[2]\n",
        "feature a = cpuid 7.0 edx[2]\n",
    ),
    Case(
        "a register has 32 bits",
        "feature-bit",
        "feature a = cpuid 7.0 ebx[«32]\n",
        "feature a = cpuid 7.0 ebx[31]\n",
    ),
    Case(
        "a number may be absurdly long",
        "feature-bit",
        f"feature a = cpuid 7.0 ebx[«{'9' * 5000}]\n",
        "feature a = cpuid 7.0 ebx[9]\n",
    ),
    Case(
        "a vendor has 12 characters",
        "feature-signature",
        'feature a = vendor «"AMD"\n',
        'feature a = vendor "AMDisbetter!"\n',
    ),
    Case(
        "a hypervisor has at most 12 characters",
        "feature-signature",
        'feature a = hypervisor «"KVMKVMKVMKVMK"\n',
        'feature a = hypervisor "KVMKVMKVM"\n',
    ),
    Case(
        "at most 512 features",
        "feature-too-many",
        _many(512, "feature f{0} = cpuid {0} eax[0]") + "feature «g = boot\n",
        _many(512, "feature f{0} = cpuid {0} eax[0]"),
    ),
    Case(
        "a feature enables instructions",
        "enables-unknown",
        "feature smap = boot enables clac, «stax\n",
        "feature smap = boot enables clac, stac\n",
        "did you mean",
    ),
    Case(
        "an instruction is enabled by one feature",
        "enables-twice",
        "feature a = boot enables clac\nfeature b = cpuid 1 eax[0] enables «clac\n",
        "feature a = boot enables clac\nfeature b = cpuid 1 eax[0] enables stac\n",
        "file0.hot:1",
    ),
    Case(
        "an instruction is enabled by one feature under either of its names",
        "enables-twice",
        "feature a = boot enables cmovz, «cmove\n",
        "feature a = boot enables cmovz, cmovne\n",
    ),
]

CONDITIONS = [
    Case(
        "a condition is nested at most 63 deep",
        "condition-deep",
        f"feature a = boot\nfeature d = {_DEEP.replace('a', '«a')} || {'(!' * 64}a{')' * 64}\n",
        f"feature a = boot\nfeature d = {_DEEP}\n",
    ),
    Case(
        "one hotinline depends on at most 16 features",
        "condition-wide",
        _WIDE + "hotinline «f: " + " && ".join(f"f{i}" for i in range(17)) + " ? nop3 : nop5\n",
        _WIDE + "hotinline f: " + " && ".join(f"f{i}" for i in range(16)) + " ? nop3 : nop5\n",
        "17 features",
    ),
    Case(
        "features behind derived ones count",
        "condition-wide",
        _WIDE + "feature d = " + " || ".join(f"f{i}" for i in range(16))
        + "\nhotinline «f: d ? nop3 : nop5\n",
        _WIDE + "feature d = " + " || ".join(f"f{i}" for i in range(15))
        + "\nhotinline f: d ? nop3 : nop5\n",
    ),
    Case(
        "an alternative behind an unguarded one is never chosen",
        "never-chosen",
        FEATURES + "hotinline f: nop1 : «a ? nop3 : nop5\n",
        FEATURES + "hotinline f: a ? nop3 : nop5\n",
    ),
    Case(
        "an alternative whose condition is covered is never chosen",
        "never-chosen",
        FEATURES + "hotinline f: a ? nop1 : b ? nop2 : «a && b ? nop3 : nop5\n",
        FEATURES + "hotinline f: a && b ? nop3 : a ? nop1 : b ? nop2 : nop5\n",
        "put it first",
    ),
    Case(
        "a baseline that others cover is never chosen",
        "never-chosen",
        FEATURES + "hotinline f: a ? nop1 : !a ? nop2 : «nop5\n",
        FEATURES + "hotinline f: a ? nop1 : nop2\n",
        "cover every machine",
    ),
    Case(
        "a condition that cannot hold is never chosen",
        "never-chosen",
        FEATURES + "hotinline f: «a && !a ? nop1 : nop5\n",
        FEATURES + "hotinline f: a && !b ? nop1 : nop5\n",
        "cannot hold",
    ),
    Case(
        "a CPU has one vendor",
        "never-chosen",
        FEATURES + "hotinline f: «amd && intel ? nop1 : nop5\n",
        FEATURES + "hotinline f: amd || intel ? nop1 : nop5\n",
    ),
    Case(
        "a machine has one hypervisor",
        "never-chosen",
        'feature k = hypervisor "KVMKVMKVM"\nfeature x = hypervisor "XenVMMXenVMM"\n'
        "hotinline f: k ? nop1 : «k && x ? nop2 : nop5\n",
        'feature k = hypervisor "KVMKVMKVM"\nfeature x = hypervisor "XenVMMXenVMM"\n'
        "hotinline f: k ? nop1 : k || x ? nop2 : nop5\n",
    ),
    Case(
        "a derived feature is what it is defined to be",
        "never-chosen",
        FEATURES + "feature d = a && !b\nhotinline f: a ? nop1 : «d ? nop2 : nop5\n",
        FEATURES + "feature d = a || !b\nhotinline f: a ? nop1 : d ? nop2 : nop5\n",
    ),
    Case(
        "a hotinline has a baseline",
        "baseline-missing",
        FEATURES + "hotinline «f: a ? nop3\n",
        FEATURES + "hotinline f: a ? nop3 : nop5\n",
        "nop5",
    ),
    Case(
        "a feature's instruction is not for the baseline",
        "not-guaranteed",
        FEATURES + "hotinline f: a ? nop3 : «clac\n",
        FEATURES + "hotinline f: smap ? clac : nop5\n",
        "smap ? clac",
    ),
    Case(
        "an instruction is not for those who may lack its feature",
        "not-guaranteed",
        FEATURES + "hotinline f: smap || a ? «clac : nop5\n",
        FEATURES + "hotinline f: smap && a ? clac : nop5\n",
    ),
    Case(
        "an alternative passed over says something too",
        "not-guaranteed",
        FEATURES + "hotinline f: !smap && a ? nop5 : «clac\n",
        FEATURES + "hotinline f: !smap ? nop5 : clac\n",
    ),
    Case(
        "an instruction is recognised by its code, whatever it is called",
        "not-guaranteed",
        "feature c = cpuid 1 edx[15] enables cmove\n"
        "hotinline f(u64 x @rdi, u64 y @rax) -> u64 @rax reads flags: «cmovz rax, rdi\n",
        "feature c = cpuid 1 edx[15] enables cmove\n"
        "hotinline f(u64 x @rdi, u64 y @rax) -> u64 @rax reads flags:\n"
        " c ? cmovz rax, rdi : call f_soft\n",
    ),
    Case(
        "a derived feature guarantees what it is made of",
        "not-guaranteed",
        FEATURES + "feature d = smap || a\nhotinline f: d ? «clac : nop5\n",
        FEATURES + "feature d = smap && a\nhotinline f: d ? clac : nop5\n",
    ),
    Case(
        "a derived feature may be disabled, and guarantees nothing by its absence",
        "not-guaranteed",
        FEATURES + "feature d = !smap\nhotinline f: d ? nop5 : «clac\n",
        FEATURES + "feature d = !smap\nhotinline f: smap ? clac : d && a ? nop4 : nop5\n",
    ),
]

SIGNATURES = [
    Case(
        "a type is one of ours",
        "type-unknown",
        "hotinline f(«u65 x @rdi): nop5\n",
        "hotinline f(u64 x @rdi): nop5\n",
        "did you mean u64?",
    ),
    Case(
        "a value is not void",
        "type-void",
        "hotinline f(«void x @rdi): nop5\n",
        "hotinline f(void *x @rdi): nop5\n",
    ),
    Case(
        "const is for what a pointer points at",
        "type-const",
        "hotinline f(const «u64 x @rdi): nop5\n",
        "hotinline f(const u64 *x @rdi): nop5\n",
    ),
    Case(
        "registers are named by their 64 bits",
        "register-unknown",
        "hotinline f(u32 x @«edi): nop5\n",
        "hotinline f(u32 x @rdi): nop5\n",
        "write rdi",
    ),
    Case(
        "a register exists",
        "register-unknown",
        "hotinline f(u32 x @«rzx): nop5\n",
        "hotinline f(u32 x @r15): nop5\n",
    ),
    Case(
        "a clobbered register exists",
        "register-unknown",
        "hotinline f clobbers «flags: nop5\n",
        "hotinline f clobbers r9: nop5\n",
    ),
    Case(
        "rsp is no parameter",
        "register-reserved",
        "hotinline f(u32 x @«rsp): nop5\n",
        "hotinline f(u32 x @rsi): nop5\n",
        "stack pointer",
    ),
    Case(
        "rbp is not given away",
        "register-reserved",
        "hotinline f clobbers «rbp: nop5\n",
        "hotinline f clobbers rbx: nop5\n",
        "frame pointer",
    ),
    Case(
        "a register holds one parameter",
        "register-twice",
        "hotinline f(u64 x @rdi, u64 y @«rdi): nop5\n",
        "hotinline f(u64 x @rdi, u64 y @rsi) -> u64 @rdi: mov rdi, rsi\n",
    ),
    Case(
        "a pair is two registers",
        "register-twice",
        "hotinline f() -> u64 @«rax:rax clobbers rdx: rdtsc\n",
        "hotinline f() -> u64 @rdx:rax: rdtsc\n",
    ),
    Case(
        "a register is clobbered once",
        "register-twice",
        "hotinline f clobbers rcx, «rcx: nop5\n",
        "hotinline f clobbers rcx, rdx: nop5\n",
    ),
    Case(
        "a pair holds 64 bits",
        "register-pair",
        "hotinline f() -> u32 @«rdx:rax: rdtsc\n",
        "hotinline f() -> i64 @rdx:rax: rdtsc\n",
    ),
    Case(
        "the result is not clobbered",
        "clobber-result",
        "hotinline f() -> u64 @rax clobbers «rax: call g\n",
        "hotinline f() -> u64 @rax clobbers rdx: call g\n",
    ),
    Case(
        "pure and clobbers memory contradict each other",
        "clobber-memory",
        "hotinline f clobbers «memory pure: nop5\n",
        "hotinline f clobbers memory: nop5\n",
    ),
    Case(
        "a clause is said once",
        "clause-twice",
        "hotinline f size 8 «size 9: nop5\n",
        "hotinline f size 8 pure: nop5\n",
    ),
    Case(
        "a site is no narrower than a call",
        "size-range",
        "hotinline f size «4: nop3\n",
        "hotinline f size 5: nop3\n",
    ),
    Case(
        "a site is at most 64 bytes wide",
        "size-range",
        "hotinline f size «65: nop5\n",
        "hotinline f size 64: nop5\n",
    ),
    Case(
        "6 bytes cannot be proven",
        "size-six",
        "hotinline f size «6: nop5\n",
        "hotinline f size 7: nop5\n",
        "say size 7",
    ),
    Case(
        "at most 255 alternatives",
        "alternatives-too-many",
        _EIGHT + f"hotinline «f: {_minterms(255)}nop5\n",
        _EIGHT + f"hotinline f: {_minterms(254)}nop5\n",
    ),
    Case(
        "a window opens with a hotinline",
        "window-unknown",
        "hotinline open: nop5\nhotinline close: nop5\nwindow w: «opem .. close\n",
        "hotinline open: nop5\nhotinline close: nop5\nwindow w: open .. close\n",
        "did you mean open?",
    ),
    Case(
        "a window closes with another hotinline",
        "window-same",
        "hotinline open: nop5\nhotinline close: nop5\nwindow w: open .. «open\n",
        "hotinline open: nop5\nhotinline close: nop5\nwindow w: open .. close\n",
    ),
]

LANGUAGE = SHAPE + NAMES + FEATURE_CASES + CONDITIONS + SIGNATURES

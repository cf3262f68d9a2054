"""Refusals of shapes and names, each with its twin: text that is refused, for that reason and at
the place marked, and its neighbour that is accepted. test_refusals.py runs them."""

from __future__ import annotations

from dataclasses import dataclass

FEATURES = """\
feature smap = cpuid 7.0 ebx[20] enables clac, stac
feature a = cpuid 1 eax[0]
feature b = cpuid 1 eax[1]
feature amd = vendor "AuthenticAMD"
feature intel = vendor "GenuineIntel"
feature kvm = hypervisor "KVMKVMKVM"
feature rdtscp = cpuid 0x80000001 edx[27]
feature avx = cpuid 1 ecx[28]
feature rdpid = cpuid 7.0 ecx[22]
feature serialize = cpuid 7.0 edx[14]
"""


@dataclass(frozen=True)
class Case:
    rule: str  # a sentence: the test's name
    ident: str  # of compiler.messages
    bad: str
    good: str
    says: str = ""  # part of what is printed

    def __str__(self) -> str:
        return self.rule


SHAPE = [
    Case(
        "an indented line needs a statement to continue",
        "stray-indent",
        "  «feature a = boot\n",
        "feature a =\n  boot\n",
    ),
    Case(
        "documentation stands right before its declaration",
        "documentation-alone",
        '«"text"\n\nfeature a = boot\n',
        '"text"\nfeature a = boot\n',
    ),
    Case(
        "documentation at the end of a file belongs to nothing",
        "documentation-alone",
        'feature a = boot\n«"text"\n',
        '"text"\nfeature a = boot\n',
    ),
    Case(
        "documentation is one string",
        "documentation-string",
        '«"text" and more\nfeature a = boot\n',
        '"text and more"\nfeature a = boot\n',
    ),
    Case(
        "a string knows two escapes",
        "documentation-string",
        '«"a \\n"\nfeature a = boot\n',
        '"a \\\\n"\nfeature a = boot\n',
    ),
    Case(
        "a statement starts with a keyword",
        "statement",
        "«featur a = boot\n",
        "feature a = boot\n",
        "did you mean feature?",
    ),
    Case(
        "a statement has its own order of words",
        "syntax",
        "feature a «boot\n",
        "feature a = boot\n",
        "unexpected `boot`",
    ),
    Case(
        "a statement does not end early",
        "syntax",
        "hotinline f«\n",
        "hotinline f: nop5\n",
        "unexpected end of the statement",
    ),
    Case(
        "a character that nothing starts with",
        "syntax",
        "feature a = «= boot\n",
        "feature a = boot\n",
        "unexpected `=`",
    ),
    Case(
        "a brace is closed",
        "brace-open",
        "hotinline f: «{ nop\nfeature a = boot\n",
        "hotinline f: { nop\n}\nfeature a = boot\n",
    ),
    Case(
        "no control characters",
        "control-character",
        "feature a = boot # «\x07\n",
        "feature a = boot # bell\n",
    ),
    Case(
        "no characters that reorder text",
        "control-character",
        '"«\u202e"\nfeature a = boot\n',
        '"\u00e9"\nfeature a = boot\n',
        "U+202E",
    ),
]

NAMES = [
    Case(
        "names are lower case",
        "name-form",
        "feature «Smap = boot\n",
        "feature smap = boot\n",
    ),
    Case(
        "names of features have at most 64 characters",
        "name-form",
        f"feature «{'a' * 65} = boot\n",
        f"feature {'a' * 64} = boot\n",
        "at most 64 of them",
    ),
    Case(
        "names of hotinlines have at most 255 characters",
        "name-form",
        f"hotinline «{'A' * 256}: nop5\n",
        f"hotinline {'A' * 255}: nop5\n",
        "at most 255 of them",
    ),
    Case(
        "a window has a name of its own kind, and hotinlines any of C",
        "name-form",
        "hotinline f: nop5\nhotinline g: nop5\nwindow «W: f .. g\n",
        "hotinline MutexLock: nop5\nhotinline _ZN6kernel4lockEv: nop5\n"
        "window w: MutexLock .. _ZN6kernel4lockEv\n",
    ),
    Case(
        "two hotinlines do not share an enumerator",
        "name-enumerator",
        "hotinline FOO: nop5\nhotinline «foo: nop5\n",
        "hotinline Foo: nop5\nhotinline foo: nop5\n",
        "`FOO` is at file0.hot:1",
    ),
    Case(
        "a hotinline is no instruction in capitals, which NASM takes for the same",
        "name-reserved",
        "hotinline «Mfence: nop5\n",
        "hotinline MFenceAll: nop5\n",
        "in small letters and in capitals",
    ),
    Case(
        "a hotinline is no register in capitals",
        "name-reserved",
        "hotinline «RAX: nop5\n",
        "hotinline RAXX: nop5\n",
        "it is a register",
    ),
    Case(
        "a hotinline is no word of the assembler in capitals",
        "name-reserved",
        "hotinline «Section: nop5\n",
        "hotinline Sections: nop5\n",
        "word of the assembler",
    ),
    Case(
        "a hotinline is no prefix in capitals",
        "name-reserved",
        "hotinline «Lock: nop5\n",
        "hotinline Locks: nop5\n",
        "it is a",
    ),
    Case(
        "a hotinline has not the form of a macro",
        "name-reserved",
        "hotinline «_MUTEX_LOCK: nop5\n",
        "hotinline _Mutex_lock: nop5\n",
        "the form of a macro",
    ),
    Case(
        "a hotinline is no macro of <stdint.h>",
        "name-reserved",
        "hotinline «UINT64_MAX: nop5\n",
        "hotinline UINT_64_MAX: nop5\n",
    ),
    Case(
        "a hotinline is no keyword of C with a capital",
        "name-reserved",
        "hotinline «_Static_assert: nop5\n",
        "hotinline Static_assert: nop5\n",
        "keyword of C",
    ),
    Case(
        "a hotinline is not the function where a program starts",
        "name-reserved",
        "hotinline «main: nop5\n",
        "hotinline Main: nop5\n",
        "a program starts there",
    ),
    Case(
        "a hotinline is no function that never returns, by its name",
        "name-reserved",
        "hotinline «exit(i32 status @rdi): nop5\n",
        "hotinline labs(i64 x @rdi) -> i64 @rax: mov rax, rdi\n",
        "does not return",
    ),
    Case(
        "a hotinline is no function of any type",
        "name-reserved",
        "hotinline «isnan: nop5\n",
        "hotinline printf: nop5\n",
        "accepts no other declaration",
    ),
    Case(
        "names that start with HOT_ are taken",
        "name-reserved",
        "hotinline «HOT_CAST: nop5\n",
        "hotinline HOTTER: nop5\n",
        "hotinline's own",
    ),
    Case(
        "a parameter is no macro",
        "name-reserved",
        "hotinline f(u64 «__LINE__ @rdi): nop5\n",
        "hotinline f(u64 Line @rdi): nop5\n",
        "the form of a macro",
    ),
    Case(
        "a hotinline is no word of GNU C, though a kernel's functions may begin as these do",
        "name-reserved",
        "hotinline «__asm__: nop5\n",
        "hotinline __fentry__: nop5\n",
        "meaning for compilers of C",
    ),
    Case(
        "a hotinline is no function that compilers define",
        "name-reserved",
        "hotinline «__builtin_trap: nop5\n",
        "hotinline _builtin_trap: nop5\n",
        "meaning for compilers of C",
    ),
    Case(
        "a hotinline is no keyword of C",
        "name-reserved",
        "hotinline «while: nop5\n",
        "hotinline whilst: nop5\n",
        "keyword of C",
    ),
    Case(
        "a hotinline is no keyword of C++",
        "name-reserved",
        "hotinline «delete: nop5\n",
        "hotinline erase: nop5\n",
        "keyword of C or C++",
    ),
    Case(
        "a hotinline is no macro that GNU C predefines",
        "name-reserved",
        "hotinline «unix: nop5\n",
        "hotinline unics: nop5\n",
    ),
    Case(
        "a hotinline is no instruction",
        "name-reserved",
        "hotinline «mfence: nop5\n",
        "hotinline full_fence: nop5\n",
        "it is an instruction",
    ),
    Case(
        "a hotinline is no register",
        "name-reserved",
        "hotinline «r8d: nop5\n",
        "hotinline eight: nop5\n",
        "it is a register",
    ),
    Case(
        "a hotinline is no word of the assembler",
        "name-reserved",
        "hotinline «section: nop5\n",
        "hotinline sections: nop5\n",
        "word of the assembler",
    ),
    Case(
        "a hotinline is no instruction that only NASM knows",
        "name-reserved",
        "hotinline «hint_nop0: nop5\n",
        "hotinline nop_hint: nop5\n",
    ),
    Case(
        "names that start with hot_ are taken",
        "name-reserved",
        "hotinline «hot_table: nop5\n",
        "hotinline hotter: nop5\n",
        "hotinline's own",
    ),
    Case(
        "a feature is no word of the language",
        "name-reserved",
        "feature «pure = boot\n",
        "feature purer = boot\n",
        "word of this language",
    ),
    Case(
        "a feature is no word of krtld --cpu",
        "name-reserved",
        "feature «host = boot\n",
        "feature hosted = boot\n",
    ),
    Case(
        "a window is no word of the language",
        "name-reserved",
        "hotinline f: nop5\nhotinline g: nop5\nwindow «size: f .. g\n",
        "hotinline f: nop5\nhotinline g: nop5\nwindow sized: f .. g\n",
    ),
    Case(
        "a parameter is no keyword of C",
        "name-reserved",
        "hotinline f(u64 «int @rdi): nop5\n",
        "hotinline f(u64 n @rdi): nop5\n",
    ),
    Case(
        "a feature is declared once",
        "name-twice",
        "feature a = boot\nfeature «a = cpuid 1 eax[0]\n",
        "feature a = boot\nfeature b = cpuid 1 eax[0]\n",
        "file0.hot:1",
    ),
    Case(
        "a hotinline is declared once",
        "name-twice",
        "hotinline f: nop5\nhotinline «f: nop3\n",
        "hotinline f: nop5\nhotinline g: nop3\n",
    ),
    Case(
        "a window is declared once",
        "name-twice",
        "hotinline f: nop5\nhotinline g: nop5\nwindow w: f .. g\nwindow «w: g .. f\n",
        "hotinline f: nop5\nhotinline g: nop5\nwindow w: f .. g\nwindow v: g .. f\n",
    ),
    Case(
        "a parameter is declared once",
        "name-twice",
        "hotinline f(u64 n @rdi, u64 «n @rsi): nop5\n",
        "hotinline f(u64 n @rdi, u64 m @rsi): nop5\n",
    ),
]

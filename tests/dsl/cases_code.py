"""Refusals of code: what may not stand in a caller, and what NASM does not know. Each with its
twin, as in cases.py."""

from __future__ import annotations

from cases import FEATURES, Case


def _f(code: str, clauses: str = "") -> str:
    """A hotinline with that code as baseline. Its result has a value from the start."""
    return f"hotinline f(u64 x @rdi, u64 y @rax) -> u64 @rax {clauses}: {code}\n"


def _g(code: str, clauses: str = "") -> str:
    """One whose result the code has to give a value."""
    return f"{FEATURES}hotinline f(u64 x @rdi, u32 y @rsi) -> u64 @rax {clauses}: {code}\n"


TEXT = [
    Case("code is not empty", "code-empty", _f("«{ }"), _f("{ nop }"), "nop5"),
    Case("a label is no instruction", "code-empty", _f("«{ .a: }"), _f("{ .a: nop }")),
    Case("one instruction, one line", "code-lines", _f("mov rax,«\n  rdi"), _f("mov rax, rdi")),
    Case(
        "several instructions stand in braces",
        "code-separator",
        _f("lfence«; nop"),
        _f("{ lfence; nop }"),
    ),
    Case("a number is no instruction", "code-mnemonic", _f("«1 + 2"), _f("mov rax, 1 + 2")),
    Case("a bracket is no instruction", "code-mnemonic", _f("«[bits 16]"), _f("mov rax, [rdi]")),
    Case("a macro is no instruction", "code-character", _f("«%define a b"), _f("nop")),
    Case("nothing continues a line", "code-character", _f("nop «\\"), _f("nop")),
    Case("here is no place", "code-character", _f("jmp «$"), _f("{ .here: jmp .here }")),
    Case("data is no instruction", "code-directive", _f("«db 0x90"), _f("nop")),
    Case("repetition is no instruction", "code-directive", _f("«times 3 nop"), _f("nop3")),
    Case("a section is no instruction", "code-directive", _f("«section .data"), _f("nop")),
    Case("a file is no instruction", "code-directive", _f("«incbin a"), _f("nop")),
    Case("a directive is none behind a prefix", "code-directive", _f("lock «dq 1"), _f("nop")),
    Case("a directive is no operand", "code-directive", _f("mov rax, «seg rdi"),
         _f("mov rax, rdi")),
    Case(
        "labels are local",
        "code-label",
        _f("{ «again: nop; jmp again }"),
        _f("{ .again: nop; jmp .again }"),
    ),
    Case("labels have one dot", "code-label", _f("{ .a: jmp «..a }"),
         _f("{ .a: jmp .a }")),
    Case("a label needs its colon", "code-mnemonic", _f("{ «.again nop }"), _f("{ .again: nop }")),
    Case(
        "a symbol has no dot",
        "code-symbol",
        _f("call «foo.bar"),
        _f("call foo_bar"),
    ),
    Case("a symbol is no keyword of C", "code-symbol", _f("call «for"), _f("call fore")),
    Case("a NOP has 1 byte or more", "code-nop", _f("«nop0"), _f("nop1")),
    Case("a NOP has 64 bytes at most", "code-nop", _f("«nop65", "size 64"), _f("nop64", "size 64")),
]

NASM = [
    Case(
        "an unknown mnemonic is refused with the nearest",
        "nasm",
        FEATURES + "hotinline f: smap ? «clax : nop5\n",
        FEATURES + "hotinline f: smap ? clac : nop5\n",
        "did you mean",
    ),
    Case(
        "operands must fit the instruction",
        "nasm",
        _f("«mov rax, xmm0, rdi"),
        _f("mov rax, rdi"),
        "invalid combination of opcode and operands",
    ),
    Case("a number must fit", "nasm", _f("«mov al, 256"), _f("mov al, 255"), "exceeds bounds"),
    Case(
        "a label must be there",
        "nasm",
        _f("{ nop; «jmp .away }"),
        _f("{ .away: nop; jmp .away }"),
        ".away",
    ),
    Case(
        "a label is there once",
        "nasm",
        _f("{ .a: nop; «.a: nop }"),
        _f("{ .a: nop; .b: nop }"),
    ),
    Case("brackets are closed", "nasm", _f("«mov rax, [rdi"), _f("mov rax, [rdi]")),
]

LENGTH = [
    Case(
        "code is no longer than its site",
        "code-too-long",
        _f("«{ mov rax, rdi; add rax, rdi }"),
        _f("{ mov rax, rdi; inc eax }"),
        "say size 7",
    ),
    Case(
        "code is no longer than a wide site",
        "code-too-long",
        _f("«{ mov rax, rdi; add rax, rdi; nop2 }", "size 7"),
        _f("{ mov rax, rdi; add rax, rdi; nop }", "size 7"),
        "say size 8",
    ),
]

EXITS = [
    Case(f"{code} leaves the caller", "code-exit", _f(f"«{code}"), _f("nop"))
    for code in (
        "ret", "retf", "iretq", "sysret", "sysexit", "syscall", "sysenter", "int 0x80", "int3",
        "vmrun", "vmlaunch", "skinit", "std", "rsm", "xabort 1",
    )
] + [
    Case("enter makes a frame", "code-exit", _f("«enter 8, 0"), _f("nop")),
    Case("leave takes a frame", "code-exit", _f("«leave"), _f("nop")),
    Case("ret in the middle leaves", "code-exit", _f("{ nop; «ret; nop }"), _f("{ nop; nop }")),
    Case("rep ret is ret", "code-exit", _f("«rep ret"),
         _f("repne scasb", "clobbers rdi, rcx reads rcx")),
]  # fmt: skip

BRANCHES = [
    Case("an indirect call", "code-branch", _f("«call rdi"), _f("call g")),
    Case("an indirect jump", "code-branch", _f("«jmp rdi"), _f("jmp g")),
    Case("a call by pointer", "code-branch", _f("«call [rel g]", "size 8"), _f("call g")),
    Case("a conditional jump away", "code-branch", _f("«jz g", "size 8"), _f("jmp g")),
    Case(
        "a call in the middle",
        "code-branch",
        _f("{ «call g; nop }", "size 8"),
        _f("{ nop; call g }", "size 8"),
    ),
    Case(
        "a jump in the middle",
        "code-branch",
        _f("{ «jmp g; nop }", "size 8"),
        _f("{ nop; jmp g }", "size 8"),
    ),
    Case("a call with a prefix", "code-branch", _f("«bnd call g", "size 8"), _f("call g")),
    Case("a call within the code", "code-branch",
         _f("{ .a: nop; «call .a; nop }", "size 8"), _f("{ .a: nop; jmp .a; nop }", "size 8")),
    Case(
        "a jump with a distance that is too short",
        "code-absolute",
        _f("«jmp short g"),
        _f("jmp g"),
    ),
    Case(
        "a branch into an instruction",
        "code-into",
        _f("{ .a: mov eax, 1; «jmp .a + 1 }", "size 8"),
        _f("{ .a: mov eax, 1; jmp .a }", "size 8"),
    ),
    Case(
        "a branch before the code",
        "code-branch",
        _f("{ .a: nop; «jmp .a - 3 }", "size 8"),
        _f("{ .a: nop; jmp .a }", "size 8"),
    ),
    Case(
        "a branch past the end",
        "code-branch",
        _f("{ «jmp .a + 1; nop; .a: }", "size 8"),
        _f("{ jmp .a; nop; .a: }", "size 8"),
    ),
    Case(
        "a path around the last call",
        "code-past-call",
        _f("{ test rdi, rdi; «jz .done; call g; .done: }", "size 16"),
        _f("{ test rdi, rdi; jz .do; nop; .do: call g }", "size 16"),
    ),
    Case(
        "an alternative calls no other hotinline",
        "code-calls-hotinline",
        "hotinline g: nop5\n" + _f("call «g"),
        "hotinline g: nop5\n" + _f("call g_soft"),
    ),
    Case(
        "an alternative does not call its own stub",
        "code-calls-hotinline",
        _f("call «f"),
        _f("call g"),
    ),
]

PLACES = [
    Case("no absolute address", "code-absolute", _f("«mov rax, [g]", "size 8"),
         _f("mov rax, [rel g]", "size 8")),
    Case("no absolute address in 64 bits", "code-absolute", _f("«mov rax, g", "size 10"),
         _f("lea rax, [rel g]", "size 10")),
    Case("no absolute address of its own", "code-absolute", _f("{ .a: «mov rax, .a }", "size 10"),
         _f("{ .a: mov rax, 1 }", "size 10")),
    Case("no address of its own", "code-relative", _f("{ .a: «lea rax, [rel .a] }", "size 8"),
         _f("{ .a: lea rax, [rel g] }", "size 8")),
]  # fmt: skip

STACK = [
    Case("rsp is not read", "code-stack-pointer", _f("«mov rax, [rsp]"), _f("mov rax, [rdi]")),
    Case("rsp is not changed", "code-stack-pointer", _f("«add rsp, 8"), _f("add rax, 8")),
    Case("rsp is not pushed", "code-stack-pointer", _f("{ «push rsp; pop rax }"),
         _f("{ push rdi; pop rax }")),
    Case("esp is rsp", "code-stack-pointer", _f("«mov eax, esp"), _f("mov eax, edi")),
    Case("8 bytes are pushed", "code-stack-operand", _f("{ «push di; pop rax }"),
         _f("{ push rdi; pop rax }")),
    Case("what is popped was pushed", "code-stack-underflow", _f("{ «pop rax; push rax }"),
         _f("{ push rax; pop rax }")),
    Case("what is pushed is popped", "code-stack-unbalanced", _f("«push rdi"),
         _f("{ push rdi; pop rax }")),
    Case("what is pushed is popped before a last call", "code-stack-unbalanced",
         _f("{ push rdi; «call g }", "size 8"), _f("{ push rdi; pop rax; call g }", "size 8")),
    Case("flags are pushed and popped", "code-stack-unbalanced",
         _f("{ pushfq; pop rax; «pushfq }"), _f("{ pushfq; pop rax; cli }")),
    Case("what is pushed is popped on every path", "code-stack-unbalanced",
         _f("{ inc rax; jz .a; «push rdi; .a: }", "size 8"),
         _f("{ inc rax; jz .a; push rdi; pop rax; .a: }", "size 8")),
    Case("paths meet at one depth", "code-stack-paths",
         _f("{ inc rax; jz .a; push rdi; .a: «nop; .b: jmp .b }", "size 9"),
         _f("{ inc rax; push rdi; jz .a; .a: nop; pop rax }", "size 9")),
    Case("paths meet at one depth, whichever is deeper", "code-stack-paths",
         _f("{ push rdi; inc rax; jz .a; pop rax; .a: «nop; .b: jmp .b }", "size 12"),
         _f("{ push rdi; inc rax; jz .a; nop; .a: pop rax }", "size 12")),
    Case("a loop does not eat the stack", "code-stack-paths",
         _f("{ inc rax; .a: «push rdi; jz .a; pop rax }", "size 8"),
         _f("{ inc rax; push rdi; .a: jz .a; pop rax }", "size 8")),
]  # fmt: skip

WRITES = [
    Case("a register that is written is declared", "code-writes", _f("«mov rbx, rdi"),
         _f("mov rbx, rdi", "clobbers rbx"), "clobbers rbx"),
    Case("a part of a register is the register", "code-writes", _f("«mov bh, al"),
         _f("mov ah, al"), "rbx"),
    Case("a parameter is not given away by itself", "code-writes", _f("«inc rdi"),
         _f("inc rdi", "clobbers rdi")),
    Case("implicit results count", "code-writes", _f("«cpuid", "reads rcx"),
         _f("cpuid", "clobbers rbx, rcx, rdx reads rcx"), "rbx, rcx, rdx"),
    Case("string instructions move their pointers", "code-writes",
         _f("«rep movsb", "clobbers rdi, rcx reads rcx, rsi"),
         _f("rep movsb", "clobbers rdi, rcx, rsi reads rcx, rsi"), "rsi"),
    Case("cmpxchg answers in rax", "code-writes",
         "hotinline f(u64 *p @rdi, u64 n @rsi, u64 o @rax): «cmpxchg [rdi], rsi\n",
         "hotinline f(u64 *p @rdi, u64 n @rsi, u64 o @rax) clobbers rax: cmpxchg [rdi], rsi\n"),
    Case("xlatb answers in al", "code-writes", "hotinline f(u8 *p @rbx, u8 i @rax): «xlatb\n",
         "hotinline f(u8 *p @rbx, u8 i @rax) clobbers rax: xlatb\n"),
    Case("a hypercall answers in rax", "code-writes",
         FEATURES + "hotinline f: kvm ? «vmcall : nop5\n",
         FEATURES + "hotinline f clobbers rax: kvm ? vmcall : nop5\n"),
    Case("rdtscp changes rcx", "code-writes",
         FEATURES + "hotinline f() -> u64 @rdx:rax: rdtscp ? «rdtscp : rdtsc\n",
         FEATURES + "hotinline f() -> u64 @rdx:rax clobbers rcx: rdtscp ? rdtscp : rdtsc\n"),
    Case("xchg changes both", "code-writes", _f("«xchg rax, rdx", "reads rdx"),
         _f("xchg rax, rdx", "clobbers rdx reads rdx")),
    Case("loop counts rcx down", "code-writes", _f("{ .a: nop; «loop .a }", "reads rcx"),
         _f("{ .a: nop; loop .a }", "clobbers rcx reads rcx")),
    Case("an instruction newer than Capstone is known by table", "code-writes",
         _g("rdpid ? «rdpid rdi : nop5", "reads rax"),
         _g("rdpid ? rdpid rax : nop5", "reads rax")),
    Case("vectors are left alone", "code-vector", _f("«movq xmm0, rdi"),
         _f("movq rax, xmm0", "reads xmm0")),
    Case("vzeroupper changes vectors", "code-vector", _g("avx ? «vzeroupper : nop5", "reads rax"),
         _g("avx ? mfence : nop5", "reads rax")),
    Case("pure code does not read memory", "code-pure", _f("«mov rax, [rdi]", "pure"),
         _f("lea rax, [rdi]", "pure")),
    Case("pure code does not write memory", "code-pure", _f("«inc dword [rdi]", "pure"),
         _f("inc dword [rdi]")),
    Case("pure code does not read a symbol", "code-pure", _f("«mov eax, [rel g]", "size 7 pure"),
         _f("lea rax, [rel g]", "size 7 pure")),
    Case("what Capstone cannot decode is refused", "code-unknown", _f("«kmovq k1, rdi"),
         _g("serialize ? serialize : nop5", "reads rax"), "declare it: instruction NAME = bytes"),
    Case("what Capstone takes for something else is refused", "code-unknown",
         _f("«fs lodsb", "clobbers rsi"), _f("lodsb", "clobbers rsi reads rsi")),
    Case("a prefix alone is no instruction", "code-unknown", _f("«rep"), _f("nop")),
]  # fmt: skip

CODE = TEXT + NASM + LENGTH + EXITS + BRANCHES + PLACES + STACK + WRITES

"""Refusals of what code reads, of results, of instructions that not every CPU has, and of declared
ones (PEERS 42: operands that are not what they are said to be). Each with its twin."""

from __future__ import annotations

from cases import FEATURES, Case


def _r(code: str, result: str = "u64 @rax", clauses: str = "") -> str:
    """A hotinline that has to give its result a value."""
    return f"hotinline f(u64 x @rdi, u32 y @rsi) -> {result} {clauses}: {code}\n"


def _v(code: str, clauses: str = "clobbers rax, rcx, rdx, rsi, rdi size 32") -> str:
    """One without a result."""
    return f"hotinline f(u64 x @rdi, u32 y @rsi, u8 z @rdx) {clauses}: {code}\n"


def _reads(rule: str, bad: str, good: str, says: str = "") -> Case:
    return Case(rule, "code-reads", _v(bad), _v(good), says)


RESULTS = [
    Case("a result is written", "code-result", _r("«nop5"), _r("mov rax, rdi"), "in rax"),
    Case("a u64 is 64 bits", "code-result", _r("«mov al, 1"), _r("mov eax, 1"), "bits 8 to 63"),
    Case("16 bits are not 64", "code-result", _r("«mov ax, di"), _r("movzx eax, di"),
         "bits 16 to 63 of rax"),
    Case("8 bits are not 32", "code-result", _r("«mov al, dil", "u32 @rax"),
         _r("mov eax, edi", "u32 @rax"), "bits 8 to 31 of rax"),
    Case("8 bits are not 16", "code-result", _r("«mov al, dil", "u16 @rax"),
         _r("mov ax, di", "u16 @rax")),
    Case("bits 8 to 15 are no bool", "code-result", _r("«mov ah, 1", "bool @rax"),
         _r("mov al, 1", "bool @rax"), "in al"),
    Case("an int is 32 bits", "code-result", _r("«mov ax, si", "signed int @rax"),
         _r("mov eax, esi", "signed int @rax")),
    Case("a pointer is 64 bits", "code-result", _r("«mov ax, si", "void *@rax"),
         _r("mov eax, esi", "void *@rax")),
    Case("both halves of a pair are written", "code-result", _r("«mov eax, 1", "u64 @rdx:rax"),
         _r("{ mov eax, 1; cdq }", "u64 @rdx:rax", "size 8"), "in edx"),
    Case("a result is written on every path", "code-result",
         _r("«{ test edi, edi; jz .end; mov eax, 1; .end: }", clauses="size 12"),
         _r("{ xor eax, eax; test edi, edi; jz .end; inc eax; .end: }", clauses="size 12")),
    Case("a result is written before any way out", "code-result",
         _r("«{ .a: dec esi; jz .b; jmp .a; .b: }", clauses="clobbers rsi size 12"),
         _r("{ .a: mov eax, esi; dec esi; jz .b; jmp .a; .b: }", clauses="clobbers rsi size 12")),
    Case("every alternative gives its result", "code-result",
         FEATURES + _r("a ? «nop3 : mov eax, 1"), FEATURES + _r("a ? ud2 : mov eax, 1")),
    Case("a result that is popped is what was pushed", "code-result",
         _r("«{ push rbx; pop rax }"), _r("{ push rdi; pop rax }")),
    Case("a conditional write is none", "code-reads", _r("{ test edi, edi; «cmovz rax, rdi }",
         clauses="size 8"), _r("{ mov eax, esi; cmp rax, rdi; cmovz rax, rdi }",
         clauses="size 16"), "`cmove` may leave it as it was"),
    Case("the result in a parameter's register has its value", "code-result",
         "hotinline f(u32 x @rax) -> u64 @rax: «nop5\n",
         "hotinline f(u64 x @rax) -> u64 @rax: nop5\n", "bits 32 to 63"),
    Case("a helper gives the result", "code-result", _r("«test edi, edi"),
         _r("call g")),
    Case("a declared instruction gives what it writes", "code-result",
         "instruction foo = bytes 0f 0a c8 writes ax\n" + _r("«foo"),
         "instruction foo = bytes 0f 0a c8 writes eax\n" + _r("foo")),
]  # fmt: skip

READS = [
    _reads("what is read has a value", "«mov rax, rcx", "mov rax, rdi", "reads rcx, which"),
    _reads("a u32 has no upper half", "«mov rax, rsi", "mov eax, esi",
           "`y` is u32, and above it rsi holds anything: use esi"),
    _reads("a u8 has 8 bits", "«movzx eax, dx", "movzx eax, dl", "bits 8 to 15 of rdx"),
    _reads("a half of a register is a half", "{ mov al, 1; «mov ecx, eax }",
           "{ mov al, 1; mov cl, al }", "bits 8 to 31"),
    _reads("a write of 32 bits clears the rest", "{ mov ax, 1; «mov rcx, rax }",
           "{ mov eax, 1; mov rcx, rax }"),
    _reads("an address is read", "«mov eax, [rcx + rdi]", "mov eax, [rdi]", "rcx"),
    _reads("an index is read, whole", "«mov eax, [rdi + rsi * 4]",
           "{ mov esi, esi; mov eax, [rdi + rsi * 4] }", "bits 32 to 63 of rsi"),
    _reads("lea reads what it adds", "«lea rax, [rdi + rcx]", "lea rax, [rdi + 8]"),
    _reads("lea reads no more of an address than its result has", "«lea rax, [rsi + rsi*2]",
           "lea eax, [rsi + rsi*2]", "bits 32 to 63 of rsi"),
    _reads("lea of 16 bits reads 16", "«lea ax, [rcx + rdi]", "{ mov cx, 1; lea ax, [rcx + rdi] }"),
    _reads("lea of 32 bits reads more than 16", "{ mov cx, 1; «lea eax, [rcx + rdi] }",
           "{ mov ecx, 1; lea eax, [rcx + rdi] }", "bits 16 to 31 of rcx"),
    _reads("arithmetic reads its target", "«add rax, rdi", "add rdi, 5"),
    _reads("xor with itself reads nothing", "«xor rax, rcx", "xor eax, eax"),
    _reads("and with anything but 0 reads", "«and eax, 1", "and eax, 0"),
    _reads("or with anything but -1 reads", "«or eax, 1", "or eax, -1"),
    _reads("or with ones in a part of it reads", "«or rax, 0x7fffffff", "or al, 0xff"),
    _reads("implicit operands are read: mul", "«mul rdi", "{ mov eax, 5; mul rdi }"),
    _reads("implicit operands are read: div", "{ mov eax, 5; «div rdi }",
           "{ mov eax, 5; cdq; div rdi }", "rdx"),
    Case("implicit operands are read: cpuid", "code-reads",
         _v("{ mov eax, 7; «cpuid }", "clobbers rax, rbx, rcx, rdx size 7"),
         _v("{ mov eax, 7; xor ecx, ecx; cpuid }", "clobbers rax, rbx, rcx, rdx size 9"), "ecx"),
    _reads("implicit operands are read: rep movsb", "{ mov rsi, rdi; «rep movsb }",
           "{ mov rsi, rdi; mov ecx, 5; rep movsb }", "rcx"),
    _reads("implicit operands are read: stos", "«stosd", "{ xor eax, eax; stosd }", "eax"),
    _reads("implicit operands are read: xlatb", "{ mov eax, 1; «xlatb }", "{ mov eax, 1; nop }",
           "rbx"),
    _reads("implicit operands are read: cmpxchg", "«cmpxchg [rdi], esi",
           "{ xor eax, eax; cmpxchg [rdi], esi }", "eax"),
    _reads("implicit operands are read: wrmsr", "{ mov ecx, 5; «wrmsr }",
           "{ mov ecx, 5; xor eax, eax; xor edx, edx; wrmsr }", "eax"),
    _reads("implicit operands are read: rdmsr", "«rdmsr", "{ mov ecx, 5; rdmsr }"),
    _reads("implicit operands are read: in", "«in al, dx", "{ mov dx, 5; in al, dx }", "dx"),
    _reads("implicit operands are read: shifts", "«shl rdi, cl", "{ mov cl, 5; shl rdi, cl }",
           "cl"),
    _reads("xchg reads both", "«xchg rdi, rcx", "{ mov ecx, 5; xchg rdi, rcx }"),
    _reads("bsf keeps its target if there is no bit", "«bsf rax, rdi",
           "{ mov eax, -1; bsf rax, rdi }", "`bsf` may leave it as it was"),
    _reads("rep lodsb may load nothing", "{ mov rsi, rdi; mov ecx, 5; «rep lodsb }",
           "{ mov rsi, rdi; lodsb }", "al"),
    _reads("the caller's flags are nobody's", "{ «jz .a; .a: }", "{ test edi, edi; jz .a; .a: }",
           "the flag ZF"),
    _reads("sbb of a register with itself reads the carry", "«sbb eax, eax",
           "{ cmp edi, 5; sbb eax, eax }", "the flag CF"),
    _reads("adc reads the carry", "«adc rdi, 5", "{ add rdi, 5; adc rdi, 0 }", "the flag CF"),
    _reads("inc leaves the carry as it was", "{ inc edi; «setc al }", "{ add edi, 1; setc al }"),
    _reads("mul leaves ZF undefined, though it had a value",
           "{ mov eax, 5; test edi, edi; mul rdi; «setz al }",
           "{ mov eax, 5; test edi, edi; mul rdi; seto al }"),
    _reads("a shift by cl may be one by 0", "{ mov cl, 5; shl rdi, cl; «setz al }",
           "{ shl rdi, 5; setz al }"),
    _reads("a shift by more than 1 leaves OF undefined", "{ shl rdi, 2; «seto al }",
           "{ shl rdi, 1; seto al }"),
    _reads("rep cmpsb may compare nothing", "{ mov rsi, rdi; mov ecx, 5; repe cmpsb; «setz al }",
           "{ mov rsi, rdi; cmpsb; setz al }"),
    _reads("popfq of nothing sets no flags", "{ push rax; popfq; «setz al }",
           "{ push rdi; popfq; setz al }"),
    _reads("one path is not every path", "{ test edi, edi; jz .a; mov ecx, 5; .a: «mov eax, ecx }",
           "{ mov ecx, 1; test edi, edi; jz .a; mov ecx, 5; .a: mov eax, ecx }"),
    _reads("a loop's first turn counts", "{ .a: «mov ecx, eax; mov eax, 5; test edi, edi; jz .a }",
           "{ mov eax, 5; .a: mov ecx, eax; mov eax, 5; test edi, edi; jz .a }"),
    _reads("what a loop loses is lost",
           "{ test edi, edi; mov ecx, 5; .a: «mov eax, ecx; push rbx; pop rcx; jz .a }",
           "{ test edi, edi; mov ecx, 5; .a: mov eax, ecx; push rdi; pop rcx; jz .a }"),
    Case("vector registers count", "code-reads", _v("«movq rax, xmm0"),
         _v("movq rax, xmm0", "clobbers rax reads xmm0"), "reads xmm0"),
    Case("a wider name is the same vector register", "code-reads",
         FEATURES + _v("avx ? «vmovups [rdi], ymm3 : nop"),
         FEATURES + _v("avx ? vmovups [rdi], ymm3 : nop", "reads xmm3"), "reads xmm3"),
    Case("the caller's value is said to be meant", "code-reads", _v("«out 0x80, al"),
         _v("out 0x80, al", "reads rax"), "say so: reads rax"),
    Case("the caller's flags are said to be meant", "code-reads", _v("«setc al"),
         _v("setc al", "clobbers rax reads flags"), "reads flags"),
    Case("the frame pointer may be read", "code-reads", _v("«mov rax, rbp"),
         _v("mov rax, rbp", "clobbers rax reads rbp")),
    Case("a half of a pair is a half", "code-reads",
         "hotinline f(u64 x @rdx:rax) clobbers rcx: «mov rcx, rax\n",
         "hotinline f(u64 x @rdx:rax) clobbers rcx: mov ecx, eax\n", "holds a half of `x`"),
    Case("halves are joined", "code-reads",
         "hotinline f(u64 x @rdx:rax) clobbers rax, rdx size 12:"
         " { «shl rdx, 31; mov eax, eax; or rdx, rax }\n",
         "hotinline f(u64 x @rdx:rax) clobbers rax, rdx size 12:"
         " { shl rdx, 32; mov eax, eax; or rdx, rax }\n", "holds a half of `x`"),
    Case("a C type has its width", "code-reads",
         "hotinline f(unsigned x @rdi) clobbers rax: «mov rax, rdi\n",
         "hotinline f(unsigned long x @rdi) clobbers rax: mov rax, rdi\n", "use edi"),
    Case("a declared instruction reads what it says", "code-reads",
         "instruction foo = bytes 0f 0a c8 reads ecx\n" + _v("«foo"),
         "instruction foo = bytes 0f 0a c8 reads ecx\n" + _v("{ mov ecx, 5; foo }")),
    Case("a helper reads the parameters", "code-reads",
         "hotinline f(u64 x @rdi) clobbers rdi size 12: { push rbx; pop rdi; «call g }\n",
         "hotinline f(u64 x @rdi) clobbers rdi size 12: { push rdi; pop rdi; call g }\n"),
    Case("what is read is no parameter", "register-twice",
         "hotinline f(u64 x @rdi) reads «rdi: nop5\n", "hotinline f(u64 x @rdi) reads rsi: nop5\n",
         "used for `x`"),
    Case("what is read is a register", "register-unknown",
         "hotinline f reads «eax: nop5\n", "hotinline f reads rax, flags, xmm5: nop5\n"),
    Case("the stack pointer is not read", "register-reserved",
         "hotinline f reads «rsp: nop5\n", "hotinline f reads rbp: nop5\n"),
]  # fmt: skip


def _cpu(name: str, bit: str, code: str, instead: str = "nop5", clauses: str = "") -> Case:
    """A declared bit of another feature does not do; the right one does, whatever its name."""
    signature = f"hotinline f(u64 x @rdi, u64 y @rax, u64 z @rcx, u64 w @rdx) -> u64 @rax {clauses}"
    return Case(
        f"{name} is not in every CPU",
        "not-everywhere",
        f"feature other = cpuid 7.0 ebx[2]\n{signature}: other ? «{code} : {instead}\n",
        f"feature mine = cpuid {bit}\n{signature}: mine ? {code} : {instead}\n",
        bit,
    )


CPU = [
    _cpu("clac", "7.0 ebx[20]", "clac"),
    _cpu("popcnt", "1 ecx[23]", "popcnt rax, rdi"),
    _cpu("lzcnt", "0x80000001 ecx[5]", "lzcnt rax, rdi"),
    _cpu("tzcnt", "7.0 ebx[3]", "tzcnt rax, rdi"),
    _cpu("shlx", "7.0 ebx[8]", "shlx rax, rdi, rcx"),
    _cpu("adcx", "7.0 ebx[19]", "adcx rax, rdi", clauses="reads flags size 7"),
    _cpu("movbe", "1 ecx[22]", "movbe rax, [rdi]"),
    _cpu("crc32", "1 ecx[20]", "crc32 rax, rdi", clauses="size 7"),
    _cpu("rdrand", "1 ecx[30]", "rdrand rax"),
    _cpu("cmpxchg16b", "1 ecx[13]", "cmpxchg16b [rdi]", clauses="clobbers rdx reads rbx"),
    _cpu("lahf", "0x80000001 ecx[0]", "lahf", clauses="reads flags"),
    _cpu("xgetbv", "1 ecx[26]", "xgetbv", clauses="clobbers rdx"),
    _cpu("invpcid", "7.0 ebx[10]", "invpcid rax, [rdi]", clauses="size 7"),
    _cpu("rdfsbase", "7.0 ebx[0]", "rdfsbase rax"),
    _cpu("clwb", "7.0 ebx[24]", "clwb [rdi]"),
    _cpu("rdtscp", "0x80000001 edx[27]", "rdtscp", clauses="clobbers rcx, rdx"),
    _cpu("monitor", "1 ecx[3]", "monitor"),
    _cpu("vmread", "1 ecx[5]", "vmread rax, rdi"),
    _cpu("stgi", "0x80000001 ecx[2]", "stgi"),
    _cpu("serialize", "7.0 edx[14]", "serialize"),
    _cpu("wrmsrns", "7.1 eax[19]", "wrmsrns"),
    _cpu("lkgs", "7.1 eax[18]", "lkgs di"),
    _cpu("rdpru", "0x80000008 ebx[4]", "rdpru", clauses="clobbers rdx"),
    _cpu("invlpgb", "0x80000008 ebx[3]", "invlpgb"),
    _cpu("pvalidate", "0x8000001f eax[4]", "pvalidate"),
    _cpu("rdpkru", "7.0 ecx[3]", "rdpkru", clauses="clobbers rdx"),
    _cpu("xsaves", "13.1 eax[3]", "xsaves [rdi]"),
    _cpu("ptwrite", "20.0 ebx[4]", "ptwrite rax"),
    _cpu("senduipi", "7.0 edx[5]", "senduipi rdi"),
    _cpu("bytes of one", "7.1 eax[19]", "bytes 0f 01 c6"),
    _cpu("bytes that Capstone knows", "7.0 ebx[20]", "bytes 0f 01 cb"),
    _cpu("an SSE4.1 store", "1 ecx[19]", "pextrq rax, xmm0, 1", clauses="reads xmm0 size 8"),
    Case(
        "a baseline is for every CPU",
        "not-everywhere",
        "hotinline f: «stac\n",
        "hotinline f: lfence\n",
        "declare feature smap = cpuid 7.0 ebx[20], and guard it: smap ? stac",
    ),
    Case(
        "a declared feature is what the help names",
        "not-everywhere",
        "feature user = cpuid 7.0 ebx[20]\nhotinline f: «stac\n",
        "feature user = cpuid 7.0 ebx[20]\nhotinline f: !user ? nop5 : stac\n",
        "guard it: user ? stac",
    ),
    Case(
        "another subleaf is another bit",
        "not-everywhere",
        "feature smap = cpuid 7.1 ebx[20]\nhotinline f: smap ? «stac : nop5\n",
        "feature smap = cpuid 0x7 ebx[20]\nhotinline f: smap ? stac : nop5\n",
    ),
    Case(
        "the kernel's word is no bit of CPUID",
        "not-everywhere",
        "feature smap = boot enables stac\nhotinline f: smap ? «stac : nop5\n",
        "feature bit = cpuid 7.0 ebx[20]\nfeature smap = boot enables stac\n"
        "hotinline f: smap && bit ? stac : nop5\n",
    ),
    Case(
        "a hypercall needs its CPU or a hypervisor",
        "not-everywhere",
        FEATURES + "hotinline f clobbers rax: amd ? «vmmcall : nop5\n",
        FEATURES + "hotinline f clobbers rax: amd && kvm ? vmmcall : nop5\n",
    ),
    Case(
        "an author's feature is asked for as well",
        "not-guaranteed",
        "feature bit = cpuid 7.0 ebx[0]\nfeature on = boot enables rdfsbase\n"
        "hotinline f() -> u64 @rax: bit ? «rdfsbase rax : ud2\n",
        "feature bit = cpuid 7.0 ebx[0]\nfeature on = boot enables rdfsbase\n"
        "hotinline f() -> u64 @rax: bit && on ? rdfsbase rax : ud2\n",
        "needs feature `on`",
    ),
    Case(
        "a declared instruction is enabled by its feature",
        "not-guaranteed",
        FEATURES + "instruction foo = bytes 0f 0a c8 enables by a\nhotinline f: «foo\n",
        FEATURES + "instruction foo = bytes 0f 0a c8 enables by a\nhotinline f: a ? foo : nop5\n",
    ),
    Case(
        "a declared instruction is one that a feature may enable",
        "not-guaranteed",
        "feature a = boot enables foo\ninstruction foo = bytes 0f 0a c8\n"
        "hotinline f: «bytes 0f 0a c8\n",
        "feature a = boot enables foo\ninstruction foo = bytes 0f 0a c8\n"
        "hotinline f: a ? foo : nop5\n",
    ),
]

INSTRUCTIONS = [
    Case("an instruction has 15 bytes at most", "instruction-long",
         f"instruction «foo = bytes{' 0f' * 16}\nhotinline f: nop5\n",
         f"instruction foo = bytes{' 0f' * 15}\nhotinline f: nop5\n"),
    Case("what is known is not declared", "instruction-known",
         "instruction «foo = bytes 0f 01 ca\nhotinline f: nop5\n",
         "instruction foo = bytes 66 0f 01 cc\nhotinline f: nop5\n", "is `clac`"),
    Case("two instructions are not one", "instruction-known",
         "instruction «foo = bytes 90 0f 01 cc\nhotinline f: nop5\n",
         "instruction foo = bytes f2 0f 01 cc\nhotinline f: nop5\n", "`nop`, or starts with it"),
    Case("an instruction reads registers", "instruction-register",
         "instruction foo = bytes 0f 0a c8 reads «clac\nhotinline f: nop5\n",
         "instruction foo = bytes 0f 0a c8 reads cl, flags, memory, xmm1\nhotinline f: nop5\n"),
    Case("an instruction does not write rsp", "instruction-register",
         "instruction foo = bytes 0f 0a c8 writes «rsp\nhotinline f: nop5\n",
         "instruction foo = bytes 0f 0a c8 writes rsi\nhotinline f: nop5\n"),
    Case("an instruction says a clause once", "clause-twice",
         "instruction foo = bytes 0f 0a c8 reads ecx «reads edx\nhotinline f: nop5\n",
         "instruction foo = bytes 0f 0a c8 reads ecx, edx\nhotinline f: nop5\n"),
    Case("an instruction is enabled by a feature that exists", "feature-unknown",
         "instruction foo = bytes 0f 0a c8 enables by «bar\nhotinline f: nop5\n",
         "feature bar = boot\ninstruction foo = bytes 0f 0a c8 enables by bar\n"
         "hotinline f: nop5\n"),
    Case("an instruction is declared once", "name-twice",
         "instruction foo = bytes 0f 0a c8\ninstruction «foo = bytes 0f 0a c9\nhotinline f: nop5\n",
         "instruction foo = bytes 0f 0a c8\ninstruction goo = bytes 0f 0a c9\nhotinline f: nop5\n"),
    Case("an instruction that assemblers know keeps its meaning", "name-reserved",
         "instruction «clac = bytes 0f 0a c8\nhotinline f: nop5\n",
         "instruction rdpru = bytes 0f 01 fd reads ecx writes eax, edx\nhotinline f: nop5\n"),
    Case("an instruction is no NOP of ours", "name-reserved",
         "instruction «nop7 = bytes 0f 0a c8\nhotinline f: nop5\n",
         "instruction nop_x = bytes 0f 0a c8\nhotinline f: nop5\n"),
    Case("bytes have two digits", "syntax",
         "instruction foo = bytes 0f «1 c8\nhotinline f: nop5\n",
         "instruction foo = bytes 0f 0a c8\nhotinline f: nop5\n",
         "a byte of two hexadecimal digits"),
    Case("a declared instruction stands alone", "code-operand",
         "instruction foo = bytes 0f 0a c8\nhotinline f: «foo rax\n",
         "instruction foo = bytes 0f 0a c8\nhotinline f: foo\n"),
    Case("a declared instruction has no prefix", "code-operand",
         "instruction foo = bytes 0f 0a c8\nhotinline f: «lock foo\n",
         "instruction foo = bytes 0f 0a c8\nhotinline f: FOO\n"),
    Case("lkgs takes 16 bits", "code-operand", FEATURES + "feature l = cpuid 7.1 eax[18]\n"
         "hotinline f(u64 x @rdi): l ? «lkgs edi : nop\n",
         FEATURES + "feature l = cpuid 7.1 eax[18]\nhotinline f(u64 x @r9): l ? lkgs r9w : nop\n",
         "a register of 16 bits"),
    Case("bytes in code have two digits", "code-bytes", _v("«bytes 0f 1"), _v("bytes 0f 31")),
    Case("bytes in code are one instruction", "code-unknown", _v("«bytes 90 90"),
         _v("{ bytes 90; bytes 90 }")),
    Case("bytes that may be something newer are declared", "code-unknown", _v("«bytes f3 0f 30"),
         "instruction foo = bytes f3 0f 30\n" + _v("bytes f3 0f 30"),
         "may select an instruction that it does not know"),
    Case("bytes of a return return", "code-exit", _v("«bytes c3"), _v("bytes 90")),
    Case("bytes change what they change", "code-writes", _v("«bytes 0f 31", "clobbers rax"),
         _v("bytes 0f 31", "clobbers rax, rdx"), "rdx"),
    Case("a declared instruction changes what it says", "code-writes",
         "instruction foo = bytes 0f 0a c8 writes ebx\nhotinline f: «foo\n",
         "instruction foo = bytes 0f 0a c8 writes ebx\nhotinline f clobbers rbx: foo\n"),
    Case("a declared instruction uses memory if it says so", "code-pure",
         "instruction foo = bytes 0f 0a c8 reads memory\nhotinline f pure: «foo\n",
         "instruction foo = bytes 0f 0a c8\nhotinline f pure: foo\n"),
    Case("a declared instruction may change vectors", "code-vector",
         "instruction foo = bytes 0f 0a c8 writes xmm1\nhotinline f: «foo\n",
         "instruction foo = bytes 0f 0a c8 reads xmm1\nhotinline f reads xmm1: foo\n"),
    Case("eretu does not come back", "code-exit", _v("«eretu"), _v("nop")),
]  # fmt: skip

NUMBERS = [
    Case(f"`{code}` has no number to go to", "code-number", _v(f"{{ «{code} }}"),
         _v(f"{{ .a: nop; {code.split()[0]} .a }}" if code.split()[0] not in ("call", "loop")
            else "call g" if code.startswith("call") else "{ mov ecx, 2; .a: nop; loop .a }",
            "clobbers rcx reads flags, rcx size 16" if "loop" not in code
            else "clobbers rcx size 16"))
    for code in ("jmp 5", "jmp short 5", "jz 3", "jrcxz 4", "loop 1", "call 0x1234",
                 "jmp near 0x1234", "jmp 2 + 3", "jnz 0")
] + [
    Case("a branch does not go to here", "code-character", _v("{ jmp «$+2 }"),
         _v("{ jmp .a; .a: nop }"), "a branch goes to a .label"),
    Case("a branch does not go to the start of everything", "code-character", _v("{ jmp «$$ }"),
         _v("{ .a: jmp .a }")),
    Case("an address of a number is the same everywhere", "nasm", _v("«mov rax, [rel 5]"),
         _v("mov rax, [5]"), "RIP-relative"),
]  # fmt: skip

HABITS = [
    Case("registers have no %", "code-character", _v("mov «%rdi, rax"), _v("mov rax, rdi"),
         "the destination comes first"),
    Case("numbers have no $", "code-character", _v("mov eax, «$5"), _v("mov eax, 5"),
         "numbers have no $"),
    Case("mnemonics have no suffix", "nasm", _v("«movl eax, esi"), _v("mov eax, esi"),
         "in its syntax it is `mov`"),
    Case("movq is for vectors", "nasm", _v("«movq rax, rdi"), _v("mov rax, rdi"), "it is `mov`"),
    Case("a choice is written with ? and :", "code-mnemonic",
         FEATURES + "hotinline f: «if smap then clac else nop5\n",
         FEATURES + "hotinline f: smap ? clac : nop5\n", "CONDITION ? CODE : CODE"),
    Case("clauses stand before the code", "code-clause",
         "hotinline f: nop5 «size 8\n", "hotinline f size 8: nop5\n"),
    Case("a clobber stands before the code", "code-clause",
         "hotinline f: nop5 «clobbers rax, rcx\n", "hotinline f clobbers rax, rcx: nop5\n"),
    Case("one register's name does not bring up more", "register-unknown",
         "hotinline f(u32 x @«eax) -> u32 @rcx: mov rcx, rax\n",
         "hotinline f(u32 x @rax) -> u32 @rcx: mov ecx, eax\n", "write rax"),
]  # fmt: skip

TYPES = [
    Case("C's words make one type", "type-unknown",
         f"hotinline f(«{wrong} x @rdi): nop5\n", f"hotinline f({right} x @rdi): nop5\n")
    for wrong, right in (
        ("unsigned double", "unsigned long"), ("long char", "unsigned char"),
        ("unsigned unsigned", "long unsigned int"), ("struct page", "struct page *"),
        ("long long long", "long long"), ("u32 int", "const char *"),
        ("u64 * int", "const struct page **"),
    )
] + [
    Case("a pair holds a C type of 64 bits", "register-pair",
         "hotinline f() -> unsigned @«rdx:rax: rdtsc\n",
         "hotinline f() -> unsigned long @rdx:rax: rdtsc\n", "unsigned int"),
]  # fmt: skip

VALUES = RESULTS + READS + CPU + INSTRUCTIONS + NUMBERS + HABITS + TYPES

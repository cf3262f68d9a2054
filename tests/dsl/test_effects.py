"""What hotc believes that an instruction reads, writes and leaves undefined, against this machine's
CPU: each instruction runs with random registers, then with a part of one changed. What changes
besides tells what it reads. What a CPU cannot tell (privileged instructions, flags that are
undefined) is written down from the Intel SDM and the AMD APM."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compiler import cpu, instructions, values
from compiler.effects import Facts, facts
from support import C_FLAGS, ROOT, compile_text, run

REGISTERS = ("rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15").split()
FLAG_BITS = {"C": 1, "P": 4, "A": 0x10, "Z": 0x40, "S": 0x80, "O": 0x800}

# Operands: registers of each width, in places that matter; memory at rdi and rsi.
_TWO = "{} rax, rdx|{} eax, edx|{} ax, dx|{} al, dl|{} ah, dl|{} r9, rax|{} [rdi], rax"
_TWO += "|{} eax, [rsi]|{} rax, 5|{} byte [rdi], 5"
_ONE = "{} rax|{} ecx|{} dx|{} bl|{} ah|{} qword [rdi]|{} byte [rsi]"
_WIDE = "{} rax, rdx|{} eax, edx|{} ax, dx|{} rax, [rdi]"
_SAME = "{} rax, rax|{} eax, eax|{} r9d, r9d|{} al, al|{} cx, cx"
_COUNT = "{} rax, 1|{} rax, cl|{} eax, cl|{} dl, 3|{} rbx, 5|{} rdx, 32|{} rdx, 40|{} cx, cl"
_COUNT += "|{} qword [rdi], cl"
_STRING = "{0}b|{0}w|{0}d|{0}q|rep {0}b|rep {0}d"
_THREE = "{} rax, rdx, rcx|{} eax, edx, ecx"
_CPU = {  # flags of /proc/cpuinfo
    "bmi1": f"andn {_THREE}|bextr {_THREE}|tzcnt {_WIDE}|"
    "blsi rax, rdx|blsr eax, edx|blsmsk rax, rdx",
    "bmi2": f"bzhi {_THREE}|pdep {_THREE}|pext {_THREE}|mulx rax, rsi, rcx|mulx rax, rax, rcx|"
    f"rorx rax, rbx, 5|sarx {_THREE}|shlx {_THREE}|shrx {_THREE}",
    "adx": "adcx rax, rdx|adox rax, rdx|adcx eax, edx|adox eax, edx",
    "movbe": "movbe rax, [rdi]|movbe [rdi], eax|movbe ax, [rsi]",
    "popcnt": f"popcnt {_WIDE}",
    "abm": f"lzcnt {_WIDE}",
    "sse4_2": "crc32 eax, dl|crc32 rax, rdx|crc32 eax, edx",
    "cx16": "cmpxchg16b [rdi]",
    "lahf_lm": "lahf|sahf",
    "movdiri": "movdiri [rdi], rax|movdiri [rdi], eax",
    "": "",
}
_LISTS = [
    *(f"{name} {_TWO}" for name in "add or adc sbb and sub xor cmp mov".split()),
    *(f"{name} {_SAME}" for name in "xor sub sbb cmp and or mov test xchg add adc".split()),
    *(f"{name} {_ONE}" for name in "not neg inc dec mul imul".split()),
    *(f"{name} {_COUNT}" for name in "shl shr sar rol ror rcl rcr".split()),
    *(f"{name} {_WIDE}" for name in "imul bsf bsr cmovz cmovbe cmovl cmovns cmovp".split()),
    *(f"{name} rax, rdx|{name} eax, edx|{name} [rdi], eax|{name} al, dl|{name} cx, bx"
      for name in ("xchg", "xadd", "cmpxchg", "test")),
    *(f"{n} rax, rdx|{n} eax, 5|{n} dword [rdi], 5" for n in ("bt", "bts", "btr", "btc")),
    *(f"{name} rax, rdx, cl|{name} eax, edx, 5" for name in ("shld", "shrd")),
    *(f"{name} {_STRING}" for name in ("movs", "stos", "lods", "cmps", "scas")),
    *(f"set{c} al|set{c} ah|set{c} byte [rdi]"
      for c in "o no b ae z nz be a s ns p np l ge le g".split()),
    "imul rax, rdx, 5|imul ecx, [rdi], 5|div ecx|div rcx|div cl|idiv ecx|idiv r9",
    "movzx eax, dl|movzx rax, dx|movsx rax, dl|movsx eax, dx|movsxd rax, edx|movzx ax, dl",
    "lea rax, [rdi+rsi*4+5]|lea eax, [rdi]|lea eax, [rbx+rbx*2]|lea ax, [rdi+rdx]",
    "lea rax, [edi+esi]|bswap rax|bswap ecx",
    "cbw|cwde|cdqe|cwd|cdq|cqo|clc|stc|cmc|xlatb|nop|pause|cmpxchg8b [rdi]",
    "and eax, 0|or eax, -1|or rax, -1|and rcx, 0|or al, -1|and dl, 0|and ax, 0|or cx, -1",
    "repne scasb|repne cmpsb|mov ah, al|mov al, ah|mov rax, [rsi]|mov al, [rsi]|mov rax, -1",
    "movnti [rdi], rax|lock inc qword [rdi]|lock xadd [rdi], rdx|lock cmpxchg [rdi], rdx|lfence",
    "mov rax, ds|mov ax, ds|nop dword [rdi]|prefetchnta [rdi]|clflush [rdi]|rep stosq|rep movsq",
]


def _texts() -> Iterator[str]:
    """Every instruction in every form: NAME {} OPERANDS|{} OPERANDS becomes NAME OPERANDS."""
    flags = set(re.findall(r"^flags\s*: .*$", Path("/proc/cpuinfo").read_text(), re.M)[0].split())
    lists = [*_LISTS, *(text for name, text in _CPU.items() if name in flags)]
    for text in lists:
        name = ""
        for each in text.split("|"):
            word, _, rest = each.partition(" ")
            if rest.startswith("{") and word != "rep":
                name, each = word, rest
            yield each.replace("{}", name).replace("{0}", name)


@dataclass
class Subject:
    text: str
    code: bytes
    facts: Facts


def assemble(folder: Path, texts: list[str]) -> list[Subject]:
    """Each with what hotc believes of it."""
    lines = [f"..@{number}: {text}" for number, text in enumerate([*texts, ""])]
    lines += [f"dd ..@{number} - ..@0" for number in range(len(texts) + 1)]
    (folder / "code.asm").write_text("\n".join(["bits 64", *lines, ""]))
    run("nasm", "-w-all", "-f", "bin", "-o", folder / "code", folder / "code.asm")
    code = (folder / "code").read_bytes()
    ends = struct.unpack(f"<{len(texts) + 1}I", code[-4 * (len(texts) + 1) :])
    codes = [code[start:end] for start, end in zip(ends, ends[1:])]
    found = []
    for text, code in zip(texts, codes):
        name = next(word for word in text.split() if word not in instructions.PREFIXES)
        effects = instructions.NEWER.get(name)
        found.append(Subject(text, code, facts(code, name, text, effects)))
    return found


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> list[Subject]:
    return assemble(tmp_path_factory.mktemp("effects"), list(dict.fromkeys(filter(None, _texts()))))


@dataclass
class Seen:
    """On the CPU, as values.py's bits: what changed something else, what still had the value that
    it had before, and the registers that changed; and what was not tried."""

    read: int
    kept: int
    written: int
    fixed: int
    runs: int


def _fixed(text: str) -> list[str]:
    """Registers that stay as they are, for the instruction would fault."""
    names = [name for name in REGISTERS if "[" in text and name in text.partition("[")[2]]
    if _special(text) & 1 or re.match(r"(rep\w* )?(movs|stos|lods|cmps|scas)[bwdq]", text):
        names += ["rdi", "rsi"]
    return names + ["rcx"] * ("rep" in text) + ["rbx"] * ("xlat" in text)


def _special(text: str) -> int:
    """As in observe.c."""
    kinds = (r"rep", r"xlat", r"i?div", r".*cmpxchg", r"bs[fr]|[tl]zcnt")
    return sum(1 << i for i, kind in enumerate(kinds) if re.match(kind, text))


def _parts(mask: int) -> int:
    return sum(values.part(name, mask >> 4 * i & 15) for i, name in enumerate(REGISTERS))


def _flags(mask: int) -> int:
    return sum(values.flags(letter) for letter, bit in FLAG_BITS.items() if mask & bit)


@pytest.fixture(scope="module")
def seen(subjects: list[Subject], tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    program = tmp_path_factory.mktemp("machine") / "observe"
    run("gcc", *C_FLAGS, "-D_GNU_SOURCE", "-O1", "-fcf-protection=none", "-o", program,
        ROOT / "tests/dsl/observe.c")  # fmt: skip
    lines = []
    for subject in subjects:
        lost = sum(b for f, b in FLAG_BITS.items() if subject.facts.loses & values.flags(f))
        fixed = sum(1 << REGISTERS.index(name) for name in set(_fixed(subject.text)))
        lines.append(f"{subject.code.hex()} {lost:x} {fixed:x} {_special(subject.text):x}\n")
    said = run(program, input="".join(lines)).splitlines()
    found = []
    for subject, line in zip(subjects, said, strict=True):
        read, read_flags, kept, kept_flags, written, _ = (int(w, 16) for w in line.split())
        whole = sum(values.part(r, 15) for i, r in enumerate(REGISTERS) if written >> i & 1)
        fixed = sum(values.part(name, 15) for name in set(_fixed(subject.text)))
        found.append(Seen(_parts(read) | _flags(read_flags), _parts(kept) | _flags(kept_flags),
                          whole, fixed, int(line.split()[-1])))  # fmt: skip
    return found


ALL = sum(values.part(name, values.WHOLE) for name in REGISTERS) | values.ALL_FLAGS
# Of these the operand's upper bits go through unchanged unless there is a carry, or are hardly ever
# looked at with random values.
PASSES = re.compile(r"(lock )?(add|sub|inc|dec|adc|sbb|and|or|xor|neg|lea|bt.? .*5$)")
UNSEEN = re.compile(r"and rax, 5|bls|(lock )?cmpxchg|shrd .*5$|(mov|xchg) (\w+), \3$")


def _top(mask: int) -> int:
    """The highest part of each register, and the flags."""
    highest = mask & values.ALL_FLAGS
    for name in REGISTERS:
        have = values.parts(name, mask)
        highest |= values.part(name, 1 << have.bit_length() - 1 if have else 0)
    return highest


def _words(mask: int) -> str:
    return values.describe(mask, mask)


def test_there_is_something_to_observe(subjects: list[Subject], seen: list[Seen]) -> None:
    assert len(subjects) > 400
    assert not [each.text for each in subjects if each.facts.unknown]
    assert not [each.text for each, what in zip(subjects, seen) if what.runs < 10]


def test_what_an_instruction_reads_is_known(subjects: list[Subject], seen: list[Seen]) -> None:
    wrong = {}
    for subject, each in zip(subjects, seen):
        if each.read & ~subject.facts.needs:
            wrong[subject.text] = _words(each.read & ~subject.facts.needs)
    assert wrong == {}


def test_what_an_instruction_may_keep_is_not_believed_to_be_set(
    subjects: list[Subject], seen: list[Seen]
) -> None:
    wrong = {}
    for subject, each in zip(subjects, seen):
        believed = each.kept & subject.facts.sets & ~subject.facts.needs
        if believed:
            wrong[subject.text] = _words(believed)
    assert wrong == {}


def test_what_an_instruction_always_sets_is_known(
    subjects: list[Subject], seen: list[Seen]
) -> None:
    """Or it is undefined, by the manual and not on this CPU."""
    wrong = {}
    for subject, each in zip(subjects, seen):
        fact = subject.facts
        known = each.read | each.kept | fact.sets | fact.loses | fact.needs | each.fixed
        if ALL & ~known and "cmpxchg" not in subject.text:
            wrong[subject.text] = _words(ALL & ~known)
    assert wrong == {}


def test_no_instruction_is_said_to_read_what_it_does_not(
    subjects: list[Subject], seen: list[Seen]
) -> None:
    wrong = {}
    for subject, each in zip(subjects, seen):
        alarm = _top(subject.facts.needs) & ~each.read & ~subject.facts.keeps & ~each.fixed
        if PASSES.match(subject.text):
            alarm &= ~each.kept
        if alarm and not UNSEEN.match(subject.text):
            wrong[subject.text] = _words(alarm)
    assert wrong == {}


def test_registers_that_change_are_known(subjects: list[Subject], seen: list[Seen]) -> None:
    wrong = {}
    for subject, each in zip(subjects, seen):
        known = sum(values.part(name, values.WHOLE) for name in subject.facts.writes)
        if each.written & ~known:
            wrong[subject.text] = _words(each.written & ~known)
    assert wrong == {}


# What no test can try: privileged instructions, and those of other CPUs. What they read, what is
# set afterwards, and the status flags that they set (Intel SDM vol. 2, AMD APM vol. 3).
MANUALS = """
rdmsr: ecx -> rax rdx
wrmsr: ecx eax edx ->
wrmsrns: ecx eax edx ->
rdpmc: ecx -> rax rdx
rdtsc: -> rax rdx
rdtscp: -> rax rdx rcx
cpuid: eax ecx -> rax rbx rcx rdx
xgetbv: ecx -> rax rdx
xsetbv: ecx eax edx ->
rdpkru: ecx -> rax rdx
wrpkru: ecx eax edx ->
rdpru: ecx -> rax rdx C
in al, dx: dx -> al
in ax, 0x80: -> ax
in eax, dx: dx -> rax
out dx, al: dx al ->
out dx, eax: dx eax ->
insb: dx rdi -> rdi
outsd: dx rsi -> rsi
mov cr3, rdi: rdi ->
mov rax, cr4: -> rax
mov rax, dr7: -> rax
mov ds, di: di ->
lgdt [rdi]: rdi ->
ltr di: di ->
lmsw di: di ->
smsw rax: -> rax
sldt ax: -> ax
str rax: -> rax
lar rax, rdx: rax dx -> Z
lsl eax, edx: eax dx -> Z
verr di: di -> Z
invlpg [rdi]: rdi ->
invpcid rax, [rdi]: rax rdi ->
invlpga rax, ecx: rax ecx ->
invlpgb: rax ecx edx ->
tlbsync: ->
monitor: rax ecx edx ->
mwait: eax ecx ->
monitorx: rax ecx edx ->
mwaitx: eax ecx ebx ->
umonitor rdi: rdi ->
umwait edi: edi eax edx -> C P A Z S O
tpause edi: edi eax edx -> C P A Z S O
xsave [rdi]: rdi eax edx ->
xrstor [rdi]: rdi eax edx ->
xsaves [rdi]: rdi eax edx ->
fxsave [rdi]: rdi ->
vmread rax, rdi: rdi -> rax C P A Z S O
vmwrite rax, rdi: rax rdi -> C P A Z S O
vmptrld [rdi]: rdi -> C P A Z S O
invept rax, [rdi]: rax rdi -> C P A Z S O
vmload: rax ->
swapgs: ->
rdfsbase rax: -> rax
rdfsbase eax: -> rax
wrfsbase rdi: rdi ->
rdpid rax: -> rax
rdsspq rax: rax ->
incsspq rdi: rdi ->
wrssq [rdi], rsi: rdi rsi ->
senduipi rdi: rdi ->
testui: -> C P A Z S O
serialize: ->
hreset 0: eax ->
movdir64b rdi, [rsi]: rdi rsi ->
enqcmd rdi, [rsi]: rdi rsi -> C P A Z S O
ptwrite rdi: rdi ->
pvalidate: rax ecx edx -> rax C P A Z S O
psmash: rax -> rax P A Z S O
rmpadjust: rax rcx rdx -> rax P A Z S O
rmpupdate: rax rcx -> rax P A Z S O
clzero: rax ->
wbnoinvd: ->
rdrand rax: -> rax C P A Z S O
rdseed edx: -> rdx C P A Z S O
cmpbexadd [rdi], rax, rdx: rdi rax rdx -> C P A Z S O
aadd [rdi], rax: rdi rax ->
sti: ->
hlt: ->
clac: ->
stac: ->
clts: ->
wbinvd: ->
xlatb: rbx al -> al
cmpxchg16b [rdi]: rdi rax rbx rcx rdx -> Z
xtest: -> C P A Z S O
popcnt rax, rdi: rdi -> rax C P A Z S O
lzcnt rax, rdi: rdi -> rax C Z
"""


def _mask(words: str) -> int:
    return sum(values.flags(w) if len(w) == 1 else values.held(w) for w in words.split())


@pytest.mark.parametrize("row", MANUALS.strip().splitlines())
def test_what_the_manuals_say(row: str, tmp_path: Path) -> None:
    text, _, rest = row.partition(": ")
    reads, _, sets = rest.partition("->")
    name = text.split()[0]
    effects = instructions.NEWER.get(name)
    if effects and effects.code:
        fact = facts(effects.code, name, text, effects)
    else:
        fact = assemble(tmp_path, [text])[0].facts
    assert not fact.unknown
    assert _words(fact.needs) == _words(_mask(reads))
    assert _words(fact.sets & ~fact.needs) == _words(_mask(sets) & ~_mask(reads))


def test_our_bytes_are_the_assemblers_where_it_knows_them(tmp_path: Path) -> None:
    """NASM 2.16 knows most of them, and has vmgexit wrong (AMD APM vol. 3: f3 or f2 0f 01 d9)."""
    lacks = {"eretu", "erets", "invlpgb", "mcommit", "psmash", "rdpru", "rmpquery", "rmpread"}
    lacks |= {"rmpupdate", "tlbsync", "vmgexit"}
    ours = [name for name, effects in instructions.NEWER.items() if effects.code]
    assert lacks < set(ours)
    for subject in assemble(tmp_path, [name for name in ours if name not in lacks]):
        assert subject.code == instructions.NEWER[subject.text].code, subject.text


@pytest.mark.parametrize("register", [name for name in REGISTERS if name != "rbp"])
def test_no_register_may_change_that_is_not_given_away(register: str, tmp_path: Path) -> None:
    for code in (f"mov {register}, 1", f"xchg {register}, rbp"):
        kept = compile_text(tmp_path, f"hotinline f size 8: {code}\n")
        assert "code-writes" in kept.idents and register in kept.text()
    given = f"hotinline f clobbers {register} size 8: mov {register}, 1\n"
    assert not compile_text(tmp_path, given).errors
    assert compile_text(tmp_path, "hotinline f size 8: mov rbp, 1\n").idents == ["code-writes"]


def test_our_bytes_name_the_register_as_the_assembler_does(tmp_path: Path) -> None:
    """lkgs is f2 0f 00 /6 (Intel SDM vol. 2), and verr, which NASM knows, is 0f 00 /4."""
    words = {"ax": "rax", "bx": "rbx", "cx": "rcx", "dx": "rdx", "si": "rsi", "di": "rdi"}
    words |= {f"r{number}w": f"r{number}" for number in range(8, 16)}
    text = "feature l = cpuid 7.1 eax[18]\n"
    for word, register in words.items():
        text += f"hotinline f_{word}(u64 x @{register}): l ? lkgs {word} : nop\n"
    made = json.loads(compile_text(tmp_path, text).outputs["hotinline.json"])
    codes = {each["name"]: each["alternatives"][0]["code"] for each in made["hotinlines"]}
    for subject in assemble(tmp_path, [f"verr {word}" for word in words]):
        code = b"\xf2" + subject.code[:-1] + bytes([subject.code[-1] | 2 << 3])
        assert codes["f_" + subject.text.split()[1]] == code.hex(), subject.text


def test_every_instruction_with_a_bit_is_one_that_is_known() -> None:
    """A misspelt row of cpu.py would ask for nothing."""
    for name, _ in cpu.named():
        assert name == "CMPCCXADD" or instructions.is_mnemonic(name), name


def test_every_bit_stands_for_a_place_in_cpuid() -> None:
    places: dict[tuple[int, int, str, int], str] = {}
    for name, bit in cpu.named():
        key = (bit.leaf, bit.subleaf, bit.register, bit.bit)
        assert places.setdefault(key, bit.name) == bit.name, name
        assert bit.register in ("eax", "ebx", "ecx", "edx") and 0 <= bit.bit < 32

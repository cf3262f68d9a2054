"""Which instructions are not in every amd64 CPU, and the bit of CPUID that says where they are.

Every amd64 CPU has what the psABI's baseline names (x86-64-ABI 3.1.1: CMOV, CX8, FPU, FXSR, MMX,
OSFXSR, SCE, SSE, SSE2), and clflush, which comes with SSE2 (SDM vol. 2A, CLFLUSH; all AMD64 CPUs
have it). Everything later has a bit (Intel SDM vol. 2, CPUID and each instruction's page; AMD APM
vol. 3, appendix D), and stands here: by mnemonic, or by the group that Capstone puts it into. NOPs
on CPUs without it need nothing: endbr64, pause, and the prefixes of HLE and MPX.

Compared with Linux: tools/arch/x86/kcpuid/cpuid.csv; PadLock, RMPREAD: asm/cpufeatures.h.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .model import Feature


@dataclass(frozen=True, slots=True)
class Bit:
    """A bit of CPUID, and the name to propose for a feature that is declared by it."""

    name: str
    leaf: int
    subleaf: int
    register: str
    bit: int
    other: int | None = None  # another bit of the register that guarantees as much
    guest: bool = False  # a hypervisor that names itself offers it, too

    def source(self) -> str:
        """As a feature declares it."""
        leaf = f"0x{self.leaf:x}" if self.leaf > 0x7FFFFFFF else str(self.leaf)
        subleaf = f".{self.subleaf}" if self.leaf in (7, 13, 20) else ""
        return f"cpuid {leaf}{subleaf} {self.register}[{self.bit}]"

    def is_guaranteed_by(self, feature: Feature) -> bool:
        if feature.kind == "hypervisor":
            return self.guest
        same = (self.leaf, self.subleaf, self.register)
        return (
            feature.kind == "cpuid"
            and (feature.leaf, feature.subleaf, feature.register) == same
            and feature.bit in (self.bit, self.other)
        )


_EXTENDED = 0x80000001

# name leaf.subleaf register bit: the instructions
_TABLE = """
sse3         1 ecx 0: fisttp
mwait        1 ecx 3: monitor mwait
vmx          1 ecx 5: vmclear vmfunc vmlaunch vmptrld vmptrst vmread vmresume vmwrite vmxoff vmxon
vmx          1 ecx 5: invept invvpid vmcall
cx16         1 ecx 13: cmpxchg16b
sse4_2       1 ecx 20: crc32
movbe        1 ecx 22: movbe
popcnt       1 ecx 23: popcnt
xsave        1 ecx 26/27: xgetbv xrstor xrstor64 xsave xsave64 xsetbv
rdrand       1 ecx 30: rdrand
fsgsbase     7.0 ebx 0: rdfsbase rdgsbase wrfsbase wrgsbase
bmi1         7.0 ebx 3: andn bextr blsi blsmsk blsr tzcnt
bmi2         7.0 ebx 8: bzhi mulx pdep pext rorx sarx shlx shrx
invpcid      7.0 ebx 10: invpcid
rtm          7.0 ebx 11: xabort xbegin xend xtest
rdseed       7.0 ebx 18: rdseed
adx          7.0 ebx 19: adcx adox
smap         7.0 ebx 20: clac stac
clflushopt   7.0 ebx 23: clflushopt
clwb         7.0 ebx 24: clwb
prefetchwt1  7.0 ecx 0: prefetchwt1
pku          7.0 ecx 3/4: rdpkru wrpkru
waitpkg      7.0 ecx 5: tpause umonitor umwait
shadow_stack 7.0 ecx 7: clrssbsy incsspd incsspq rdsspd rdsspq rstorssp saveprevssp setssbsy
shadow_stack 7.0 ecx 7: wrssd wrssq wrussd wrussq
rdpid        7.0 ecx 22: rdpid
cldemote     7.0 ecx 25: cldemote
movdiri      7.0 ecx 27: movdiri
movdir64b    7.0 ecx 28: movdir64b
enqcmd       7.0 ecx 29: enqcmd enqcmds
uintr        7.0 edx 5: clui senduipi stui testui uiret
serialize    7.0 edx 14: serialize
tsxldtrk     7.0 edx 16: xresldtrk xsusldtrk
pconfig      7.0 edx 18: pconfig
rao_int      7.1 eax 3: aadd aand aor axor
cmpccxadd    7.1 eax 7: CMPCCXADD
fred         7.1 eax 17: erets eretu
lkgs         7.1 eax 18: lkgs
wrmsrns      7.1 eax 19: wrmsrns
hreset       7.1 eax 22: hreset
msrlist      7.1 eax 27: rdmsrlist wrmsrlist
prefetchi    7.1 edx 14: prefetchit0 prefetchit1
xsaveopt     13.1 eax 0: xsaveopt xsaveopt64
xsavec       13.1 eax 1: xsavec xsavec64
xsaves       13.1 eax 3: xrstors xrstors64 xsaves xsaves64
ptwrite      20.0 ebx 4: ptwrite
lahf_lm      0x80000001 ecx 0: lahf sahf
svm          0x80000001 ecx 2: clgi invlpga stgi vmload vmmcall vmrun vmsave
lzcnt        0x80000001 ecx 5: lzcnt
sse4a        0x80000001 ecx 6: movntsd movntss
prefetchw    0x80000001 ecx 8: prefetch prefetchw
skinit       0x80000001 ecx 12: skinit
tbm          0x80000001 ecx 21: blcfill blci blcic blcmsk blcs blsfill blsic t1mskc tzmsk
monitorx     0x80000001 ecx 29: monitorx mwaitx
rdtscp       0x80000001 edx 27: rdtscp
clzero       0x80000008 ebx 0: clzero
invlpgb      0x80000008 ebx 3: invlpgb tlbsync
rdpru        0x80000008 ebx 4: rdpru
mcommit      0x80000008 ebx 8: mcommit
wbnoinvd     0x80000008 ebx 9: wbnoinvd
sev_es       0x8000001f eax 3: vmgexit
sev_snp      0x8000001f eax 4: psmash pvalidate rmpadjust rmpupdate
rmpquery     0x8000001f eax 6: rmpquery
rmpread      0x8000001f eax 21: rmpread
padlock_rng  0xc0000001 edx 2: xstore
padlock_ace  0xc0000001 edx 6: xcryptcbc xcryptcfb xcryptctr xcryptecb xcryptofb
padlock_phe  0xc0000001 edx 10: xsha1 xsha256
padlock_pmm  0xc0000001 edx 12: montmul
"""

# The same for Capstone's groups. Those that are missing are in every amd64 CPU, or no extension.
_GROUPS = """
sse3 1 ecx 0: sse3
pclmulqdq 1 ecx 1: pclmul
ssse3 1 ecx 9: ssse3
fma 1 ecx 12: fma
sse4_1 1 ecx 19: sse41
sse4_2 1 ecx 20: sse42
aes 1 ecx 25: aes
avx 1 ecx 28: avx
f16c 1 ecx 29: f16c
fsgsbase 7.0 ebx 0: fsgsbase
bmi1 7.0 ebx 3: bmi
avx2 7.0 ebx 5: avx2
bmi2 7.0 ebx 8: bmi2
rtm 7.0 ebx 11: rtm
avx512f 7.0 ebx 16: avx512
avx512dq 7.0 ebx 17: dqi
adx 7.0 ebx 19: adx
avx512pf 7.0 ebx 26: pfi
avx512er 7.0 ebx 27: eri
avx512cd 7.0 ebx 28: cdi
sha 7.0 ebx 29: sha
avx512bw 7.0 ebx 30: bwi
avx512vl 7.0 ebx 31: vlx
sse4a 0x80000001 ecx 6: sse4a
xop 0x80000001 ecx 11: xop
fma4 0x80000001 ecx 16: fma4
tbm 0x80000001 ecx 21: tbm
threednow 0x80000001 edx 31: 3dnow
"""

_HYPERCALLS = ("vmcall", "vmmcall")


def _read(table: str) -> dict[str, Bit]:
    found: dict[str, Bit] = {}
    for line in filter(None, table.splitlines()):
        fields, _, members = line.partition(":")
        name, place, register, bits = fields.split()
        leaf, _, subleaf = place.partition(".")
        bit, _, other = bits.partition("/")
        for member in members.split():
            guest = member in _HYPERCALLS
            found[member] = Bit(name, int(leaf, 0), int(subleaf or 0), register, int(bit),
                                int(other) if other else None, guest)  # fmt: skip
    return found


_BY_MNEMONIC = _read(_TABLE)
_BY_GROUP = _read(_GROUPS)


def named() -> Iterable[tuple[str, Bit]]:
    """Every instruction that is known by its name."""
    return _BY_MNEMONIC.items()


@lru_cache(maxsize=None)
def needed(mnemonic: str, groups: frozenset[str]) -> tuple[Bit, ...]:
    """All the bits that an instruction needs; none if every amd64 CPU has it."""
    if mnemonic.startswith("cmp") and mnemonic.endswith("xadd"):
        mnemonic = "CMPCCXADD"
    # The immediate form of bextr is TBM's, and Capstone says so.
    if mnemonic in _BY_MNEMONIC and not (mnemonic == "bextr" and "tbm" in groups):
        return (_BY_MNEMONIC[mnemonic],)
    return tuple(_BY_GROUP[group] for group in sorted(groups & _BY_GROUP.keys()))

"""The other CPUs: at rest, with the control registers of the first."""

from __future__ import annotations

import re

import pytest

from machines import make_config

from machine import Machine, Verdict

CR4_SMAP = 1 << 21


def registers(machine: Machine, name: str) -> list[int]:
    """That register of every CPU, as QEMU sees it."""
    text = machine.monitor("info registers -a")
    return [int(value, 16) for value in re.findall(rf"\b{name}=([0-9a-f]+)", text)]


@pytest.mark.parametrize("kind", ["q35", "microvm"])
@pytest.mark.parametrize("cpu, args, smap", [("max", "", True), ("EPYC", "", True),
                                             ("Nehalem", "", False),
                                             ("max", "disable_smap=1", False)])
@pytest.mark.parametrize("smp", ["2", "4"])
def test_all_cpus_have_the_same_protection(kind: str, cpu: str, args: str, smap: bool,
                                           smp: str) -> None:
    config = make_config(machine=kind, cpu=cpu, args=args, smp=smp)
    with Machine(config) as machine:
        said = machine.boot()
        cr4 = registers(machine, "CR4")
        assert len(cr4) == int(smp) and len(set(cr4)) == 1, cr4
        assert bool(cr4[0] & CR4_SMAP) == smap
        assert len(set(registers(machine, "CR0"))) == 1
        assert len(set(registers(machine, "EFER"))) == 1
        assert f"{int(smp) - 1} other CPUs at rest, with the same cr4" in said
        assert machine.finish().verdict is Verdict.PASS


def test_they_rest() -> None:
    """They stay where they are, while the first one works."""
    with Machine(make_config(smp="4")) as machine:
        machine.boot()
        before = registers(machine, "RIP")[1:]
        machine.command("hello")
        assert registers(machine, "RIP")[1:] == before and len(set(before)) == 1
        assert registers(machine, "HLT")[1:] == [1, 1, 1]


def test_before_the_kernel_has_brought_them_up_they_have_none_of_it() -> None:
    """The failing twin: it is the kernel that does it."""
    with Machine(make_config(smp="4", args="-kd=early")) as machine:
        machine.read_until(b"kmdb")
        cr4 = registers(machine, "CR4")
        assert cr4[0] not in cr4[1:]

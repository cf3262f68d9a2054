"""What may come while unix itself is patched: nothing but an NMI, in the middle of a site that is
half written. QEMU's debugger interface stops the guest there. A CPU without a local interrupt
controller gets the monitor's NMI directly, at a time when the kernel has not set one up."""

from __future__ import annotations

import re
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import capstone  # type: ignore[import]
import pytest

from machines import LIMIT, booted, load

import check
import guest
from machine import Machine, Verdict
from table import read_table

FLAGS_AT = 17 * 8  # eflags, in the answer to `g`: behind 16 registers and rip
IF = 1 << 9


class Debugger:
    """GDB's remote protocol, as much of it as stops a guest at an address."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = b""

    def ask(self, packet: str) -> str:
        """Sends a packet and returns the answer; for `c`, that comes when the guest stops."""
        data = packet.encode()
        self.connection.sendall(b"$%s#%02x" % (data, sum(data) % 256))
        while True:
            start, end = self.buffer.find(b"$"), self.buffer.find(b"#")
            if 0 <= start < end and len(self.buffer) >= end + 3:
                answer, self.buffer = self.buffer[start + 1:end], self.buffer[end + 3:]
                self.connection.sendall(b"+")
                return answer.decode()
            received = self.connection.recv(65536)
            assert received, "QEMU ended"
            self.buffer += received

    def stop_at(self, address: int, stop: bool = True) -> None:
        """Sets a breakpoint, or takes it away."""
        assert self.ask(f"{'Z' if stop else 'z'}1,{address:x},1") == "OK"

    def go(self) -> tuple[int, int]:
        """Runs to the next breakpoint. Returns rip and eflags there."""
        assert self.ask("c").startswith("T05")
        registers = bytes.fromhex(self.ask("g"))
        return (struct.unpack_from("<Q", registers, 16 * 8)[0],
                struct.unpack_from("<I", registers, FLAGS_AT)[0])


@contextmanager
def debugged(args: str, cpu: str = "max,-apic") -> Iterator[tuple[Machine, Debugger]]:
    """A machine that waits for its debugger before the first instruction."""
    with tempfile.TemporaryDirectory(prefix="hotinline-") as folder, \
            booted(args=args, cpu=cpu, extra=("-S",)) as machine, \
            socket.socket(socket.AF_UNIX) as connection:
        machine.monitor(f"gdbserver unix:{folder}/gdb,server=on,wait=off")
        connection.settimeout(LIMIT)
        connection.connect(f"{folder}/gdb")
        yield machine, Debugger(connection)


def first_bytes(machine: Machine, commit: guest.Symbol) -> list[int]:
    """commit() writes the first byte of a site, and then the others: where it writes the first.
    The other stores of a byte that it might have are into its own frame."""
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    code = machine.memory(commit.address, commit.size)
    return [i.address for i in engine.disasm(code, commit.address)
            if i.mnemonic == "mov" and i.operands[0].type == capstone.x86.X86_OP_MEM
            and i.operands[0].size == 1
            and i.reg_name(i.operands[0].mem.base) not in ("rsp", "rbp")]


def addresses(*names: str) -> tuple[dict[str, int], list[int]]:
    """Of unix, with the boot argument nokaslr; and where commit() begins to write a site."""
    with booted(args="nokaslr", cpu="max,-apic") as machine:
        machine.boot()
        found = guest.symbols(machine, list(names))
        return ({name: symbol.address for name, symbol in found.items()},
                first_bytes(machine, found["commit"]))


def test_peers_24_an_nmi_in_a_half_written_site_is_harmless(
        capsys: pytest.CaptureFixture[str]) -> None:
    """And PEERS 18, 19: interrupts are off from the first write until the core is synchronised. An
    NMI comes in each of the writes."""
    at, begins = addresses("commit", "kas_unalias", "cpu_synchronise")
    nmis = 0
    with debugged("nokaslr nmi=count") as (machine, debugger):
        debugger.stop_at(at["commit"])
        assert debugger.go()[0] == at["commit"]
        debugger.stop_at(at["commit"], False)
        stops = [at["kas_unalias"], at["cpu_synchronise"], *begins]
        for address in stops:
            debugger.stop_at(address)
        rip, flags = debugger.go()
        while rip in begins:
            assert not flags & IF
            assert debugger.ask("s").startswith("T05")  # and the site is half written
            machine.monitor("nmi")
            nmis += 1
            rip, flags = debugger.go()
        assert rip == at["cpu_synchronise"] and not flags & IF
        debugger.stop_at(at["cpu_synchronise"], False)  # `c` would stop there once more
        assert debugger.go()[0] == at["kas_unalias"]
        for address in stops:
            if address != at["cpu_synchronise"]:
                debugger.stop_at(address, False)
        debugger.connection.sendall(b"$D#44")  # and the guest goes on
        machine.boot()
        with capsys.disabled():
            print(f"\npatching: {nmis} NMIs in the writes of unix's sites")
        early = guest.symbols(machine, ["nmi_early"])["nmi_early"].address
        taken = int.from_bytes(machine.memory(early, 8), "little")
        load(machine, ["ring"])
        report = check.check(machine, read_table())
        result = machine.finish()
    assert report.problems == [] and result.verdict is Verdict.PASS
    assert taken == nmis >= len([site for site in report.sites if site.name.startswith("unix:")])


def test_peers_24_an_nmi_while_unix_is_patched_is_told_unless_it_is_asked_for() -> None:
    at, _ = addresses("commit")
    with debugged("nokaslr") as (machine, debugger):
        debugger.stop_at(at["commit"])
        debugger.go()
        machine.monitor("nmi")
        debugger.stop_at(at["commit"], False)
        debugger.connection.sendall(b"$D#44")
        result = machine.finish("")
    assert result.verdict is Verdict.PANIC
    assert "1 non-maskable interrupts before unix was patched" in result.reason


CR4_SMAP = 1 << 21


@pytest.mark.parametrize("cpu, smap", [("max,-apic", True), ("Nehalem,-apic", False)])
def test_smap_is_on_after_every_site_of_unix_is_written_and_never_before(cpu: str,
                                                                         smap: bool) -> None:
    """While they are patched, the entry code and the copies open and close no window."""
    at, _ = addresses("do_hotinlines", "commit", "kas_unalias", "traps_patched")
    seen: list[tuple[int, bool]] = []
    with debugged("nokaslr", cpu) as (machine, debugger):
        for name, address in at.items():
            debugger.stop_at(address)
        while not seen or seen[-1][0] != at["traps_patched"]:
            rip, _ = debugger.go()
            found = re.search(r"CR4=([0-9a-f]+)", machine.monitor("info registers"))
            assert found
            seen.append((rip, bool(int(found[1], 16) & CR4_SMAP)))
            debugger.stop_at(rip, False)
        debugger.connection.sendall(b"$D#44")
    assert set(at.values()) == {rip for rip, _ in seen}
    assert seen[-1] == (at["traps_patched"], smap)
    assert not any(on for _, on in seen[:-1])

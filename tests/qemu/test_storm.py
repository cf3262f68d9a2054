"""A storm of NMIs and timer interrupts, short; `make storm` is the long one."""

from __future__ import annotations


import pytest

from machines import LIMIT, booted

import guest
import storm



def test_peers_24_a_storm_of_nmis_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    figures = storm.run(60000, 40, LIMIT)
    with capsys.disabled():
        print(f"\nstorm: {figures}")
    assert not figures.lost
    assert figures.windows >= 60000 and figures.faults > 10000 and figures.switches > 1000
    assert figures.own > 1000 and figures.taken > figures.own and figures.modules >= 30


def test_every_nmi_from_outside_is_taken_and_taken_once() -> None:
    """One at a time, while a program's windows open and close: two at once would be one."""
    with booted(args="nmi=count", machine="q35") as machine:
        machine.boot()
        counter = guest.symbols(machine, ["nmi_count"])["nmi_count"].address


        def taken() -> int:
            return int.from_bytes(machine.memory(counter, 8), "little")

        machine.send(b"sysfuzz 7 100000000\r")
        for number in range(1, 201):
            machine.monitor("nmi")
            machine.wait_until(lambda: taken() >= number, f"NMI {number}")
            assert taken() == number

"""A storm of NMIs and timer interrupts, short; `make storm` is the long one."""

from __future__ import annotations

import storm


def test_peers_24_a_storm_of_nmis_loses_nothing() -> None:
    figures = storm.run(60000, 40, 60.0)
    print(figures)
    assert not figures.lost
    assert figures.windows >= 60000 and figures.faults > 10000 and figures.switches > 1000
    assert figures.own > 1000 and figures.taken > figures.own and figures.modules >= 30

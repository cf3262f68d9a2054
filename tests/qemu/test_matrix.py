"""Every site of unix and of all modules, on every machine of matrix.txt."""

from __future__ import annotations

import pytest

from machines import BOOT_MODULES, MODULES, TEST_MODULES, Row, load, read_matrix

import check
from machine import Machine, Verdict
from table import read_table

ROWS = read_matrix()
done: list[str] = []
chosen: set[tuple[str, str]] = set()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_every_site_is_what_the_features_of_the_machine_demand(row: Row) -> None:
    with Machine(row.config) as machine:
        machine.boot()
        load(machine, MODULES + TEST_MODULES)
        report = check.check(machine, read_table())
        assert report.problems == []
        assert {name: report.features[name] for name in row.features} == row.features
        assert report.modules == ["unix", *BOOT_MODULES, *MODULES, *TEST_MODULES]
        assert report.smap == row.features.get("smap", report.features["smap"])
        chosen.update((site.hotinline, site.alternative) for site in report.sites)
        done.append(row.name)
        result = machine.finish()
    assert result.verdict is Verdict.PASS, str(result)


# The hotinlines of alternatives/ for which the matrix has machines that choose each alternative.
COVERED = ["atomic_increment", "clean_line", "copy_bytes", "fill_bytes", "io_delay", "order_loads",
           "popcount64", "read_fsbase", "smap_disable", "smap_enable", "timestamp", "write_fsbase"]


def test_each_alternative_is_chosen_on_some_machine() -> None:
    if len(done) < len(ROWS):
        pytest.skip("only a part of the matrix was run")
    hotinlines = read_table().hotinlines
    missing = [(name, alternative.text) for name in COVERED
               for alternative in hotinlines[name].alternatives
               if (name, alternative.text) not in chosen]
    assert missing == []

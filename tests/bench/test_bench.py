"""Rules that the benchmark programs keep, with tiny sizes: no test here asserts a time."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hotc
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PATCHING = ROOT / "build/bench/patching"
RUNTIME = ROOT / "build/bench/runtime"
HOTC = ROOT / "tests/bench/hotc.py"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=ROOT, text=True, capture_output=True)


def lines(*words: str | Path) -> Iterator[dict[str, Any]]:
    """What a program prints, which must succeed and say nothing else."""
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return map(json.loads, done.stdout.splitlines())


def check_form(results: list[dict[str, Any]], group: str, repeat: int) -> None:
    for result in results:
        assert result["group"] == group
        assert all(isinstance(result[key], str) for key in ("case", "what", "unit")), result
        assert len(result["values"]) in (1, repeat), result
    names = [(result["case"], result["what"]) for result in results]
    assert len(names) == len(set(names)), "each line has a name of its own"


def test_patching_measures_every_contender_in_every_case() -> None:
    results = list(lines(PATCHING, "--json", "--sites", "10,300", "--repeat", "3"))
    check_form(results, "patching", 3)
    assert all(value > 0 for result in results for value in result["values"])
    cases: dict[str, set[str]] = {}
    for result in results:
        cases.setdefault(result["case"], set()).add(result["what"])
    assert len(cases.pop("memory")) == 5
    assert set(cases) == {"10 sites", "10 sites, no feature", "300 sites", "300 sites, no feature"}
    assert len({frozenset(whats) for whats in cases.values()}) == 1, "the same contenders in all"


def test_a_site_takes_8_bytes_of_memory() -> None:
    results = list(lines(PATCHING, "--json", "--sites", "300", "--repeat", "1"))
    memory = {r["what"]: r["values"][0] for r in results if r["case"] == "memory"}
    assert memory["hotinline: memory"] == 8
    assert memory["section table: memory"] > 14, "a record, and a replacement"


def test_patching_reports_nothing_of_contenders_that_make_other_bytes() -> None:
    done = run(PATCHING, "--json", "--sites", "300", "--repeat", "1", "--spoil", "20")
    assert (done.returncode, done.stdout) == (1, "")
    assert "made other bytes of the same sites: offset 0x" in done.stderr


def test_runtime_measures_the_loop_the_site_and_what_one_would_write_without_it() -> None:
    results = list(lines(RUNTIME, "--json", "--repeat", "3", "--time", "10"))
    check_form(results, "runtime", 3)
    cases: dict[str, list[str]] = {}
    for result in results:
        cases.setdefault(result["case"], []).append(result["what"])
    sites = ["site, patched", "site, patched: no feature", "site, unpatched: call of the stub"]
    for whats in cases.values():
        assert whats[0] == "nothing: the loop itself"
        assert [what for what in whats if what.startswith("site")] == sites
        assert "flag test and branch" in whats
    assert any("indirect C call" in whats for whats in cases.values())


def test_runtime_reports_nothing_of_text_that_is_not_what_it_must_be() -> None:
    done = run(RUNTIME, "--json", "--spoil")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the text does not hold" in done.stderr


def test_hotc_is_measured_on_as_many_declarations_as_were_asked_for() -> None:
    results = list(lines(sys.executable, HOTC, "--json", "--declarations", "10,40", "--repeat", "2"))
    check_form(results, "hotc", 2)
    assert {result["case"] for result in results} == {"10 declarations", "40 declarations"}
    assert hotc.declarations(40).count("feature f") == 8
    assert hotc.declarations(40).count("\nhotinline h") == 32


def test_one_declaration_is_changed_each_time_and_no_more() -> None:
    text = hotc.declarations(100)
    texts = [text, *(hotc.changed(text, i) for i in range(60))]
    assert len(set(texts)) == len(texts)
    for other in texts[1:]:
        differ = [i for i, (a, b) in enumerate(zip(text.split("\n"), other.split("\n"))) if a != b]
        assert len(differ) == 1 and other.count("\n") == text.count("\n")


def test_hotc_that_drops_a_declaration_is_not_measured(tmp_path: Path) -> None:
    table: dict[str, list[object]] = {"features": [0] * 8, "hotinlines": [0] * 31}
    (tmp_path / "hotinline.json").write_text(json.dumps(table))
    with pytest.raises(SystemExit, match=r"\(8, 32\) .* declared, \(8, 31\) written"):
        hotc.outputs(tmp_path, 40)


def test_hotc_that_writes_something_else_each_time_is_not_measured() -> None:
    hotc.compare({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"2"})
    with pytest.raises(SystemExit, match="other bytes: b, c"):
        hotc.compare({"a": b"1", "b": b"2"}, {"a": b"1", "b": b"3", "c": b""})


def test_what_one_declaration_costs_does_not_count_the_start() -> None:
    rows = [hotc.Result("hotc", f"{n}", "hotc: CPU time", "ms", [500 + 0.7 * n], n)
            for n in (10, 100, 1000, 10000)]
    assert [row.n for row in hotc.growth(rows)] == [1000, 10000]
    assert all(abs(row.values[0] - 700) < 1e-6 for row in hotc.growth(rows))


def test_the_programs_refuse_what_they_cannot_take() -> None:
    wrong: dict[Path, list[list[str]]] = {
        PATCHING: [["--sites", "12x"], ["--sites", "0"], ["--repeat", "102"], ["--odd"], ["x"]],
        RUNTIME: [["--time", "0"], ["--repeat"], ["x"]],
        HOTC: [["--declarations", "9"], ["--repeat", "0"], ["x"]],
    }
    for program, uses in wrong.items():
        for words in uses:
            done = run(program, *words)
            assert (done.returncode, done.stdout) == (64, ""), words
            assert f"see `{program.name} --help'" in done.stderr

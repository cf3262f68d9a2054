"""Rules that the benchmark of relocation and the table keep, with tiny objects: no test asserts a
time."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from objects import STUBS, synthetic
from results import STORES, Result, Results, Target
from test_bench import check_form, lines, run

ROOT = Path(__file__).resolve().parent.parent.parent
RELOCATION = ROOT / "build/bench/relocation"
DLOPEN = ROOT / "build/bench/dlopen"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Synthetic objects of 100 and 200 calls."""
    made = tmp_path_factory.mktemp("objects")
    done = run(ROOT / "tests/bench/objects.py", made, "--sizes", "100,200", "--modules", "0")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def assemble(folder: Path) -> Callable[[str], Path]:
    """Makes an object of the folder out of a line of assembly."""
    def make(source: str) -> Path:
        path = folder / "odd.o"
        done = subprocess.run(["as", "-o", path, "-"], input=source, text=True, check=False)
        assert done.returncode == 0
        (folder / "odd.o.unix").write_bytes((folder / "synthetic-100.o.unix").read_bytes())
        return path
    return make


def test_relocation_measures_every_contender_on_every_object(folder: Path) -> None:
    objects = [folder / "synthetic-100.o", folder / "synthetic-200.o"]
    results = list(lines(RELOCATION, "--json", "--repeat", "2", folder, *objects))
    check_form(results, "relocation", 2)
    names = {case: {r["what"] for r in results if r["case"] == case}
             for case in ("synthetic-100.o", "synthetic-200.o")}
    assert names["synthetic-100.o"] == names["synthetic-200.o"]
    assert {STORES, "plain loop", "krtld: relocation proper"} <= names["synthetic-100.o"]
    assert {r["n"] for r in results} == {100 + 12, 200 + 25}, "calls, and pointers in data"


def test_the_sites_of_a_synthetic_object_are_its_calls_of_a_hotinline(folder: Path) -> None:
    calls = sum(f"call {STUBS[-1]}\n" in text for text in synthetic(200))
    results = lines(RELOCATION, "--json", "--repeat", "1", folder, folder / "synthetic-200.o")
    notes = [r["note"] for r in results if r["what"] == "krtld: finish"]
    assert calls > 0 and notes == [f"{calls} sites"]


@pytest.mark.parametrize("source, why", [
    (".weak nobody\n.byte nobody\n", "fields of 1 or 2 bytes are not what the floor is made for"),
    ("movq mutex_lock@GOTPCREL(%rip), %rax\n", "the plain loop refuses what krtld loads"),
    (".long nobody - .\n", "nobody"),
])
def test_an_object_that_not_all_can_load_is_not_measured(
        folder: Path, assemble: Callable[[str], Path], source: str, why: str) -> None:
    done = run(RELOCATION, "--json", "--repeat", "1", folder, assemble(source))
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr


def test_dlopen_opens_what_the_synthetic_objects_are_as_shared_objects(folder: Path) -> None:
    results = list(lines(DLOPEN, "--json", "--repeat", "2", folder, "100", "200"))
    check_form(results, "relocation", 2)
    assert [r["n"] for r in results] == [112, 225]
    done = run(DLOPEN, "--json", folder, "300")
    assert (done.returncode, done.stdout) == (1, ""), "there is none of that size"


def test_programs_refuse_what_they_cannot_take() -> None:
    for program in (RELOCATION, DLOPEN):
        for words in ("", "--repeat 0 x y", "--repeat 102 x y", "--what"):
            assert run(program, *words.split()).returncode == 64, (program, words)


def test_a_ratio_relates_to_the_reference_of_the_same_case() -> None:
    results = Results()
    for case, floor in (("a", 2.0), ("b", 4.0)):
        results.rows += [Result("relocation", case, "krtld", "ns", [8.0]),
                         Result("relocation", case, STORES, "ns", [floor]),
                         Result("relocation", case, "size", "bytes", [3.0])]
    assert [results.ratio(row) for row in results.rows] == [4, 1, None, 2, 1, None]


def test_cases_are_merged_by_their_share() -> None:
    results = Results([Result("g", "a", "x", "ns", [1.0, 2.0], n=10),
                       Result("g", "b", "x", "ns", [4.0, 8.0], n=30)])
    (merged,) = results.merge("g", ["a", "b"], "both")
    assert (merged.values, merged.n, merged.note) == ([3.25, 6.5], 40, "")
    results.rows.append(Result("g", "b", "y", "ns", [1.0], n=30, note="slow"))
    assert results.merge("g", ["a", "b"], "both")[1].note == "1 of 2; slow"


def test_a_target_needs_all_that_it_is_made_of() -> None:
    target = Target("g", "load", 3.0, ("floor", "read"))
    results = Results([Result("g", "a", "load", "ns", [6.0]),
                       Result("g", "a", "floor", "ns", [1.0])])
    assert results.over(target, "a") is None
    results.rows.append(Result("g", "a", "read", "ns", [2.0]))
    assert results.over(target, "a") == 2.0


def test_only_a_line_of_the_form_is_a_result() -> None:
    results = Results()
    good = '{"group": "g", "case": "c", "what": "w", "unit": "ns", "values": [1, 2]}'
    assert results.add_line(good) and len(results.rows) == 1
    for line in ("", "words", "[]", good.replace("[1, 2]", "[]"), good.replace("unit", "knit"),
                 good.replace("1, 2", '"1"')):
        assert not results.add_line(line), line
    assert len(results.rows) == 1
    assert results.add_line('{"group": "g", "what": "w", "missing": "not installed"}')
    assert results.missing == ["g: w: not installed"]

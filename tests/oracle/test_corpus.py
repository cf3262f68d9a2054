"""The corpus: what cannot be fetched is said, what is there is not fetched again, the report counts
everything, and a difference ends with status 1."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import corpus
import pytest
from check import DIFFERS, IDENTICAL, REFUSED, Tools, Verdict
from made import WAYS, CannotMake, Recipe, compiled
from packages import CannotFetch, Packages
from report import Report


def quiet(line: str) -> None:
    """Says nothing."""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that does what the file says, first on PATH."""
    path = tmp_path / "bin" / "apt-get"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    return path


def test_a_package_that_cannot_be_fetched_is_named_with_the_cure(apt: Path, tmp_path: Path) -> None:
    apt.write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")
    with pytest.raises(CannotFetch, match="libx-dev cannot be fetched: .*no network.*apt-get upd"):
        Packages(tmp_path, "", quiet).fetch("libx-dev")


def test_a_package_that_does_not_come_is_no_success(apt: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="brought nothing"):
        Packages(tmp_path, "", quiet).fetch("libx-dev")


def test_what_is_there_is_not_fetched_again(apt: Path, tmp_path: Path) -> None:
    apt.write_text("#!/bin/sh\n: >libx-dev_2%3a1.5_amd64.deb\n")
    packages = Packages(tmp_path, "", quiet)
    first = packages.fetch("libx-dev")
    assert packages.versions == {"libx-dev": "2:1.5"}
    apt.write_text("#!/bin/sh\nexit 1\n")
    assert Packages(tmp_path, "", quiet).fetch("libx-dev") == first


def test_what_was_not_fetched_in_full_is_fetched_again(apt: Path, tmp_path: Path) -> None:
    apt.write_text("#!/bin/sh\n: >libx-dev_1_amd64.deb; exit 1\n")
    with pytest.raises(CannotFetch):
        Packages(tmp_path, "", quiet).fetch("libx-dev")
    assert not list((tmp_path / "debs").glob("*.deb"))


def test_a_package_that_cannot_be_unpacked_is_named(apt: Path, tmp_path: Path) -> None:
    apt.write_text("#!/bin/sh\necho no package >libx-dev_1_amd64.deb\n")
    with pytest.raises(CannotFetch, match="libx-dev_1_amd64.deb"):
        Packages(tmp_path, "", quiet).unpack("libx-dev")
    assert not (tmp_path / "unpacked" / "libx-dev_1_amd64").exists()


def test_a_source_that_cannot_be_compiled_is_named(tmp_path: Path) -> None:
    source = tmp_path / "it.c"
    source.write_text("no C\n")
    with pytest.raises(CannotMake, match="it.c"):
        Recipe(source, tmp_path / "it.o", ("gcc", "-c")).make()
    with pytest.raises(CannotMake, match="cannot run /no/gcc"):
        Recipe(source, tmp_path / "it.o", ("/no/gcc", "-c")).make()
    assert not (tmp_path / "it.o").exists()


def test_every_way_is_compiled_by_both_compilers_but_for_fat_objects(tmp_path: Path) -> None:
    names = [recipe.output.name for recipe in compiled(Path("it.c"), tmp_path)]
    assert len(set(names)) == len(names) == 2 * len(WAYS) - 1


VERDICTS = [
    Verdict(IDENTICAL, sections=3, bytes=10, types=Counter({2: 5, 9: 1}), slots=1),
    Verdict(IDENTICAL, sections=1, bytes=2, types=Counter({2: 1})),
    Verdict(REFUSED, "thread-local storage", types=Counter({2: 7})),
    Verdict(DIFFERS, ".text+0x5: …", types=Counter({2: 7})),
]


def report_of(verdicts: list[Verdict], folder: Path) -> Report:
    report = Report(Packages(folder, "", quiet), Tools())
    for number, verdict in enumerate(verdicts):
        report.add(f"part{number % 2}", f"{number}.o", f"repeat {number}", verdict)
    report.write(folder)
    return report


def test_the_report_counts_everything(tmp_path: Path) -> None:
    content = report_of(VERDICTS, tmp_path)
    total = content.total
    assert (total.objects, total.identical, total.differs) == (4, 2, 1)
    assert total.relocations == 7 and total.refused == {"thread-local storage": 1}
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["total"]["relocations"] == 7
    assert read["types"] == {"R_X86_64_PC32": 6, "R_X86_64_GOTPCREL": 1}
    assert sum(part["objects"] for part in read["parts"].values()) == 4


def test_the_report_shows_a_difference_and_what_repeats_it(tmp_path: Path) -> None:
    report_of(VERDICTS, tmp_path)
    text = (tmp_path / "report.txt").read_text()
    assert "Differences: 1\n  3.o: .text+0x5: …\n    repeat 3\n" in text
    report_of(VERDICTS[:3], tmp_path)
    assert (tmp_path / "report.txt").read_text().endswith("Differences: 0\n")


def run_corpus(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["corpus.py", *arguments])
    return corpus.main()


def test_a_difference_in_the_corpus_ends_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verdicts, status in ((VERDICTS[:3], 0), (VERDICTS, 1)):
        report = report_of(verdicts, tmp_path)
        monkeypatch.setattr(corpus, "FOLDER", tmp_path)
        monkeypatch.setattr(corpus, "run", lambda *_, report=report: report)
        assert run_corpus(monkeypatch) == status


def test_an_unknown_part_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_corpus(monkeypatch, "--only", "libz libcolour") == 64
    assert "no such part: libcolour; there are modules, libc," in capsys.readouterr().err


def test_an_oracle_that_breaks_down_is_a_difference(tmp_path: Path) -> None:
    job = corpus.Job("libz", tmp_path / "not-there.o")
    verdict = corpus.run_job(Tools(), job)[1]
    assert verdict.status == DIFFERS and "not-there.o" in verdict.reason


def test_the_command_that_repeats_a_run_is_what_ld_py_takes() -> None:
    job = corpus.Job("misplaced", corpus.ROOT / "it.o", base=corpus.HIGH, outside=corpus.FAR)
    from ld import parser

    options = parser().parse_args(job.command().split()[1:])
    assert (options.base, options.outside) == (corpus.HIGH, corpus.FAR)

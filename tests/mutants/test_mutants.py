"""The runner: the table is right; a change that matters is noticed, and one that does not survives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import run
import table
from run import Tree
from table import TableError

ROOT = run.ROOT
TABLES = sorted((ROOT / "tests/mutants").glob("*.mutants"))


def test_every_text_of_the_table_is_found_exactly_once() -> None:
    mutants = table.read(TABLES)
    table.check(mutants, ROOT)
    assert len(mutants) >= 200
    for folder in ("alternatives/", "loader/", "dsl/compiler/", "kernel/"):
        assert any(mutant.file.startswith(folder) for mutant in mutants)


def test_the_tests_that_must_notice_exist() -> None:
    """Those of files; a name that Criterion or pytest does not know ends a run."""
    for mutant in table.read(TABLES):
        for command in [run.command(mutant.suite, mutant.tests)]:
            files = [word.partition("::")[0] for word in command if word.startswith("tests/")]
            assert all((ROOT / name).is_file() for name in files), f"{mutant.where}: {files}"


def refusal(folder: Path, text: str) -> str:
    """What is said of a table whose file is a.txt."""
    (folder / "a.txt").write_text("one two\nthree one\nfour\n")
    (folder / "t.mutants").write_text(text)
    with pytest.raises(TableError) as error:
        table.check(table.read([folder / "t.mutants"]), folder)
    return str(error.value)


HEAD = "file: a.txt\ntests: host some/*\n\nmutant: it\n"


def test_the_right_table_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\nthree one\nfour\n")
    (tmp_path / "t.mutants").write_text(HEAD + "-two\n-three\n+2\n+3\n-four\n+\ntests: dsl x.py\n")
    [mutant] = table.read([tmp_path / "t.mutants"])
    assert mutant.changed("one two\nthree one\nfour\n") == "one 2\n3 one\n\n"
    assert (mutant.suite, mutant.tests) == ("dsl", ("x.py",))


@pytest.mark.parametrize("text, said", [
    (HEAD + "-five\n+5\n", "t.mutants:4: a.txt: it: the text is found no times"),
    (HEAD + "-one\n+1\n", "t.mutants:4: a.txt: it: the text is found 2 times"),
    (HEAD + "-four\n+four\n", "t.mutants:4: it: nothing is changed"),
    (HEAD, "t.mutants:4: it: nothing is changed"),
    (HEAD + "+4\n-four\n", "t.mutants:5: a line with + before any with -"),
    (HEAD + "-four\n+4\n\nmutant: it\n-two\n+2\n", "t.mutants:8: a.txt: it: as in t.mutants:4"),
    (HEAD + "-four\n+4\nequivalent: \n", "t.mutants:7: not a line of a table"),
    (HEAD + "four\n", "t.mutants:5: not a line of a table"),
    (HEAD.replace("a.txt", "b.txt") + "-four\n+4\n", "t.mutants:4: b.txt: no such file"),
    (HEAD.replace("host", "unit"), "t.mutants:2: `tests: unit some/*` is not a suite"),
    (HEAD.replace("some/*", ""), "t.mutants:2: `tests: host ` is not a suite"),
    ("mutant: it\n", "t.mutants:1: not a line of a table"),
])
def test_a_wrong_table_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


# ---- Runs, on a tree of a few files ----

MAKEFILE = "%:\n\t@$(CC) -fsyntax-only -include sum.c -x c /dev/null\n"
SUM = "int sum(int a, int b)\n{\n\treturn a + b; /* both */\n}\n"
CODE = "def larger(a: int, b: int) -> int:\n    return a if a > b else b  # one of them\n"
TESTS = """\
import sys
sys.path.insert(0, "dsl")
from code_ import larger
def test_the_larger_one(): assert (larger(1, 2), larger(2, 1)) == (2, 2)
def test_the_file(): assert open("kernel/sum.c").read()
"""


@pytest.fixture(name="tree")
def fixture_tree(tmp_path: Path) -> Path:
    """A tree with one module, its test, and a file for make."""
    files = {"Makefile": MAKEFILE.replace("sum.c", "kernel/sum.c"), "kernel/sum.c": SUM,
             "dsl/code_.py": CODE, "tests/dsl/test_code.py": TESTS,
             "tests/qemu/test_code.py": TESTS}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "tables").mkdir()
    return tmp_path


def mutate(tree: Path, *mutants: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """Runs a table of mutants of code_.py, with the owner's tests; its status and words."""
    text = "file: dsl/code_.py\ntests: dsl test_code.py -k larger\n\n"
    (tree / "tables/t.mutants").write_text(text + "\n".join(mutants))
    done = subprocess.run([sys.executable, ROOT / "tests/mutants/run.py", "--root", tree, "--tables",
                           tree / "tables", *options], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr


KILLED = "mutant: the smaller one\n-a > b\n+a < b\n"
HARMLESS = "mutant: a comment\n-# one of them\n+# of the two\n"
HANGS = "mutant: for ever\n-    return a if\n+    while True: pass\n+    return a if\n"


def test_a_change_that_matters_is_killed_and_named(tree: Path) -> None:
    status, said = mutate(tree, KILLED)
    assert status == 0, said
    assert "1/1 killed   dsl/code_.py: the smaller one by dsl/test_code.py::test_the_larger_one" \
        in said
    assert "mutants: 1 killed, 0 survived, 0 equivalent, 0 broken" in said


def test_a_harmless_change_survives_and_is_named_with_its_place(tree: Path) -> None:
    status, said = mutate(tree, KILLED, HARMLESS)
    assert status == 1, said
    assert "SURVIVED: t.mutants:8: dsl/code_.py: a comment" in said
    assert "mutants: 1 killed, 1 survived, 0 equivalent, 0 broken" in said


def test_the_users_files_stay_and_the_copy_is_put_back(tree: Path) -> None:
    mutate(tree, KILLED, HARMLESS)
    assert (tree / "dsl/code_.py").read_text() == CODE
    copy = tree / "build/mutants/tree0"
    assert (copy / "dsl/code_.py").read_text() == CODE
    (copy / "dsl/code_.py").write_text("as a run left it that was interrupted")
    (copy / "dsl/more.py").write_text("")
    assert mutate(tree, KILLED)[0] == 0
    assert (copy / "dsl/code_.py").read_text() == CODE and not (copy / "dsl/more.py").exists()


def test_an_explained_one_is_counted_and_not_run(tree: Path) -> None:
    why = "equivalent: it is only a comment\n"
    status, said = mutate(tree, KILLED, HARMLESS + why)
    assert status == 0 and "1 killed, 0 survived, 1 equivalent" in said
    status, said = mutate(tree, HARMLESS + why, options=("--equivalent",))
    assert status == 0 and "1/1 equivalent dsl/code_.py: a comment" in said


def test_an_explanation_that_is_wrong_is_found(tree: Path) -> None:
    status, said = mutate(tree, KILLED + "equivalent: so they say\n", options=("--equivalent",))
    assert status == 2 and "said to be equivalent, and noticed by dsl/test_code.py" in said


def test_a_change_that_does_not_build_is_no_kill(tree: Path) -> None:
    status, said = mutate(tree, "file: kernel/sum.c\ntests: qemu test_code.py\n\n"
                                "mutant: half\n-a + b;\n+a +;\n")
    assert status == 2 and "it does not build" in said and "0 killed" in said
    status, said = mutate(tree, "file: kernel/sum.c\ntests: qemu test_code.py\n\n"
                                "mutant: a comment\n-both\n+two\n")
    assert status == 1 and "1 survived" in said


def test_what_the_owner_does_not_notice_the_whole_suite_may(tree: Path) -> None:
    other = KILLED + "tests: dsl test_code.py -k file\n"
    assert mutate(tree, other)[0] == 0
    status, said = mutate(tree, other, options=("--owner-only",))
    assert status == 1 and "1 survived" in said


def test_tests_that_never_end_have_noticed(tmp_path: Path, tree: Path) -> None:
    (tree / "tables/t.mutants").write_text("file: dsl/code_.py\ntests: dsl test_code.py -k larger\n\n"
                                           + HANGS)
    [mutant] = table.read([tree / "tables/t.mutants"])
    copy = Tree(tmp_path / "copy", tree)
    copy.update()
    copy.limits[mutant.suite, *mutant.tests] = 0.5  # seconds
    outcome = copy.try_out(mutant, whole=False)
    assert (outcome.word, outcome.by) == ("killed", "the limit of 0 s")


@pytest.mark.parametrize("tests, said", [("test_code.py -k nothing", "pytest cannot run"),
                                         ("nowhere.py", "pytest cannot run")])
def test_tests_that_do_not_exist_end_the_run(tree: Path, tests: str, said: str) -> None:
    status, words = mutate(tree, KILLED + f"tests: dsl {tests}\n")
    assert status == 2 and said in words


def test_tests_that_fail_anyway_end_the_run(tree: Path) -> None:
    (tree / "dsl/code_.py").write_text(CODE.replace("a > b", "a > b > 5"))
    status, said = mutate(tree, HARMLESS)
    assert status == 2 and "fails though nothing is changed" in said


def test_only_and_filter_choose(tree: Path) -> None:
    status, said = mutate(tree, KILLED, HARMLESS, options=("--filter", "smaller"))
    assert status == 0 and "2 in the table, 1 to run" in said
    status, said = mutate(tree, KILLED, options=("--only", "loader/"))
    assert status == 2 and "none is chosen" in said

"""Reasoning about conditions, against trying every machine one by one."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from compiler import logic, table
from compiler.logic import Tree
from support import compile_text
from test_tree import holds as json_holds

NAMES = ["a", "b", "v", "w", "d"]  # d is derived; v and w are vendors
DECLARED = """\
feature a = cpuid 1 eax[0]
feature b = cpuid 7.0 ebx[20] enables clac
feature v = vendor "AuthenticAMD"
feature w = vendor "GenuineIntel"
"""


def _random(source: random.Random, names: list[str], depth: int = 3) -> Tree:
    kind = source.choice(["feature", "feature", "not", "and", "or"] if depth else ["feature"])
    if kind == "feature":
        return ("feature", source.choice(names))
    if kind == "not":
        return ("not", _random(source, names, depth - 1))
    return (kind, *(_random(source, names, depth - 1) for _ in range(source.randint(2, 5))))


def holds(tree: Tree, machine: dict[str, bool]) -> bool:
    if tree[0] == "feature":
        return machine[tree[1]]
    if tree[0] == "not":
        return not holds(tree[1], machine)
    return (all if tree[0] == "and" else any)(holds(part, machine) for part in tree[1:])


def _machines(derived: Tree, disabled: bool) -> list[dict[str, bool]]:
    """Every machine there can be: one vendor; d as defined, or (disabled) also absent."""
    found = []
    for values in itertools.product([False, True], repeat=4):
        machine = dict(zip(NAMES, values))
        if machine["v"] and machine["w"]:
            continue
        for d in {holds(derived, machine), *([False] if disabled else [])}:
            found.append({**machine, "d": d})
    return found


def _chosen(conditions: list[Tree], machine: dict[str, bool]) -> int:
    for number, tree in enumerate(conditions):
        if holds(tree, machine):
            return number
    return len(conditions)


@pytest.mark.parametrize("seed", range(8))
def test_never_chosen_and_not_guaranteed_are_exact(seed: int, tmp_path: Path) -> None:
    """Many random hotinlines in one file; hotc's verdict on each against all machines."""
    source = random.Random(seed)
    derived = _random(source, NAMES[:4])
    text = DECLARED + f"feature d = {logic.render(derived)}\n"
    first = text.count("\n") + 1
    expected: dict[int, set[str]] = {}
    for number in range(60):
        conditions = [_random(source, NAMES) for _ in range(source.randint(1, 3))]
        needing = source.randrange(len(conditions) + 1)
        codes = ["clac" if i == needing else f"nop{i + 1}" for i in range(len(conditions) + 1)]
        guarded = [f"{logic.render(t)} ? {c} : " for t, c in zip(conditions, codes)]
        text += f"hotinline f{number}: {''.join(guarded)}{codes[-1]}\n"
        reached = {_chosen(conditions, m) for m in _machines(derived, False)}
        wrong: set[str] = set()
        never = [i for i in range(len(codes)) if i not in reached]
        if never:
            wrong.add("never-chosen")
        judged = not never or needing < never[0]
        worlds = _machines(derived, True)
        if judged and any(_chosen(conditions, m) == needing and not m["b"] for m in worlds):
            wrong.add("not-guaranteed")
        expected[first + number] = wrong
    outcome = compile_text(tmp_path, text)
    found: dict[int, set[str]] = {line: set() for line in expected}
    for error in outcome.errors:
        found[error.where.line].add(error.ident)  # type: ignore[union-attr]
    assert found == expected
    kinds = set().union(*expected.values())
    assert kinds == {"never-chosen", "not-guaranteed"}  # the test tries both


def _judge(tree: Tree, names: list[str]) -> None:
    """Its program and its truth table, and the program of what is read back of its JSON."""
    truth = logic.Truth(names)
    column = truth.table(tree)
    program = logic.postfix(tree, names.index)
    described = json.dumps(logic.as_json(tree))
    for number in range(1 << len(names)):
        machine = {name: bool(number >> i & 1) for i, name in enumerate(truth.variables)}
        assert bool(column >> number & 1) == holds(tree, machine)
        stack: list[bool] = []
        for op in program:
            if op == logic.OP_NOT:
                stack.append(not stack.pop())
            elif op in (logic.OP_AND, logic.OP_OR):
                right, left = stack.pop(), stack.pop()
                stack.append(left and right if op == logic.OP_AND else left or right)
            else:
                stack.append(machine[names[op]])
        assert stack == [holds(tree, machine)]
        features = {name for name, value in machine.items() if value}
        assert json_holds(json.loads(described), features) == holds(tree, machine)


@pytest.mark.parametrize("seed", range(20))
def test_programs_and_texts_mean_what_their_tree_means(seed: int) -> None:
    _judge(_random(random.Random(seed), NAMES, 5), NAMES)


@pytest.mark.parametrize("operator", ["and", "or"])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_an_operator_means_the_same_of_any_number_of_operands(operator: str, count: int) -> None:
    """Alone, negated, and as an operand of the other."""
    names = [f"f{number}" for number in range(count)]
    tree: Tree = (operator, *(("feature", name) for name in names))
    other = "or" if operator == "and" else "and"
    assert logic.names(tree) == set(names)
    for each in (tree, ("not", tree), (other, tree, ("not", tree[-1]), *tree[1:3])):
        _judge(each, names)


@pytest.mark.parametrize("kind", ["vendor", "hypervisor"])
def test_a_machine_has_one_vendor_and_one_hypervisor(kind: str, tmp_path: Path) -> None:
    """Each two of three exclude each other; none excludes one of the other kind."""
    other = "hypervisor" if kind == "vendor" else "vendor"
    names = ["AuthenticAMD", "GenuineIntel", "CentaurHauls"]
    text = "".join(f'feature {letter} = {kind} "{name}"\n' for letter, name in zip("vwx", names))
    text += f'feature o = {other} "AuthenticAMD"\n'
    for one, two in itertools.combinations("vwx", 2):
        both = f"hotinline f: {one} && {two} ? nop3 : nop5\n"
        assert compile_text(tmp_path, text + both).idents == ["never-chosen"]
        twin = f"hotinline f: {one} && !{two} ? nop3 : {two} && o ? nop4 : nop5\n"
        assert compile_text(tmp_path, text + twin).idents == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_of_a_group_at_most_one_holds(count: int) -> None:
    names = [f"f{number}" for number in range(count)]
    truth = logic.Truth(names)
    table = truth.at_most_one(names)
    for number in range(1 << count):
        assert bool(table >> number & 1) == (bin(number).count("1") <= 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_rendered_condition_is_read_back_the_same(seed: int, tmp_path: Path) -> None:
    from compiler import model, parse, source
    from compiler.report import Errors

    tree = _random(random.Random(seed), NAMES, 5)
    path = tmp_path / "a.hot"
    path.write_text(f"feature x = {logic.render(tree)}\n")
    errors = Errors()
    declarations = model.Declarations()
    read = source.read(str(path), errors)
    assert read is not None
    for statement in source.split(read, errors):
        parse.Parser(errors).parse(statement, declarations)
    assert not errors.found
    condition = declarations.features[0].condition
    assert condition is not None
    truth = logic.Truth(NAMES)
    assert truth.table(condition.tree) == truth.table(tree)
    assert condition.text == logic.render(condition.tree)


def test_derived_features_come_behind_what_they_use(tmp_path: Path) -> None:
    text = "feature a = !b\nfeature b = c || e\nfeature c = e\nfeature e = boot\nfeature z = boot\n"
    outcome = compile_text(tmp_path, text)
    assert not outcome.errors, outcome
    header = outcome.outputs["hottable.h"].decode()
    order = [header.index(f"HOT_FEATURE_{name},") for name in "EZCBA"]
    assert order == sorted(order)


def test_a_chain_of_512_derived_features_is_no_trouble(tmp_path: Path) -> None:
    text = "feature f0 = boot\n" + "".join(f"feature f{i} = !f{i - 1}\n" for i in range(1, 512))
    assert not compile_text(tmp_path, text).errors
    outcome = compile_text(tmp_path, text + "hotinline f: f511 ? nop3 : nop5\n")
    assert outcome.idents == ["condition-wide"]


def test_always_is_the_engines_number() -> None:
    assert table.ALWAYS == 2**32 - 1

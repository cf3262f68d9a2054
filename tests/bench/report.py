"""The tables of `make bench`. Used by run.py."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from results import READ, STORES, TARGETS, Result, Results, Target

# The columns of the table that has a row for each object.
COLUMNS = {STORES: "stores", READ: "read", "plain loop": "plain",
           "krtld: relocation proper": "proper", "krtld: whole load": "load",
           "cold: plain loop": "c.plain", "cold: relocation proper": "c.proper",
           "cold: whole load": "c.load",
           "glibc dlopen": "dlopen", "mold": "mold", "LLVM lld": "lld", "GNU ld": "ld",
           "GNU ld -r": "ld -r", "LLVM JITLink": "JITLink"}


def number(value: float) -> str:
    """With three digits or more, and no more than two behind the point."""
    return f"{value:.3g}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _row(results: Results, row: Result, width: int) -> str:
    low, high = row.quartiles
    ratio = results.ratio(row)
    spread = f"{number(low)} .. {number(high)}" if len(row.values) > 1 else ""
    times = f"{number(ratio)} x" if ratio is not None else ""
    note = f"  ({row.note})" if row.note else ""
    return (f"  {row.what:{width}} {number(row.median):>10} {row.unit:14} {times:>9}"
            f"  {spread:22}{note}").rstrip()


def _block(results: Results, rows: Sequence[Result], title: str) -> Iterator[str]:
    width = max(len(row.what) for row in rows)
    yield ""
    yield title
    for row in rows:
        yield _row(results, row, width)


def _target(results: Results, target: Target) -> Iterator[str]:
    """How often the sum it is, over all cases."""
    ratios = {case: ratio for case in results.cases(target.group)
              if (ratio := results.over(target, case)) is not None}
    if not ratios:
        return
    worst = max(ratios, key=lambda case: ratios[case])
    met = sum(ratio <= target.times for ratio in ratios.values())
    yield (f"target: {target.what} at most {target.times:g} x ({' + '.join(target.of)}): "
           f"median {statistics.median(ratios.values()):.2f}, worst {ratios[worst]:.2f} ({worst}); "
           f"met by {met} of {len(ratios)}")


def _objects(results: Results) -> Iterator[str]:
    """A line for each object, ns per relocation."""
    cases = results.cases("relocation")
    columns = {what: title for what, title in COLUMNS.items()
               if any(results.find("relocation", case, what) for case in cases)}
    yield ""
    yield "relocation, every object: median ns per relocation"
    yield f"  {'object':22} {'relocations':>11}" + "".join(f"{c:>9}" for c in columns.values())
    for case in cases:
        rows = {row.what: row for row in results.of("relocation", case)}
        cells = (number(rows[what].median) if what in rows else "-" for what in columns)
        n = max(row.n for row in rows.values())
        yield f"  {case:22} {n:11,}" + "".join(f"{cell:>9}" for cell in cells)


def _relocation(results: Results) -> Iterator[str]:
    """All modules as one, the synthetic objects, and every object on a line."""
    cases = results.cases("relocation")
    modules = [case for case in cases if case.endswith(".ko")]
    shown = Results()
    if modules:
        name = f"the {len(modules)} largest modules of Debian's kernel"
        shown.rows += results.merge("relocation", modules, name)
    shown.rows += [row for row in results.rows
                   if row.group == "relocation" and row.case not in modules]
    for case in shown.cases("relocation"):
        rows = shown.of("relocation", case)
        n = max(row.n for row in rows)
        yield from _block(shown, rows, f"relocation, {case}: {n:,} relocations")
    yield from _objects(results)


def table(results: Results) -> Iterator[str]:
    """Everything, line by line."""
    yield "median, ratio to the group's reference, middle half of the repetitions"
    for group in results.groups():
        if group == "relocation":
            yield from _relocation(results)
        else:
            for case in results.cases(group):
                yield from _block(results, results.of(group, case), f"{group}, {case}")
    yield ""
    for target in TARGETS:
        yield from _target(results, target)
    for line in results.missing:
        yield f"not measured: {line}"

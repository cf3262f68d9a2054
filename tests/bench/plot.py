"""The plot of `make bench`, as SVG and PNG. Used by run.py; needs Matplotlib."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib  # type: ignore[import]

matplotlib.use("Agg")
from matplotlib import pyplot  # type: ignore[import]  # noqa: E402

from results import READ, STORES, Result, Results  # noqa: E402

# The curves and bars of relocation, and their colours: krtld's are blue, the floor's are grey.
CONTENDERS = {STORES: "0.45", READ: "0.7", "plain loop": "tab:green",
              "krtld: relocation proper": "tab:blue", "krtld: whole load": "navy",
              "mold": "tab:olive", "GNU ld -r": "tab:orange", "GNU ld": "tab:red",
              "LLVM lld": "tab:purple", "LLVM JITLink": "tab:brown", "glibc dlopen": "tab:pink"}


def _linearity(axes: pyplot.Axes, results: Results) -> None:
    """Time of the synthetic objects over their size, both logarithmic."""
    cases = [case for case in results.cases("relocation") if re.match(r"synthetic-\d", case)]
    for what, colour in CONTENDERS.items():
        rows = [row for case in cases if (row := results.find("relocation", case, what))]
        if rows:
            axes.plot([row.n for row in rows], [row.median * row.n / 1e6 for row in rows],
                      marker="o", markersize=4, color=colour, label=what)
    axes.set(xscale="log", yscale="log", xlabel="relocations", ylabel="milliseconds",
             title="Relocation of synthetic objects")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=7)


def _bars(axes: pyplot.Axes, rows: list[Result], title: str, colours: dict[str, str]) -> None:
    """A bar a row, from the best downwards; the whisker is the middle half."""
    rows = sorted(rows, key=lambda row: -row.median)
    spread = [[row.median - row.quartiles[0] for row in rows],
              [row.quartiles[1] - row.median for row in rows]]
    axes.barh([row.what for row in rows], [row.median for row in rows], xerr=spread,
              color=[colours.get(row.what, "tab:blue") for row in rows], error_kw={"elinewidth": 1})
    for i, row in enumerate(rows):
        axes.annotate(f" {row.median:.3g}", (max(row.median, row.quartiles[1]), i), va="center",
                      fontsize=7)
    axes.set(xscale="log", xlabel=rows[0].unit, title=title)
    axes.margins(x=0.15)
    axes.tick_params(axis="y", labelsize=7)


def _modules(axes: pyplot.Axes, results: Results) -> None:
    modules = [case for case in results.cases("relocation") if case.endswith(".ko")]
    rows = results.merge("relocation", modules, "")
    _bars(axes, [row for row in rows if row.what in CONTENDERS],
          f"Relocation of the {len(modules)} largest modules of Debian's kernel", CONTENDERS)


def _panels(results: Results) -> list[Callable[[pyplot.Axes], None]]:
    panels: list[Callable[[pyplot.Axes], None]] = []
    cases = results.cases("relocation")
    if any(case.startswith("synthetic-") for case in cases):
        panels.append(lambda axes: _linearity(axes, results))
    if any(case.endswith(".ko") for case in cases):
        panels.append(lambda axes: _modules(axes, results))
    return panels


def draw(results: Results, machine: str, out: Path) -> str:
    """Draws a panel for each thing that was measured; the files, as a phrase."""
    panels = _panels(results)
    if not panels:
        return "no plot: nothing in it that is drawn"
    pyplot.rcParams["svg.hashsalt"] = "hotinline"
    lines, columns = (len(panels) + 1) // 2, min(2, len(panels))
    figure, grid = pyplot.subplots(lines, columns, squeeze=False,
                                   figsize=(6.5 * columns, 4.6 * lines))
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    for panel, axes in zip(panels, grid.flat):
        panel(axes)
    figure.suptitle(machine, fontsize=9)
    figure.tight_layout()
    for suffix in (".svg", ".png"):
        figure.savefig(out.with_suffix(suffix), dpi=130, metadata={"Date": None} if suffix == ".svg"
                       else None)
    return f"plot: {out.parent.name}/{out.name}.svg and .png"

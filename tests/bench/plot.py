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
          f"Relocation of {len(modules)} modules of Debian's kernel", CONTENDERS)


def _largest(results: Results, group: str, unit: str) -> str:
    """The case with the largest n, among those with a row of that unit."""
    rows = [row for row in results.rows if row.group == group and row.unit == unit]
    return max(rows, key=lambda row: row.n).case


def _patching(axes: pyplot.Axes, results: Results) -> None:
    case = _largest(results, "patching", "ns/site")
    rows = [row for row in results.of("patching", case) if row.unit == "ns/site"]
    _bars(axes, rows, f"Patching {case}", {row.what: "0.45" for row in rows if "floor" in row.what})


def _runtime(axes: pyplot.Axes, results: Results) -> None:
    """Bars next to each other: one function, in each of its loops."""
    cases = results.cases("runtime")
    function = cases[0].split(",")[0]
    cases = [case for case in cases if case.startswith(f"{function},")]
    whats = [row.what for row in results.of("runtime", cases[0]) if row.unit == "ns/site"]
    for i, case in enumerate(cases):
        found = [results.find("runtime", case, what) for what in whats]
        axes.barh([j + 0.8 * i / len(cases) for j in range(len(whats))],
                  [row.median if row else 0 for row in found], 0.8 / len(cases),
                  label=case.split(", ", 1)[-1])
    axes.set_yticks([j + 0.4 - 0.4 / len(cases) for j in range(len(whats))], whats, fontsize=7)
    axes.invert_yaxis()
    axes.set(xlabel="ns/site", title=f"What a site costs: {function}")
    axes.legend(fontsize=7)


def _hotc(axes: pyplot.Axes, results: Results) -> None:
    """Time over the number of declarations, both logarithmic."""
    rows = [row for row in results.rows if row.group == "hotc" and row.unit == "ms"]
    for what in dict.fromkeys(row.what for row in rows):
        same = [row for row in rows if row.what == what]
        axes.plot([row.n for row in same], [row.median for row in same], marker="o", markersize=4,
                  label=what)
    axes.set(xscale="log", yscale="log", xlabel="declarations", ylabel="milliseconds",
             title="hotc, and the compilers behind it")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=7)


def _boot(axes: pyplot.Axes, results: Results) -> None:
    """Instructions to the prompt: the two parts, and the rest."""
    cases = [case for case in results.cases("boot") if results.find("boot", case, BOOT)]
    left = [0.0] * len(cases)
    for what, colour in (("krtld", "tab:blue"), ("do_hotinlines", "navy"), (BOOT, "0.75")):
        found = [results.find("boot", case, what) for case in cases]
        widths = [(row.median / 1e6 if row else 0) - (start if what == BOOT else 0)
                  for row, start in zip(found, left)]
        axes.barh(cases, widths, left=left, color=colour,
                  label="the rest" if what == BOOT else what)
        left = [start + width for start, width in zip(left, widths)]
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set(xlabel="million instructions", title="Boot to the prompt")
    axes.legend(fontsize=7, loc="upper right")


BOOT = "all of boot to the prompt"
PANELS = {"patching": _patching, "runtime": _runtime, "hotc": _hotc, "boot": _boot}


def _panels(results: Results) -> list[Callable[[pyplot.Axes, Results], None]]:
    """What there is something to draw of."""
    cases = results.cases("relocation")
    panels: list[Callable[[pyplot.Axes, Results], None]] = []
    if any(case.startswith("synthetic-") for case in cases):
        panels.append(_linearity)
    if any(case.endswith(".ko") for case in cases):
        panels.append(_modules)
    return panels + [panel for group, panel in PANELS.items() if results.cases(group)]


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
        panel(axes, results)
    figure.suptitle(machine, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    for suffix in (".svg", ".png"):
        figure.savefig(out.with_suffix(suffix), dpi=130, metadata={"Date": None} if suffix == ".svg"
                       else None)
    return f"plot: {out.parent.name}/{out.name}.svg and .png"

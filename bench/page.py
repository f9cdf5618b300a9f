"""Write docs/benchmark.md: the table of a run, the machine, and a plot of each curve."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bench.curves import Curve

PAGE, IMAGES = Path("docs/benchmark.md"), Path("docs/images/benchmark")

_INTRODUCTION = """\
# Benchmark

`make bench` measures the product on your machine, and writes this page. The numbers below are of one run.

- Rates are requests for each second of CPU that the server used: what one core carries.
- Rows of workers and connections use wall-clock time, and wrk takes one of the cores.
- The ratio is the median of the rounds. Behind it stand the lowest and the highest.
- Compare ratios only. Other programs on the machine change every number.
"""


def write(table: Sequence[str], curves: Sequence[Curve], others: Sequence[str]) -> None:
    """Write the page and its plots. `table` has the lines of the table and `others` the other tables, as printed."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    parts = [
        _INTRODUCTION,
        f"Machine: {_machine()}.\n",
        "## Ratios\n",
        "\n".join(table) + "\n",
        "## How the cost grows\n",
    ]
    for curve in curves:
        _plot(curve, IMAGES / f"{curve.name}.svg")
        parts += [
            f"![{curve.cost}, by {curve.size}: the numbers are below](images/benchmark/{curve.name}.svg)\n",
            curve_table(curve) + "\n",
        ]
    parts += ["## Other measurements\n", *(f"```text\n{other}\n```\n" for other in others)]
    PAGE.write_text("\n".join(parts), "utf-8")


def curve_table(curve: Curve) -> str:
    sizes = " | ".join(f"{size:,}" for size, _ in curve.points)
    costs = " | ".join(f"{cost:,.2f}" if cost < 10 else f"{cost:,.0f}" for _, cost in curve.points)
    return f"| {curve.size} | {sizes} |\n| --- |{' ---: |' * len(curve.points)}\n| {curve.cost} | {costs} |"


def _machine() -> str:
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    name = model[1].strip() if model else platform.machine()
    busy = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} cores ({name}), Python {platform.python_version()}, load after the run {busy}"


def _plot(curve: Curve, path: Path) -> None:
    """Draw the curve. Both axes are logarithmic, so a cost in proportion to the size is a straight diagonal."""
    # Text stays text and the ids are fixed, so a new run changes only the numbers.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": curve.name, "font.family": "sans-serif"}):
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        sizes, costs = zip(*curve.points, strict=True)
        axes.loglog(sizes, costs, color="#0b5c4a", marker="o")
        axes.set_ylim(min(costs) / 3, max(costs) * 3)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda cost, _: f"{cost:,g}")
        axes.set_xlabel(curve.size)
        axes.set_ylabel(curve.cost.replace(" (", "\n("))
        axes.grid(color="#dddddd")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})

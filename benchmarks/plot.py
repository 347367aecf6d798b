"""The plot: seconds on a logarithmic scale, a panel for each case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.aims import Summaries
from benchmarks.cases import CASES
from benchmarks.ours import EDITED, FIRST, RUNNING, UNCHANGED, UNRESOLVED
from benchmarks.peers import CHALICE, PIP, SAM, UV

_WAYS = (CHALICE, SAM, PIP, UV, FIRST, UNRESOLVED, EDITED, UNCHANGED, RUNNING)

# Each is legible on white and on the dark backgrounds that documentation sites use; the figure itself has none.
INK, OURS, PEERS = "#808080", "#2a86e0", "#b0883a"

STYLE: dict[Any, Any] = {
    # Text stays text, and the names of elements don't change from run to run.
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmark",
    "font.family": "sans-serif",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


def plot(summaries: Summaries, path: Path) -> None:
    """Write the plot as SVG; the same numbers give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.4 * len(CASES)), layout="constrained")
        for axes, case in zip(figure.subplots(len(CASES), 1, sharex=True), CASES, strict=True):
            ways = [way for way in _WAYS if (case.name, way) in summaries]
            seconds = [summaries[case.name, way].seconds for way in ways]
            colors = [OURS if way.startswith("ours") else PEERS for way in ways]
            bars = axes.barh(ways, seconds, color=colors)
            axes.bar_label(bars, [_label(value) for value in seconds], padding=3, fontsize=8)
            axes.set_title(case.name, loc="left", fontsize=10)
            axes.set_xscale("log")
            axes.margins(x=0.1)
            axes.invert_yaxis()
            axes.tick_params(axis="y", labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("seconds, logarithmic")
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def _label(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"

"""The plot: seconds that packaging adds, a panel for each command and state."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.cdk_report import Added
from benchmarks.cdk_runs import COMMANDS, OURS, PIP, PREPARED, STATES
from benchmarks.plot import OURS as OURS_COLOR
from benchmarks.plot import PEERS as PEERS_COLOR
from benchmarks.plot import STYLE

_LABELS = {PIP: "pip in try_bundle", PREPARED: "prepared directory", OURS: "ours"}


def plot(added: Added, path: Path) -> None:
    """Write the plot as SVG; the same numbers give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.3 * len(STATES)), layout="constrained")
        grid = figure.subplots(len(STATES), len(COMMANDS), sharex="col", sharey=True)
        for row, state in zip(grid, STATES, strict=True):
            for axes, command in zip(row, COMMANDS, strict=True):
                seconds = [added[f"cdk {command}", state, way] for way in _LABELS]
                colors = [OURS_COLOR if way == OURS else PEERS_COLOR for way in _LABELS]
                bars = axes.barh(list(_LABELS.values()), seconds, color=colors)
                axes.bar_label(bars, [f"{value:.2f} s" for value in seconds], padding=3, fontsize=8)
                axes.set_title(f"cdk {command}, {state}", loc="left", fontsize=10)
                axes.margins(x=0.2)
                axes.tick_params(axis="y", labelsize=8)
                axes.spines[["top", "right"]].set_visible(False)
        # The panels share their axes: turned once is turned for all.
        grid[0][0].invert_yaxis()
        for axes in grid[-1]:
            axes.set_xlabel("seconds added")
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})

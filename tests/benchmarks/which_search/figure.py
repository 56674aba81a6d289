"""The figure of `replay.py`: expected best so far against epochs spent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.series import COLORS, DASHES
from reports.figures.style import GREY, STYLE


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw each algorithm's mean and middle 80 % into a PNG of 900 x 480 pixels.

    Both training seeds are shifted to one best config, so that a band shows the
    luck of the search alone and ends there.

    Args:
        result: What `replay.aggregate` gives.
        path: Where the PNG goes.
    """
    best, end = result["best_validation"], 1.02 * result["epochs"]
    ends = {f"Best of {result['configs']}": (best, GREY)}
    curves = {name: rows["curve"] for name, rows in result["searches"].items()}
    with mpl.rc_context({**STYLE, "font.size": 10, "axes.titlesize": 11}):
        figure = Figure(figsize=(9.0, 4.8), layout="constrained")
        ax = figure.subplots()
        for i, (name, rows) in enumerate(curves.items()):
            x = [*rows["epochs"], end]  # the last step needs some width to be seen
            low, mean, high = (
                best + np.array([*rows[k], rows[k][-1]]) for k in ("p10", "mean", "p90")
            )
            look: Any = {"where": "post", "color": COLORS[i], "linestyle": DASHES[i]}
            ax.fill_between(x, low, high, step="post", color=COLORS[i], alpha=0.08,
                            linewidth=0)  # fmt: skip
            for edge in (low, high):
                ax.step(x, edge, linewidth=0.8, alpha=0.7, **look)
            ax.step(x, mean, linewidth=2.4, **look)
            ends[name.capitalize()] = (float(mean[-1]), COLORS[i])
        ax.axhline(best, color=GREY, linestyle="--", linewidth=1)
        # From the lowest mean on; the first trials' bands go on below.
        lowest = np.floor(best + min(rows["mean"][0] for rows in curves.values()))
        ax.set_ylim(lowest, best + 0.6)
        ax.set_xlim(min(rows["epochs"][0] for rows in curves.values()), end)
        ax.set_xlabel("Epochs trained, all configs together")
        ax.set_ylabel("Best validation accuracy so far (%)")
        ax.set_title("Best validation accuracy for equal epochs: mean and middle 80 %")
        ax.grid(axis="y")
        _label(ax, ends, end)
        figure.savefig(path, dpi=100)


def _label(ax: Axes, ends: dict[str, tuple[float, str]], x: float) -> None:
    """Name each line at its end, at least a line of text apart."""
    low, high = ax.get_ylim()
    free = high
    for name, (value, color) in sorted(ends.items(), key=lambda end: -end[1][0]):
        y = min(value, free)
        ax.annotate(f"{name}: {value:.1f} %", (x, y), xytext=(6, 0), color=color,
                    textcoords="offset points", va="center",
                    annotation_clip=False)  # fmt: skip
        free = y - 0.05 * (high - low)

"""The gap of every searched trial, one row per study."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import series
from reports.figures.marks import baseline_line
from reports.figures.style import FULL, INK, Size
from reports.read import labels
from reports.stats.groups import Group

_POINTS = 400  # marks per study, at most


class GapByStudy(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: From `series.searched`.
        studies: Their names, in order.
        baseline: The gap of the baseline that all studies share, in points, or None.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    studies: list[str]
    baseline: float | None
    title: str
    alt: str
    note: str
    size: Size


def gather(group: Group) -> GapByStudy | None:
    """Collect the gaps of all searched trials; return None if none is known."""
    if not group.entries:
        return None
    frame = series.searched(group)
    if not frame["gap"].notna().any():
        return None
    studies = series.names(group)
    median = frame.groupby("study")["gap"].median()
    medians = [
        f"{labels.gap(median[name] / 100)} in {name}"
        for name in studies
        if name in median
    ]
    title = f"Median {labels.GAP}, in points: {labels.listing(medians[:3])}"
    baseline = series.baseline(group, "gap", 100)
    line = "" if baseline is None else "; the dashed line is the baseline"
    return GapByStudy(
        frame,
        studies,
        baseline,
        title,
        alt=f"Gap by study. {title}.",
        note=(
            f"{series.showing(group)}Each mark is a searched trial; the bar is the "
            f"median{line}."
        ),
        size=Size(FULL, 70 + 62 * max(len(studies), 2)),
    )


def draw(data: GapByStudy, ax: Axes) -> None:
    """Draw each trial's gap in its study's row, with the median."""
    rng = np.random.default_rng(0)
    frame, studies = data.frame, data.studies
    for i, name in enumerate(studies):
        gaps = frame.loc[frame["study"] == name, "gap"].dropna()
        if not len(gaps):
            continue
        shown = gaps.sample(min(len(gaps), _POINTS), random_state=0)
        ax.scatter(shown, i + rng.uniform(-0.2, 0.2, len(shown)), s=22, alpha=0.6,
                   color=series.COLORS[i], marker=series.MARKERS[i],
                   linewidths=0)  # fmt: skip
        ax.plot([gaps.median()] * 2, [i - 0.34, i + 0.34], color=INK, linewidth=2.4)
        ax.annotate(labels.gap(gaps.median() / 100), (gaps.median(), i - 0.36),
                    ha="center", va="bottom", fontweight="bold")  # fmt: skip
    baseline_line(ax, data.baseline, zorder=1)
    ax.set_yticks(range(len(studies)), [series.short(name) for name in studies])
    ax.set_ylim(len(studies) - 0.5, -0.7)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_xlabel(f"{labels.GAP} (points)")

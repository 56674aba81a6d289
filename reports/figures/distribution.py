"""The share of each study's trials at or below a score."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reports.figures import series
from reports.figures.marks import baseline_line
from reports.figures.style import HALF, INK, Size
from reports.read import labels
from reports.stats.groups import Group


class Distribution(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: From `series.searched`.
        studies: Their names, in order.
        axis: The name of the score's axis.
        baseline: The score of the baseline that all studies share, or None.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    studies: list[str]
    axis: str
    baseline: float | None
    title: str
    alt: str
    note: str
    size: Size


def gather(group: Group) -> Distribution | None:
    """Collect all searched trials; return None if there are none."""
    if not group.entries:
        return None
    frame = series.searched(group)
    if not len(frame):
        return None
    studies = series.names(group)
    median = frame.groupby("study")["score"].median()
    medians = [
        f"{series.score(group, median[name])} in {name}"
        for name in studies
        if name in median
    ]
    side = "above" if group.objective.higher_is_better else "below"
    half = f"Half of the searched trials score at or {side}"
    title = f"{half} {labels.listing(medians[:3])}"
    left_out = "the baseline"
    if any(entry.study.enqueued for entry in group.entries):
        left_out = "the baseline and enqueued configs"
    axis = labels.axis(group.objective)
    return Distribution(
        frame,
        studies,
        axis,
        series.baseline(group, "objective", labels.axis_unit(group.objective)),
        title,
        alt=f"Distribution of {axis.lower()}. {title}.",
        note=f"{series.showing(group)}The curves leave out {left_out}.",
        size=Size(HALF, 340),
    )


def draw(data: Distribution, ax: Axes) -> None:
    """Draw one step curve per study, and the baseline."""
    frame, baseline = data.frame, data.baseline
    for i, name in enumerate(data.studies):
        scores = frame.loc[frame["study"] == name, ["score"]]
        if len(scores):
            sns.ecdfplot(scores, x="score", ax=ax, color=series.COLORS[i],
                         linestyle=series.DASHES[i], linewidth=2,
                         label=series.short(name))  # fmt: skip
    baseline_line(ax, baseline, color=INK, label="baseline")
    low = float(frame["score"].quantile(0.01))
    high = float(frame["score"].max())
    if baseline is not None:
        low, high = min(low, baseline), max(high, baseline)
    margin = 0.04 * (high - low) or 1.0
    ax.set_xlim(low - margin, high + margin)
    ax.set(xlabel=data.axis, ylabel="Share of trials at or below score")
    series.legend(ax)

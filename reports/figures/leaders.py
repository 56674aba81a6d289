"""The best trials, with the intervals of their scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes
from reports.figures.marks import baseline_line, baseline_of, name_rows
from reports.figures.style import HALF, INK, VALIDATION, Size
from reports.read import labels, trial_names
from reports.read.trial_names import BASELINE
from reports.stats.analysis import Analysis
from reports.stats.ranking import overlapping

_SHOWN = 15


class Leaders(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: The first 15 and the baseline, in order: label, score, low, high,
            is_baseline; scores in the axis's unit.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Leaders | None:
    """Take the first 15 trials and the baseline; return None if nothing is ranked."""
    study, ranked = analysis.study, analysis.ranking.ranked
    if not len(ranked) or study.candidates:
        return None
    rows = ranked[(ranked["place"] <= _SHOWN) | (ranked["trial"] == BASELINE)]
    unit = labels.axis_unit(study.objective)
    frame = pd.DataFrame(
        {
            "label": trial_names.on_axis(study, rows),
            "score": unit * rows["objective"],
            "low": unit * rows["objective_low"],
            "high": unit * rows["objective_high"],
            "is_baseline": rows["trial"] == BASELINE,
        }
    ).reset_index(drop=True)
    axis = labels.axis(study.objective)
    digits = 1 if study.objective.is_accuracy else 3
    top = [
        f"{row['label']} {labels.number(row['score'], digits)}"
        for _, row in frame.head(3).iterrows()
    ]
    return Leaders(
        frame,
        axis,
        title=_title(analysis),
        alt=f"Dot plot of {axis.lower()}: {labels.listing(top)}.",
        note=notes.showing(len(frame), len(ranked)),
        size=Size(HALF, 64 + 22 * max(len(frame), 2)),
    )


def _title(analysis: Analysis) -> str:
    """Name the leader, and count the intervals that overlap its interval."""
    study, ranked = analysis.study, analysis.ranking.ranked
    first = trial_names.in_sentence(ranked["trial"].iloc[0])
    score = labels.score(study.objective, float(ranked["objective"].iloc[0]))
    if len(ranked) == 1:
        return f"Only one ranked trial: {first}, {score}"
    word = "Highest" if study.objective.higher_is_better else "Lowest"
    if not study.has_intervals:
        return f"{word} of {labels.count(len(ranked))} trials: {first}, {score}"
    near = len(overlapping(analysis.ranking))
    others = labels.several(len(ranked) - 1, "other interval")
    overlap = "overlaps" if near == 1 else "overlap"
    count = f"{labels.count(near)} of {others} {overlap} its interval"
    return f"{word}: {first}, {score}; {count}"


def draw(data: Leaders, ax: Axes) -> None:
    """Draw scores with their intervals, the leader on top."""
    frame = data.frame
    y = np.arange(len(frame))
    for i, low, high in zip(y, frame["low"], frame["high"], strict=True):
        ax.plot([low, high], [i, i], color=VALIDATION, linewidth=1.3, zorder=2)
    colors = np.where(frame["is_baseline"], "white", INK).tolist()
    ax.scatter(frame["score"], y, s=30, c=colors, edgecolors=INK, zorder=3)
    baseline_line(ax, baseline_of(frame, "score"), zorder=1)
    name_rows(ax, frame)
    ax.set_xlabel(data.axis)

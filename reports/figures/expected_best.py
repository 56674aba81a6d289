"""The best score expected of fewer random trials, against their training time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.style import HALF, HALO, TEST, Size, duration_axis
from reports.read import labels
from reports.stats import budget
from reports.stats.analysis import Analysis

_NUMBERED = (1, 5, 20, 100, 1000)  # numbers of trials to label, besides the last


class ExpectedBest(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: From `budget.curve`.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> ExpectedBest | None:
    """Estimate it; return None if the search was not random or has too few trials."""
    study, ranking = analysis.study, analysis.ranking
    frame = budget.curve(study, ranking) if ranking.by_validation else None
    if frame is None:
        return None
    how = (
        "Estimated by drawing from these trials with replacement (Dodge et al. 2019), "
        "so the curve ends a little below the best of them. The band holds 80 % of "
        "bootstrap samples."
    )
    if frame["is_whole"].all():
        how = "The search drew the whole space, so the curve ends at its best trial."
    axis = labels.axis(study.objective)
    last = frame.iloc[-1]
    return ExpectedBest(
        frame,
        axis,
        title=_title(analysis, frame),
        alt=(
            f"Expected best {axis.lower()} against training time, from "
            f"{labels.number(frame['score'].iloc[0], 1)} after one trial to "
            f"{labels.number(last['score'], 1)} after {last['n']:.0f}."
        ),
        note=(
            "Average score of the best of n random trials of this space; numbers are "
            f"n. {how} The curve does not extrapolate beyond the study's trials. "
        ),
        size=Size(HALF, 330),
    )


def _title(analysis: Analysis, frame: pd.DataFrame) -> str:
    """Write what the second half of the trials gained on average."""
    n = int(frame["n"].iloc[-1])
    half = n // 2
    at_half = np.interp(half, frame["n"], frame["score"])
    gained = abs(float(frame["score"].iloc[-1]) - float(at_half))
    is_accuracy = analysis.study.objective.is_accuracy
    digits, unit = (1, " points") if is_accuracy else (3, "")
    loss = f"{labels.number(gained, digits)}{unit}"
    few = f"{labels.count(half)} of {labels.count(n)}"
    return f"Half the trials ({few}) would have scored {loss} worse on average"


def draw(data: ExpectedBest, ax: Axes) -> None:
    """Draw the expected best score of fewer random trials, against their time."""
    frame = data.frame
    ax.fill_between(
        frame["seconds"], frame["low"], frame["high"], color=TEST, alpha=0.15,
        linewidth=0,
    )  # fmt: skip
    ax.plot(frame["seconds"], frame["score"], color=TEST, linewidth=2)
    numbered = [*_NUMBERED, frame["n"].iloc[-1]]
    places = {int((frame["n"] - n).abs().idxmin()) for n in numbered}
    marked = frame.loc[sorted(places)]
    ax.plot(marked["seconds"], marked["score"], "o", color=TEST, markersize=5)
    for _, row in marked.iterrows():
        ax.annotate(
            f"{row['n']:.0f}", (row["seconds"], row["score"]), xytext=(0, -13),
            textcoords="offset points", ha="center", color=TEST, bbox=HALO,
        )  # fmt: skip
    duration_axis(ax.xaxis)
    ax.set(xlabel="Training time, all trials together (log)", ylabel=data.axis)
    ax.margins(x=0.06, y=0.12)

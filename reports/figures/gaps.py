"""The gap of every trial against its network's size, or against its score."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reports.figures import notes, placing
from reports.figures.marks import ring
from reports.figures.style import FAINT, HALF, INK, MARKS, Size, density, log_axis
from reports.read import labels
from reports.read.study import StudyFrames
from reports.read.trial_names import BASELINE
from reports.stats.analysis import Analysis

_RINGED = {"is_leader": "leader", "is_baseline": "baseline"}


class Gaps(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per trial: trial, params, score (in its axis's unit), gap
            (points), is_leader, is_baseline.
        against: The column on the x axis: "params", or "score" if all networks have
            the same size.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    against: str
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Gaps | None:
    """Collect the gaps of all comparable trials; return None under two."""
    study, ranking = analysis.study, analysis.ranking
    pool = ranking.ranked if ranking.by_validation else ranking.listed
    pool = pool[pool["gap"].notna() & (pool["params"] > 0)]
    pool = pool[pool["status"] == "completed"]
    if len(pool) < 2:
        return None
    # Candidates are there to be compared, so none of them is called the leader.
    leads = (pool["place"] == 1) & (not study.candidates)
    frame = pd.DataFrame(
        {
            "trial": pool["trial"],
            "params": pool["params"],
            "score": labels.axis_unit(study.objective) * pool["objective"],
            "gap": 100 * pool["gap"],
            "is_leader": leads,
            "is_baseline": (pool["trial"] == BASELINE) & ~leads,
        }
    ).reset_index(drop=True)
    axis = labels.axis(study.objective)
    one_size = len(set(frame["params"])) == 1 and frame["score"].notna().all()
    against, what, note = "params", "parameters", ""
    if one_size:
        against, what, note = (
            "score",
            axis.lower(),
            "All these networks have the same size. ",
        )
    return Gaps(
        frame,
        against,
        axis,
        title=_title(study, frame, against),
        alt=f"Gap against {what} of {labels.several(len(frame), 'trial')}.",
        note=note + notes.darker(len(frame)),
        size=Size(HALF, 320),
    )


def _title(study: StudyFrames, frame: pd.DataFrame, against: str) -> str:
    """Write the range of the gap and its rank correlation with the x axis."""
    low = labels.gap(frame["gap"].min() / 100)
    high = labels.gap(frame["gap"].max() / 100)
    span = f"The gap ranges from {low} to {high} points"
    if len(frame) < 10 or len(set(frame[against])) < 3 or len(set(frame["gap"])) < 2:
        return span
    rho = float(frame["gap"].corr(frame[against], method="spearman"))
    sign = "+" if rho > 0 else labels.MINUS
    what = "parameters"
    if against == "score":
        what = labels.metric(study.objective.name)
    return f"{span}; rank correlation with {what} {sign}{labels.number(abs(rho), 2)}"


def draw(data: Gaps, ax: Axes) -> None:
    """Draw the gap against parameters (log scale) or against the score."""
    frame, x = data.frame, data.against
    is_size = x == "params"
    ax.axhline(0, color=FAINT, zorder=1)
    few = len(frame) <= 200
    if len(frame) > MARKS:
        density(ax, frame[x], frame["gap"], log_x=is_size)
    else:
        sns.scatterplot(
            frame, x=x, y="gap", ax=ax, color=INK, linewidth=0, legend=False,
            alpha=0.65 if few else 0.4, s=28 if few else 16,
        )  # fmt: skip
    for column in _RINGED:
        row = frame[frame[column]]
        ring(ax, row[x], row["gap"])
    if is_size:
        log_axis(ax.xaxis, lambda n: labels.params(n).replace(".0 ", " "))
    xlabel = "Parameters (log)" if is_size else data.axis
    ax.set(xlabel=xlabel, ylabel=f"{labels.GAP} (points)")
    names = [
        (row[x], row["gap"], name)
        for column, name in _RINGED.items()
        for _, row in frame[frame[column]].iterrows()
    ]
    placing.write_names(ax, names, placing.pixels(ax, frame[x], frame["gap"]))

"""Scores against the time of their trials, with the Pareto front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes, placing
from reports.figures.style import (
    HALF,
    MARKS,
    TEST,
    VALIDATION,
    Size,
    density,
    duration_axis,
)
from reports.read import labels, trial_names
from reports.stats.analysis import Analysis
from reports.stats.outliers import clip


class Cost(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per ranked trial: trial, seconds, score (in the axis's unit),
            on_front.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Cost | None:
    """Collect times and scores; return None if fewer than two ranked trials have one.

    Candidates have no such figure.
    """
    study, ranking = analysis.study, analysis.ranking
    if not ranking.by_validation or study.candidates:
        return None
    ranked = ranking.ranked[ranking.ranked["seconds"] > 0]
    if len(ranked) < 2:
        return None
    score, clipped = clip(labels.axis_unit(study.objective) * ranked["objective"])
    frame = pd.DataFrame(
        {
            "trial": ranked["trial"],
            "seconds": ranked["seconds"],
            "score": score,
            "on_front": pareto(
                ranked["seconds"], study.objective.sign * ranked["objective"]
            ),
        }
    ).reset_index(drop=True)
    axis = labels.axis(study.objective)
    front = int(frame["on_front"].sum())
    several = labels.several(len(frame), "trial")
    return Cost(
        frame,
        axis,
        title=_title(analysis, frame),
        alt=f"{axis} against time of {several}; {front} on the Pareto front.",
        note=(
            "No faster trial scored as well as those on the blue line. Numbers are "
            "trials. " + notes.darker(len(frame)) + notes.clipped(int(clipped.sum()))
        ),
        size=Size(HALF, 330),
    )


def pareto(seconds: pd.Series[float], gain: pd.Series[float]) -> pd.Series[bool]:
    """Mark the rows that no other row beats in both time and gain."""
    order = pd.DataFrame({"cost": seconds, "gain": -gain}).sort_values(["cost", "gain"])
    best_before = (-order["gain"]).cummax().shift(fill_value=-np.inf)
    front = -order["gain"] > best_before
    return front.reindex(seconds.index)


def _title(analysis: Analysis, frame: pd.DataFrame) -> str:
    """Write the leader's time, and the best trial that was faster."""
    ranked, objective = analysis.ranking.ranked, analysis.study.objective
    leader = frame[frame["trial"] == ranked["trial"].iloc[0]]
    if not len(leader):
        return f"Time of {labels.several(len(frame), 'trial')}"
    seconds = float(leader["seconds"].iloc[0])
    who = labels.capital(trial_names.in_sentence(leader["trial"].iloc[0]))
    took = f"{who} took {labels.duration(seconds)}"
    faster = frame[frame["on_front"] & (frame["seconds"] < seconds)]
    near = faster.sort_values("seconds").tail(1)
    if not len(near):
        return f"{took}, and no trial was faster"
    other = int(near["trial"].iloc[0])
    score = ranked.set_index("trial")["objective"]
    loss = abs(float(score.iloc[0] - score[other]))
    worse = labels.points(loss) if objective.is_accuracy else labels.number(loss, 3)
    return (
        f"{took}; {trial_names.in_sentence(other)} took "
        f"{labels.duration(float(near['seconds'].iloc[0]))} and is {worse} worse"
    )


def draw(data: Cost, ax: Axes) -> None:
    """Draw score against seconds, with the Pareto front labelled."""
    frame = data.frame
    if len(frame) > MARKS:
        density(ax, frame["seconds"], frame["score"], log_x=True)
    else:
        ax.scatter(
            frame["seconds"], frame["score"], s=22, color=VALIDATION, alpha=0.6,
            linewidths=0,
        )  # fmt: skip
    front = frame[frame["on_front"]].sort_values("seconds")
    ax.plot(
        front["seconds"], front["score"], "o-", color=TEST, markersize=5,
        linewidth=1.2, drawstyle="steps-post",
    )  # fmt: skip
    ax.margins(x=0.08, y=0.12)
    duration_axis(ax.xaxis)
    ax.set(xlabel="Time per trial (log)", ylabel=data.axis)
    _name_front(ax, frame, front)


def _name_front(ax: Axes, frame: pd.DataFrame, front: pd.DataFrame) -> None:
    """Label the trials on the front, best first, if there is room."""
    names = [
        (row["seconds"], row["score"], f"{row['trial']:.0f}")
        for _, row in front.iloc[::-1].iterrows()
    ]
    line = placing.along(placing.pixels(ax, front["seconds"], front["score"]))
    marks = np.vstack([line, placing.pixels(ax, frame["seconds"], frame["score"])])
    placing.write_names(ax, names, marks, covers=1, fontweight="bold")

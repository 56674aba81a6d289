"""Trials in the order they ended, and the best score so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes
from reports.figures.style import (
    HALF,
    MARKS,
    TEST,
    TRAIN,
    VALIDATION,
    Size,
    density,
    whole_axis,
)
from reports.read import labels
from reports.stats.analysis import Analysis
from reports.stats.outliers import clip


class Progress(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: From `ended`.
        x: The column on the x axis: "order", or "epochs" under Hyperband, whose trials
            differ in cost: the total epochs of all trials up to the end of this one.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    x: str
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Progress | None:
    """Order the trials as they ended; return None under two, or without any score."""
    study, ranking = analysis.study, analysis.ranking
    if not ranking.by_validation or study.candidates:
        return None
    frame = ended(analysis)
    if len(frame) < 2 or not frame["score"].notna().any():
        return None
    axis = labels.axis(study.objective)
    several = labels.several(len(frame), "trial")
    note = notes.darker(int((frame["kind"] == "ranked").sum()))
    return Progress(
        frame,
        "epochs" if study.has_rungs else "order",
        axis,
        title=_title(analysis, frame),
        alt=f"{axis} of {several} in the order they ended.",
        note=note + notes.clipped(int(frame["clipped"].sum())),
        size=Size(HALF, 330),
    )


def ended(analysis: Analysis) -> pd.DataFrame:
    """Order the trials as they ended, with the best score so far.

    Columns: order, epochs (of all trials so far), trial, kind ("ranked", "shorter" or
    "failed"), score (missing if the trial failed) and best (of the ranked so far) in
    the axis's unit, clipped, train_seconds.
    """
    study, ranking = analysis.study, analysis.ranking
    trials = ranking.listed
    done = trials[trials["status"].isin(["completed", "failed"])]
    done = done[(done["status"] == "failed") | done["objective"].notna()]
    done = done.sort_values("order")
    raw = labels.axis_unit(study.objective) * done["objective"]
    is_ranked = done["trial"].isin(ranking.ranked["trial"])
    ranked = raw.where(is_ranked)
    best = ranked.cummax() if study.objective.higher_is_better else ranked.cummin()
    score, clipped = clip(raw)
    kind = np.where(done["status"] == "failed", "failed", "shorter")
    return pd.DataFrame(
        {
            "order": range(1, len(done) + 1),
            "epochs": done["epochs"].fillna(0).cumsum().to_numpy(),
            "trial": done["trial"].to_numpy(),
            "kind": np.where(is_ranked, "ranked", kind),
            "score": score.to_numpy(),
            "best": best.ffill().to_numpy(),
            "clipped": clipped.to_numpy(),
            "train_seconds": done["train_seconds"].fillna(0).to_numpy(),
        }
    )


def _title(analysis: Analysis, frame: pd.DataFrame) -> str:
    """Write when the best score first occurred."""
    ranked = analysis.ranking.ranked
    total = labels.count(len(frame))
    if not len(ranked):
        several = labels.several(len(frame), "trial")
        return f"{several} ended, none of them ranked"
    best = frame["best"]
    at = _ordinal(int(frame.loc[best == best.iloc[-1], "order"].iloc[0]))
    if len(ranked) == 1:
        return f"One trial of {total} is ranked, the {at}"
    word = "highest" if analysis.study.objective.higher_is_better else "lowest"
    full = ""
    if (frame["kind"] == "shorter").any():
        full = " of a trial with all its epochs"
    return f"The {word} score{full} came {at} of {total}"


def _ordinal(n: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{labels.count(n)}{'th' if n % 100 in (11, 12, 13) else ending}"


def draw(data: Progress, ax: Axes) -> None:
    """Draw the trials in the order they ended, and the best so far as a step."""
    frame, x = data.frame, data.x
    ranked = frame[frame["kind"] == "ranked"]
    shorter = frame[frame["kind"] == "shorter"]
    if len(ranked) > MARKS:
        density(ax, ranked[x], ranked["score"])
    else:
        ax.scatter(
            ranked[x], ranked["score"], s=20, color=VALIDATION, alpha=0.7,
            linewidths=0, label="trial",
        )  # fmt: skip
    if len(shorter):
        ax.scatter(
            shorter[x], shorter["score"], s=18, facecolors="none",
            edgecolors="#8c959f", label="fewer epochs",
        )  # fmt: skip
    drawn = frame["best"].clip(frame["score"].min(), frame["score"].max())
    ax.step(
        frame[x], drawn, where="post", color=TEST, linewidth=2,
        label="best so far",
    )  # fmt: skip
    failed = frame[frame["kind"] == "failed"]
    if len(failed):
        ax.plot(
            failed[x], np.full(len(failed), 0.02), "x", color=TRAIN,
            markersize=6, transform=ax.get_xaxis_transform(), label="failed",
        )  # fmt: skip
    whole_axis(ax.xaxis)
    xlabel = "Trials in the order they ended"
    if x == "epochs":
        xlabel = "Total epochs of all finished trials"
    ax.set(xlabel=xlabel, ylabel=data.axis)
    ax.margins(y=0.1)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)

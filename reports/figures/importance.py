"""Which hyperparameters the scores depend on, as bars."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.marks import name_rows
from reports.figures.style import HALF, INK, TEST, Size
from reports.read import labels
from reports.stats.analysis import Analysis
from reports.stats.importance import Importance

_SHOWN = 12


class Bars(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per hyperparameter, highest first: label, importance, null,
            matters (whether importance is above its null).
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Bars | None:
    """Take the highest twelve; return None if importance was not measured."""
    measured = analysis.importance
    if not isinstance(measured, Importance):
        return None
    frame = measured.frame.assign(
        label=measured.frame["name"].str.replace("_", " "),
        null=measured.frame["null"].clip(lower=0),
    )
    frame["matters"] = frame["importance"] > frame["null"]
    shown = frame.head(_SHOWN)
    first = shown.iloc[0]
    return Bars(
        shown,
        title=_title(frame),
        alt=(
            f"Importance of {labels.several(len(shown), 'hyperparameter')}. First, "
            f"{first['name']}: {first['importance']:.0%} of the variance."
        ),
        note=(
            "How much worse a random forest predicts unseen trials after a "
            "hyperparameter is shuffled, within the ranges searched. The forest "
            f"explains {measured.r2:.0%} of the variance of {measured.trials} trials' "
            "scores. "
        ),
        size=Size(HALF, 78 + 22 * max(len(shown), 2)),
    )


def _title(frame: pd.DataFrame) -> str:
    """Name the hyperparameters that are above their null."""
    names = list(frame.loc[frame["matters"], "name"])
    if not names:
        return "No hyperparameter matters more than it does for shuffled scores"
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return f"Scores depend on {labels.listing([*names[:3], *more])}"


def draw(data: Bars, ax: Axes) -> None:
    """Draw importances as bars, and the maximum for shuffled scores as ticks."""
    frame = data.frame
    y = np.arange(len(frame))
    colors = np.where(frame["matters"], TEST, "#b9bfc6").tolist()
    ax.barh(y, frame["importance"].clip(lower=0), color=colors, height=0.6, zorder=2)
    ax.scatter(
        frame["null"], y, marker="|", s=130, color=INK, linewidths=1.8, zorder=3,
        label="highest of 20 forests with shuffled scores",
    )  # fmt: skip
    name_rows(ax, frame)
    ax.set_xlim(left=0)
    ax.set_xlabel("Increase in squared error (1 = variance of scores)")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)

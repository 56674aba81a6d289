"""Differences of test accuracy from the baseline, with intervals."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes
from reports.figures.marks import name_rows
from reports.figures.style import FAINT, GREY, HALF, TEST, TRAIN, VALIDATION, Size
from reports.read import labels, trial_names
from reports.read.study import StudyFrames
from reports.read.trial_names import BASELINE
from reports.stats.analysis import Analysis
from reports.stats.comparisons import Comparison
from reports.stats.differences import MARGIN, WORDS

_REACH = 4  # half the axis, in medians of the intervals' farther ends


class Differences(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per comparison, in points: label, value, low, high, word,
            drawn_low, drawn_high. An interval far wider than the others, such as that
            of two runs, is drawn up to the end of the axis.
        margin: Differences within this many points are too small to matter.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    margin: float
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Differences | None:
    """Collect the comparisons on the test images; return None if there are none."""
    study, comparisons = analysis.study, analysis.comparisons
    if not comparisons:
        return None
    frame = _frame(study, comparisons)
    margin = 100 * MARGIN
    first = frame.iloc[0]
    return Differences(
        frame,
        margin,
        title=_title(study, comparisons),
        alt=(
            f"Differences in test accuracy of {labels.several(len(frame), 'trial')}. "
            f"First, {first['label']}: {labels.gap(first['value'] / 100)} points, "
            f"interval {labels.gap(first['low'] / 100)} to "
            f"{labels.gap(first['high'] / 100)}."
        ),
        note=(
            f"The grey band marks differences too small to matter: {margin:g} points "
            f"either way. {notes.beyond(frame)}"
        ),
        size=Size(HALF, 56 + 24 * max(len(frame), 2)),
    )


def _frame(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> pd.DataFrame:
    trials = study.trials.set_index("trial", drop=False)
    names = trial_names.on_axis(study, trials)
    rows = [
        {
            "label": names[c.trial]
            + (f" {labels.MINUS} {names[c.other]}" if c.other != BASELINE else ""),
            "value": 100 * c.difference.value,
            "low": 100 * c.difference.low,
            "high": 100 * c.difference.high,
            "word": c.difference.word(),
        }
        for c in comparisons
    ]
    frame = pd.DataFrame(rows, columns=["label", "value", "low", "high", "word"])
    ends = frame[["low", "high"]].abs().max(axis=1)
    reach = max(_REACH * ends.median(), 1.25 * frame["value"].abs().max())
    drawn = frame[["low", "high"]].clip(-reach, reach).add_prefix("drawn_")
    return frame.join(drawn)


def _title(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> str:
    """Count the verdicts."""
    counts = Counter(c.difference.word() for c in comparisons)
    parts = [f"{counts[word]} {word}" for word in WORDS if counts[word]]
    most = max(c.difference.trainings for c in comparisons)
    once = ", one run each" if most == 1 else ""
    first = study.trials.loc[study.trials["trial"] == BASELINE, "name"]
    against = str(first.iloc[0]) if len(first) else "baseline"
    what = "the baseline" if against == "baseline" else against
    return f"Test accuracy against {what}{once}: {labels.listing(parts)}"


def draw(data: Differences, ax: Axes) -> None:
    """Draw differences with the intervals that their verdicts use, in points."""
    frame = data.frame
    y = np.arange(len(frame))
    margin = data.margin
    ax.axvspan(-margin, margin, color=FAINT, alpha=0.55, linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linewidth=1, zorder=1)
    for i, (_, row) in zip(y, frame.iterrows(), strict=True):
        color = {"better": TEST, "worse": TRAIN}.get(str(row["word"]), VALIDATION)
        fill = color if row["word"] in ("better", "worse") else "white"
        ends = [row["drawn_low"], row["drawn_high"]]
        ax.plot(ends, [i, i], color=color, zorder=2)
        for end, true_end, arrow in zip(ends, row[["low", "high"]], "<>", strict=True):
            if end != true_end:
                ax.plot([end], [i], arrow, color=color, markersize=5, zorder=2)
        ax.scatter([row["value"]], [i], s=34, c=fill, edgecolors=color, zorder=3)
        ax.annotate(
            labels.gap(row["value"] / 100), (1.0, i),
            xycoords=("axes fraction", "data"), xytext=(8, 0), va="center",
            textcoords="offset points", annotation_clip=False,
        )  # fmt: skip
    name_rows(ax, frame)
    ax.set_xlabel("Difference in test accuracy (points)")

"""Train, validation and test accuracy of each trial on one line, with the gap."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures import notes
from reports.figures.marks import baseline_line, baseline_of, name_rows
from reports.figures.style import FULL, TEST, TRAIN, VALIDATION, Size
from reports.read import labels, trial_names
from reports.read.trial_names import BASELINE
from reports.stats.analysis import Analysis

_ROOM = 12  # characters of a label that fit beside a narrow figure
_WIDEST = 0.5  # the largest half interval that is written, as a fraction
_GAP = labels.GAP.capitalize()


class Dumbbell(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per trial, in order: trial, label, train, validation, test
            (percent), gap, gap_half (fractions), is_baseline.
        total: Number of trials that could be shown.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    total: int
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Dumbbell | None:
    """Choose the rows, in ranking order; return None if no trial has both accuracies.

    Show all of up to 30 trials; of up to 100 the top 25 and the five widest gaps; of
    up to 1,000 the top 30; of more the top 20. Always show the baseline.
    """
    study, ranking = analysis.study, analysis.ranking
    pool = ranking.ranked
    if not ranking.by_validation:
        pool = ranking.listed[ranking.listed["status"] == "completed"]
    pool = pool[pool["train_accuracy"].notna() & pool["test_accuracy"].notna()]
    total = len(pool)
    if not total:
        return None
    top = 20
    for most, rows in ((30, 30), (100, 25), (1000, 30)):
        if total <= most:
            top = rows
            break
    chosen = set(pool["trial"].head(top)) | {BASELINE}
    if 30 < total <= 100:
        chosen |= set(pool.nlargest(5, "gap")["trial"])
    shown = pool[pool["trial"].isin(chosen)]
    frame = pd.DataFrame(
        {
            "trial": shown["trial"],
            "label": trial_names.on_axis(study, shown),
            "train": 100 * shown["train_accuracy"],
            "validation": 100 * shown["val_accuracy"],
            "test": 100 * shown["test_accuracy"],
            "gap": shown["gap"],
            "gap_half": shown["gap_half"],
            "is_baseline": shown["trial"] == BASELINE,
        }
    ).reset_index(drop=True)
    first = frame.iloc[0]
    return Dumbbell(
        frame,
        total,
        title=_title(frame, total),
        alt=(
            f"Train, validation and test accuracy of {len(frame)} trials. "
            f"First row, {first['label']}: train {labels.number(first['train'], 1)}, "
            f"test {labels.number(first['test'], 1)} percent, "
            f"gap {labels.gap(first['gap'])} points."
        ),
        note=_note(analysis, frame) + notes.showing(len(frame), total),
        size=Size(
            FULL,
            84 + 23 * max(len(frame), 2),
            narrow=bool(frame["label"].str.len().max() <= _ROOM),
        ),
    )


def _title(frame: pd.DataFrame, total: int) -> str:
    """Write the gaps of the first row, the baseline and the widest gap."""
    first, baseline = frame.iloc[0], frame[frame["is_baseline"]]
    if len(frame) == 1:
        return f"{_GAP}: {labels.gap(first['gap'])} points in {_name(first)}"
    widest = frame.sort_values("gap").iloc[-1]
    parts = [f"{labels.gap(first['gap'])} in {_name(first)}"]
    if len(baseline) and not first["is_baseline"]:
        parts.append(f"{labels.gap(baseline['gap'].iloc[0])} in the baseline")
    if widest["label"] != first["label"] and not widest["is_baseline"]:
        most = "at most" if total == len(frame) else "at most among those shown"
        parts.append(f"{labels.gap(widest['gap'])} {most}, in {widest['label']}")
    return f"{_GAP}, in points: {labels.listing(parts)}"


def _name(row: pd.Series[Any]) -> str:
    return "the baseline" if row["label"] == "baseline" else str(row["label"])


def _note(analysis: Analysis, frame: pd.DataFrame) -> str:
    ranking = analysis.ranking
    order = "Sorted by validation score"
    if not ranking.by_validation:
        order = "In the order of the trials"
    covers = "the choice of images"
    if ranking.listed["executions"].max() > 1:
        covers += ", and for the luck of runs if there are several (two say little)"
    note = f"{order}. After ±: half of the gap's 95 % interval, which allows for "
    note += f"{covers}. "
    if frame["is_baseline"].any() and len(frame) > 1:
        split = "validation" if ranking.by_validation else "test"
        note += f"The dashed line is the baseline's {split} accuracy. "
    return note


def draw(data: Dumbbell, ax: Axes) -> None:
    """Draw each trial's three accuracies on one line, with its gap on the right."""
    frame = data.frame
    y = np.arange(len(frame))
    ax.hlines(y, frame["test"], frame["train"], color="#b9bfc6", linewidth=2, zorder=2)
    ax.scatter(frame["test"], y, s=40, color=TEST, zorder=4)
    ax.scatter(
        frame["train"], y, s=36, facecolors="white", edgecolors=TRAIN,
        linewidths=1.6, zorder=4,
    )  # fmt: skip
    ax.scatter(
        frame["validation"], y, s=90, marker="|", color=VALIDATION, linewidths=2,
        zorder=5,
    )  # fmt: skip
    has_validation = bool(frame["validation"].notna().any())
    split = "validation" if has_validation else "test"
    baseline_line(ax, baseline_of(frame, split), zorder=1)
    name_rows(ax, frame)
    for i, gap, half in zip(y, frame["gap"], frame["gap_half"], strict=True):
        ax.annotate(
            _gap_and_half(gap, half), (1.0, i), xycoords=("axes fraction", "data"),
            xytext=(8, 0), textcoords="offset points", va="center",
            annotation_clip=False,
        )  # fmt: skip
    ax.annotate(
        labels.GAP, (1.0, -0.9), xycoords=("axes fraction", "data"),
        xytext=(8, 0), textcoords="offset points", va="bottom", fontweight="bold",
        annotation_clip=False,
    )  # fmt: skip
    ax.set_xlabel("Accuracy (%)")
    ax.legend(
        handles=_handles(has_validation=has_validation), loc="lower left",
        bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2,
    )  # fmt: skip


def _handles(*, has_validation: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], marker="o", color=TEST, linestyle="", label="test"),
        Line2D(
            [], [], marker="o", markerfacecolor="white", markeredgewidth=1.6,
            color=TRAIN, linestyle="", label="train",
        ),
    ]  # fmt: skip
    if has_validation:
        handles.insert(1, Line2D(
            [], [], marker="|", markersize=10, markeredgewidth=2, color=VALIDATION,
            linestyle="", label="validation",
        ))  # fmt: skip
    return handles


def _gap_and_half(gap: float, half: float) -> str:
    """Write a gap and half its interval, with "over 50" for a meaningless one."""
    if np.isnan(half):
        return labels.gap(gap)
    text = labels.number(100 * half, 1) if half <= _WIDEST else "over 50"
    return f"{labels.gap(gap)} ± {text}"

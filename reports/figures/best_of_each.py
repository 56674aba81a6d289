"""The leader of each study and the baselines, with intervals."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures import notes, series
from reports.figures.marks import baseline_line, name_rows
from reports.figures.style import FULL, TEST, VALIDATION, Size
from reports.read import labels
from reports.read.trial_names import BASELINE
from reports.stats.groups import Group, baseline_label, short_name

_SHOWN = 20
_LABEL = 32  # characters per line of a label, to leave room for marks on a phone


class BestOfEach(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per leader or baseline, best first: label, score, low, high (in
            the axis's unit), test (percent), is_baseline.
        axis: The name of the x axis.
        has_test: Whether test accuracies are drawn: only if scores are accuracies too.
        baseline: The score of the baseline that all studies share, or None.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    axis: str
    has_test: bool
    baseline: float | None
    title: str
    alt: str
    note: str
    size: Size


def gather(group: Group) -> BestOfEach | None:
    """Collect each study's leader and each baseline; return None without studies."""
    if not group.entries:
        return None
    objective = group.objective
    all_rows = _frame(group)
    frame = all_rows.head(_SHOWN)
    scores = [
        f"{series.score(group, score)} in {label.replace(': ', ' ')}"
        for label, score in zip(frame["label"], frame["score"], strict=True)
    ]
    metric = labels.metric(objective.name)
    title = f"By {metric}: {labels.listing(scores[:4])}"
    baseline = series.baseline(group, "objective", labels.axis_unit(objective))
    note = notes.showing(len(frame), len(all_rows))
    if baseline is not None:
        note = f"The dashed line is the shared baseline's {metric}. {note}".rstrip()
    frame = frame.assign(label=frame["label"].map(_in_lines))
    lines = 1 + frame["label"].str.count("\n").max()
    height = 84 + max(26, 12 + 13 * lines) * max(len(frame), 2)
    return BestOfEach(
        frame,
        "Accuracy (%)" if objective.is_accuracy else labels.axis(objective),
        objective.is_accuracy,
        baseline,
        title,
        alt=f"Dot plot. {title}.",
        note=note,
        size=Size(FULL, int(height)),
    )


def _frame(group: Group) -> pd.DataFrame:
    unit = labels.axis_unit(group.objective)
    rows = [
        (e.leader, f"{short_name(e.name)}: trial {int(e.leader['trial'])}", False)
        for e in group.entries
        if e.leader["trial"] != BASELINE
    ]
    rows += [(b.row, baseline_label(group, b), True) for b in group.baselines]
    frame = pd.DataFrame(
        [
            {
                "label": label,
                "score": unit * row["objective"],
                "low": unit * row["objective_low"],
                "high": unit * row["objective_high"],
                "test": 100 * row["test_accuracy"],
                "is_baseline": is_baseline,
            }
            for row, label, is_baseline in rows
        ]
    )
    ascending = not group.objective.higher_is_better
    return frame.sort_values("score", ascending=ascending, ignore_index=True)


def _in_lines(label: str) -> str:
    """Break a long label into lines, after the study's name if it has one."""
    if len(label) <= _LABEL:
        return label
    parts = label.replace(": ", ":\n").split("\n")
    lines = [textwrap.fill(p, _LABEL, break_on_hyphens=False) for p in parts]
    return "\n".join(lines)


def draw(data: BestOfEach, ax: Axes) -> None:
    """Draw each study's leader and the baselines with intervals and test accuracy."""
    frame = data.frame
    y = np.arange(len(frame))
    for i, low, high in zip(y, frame["low"], frame["high"], strict=True):
        ax.plot([low, high], [i, i], color=VALIDATION, linewidth=1.6, zorder=2)
    ax.scatter(frame["score"], y, marker="|", s=120, color=VALIDATION, linewidths=2.4,
               zorder=4)  # fmt: skip
    handles = [
        Line2D([], [], marker="|", markersize=11, markeredgewidth=2.4,
               color=VALIDATION, label="validation and interval"),
    ]  # fmt: skip
    if data.has_test:
        ax.scatter(frame["test"], y, s=36, color=TEST, zorder=3)
        handles.append(
            Line2D([], [], marker="o", color=TEST, linestyle="", label="test")
        )
    baseline_line(ax, data.baseline, zorder=1)
    name_rows(ax, frame)
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2,
              borderaxespad=0.2)  # fmt: skip
    ax.set_xlabel(data.axis)

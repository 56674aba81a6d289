"""Colors, names and scores that the figures of several studies share."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.figures.style import TEST, TRAIN, VALIDATION
from reports.read import labels
from reports.stats.groups import Group

# Each color has a contrast of 3:1 on white; lines and marks differ in shape too.
COLORS = (TEST, TRAIN, "#00795C", "#7A3E9D", VALIDATION, "#A3195B")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (9, 3)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")
_SHOWN = len(COLORS)  # studies that a figure can tell apart
_NAME = 20  # characters of a study's name, so that two fit side by side on a phone


def names(group: Group) -> list[str]:
    """Return the names of the studies that a figure shows."""
    return [entry.name for entry in group.entries[:_SHOWN]]


def short(name: str) -> str:
    """Shorten a study's name so that two fit side by side on a phone."""
    return labels.shorten(name, _NAME)


def showing(group: Group) -> str:
    """Write that a figure shows only the first studies, or "" if it shows all."""
    total = len(group.entries)
    if total <= _SHOWN:
        return ""
    return (
        f"Showing the first {_SHOWN} of {total} studies; all are in the table above. "
    )


def searched(group: Group) -> pd.DataFrame:
    """Collect the searched trials of the shown studies.

    Columns: study, score (in its axis's unit), gap (points).
    """
    unit = labels.axis_unit(group.objective)
    parts = [
        pd.DataFrame(
            {
                "study": entry.name,
                "score": unit * entry.searched["objective"],
                "gap": 100 * entry.searched["gap"],
            }
        )
        for entry in group.entries[:_SHOWN]
        if len(entry.searched)
    ]
    empty = pd.DataFrame(columns=["study", "score", "gap"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def baseline(group: Group, column: str, unit: float) -> float | None:
    """Return the shared baseline's value times `unit`, or None if there is none."""
    if group.shared is None:
        return None
    value = unit * float(group.shared.row[column])
    return None if pd.isna(value) else value


def score(group: Group, value: float) -> str:
    """Write a score in its axis's unit: "71.2 %", or "0.813" for a loss."""
    if group.objective.is_accuracy:
        return f"{labels.number(value, 1)} %"
    return labels.number(value, 3)


def legend(ax: Axes) -> None:
    """Draw the legend of the studies above the axes."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2,
              handlelength=2.8)  # fmt: skip

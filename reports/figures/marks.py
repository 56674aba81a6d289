"""Marks that several figures draw: named rows, the baseline's line, rings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.style import GREY, TEST

_DASHED: Any = (0, (4, 3))


def name_rows(ax: Axes, frame: pd.DataFrame) -> None:
    """Write `label` beside each row, the first on top."""
    ax.set_yticks(np.arange(len(frame)), list(frame["label"]))
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")


def baseline_line(
    ax: Axes, value: float | None, *, color: str = GREY, **style: Any
) -> None:
    """Draw a dashed line through the baseline's value, if it is known."""
    if value is not None:
        ax.axvline(value, color=color, linestyle=_DASHED, linewidth=1, **style)


def baseline_of(frame: pd.DataFrame, column: str) -> float | None:
    """Return the baseline's value, or None if it is missing or the only trial."""
    values = frame.loc[frame["is_baseline"], column].dropna()
    return float(values.iloc[0]) if len(values) and len(frame) > 1 else None


def ring(ax: Axes, x: Any, y: Any) -> None:
    """Draw rings around marks that the texts mention."""
    # The white ring separates the blue one from blue marks.
    for color, width in (("white", 5), (TEST, 1.8)):
        ax.scatter(
            x, y, s=95, facecolors="none", edgecolors=color, linewidths=width, zorder=6
        )  # fmt: skip


def limits(values: pd.DataFrame) -> tuple[float, float]:
    """Return common axis limits for several panels, with a margin."""
    low, high = np.nanmin(values.to_numpy()), np.nanmax(values.to_numpy())
    margin = 0.06 * (high - low) or 0.5
    return float(low - margin), float(high + margin)

"""Sentences that stand below more than one figure."""

from __future__ import annotations

import pandas as pd

from reports.figures.style import MARKS
from reports.read import labels

DARKER = "The darker a hexagon, the more trials lie in it. "


def showing(shown: int, total: int) -> str:
    """Say that a figure holds a part: "Showing 30 of 500; all are in the table"."""
    if shown >= total:
        return ""
    return f"Showing {shown} of {labels.count(total)}; all are in the table."


def darker(marks: int) -> str:
    """Say what hexagons are, where there are too many trials for a mark each."""
    return DARKER if marks > MARKS else ""


def clipped(n: int) -> str:
    """Say how many marks lie beyond the axis."""
    if not n:
        return ""
    lie = "trial lies" if n == 1 else "trials lie"
    drawn = "is drawn" if n == 1 else "are drawn"
    return f"{n} {lie} far outside the rest and {drawn} at the edge."


def beyond(drawn: pd.DataFrame) -> str:
    """Say how many intervals go on beyond a figure's axis."""
    cut = (drawn["low"] < drawn["drawn_low"]) | (drawn["high"] > drawn["drawn_high"])
    n = int(cut.sum())
    if not n:
        return ""
    goes = "interval goes" if n == 1 else "intervals go"
    return f"{n} {goes} on beyond the axis, to what the table says."

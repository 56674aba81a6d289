"""Sentences that appear below several figures."""

from __future__ import annotations

import pandas as pd

from reports.figures.style import MARKS
from reports.read import labels

DARKER = "Darker hexagons hold more trials. "


def showing(shown: int, total: int) -> str:
    """Write how many rows a figure shows: "Showing 30 of 500; all are in ..."."""
    if shown >= total:
        return ""
    return f"Showing {shown} of {labels.count(total)}; all are in the table."


def darker(marks: int) -> str:
    """Explain the hexagons, drawn if there are too many trials for a mark each."""
    return DARKER if marks > MARKS else ""


def clipped(n: int) -> str:
    """Write how many marks lie beyond the axis."""
    if not n:
        return ""
    lie = "trial lies" if n == 1 else "trials lie"
    drawn = "is drawn" if n == 1 else "are drawn"
    return f"{n} {lie} far from the others and {drawn} at the edge."


def beyond(drawn: pd.DataFrame) -> str:
    """Write how many intervals extend beyond the axis."""
    cut = (drawn["low"] < drawn["drawn_low"]) | (drawn["high"] > drawn["drawn_high"])
    n = int(cut.sum())
    if not n:
        return ""
    extend = "interval extends" if n == 1 else "intervals extend"
    return f"{n} {extend} beyond the axis; the table has the ends."

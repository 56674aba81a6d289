"""Labels beside marks: inside the axes, without overlaps, covering few marks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from reports.figures.style import HALO, TEST

Pixels = npt.NDArray[np.float64]  # shape (marks, 2)

# Offsets from the mark in points, and the text's alignment; nearest first.
_PLACES = (
    *((0, 8, "center"), (0, -16, "center"), (9, -3, "left"), (-9, -3, "right")),
    *((7, 8, "left"), (-7, 8, "right"), (7, -15, "left"), (-7, -15, "right")),
    *((0, 22, "center"), (0, -30, "center"), (24, -3, "left"), (-24, -3, "right")),
    *((20, 20, "left"), (-20, 20, "right"), (20, -28, "left"), (-20, -28, "right")),
)
_OUTSIDE = 10_000  # a cost above that of covering any number of marks


def pixels(ax: Axes, x: Any, y: Any) -> Pixels:
    """Compute the pixels of marks; set the axes' scales and labels first."""
    figure = ax.get_figure(root=True)
    layout = figure.get_layout_engine() if figure else None
    if figure and layout:
        layout.execute(figure)
    ax.get_xlim(), ax.get_ylim()  # reading the limits makes them follow the marks
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    return np.asarray(ax.transData.transform(points), dtype=np.float64)


def along(corners: Pixels, step: float = 4.0) -> Pixels:
    """Put marks along a step line that holds its value until the next corner."""
    if len(corners) < 2:
        return corners
    marks = [corners]
    for (x0, y0), (x1, y1) in pairwise(corners):
        across, up = (np.arange(0, abs(d), step) for d in (x1 - x0, y1 - y0))
        flat = np.column_stack(
            [x0 + np.sign(x1 - x0) * across, np.full(len(across), y0)]
        )
        steep = np.column_stack([np.full(len(up), x1), y0 + np.sign(y1 - y0) * up])
        marks += [flat, steep]
    return np.vstack(marks)


def write_names(
    ax: Axes,
    names: Iterable[tuple[float, float, str]],
    marks: Pixels,
    *,
    covers: int | None = None,
    **style: Any,
) -> None:
    """Write names beside marks, each where it covers the fewest marks.

    Args:
        ax: Axes whose scales, limits and labels are set.
        names: x and y in data coordinates, and the text; most important first.
        marks: Marks that names should not cover, from `pixels`.
        covers: Leave out a name that would cover more marks than this, or another
            name; None writes all names.
        style: Options of the text.
    """
    inside = ax.get_window_extent()
    written: list[Bbox] = []
    for x, y, text in names:
        note = ax.annotate(
            text, (x, y), xytext=(0, 0), textcoords="offset points", color=TEST,
            zorder=7, bbox=HALO, **style,
        )  # fmt: skip
        costs = []
        for right, up, align in _PLACES:
            box = _place(note, right, up, align)
            free = inside.x0 <= box.x0 and box.x1 <= inside.x1
            free &= inside.y0 <= box.y0 and box.y1 <= inside.y1
            free &= not any(box.overlaps(other) for other in written)
            costs.append(_under(box, marks) + (0 if free else _OUTSIDE))
        best = int(np.argmin(costs))
        if covers is not None and costs[best] > covers and written:
            note.remove()
            continue
        written.append(_place(note, *_PLACES[best]))


def _place(note: Any, right: float, up: float, align: str) -> Bbox:
    note.set_position((right, up))
    note.set_ha(align)
    box: Bbox = note.get_window_extent()
    return box


def _under(box: Bbox, marks: Pixels) -> int:
    """Count the marks whose center lies under a text or within 3 pixels of it."""
    edge = 3.0
    x, y = marks[:, 0], marks[:, 1]
    within = (x > box.x0 - edge) & (x < box.x1 + edge)
    return int((within & (y > box.y0 - edge) & (y < box.y1 + edge)).sum())

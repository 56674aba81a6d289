"""Scores against each hyperparameter: small panels with one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.study_figures import limits, ring
from reports.figures.style import GREY, MARKS, TEST, VALIDATION, density, log_axis
from reports.read import labels
from reports.read.hyperparameters import Knob

_PANEL_MARKS = MARKS // 3  # there are several panels


def knob_panels(
    panels: Sequence[pd.DataFrame], axes: Sequence[Axes], knobs: Sequence[Knob],
    axis: str,
) -> Sequence[Axes]:  # fmt: skip
    """Draw one panel a knob, all with one scale of the score."""
    low, high = limits(pd.concat([panel[["score"]] for panel in panels]))
    grid = axes[0].get_gridspec()
    columns = grid.ncols if grid else 1
    many = crowded(panels)
    for i, ax in enumerate(axes):
        if i >= len(panels):
            ax.set_axis_off()
            continue
        knob_panel(panels[i], ax, knobs[i], many=many)
        ax.set_ylim(low, high)
        if i % columns:
            ax.tick_params(labelleft=False)
        else:
            ax.set_ylabel(axis)
    return axes


def crowded(panels: Sequence[pd.DataFrame]) -> bool:
    """Whether a panel holds too many trials for a mark each; then none has them."""
    return any(len(panel) > _PANEL_MARKS for panel in panels)


def knob_panel(frame: pd.DataFrame, ax: Axes, knob: Knob, *, many: bool) -> Axes:
    """Draw scores against one knob: a strip or boxes, with medians, or a scatter."""
    if _is_scale(frame["value"], knob):
        _knob_scatter(frame, ax, knob, many=many)
    else:
        _knob_strip(frame, ax, knob, many=many)
    ax.set_xlabel(knob.name.replace("_", " ").capitalize()[:40])
    return ax


def _is_scale(values: pd.Series[Any], knob: Knob) -> bool:
    """Whether a knob's values are a scale rather than a few categories."""
    if knob.choices or not pd.api.types.is_numeric_dtype(values.infer_objects()):
        return False
    if pd.api.types.is_bool_dtype(values.infer_objects()):
        return False
    if knob.low is None or knob.high is None:
        return values.nunique() > 8
    whole = bool((values.astype("float64") % 1 == 0).all())
    return not whole or knob.high - knob.low > 12


def _knob_scatter(frame: pd.DataFrame, ax: Axes, knob: Knob, *, many: bool) -> None:
    values = frame["value"].astype("float64")
    log = knob.log and bool((values > 0).any())
    zero = values[values > 0].min() / 3 if log else 0.0  # where a log axis draws 0
    if log:
        values = values.where(values > 0, zero)
    if many:
        density(ax, values, frame["score"], log_x=log)
    else:
        ax.scatter(
            values, frame["score"], s=18, color=VALIDATION, alpha=0.6, linewidths=0
        )
    if log:
        log_axis(ax.xaxis, labels.value)
    if log and (values == zero).any():
        low, high = np.log10(values[values > zero].agg(["min", "max"]))
        decades = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
        keep = decades[:: -(-len(decades) // 4)] if len(decades) else decades
        ax.set_xticks([zero, *keep], ["0", *(labels.value(v) for v in keep)])
        ax.set_xticks([], minor=True)
    leader = frame["is_leader"]
    ring(ax, values[leader], frame["score"][leader])


def _knob_strip(frame: pd.DataFrame, ax: Axes, knob: Knob, *, many: bool) -> None:
    order = _ordered(frame["value"], knob)
    text = [labels.value(v)[:14] for v in order]
    position = frame["value"].map({value: i for i, value in enumerate(order)})
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(frame))
    if many:
        thin = {"color": GREY, "linewidth": 0.9}
        ax.boxplot(
            [frame["score"][position == i] for i in range(len(order))],
            positions=range(len(order)), widths=0.6, whis=(0, 100),
            patch_artist=True, boxprops={"facecolor": "#cfe3f1", "edgecolor": GREY},
            whiskerprops=thin, capprops=thin,
            medianprops={"color": TEST, "linewidth": 2.2},
        )  # fmt: skip
        jitter *= 0
    else:
        ax.scatter(
            position + jitter, frame["score"], s=16, color=VALIDATION, alpha=0.6,
            linewidths=0,
        )  # fmt: skip
        medians = frame["score"].groupby(position).median()
        ax.hlines(
            medians, medians.index - 0.3, medians.index + 0.3, color=TEST, linewidth=2.2
        )
    leader = frame["is_leader"].to_numpy()
    ring(ax, (position + jitter)[leader], frame["score"][leader])
    long = sum(len(t) for t in text) > 30
    ax.set_xticks(range(len(order)), text, rotation=35 if long else 0,
                  ha="right" if long else "center")  # fmt: skip
    ax.set_xlim(-0.6, len(order) - 0.4)


def _ordered(values: pd.Series[Any], knob: Knob) -> list[object]:
    """Order categories as the space declares them, else by value."""
    distinct = list(values.unique())
    if set(distinct) <= set(knob.choices):
        return [choice for choice in knob.choices if choice in distinct]
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=str)

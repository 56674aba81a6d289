"""Scores against each hyperparameter, in small panels with a common scale."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes
from reports.figures.marks import limits, ring
from reports.figures.style import (
    GREY,
    MARKS,
    TEST,
    VALIDATION,
    Size,
    density,
    log_axis,
    panels,
)
from reports.read import labels
from reports.read.hyperparameters import Hyperparameter
from reports.stats.analysis import Analysis
from reports.stats.outliers import clip

_SHOWN = 12
_PANEL_MARKS = MARKS // 3  # there are several panels


class Panel(NamedTuple):
    """One hyperparameter, with one row per ranked trial.

    The frame's columns: value, score, place, is_leader.
    """

    hyperparameter: Hyperparameter
    frame: pd.DataFrame


class Hyperparameters(NamedTuple):
    """The figure's data and texts.

    Attributes:
        panels: One per hyperparameter.
        is_crowded: Whether any panel has too many trials for a mark each; then no
            panel has marks.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    panels: tuple[Panel, ...]
    is_crowded: bool
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis) -> Hyperparameters | None:
    """Collect scores and values; return None if no hyperparameter varies.

    Candidates, and studies without validation, have no such figure.
    """
    study, ranking = analysis.study, analysis.ranking
    if not ranking.by_validation or study.candidates:
        return None
    ranked = ranking.ranked
    score, clipped = clip(labels.axis_unit(study.objective) * ranked["objective"])
    varied = []
    for hyperparameter in study.hyperparameters:
        column = study.configs[hyperparameter.name]
        frame = pd.DataFrame(
            {
                "value": ranked["trial"].map(column).infer_objects(),
                "score": score,
                "place": ranked["place"],
                "is_leader": ranked["place"] == 1,
            }
        ).dropna(subset=["value", "score"])
        if len(set(frame["value"])) > 1:
            varied.append(Panel(hyperparameter, frame))
    if not varied:
        return None
    shown = tuple(varied[:_SHOWN])
    axis = labels.axis(study.objective)
    is_crowded = any(len(panel.frame) > _PANEL_MARKS for panel in shown)
    names = labels.listing([panel.hyperparameter.name for panel in shown])
    note = "Bars are medians; the ring is the leader. "
    if is_crowded:
        note += "The box holds half of the trials, its whiskers all of them. "
        note += notes.DARKER
    note += "All other hyperparameters vary too, within the ranges searched. "
    if len(shown) < len(varied):
        of = f"{len(shown)} of {len(varied)} hyperparameters"
        note += f"Showing {of}; all are in the table. "
    return Hyperparameters(
        shown,
        is_crowded,
        axis,
        title=title(shown),
        alt=f"{axis} against {labels.several(len(shown), 'hyperparameter')}: {names}.",
        note=note + notes.clipped(int(clipped.sum())),
        size=panels(len(shown), height=215, margin=20),
    )


def title(shown: tuple[Panel, ...]) -> str:
    """Write what the best five trials share, among values that vary."""
    shared: list[str] = []
    for hyperparameter, frame in shown:
        top = frame[frame["place"] <= 5]["value"]  # fewer if some do not have it
        if len(frame) >= 10 and len(top) == 5 and len(set(top)) == 1:
            shared.append(f"{hyperparameter.name} {labels.value(top.iloc[0])}")
    if shared:
        return f"The best five trials share {labels.listing(shared)}"
    n = max(len(panel.frame) for panel in shown)
    return (
        f"{labels.several(len(shown), 'hyperparameter')}, one at a time, over "
        f"{labels.several(n, 'ranked trial')}"
    )


def draw(data: Hyperparameters, axes: Any) -> None:
    """Draw one panel per hyperparameter, all with the same score axis."""
    flat = axes if isinstance(axes, list) else [axes]
    low, high = limits(pd.concat([panel.frame[["score"]] for panel in data.panels]))
    for i, ax in enumerate(flat):
        if i >= len(data.panels):
            ax.set_axis_off()
            continue
        _draw_panel(ax, data.panels[i], is_crowded=data.is_crowded)
        ax.set_ylim(low, high)
        if i % data.size.columns:
            ax.tick_params(labelleft=False)
        else:
            ax.set_ylabel(data.axis)


def _draw_panel(ax: Axes, panel: Panel, *, is_crowded: bool) -> None:
    """Draw a scatter for a scale, and a strip or boxes for categories."""
    if _is_scale(*panel):
        _draw_scatter(ax, panel, is_crowded=is_crowded)
    else:
        _draw_strip(ax, panel, is_crowded=is_crowded)
    name = panel.hyperparameter.name.replace("_", " ").capitalize()
    ax.set_xlabel(name[:40])


def _is_scale(hyperparameter: Hyperparameter, frame: pd.DataFrame) -> bool:
    """Whether the values are a scale rather than a few categories."""
    values = frame["value"].infer_objects()
    if hyperparameter.choices or not pd.api.types.is_numeric_dtype(values):
        return False
    if pd.api.types.is_bool_dtype(values):
        return False
    if hyperparameter.low is None or hyperparameter.high is None:
        return values.nunique() > 8
    is_integer = bool((values.astype("float64") % 1 == 0).all())
    return not is_integer or hyperparameter.high - hyperparameter.low > 12


def _draw_scatter(ax: Axes, panel: Panel, *, is_crowded: bool) -> None:
    hyperparameter, frame = panel
    values = frame["value"].astype("float64")
    log = hyperparameter.log and bool((values > 0).any())
    zero = values[values > 0].min() / 3 if log else 0.0  # where a log axis draws 0
    if log:
        values = values.where(values > 0, zero)
    if is_crowded:
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


def _draw_strip(ax: Axes, panel: Panel, *, is_crowded: bool) -> None:
    hyperparameter, frame = panel
    order = _ordered(frame["value"], hyperparameter)
    text = [labels.value(v)[:14] for v in order]
    position = frame["value"].map({value: i for i, value in enumerate(order)})
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(frame))
    if is_crowded:
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


def _ordered(values: pd.Series[Any], hyperparameter: Hyperparameter) -> list[object]:
    """Order categories as the space declares them, otherwise by value."""
    distinct = list(values.unique())
    if set(distinct) <= set(hyperparameter.choices):
        return [choice for choice in hyperparameter.choices if choice in distinct]
    try:
        return sorted(distinct)
    except TypeError:
        return sorted(distinct, key=str)

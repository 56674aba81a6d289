"""The figures across studies with their titles, ready for a template."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from reports.figures import comparison_figures, comparison_views, titles, views
from reports.figures.comparison_views import DRAWN, Group
from reports.figures.images import FULL, HALF
from reports.figures.style import Image, render
from reports.read import labels as wording

_LABEL = 32  # characters of a line of a label: a phone has room for marks beside it


def images(group: Group) -> dict[str, Image]:
    """Draw every figure that the studies have something for, by its name."""
    axis = views.axis_of(group.objective)
    names = [entry.name for entry in group.entries[:DRAWN]]
    note = ""
    if len(names) < len(group.entries):
        note = (
            f"Showing the first {len(names)} of {len(group.entries)} studies; all are "
            "in the table above. "
        )
    frame = comparison_views.distribution(group)
    frame = frame[frame["study"].isin(names)]
    made = {"best": _best(group, axis)}
    if len(frame):
        made["distribution"] = _distribution(group, frame, names, axis, note)
    made["time"] = _time(group, names, axis, note)
    if frame["gap"].notna().any():
        made["gap"] = _gap(group, frame, names, note)
    return made


def _best(group: Group, axis: str) -> Image:
    everything = comparison_views.best_of_each(group)
    frame = everything.head(20)
    labels = frame["label"].map(_in_lines)
    lines = 1 + labels.str.count("\n").max()
    height = 84 + max(26, 12 + 13 * lines) * max(len(frame), 2)
    accuracy = group.objective.is_accuracy
    baseline = _baseline(group, "objective", views.unit_of(group.objective))

    drawn = frame.assign(label=labels)

    def draw(ax: Any) -> None:
        comparison_figures.best_of_each(drawn, ax, axis, baseline, accuracy=accuracy)

    drawing = render(draw, width=FULL, height=int(height))
    digits = 1 if accuracy else 3
    percent = " %" if accuracy else ""
    said = [
        f"{wording.number(score, digits)}{percent} in {label.replace(': ', ' ')}"
        for label, score in zip(frame["label"], frame["score"], strict=True)
    ]
    title = f"By {wording.metric(group.objective.name)}: {wording.listing(said[:4])}"
    note = titles.showing(len(frame), len(everything))
    if baseline is not None:
        metric = wording.metric(group.objective.name)
        note = f"The dashed line is the shared baseline's {metric}. {note}".rstrip()
    return Image(title, f"Dot plot. {title}.", note, drawing)


def _in_lines(label: str) -> str:
    """Break a label that is long, behind a study's name where that is possible."""
    if len(label) <= _LABEL:
        return label
    parts = label.replace(": ", ":\n").split("\n")
    lines = [textwrap.fill(p, _LABEL, break_on_hyphens=False) for p in parts]
    return "\n".join(lines)


def _distribution(
    group: Group, frame: pd.DataFrame, names: list[str], axis: str, note: str
) -> Image:
    median = frame.groupby("study")["score"].median()
    digits, percent = (1, " %") if group.objective.is_accuracy else (3, "")
    said = [
        f"{wording.number(median[n], digits)}{percent} in {n}"
        for n in names
        if n in median
    ][:3]
    title = f"Half of the searched trials lie at or above {wording.listing(said)}"
    if not group.objective.higher_is_better:
        title = f"Half of the searched trials lie at or below {wording.listing(said)}"
    baseline = _baseline(group, "objective", views.unit_of(group.objective))
    drawing = render(
        lambda ax: comparison_figures.distribution(frame, ax, axis, names, baseline),
        width=HALF,
        height=340,
    )
    alt = f"Distribution of {axis.lower()}. {title}."
    given = "The baseline is"
    if any(entry.study.enqueued for entry in group.entries):
        given = "The baseline and enqueued configs are"
    return Image(title, alt, f"{note}{given} left out of the curves.", drawing)


def _time(group: Group, names: list[str], axis: str, note: str) -> Image:
    frame = comparison_views.best_against_time(group)
    drawing = render(
        lambda ax: comparison_figures.best_against_time(frame, ax, axis, names),
        width=HALF,
        height=340,
    )
    drawn = frame[frame["study"].isin(names)]
    common = float(drawn.groupby("study")["hours"].max().min())
    said = []
    for name in names[:3]:
        until = drawn[(drawn["study"] == name) & (drawn["hours"] <= common + 1e-12)]
        best = until["best"].iloc[-1] if len(until) else np.nan
        text = wording.number(best, 1 if group.objective.is_accuracy else 3)
        unit = " %" if group.objective.is_accuracy else ""
        said.append(
            f"{text}{unit} in {name}" if len(until) else f"nothing yet in {name}"
        )
    title = (
        f"After {wording.duration(3600 * common)} of training: {wording.listing(said)}"
    )
    note += "Time in training, all trials added up, failed ones too."
    return Image(title, f"Best so far against time. {title}.", note, drawing)


def _gap(group: Group, frame: pd.DataFrame, names: list[str], note: str) -> Image:
    median = frame.groupby("study")["gap"].median()
    said = [f"{wording.gap(median[n] / 100)} in {n}" for n in names if n in median]
    title = f"Median {wording.GAP}, in points: {wording.listing(said[:3])}"
    height = 70 + 62 * max(len(names), 2)
    baseline = _baseline(group, "gap", 100)

    def draw(ax: Any) -> None:
        comparison_figures.gap_by_study(frame, ax, names, baseline)

    drawing = render(draw, width=FULL, height=height)
    note += "One mark a searched trial, the bar is the median"
    note += "." if baseline is None else ", the dashed line the baseline."
    return Image(title, f"Gap by study. {title}.", note, drawing)


def _baseline(group: Group, column: str, unit: float) -> float | None:
    if group.shared is None:
        return None
    value = unit * float(group.shared.row[column])
    return None if np.isnan(value) else value

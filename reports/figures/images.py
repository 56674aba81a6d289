"""A study's figures, rendered: gather, draw, and the words above and below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from reports.figures import hyperparameter_figures, study_figures, titles, views
from reports.figures.style import Image, render
from reports.read import labels
from reports.read.study import Study
from reports.stats import budget, pairs, verdicts
from reports.stats.differences import MARGIN
from reports.stats.importance import Importance
from reports.stats.ranking import Ranking

_ROOM = 12  # characters of a label beside a narrow figure of three columns
FULL, HALF = 1040, 508  # CSS pixels: the page's column, and half of it


def study_images(
    study: Study, ranking: Ranking, weights: Importance | str | None = None
) -> dict[str, Image]:
    """Draw every figure that the study's data support, by the figure's name."""
    images = dict(_images(study, ranking))
    if isinstance(weights, Importance):
        images["importance"] = _importance(weights)
    return images


def _images(study: Study, ranking: Ranking) -> Iterator[tuple[str, Image]]:
    axis = views.axis_of(study.objective)
    if len(ranking.ranked) and not study.arms:
        yield "leaders", _leaders(study, ranking, axis)
    rows = views.dumbbell(study, ranking)
    if len(rows.frame):
        yield "dumbbell", _dumbbell(rows, ranking)
        if rows.total > 1:
            yield "gaps", _gaps(study, ranking, axis)
    lines = views.curves(study, ranking)
    if len(lines.frame):
        yield "curves", _curves(study, ranking, lines)
    if ranking.by_validation and not study.arms:
        yield from _search_images(study, ranking, axis)


def _search_images(
    study: Study, ranking: Ranking, axis: str
) -> Iterator[tuple[str, Image]]:
    """Draw what is said of a search, and not of configs that were given."""
    panels = views.knobs(study, ranking)
    if panels.knobs:
        yield "knobs", _knobs(ranking, panels, axis)
    ended = views.progress(study, ranking)
    if len(ended.frame) > 1 and ended.frame["score"].notna().any():
        yield "progress", _progress(study, ranking, ended, axis)
    fewer = budget.curve(study, ranking)
    if fewer is not None:
        yield "budget", _expected_best(study, fewer, axis)
    spent = views.cost(study, ranking)
    if len(spent.frame) > 1:
        yield "cost", _cost(study, ranking, spent, axis)


def differences(study: Study, found: tuple[pairs.Contrast, ...]) -> Image:
    """Draw contrasts; there must be one."""
    frame = verdicts.frame(study, found)
    width, height = HALF, 56 + 24 * max(len(frame), 2)
    margin = 100 * MARGIN
    drawing = render(
        lambda ax: study_figures.differences(frame, ax, margin),
        width=width,
        height=height,
    )
    first = frame.iloc[0]
    alt = (
        f"Differences of test accuracy of {labels.several(len(frame), 'trial')}. "
        f"First, {first['label']}: {labels.gap(first['value'] / 100)} points, "
        f"{labels.gap(first['low'] / 100)} to {labels.gap(first['high'] / 100)}."
    )
    note = f"In the grey band a difference is too small to matter, {margin:g} points. "
    note += titles.beyond(frame)
    return Image(verdicts.title(study, found), alt, note, drawing)


def _leaders(study: Study, ranking: Ranking, axis: str) -> Image:
    view = views.leaders(study, ranking)
    width, height = HALF, 64 + 22 * max(len(view.frame), 2)
    drawing = render(
        lambda ax: study_figures.leaders(view.frame, ax, axis),
        width=width,
        height=height,
    )
    title = titles.leaders(study, ranking)
    top = [
        f"{row['label']} {labels.number(row['score'], 1)}"
        if study.objective.is_accuracy
        else f"{row['label']} {labels.number(row['score'], 3)}"
        for _, row in view.frame.head(3).iterrows()
    ]
    alt = f"Dot plot of {axis.lower()}. {labels.listing(top)}."
    note = titles.showing(len(view.frame), view.total)
    return Image(title, alt, note, drawing)


def _dumbbell(view: views.View, ranking: Ranking) -> Image:
    height = 84 + 23 * max(len(view.frame), 2)

    def draw(ax: Any) -> None:
        study_figures.dumbbell(view.frame, ax)

    fits = view.frame["label"].str.len().max() <= _ROOM
    drawing = render(draw, width=FULL, height=height, narrow=bool(fits))
    first = view.frame.iloc[0]
    alt = (
        f"Train, validation and test accuracy of {len(view.frame)} trials. "
        f"First row, {first['label']}: train {labels.number(first['train'], 1)}, "
        f"test {labels.number(first['test'], 1)} percent, "
        f"gap {labels.gap(first['gap'])} points."
    )
    order = "Sorted by validation" if ranking.by_validation else "In declared order"
    covers = "the choice of images"
    if ranking.listed["executions"].max() > 1:
        covers += " and for the trainings, where there are several (two say little)"
    note = f"{order}. Behind ±, half of the gap's 95 % interval for {covers}. "
    if view.frame["is_baseline"].any() and len(view.frame) > 1:
        split = "validation" if ranking.by_validation else "test"
        note += f"The dashed line is the baseline's {split} accuracy. "
    return Image(
        titles.dumbbell(view),
        alt,
        note + titles.showing(len(view.frame), view.total),
        drawing,
    )


def _gaps(study: Study, ranking: Ranking, axis: str) -> Image:
    view = views.gaps(study, ranking)
    against = titles.gap_against(view)

    def draw(ax: Any) -> None:
        if against == "params":
            study_figures.gap_by_params(view.frame, ax)
        else:
            study_figures.gap_by_score(view.frame, ax, axis)

    drawing = render(draw, width=HALF, height=320)
    what = "parameters" if against == "params" else axis.lower()
    alt = f"Gap against {what} of {labels.several(view.total, 'trial')}."
    note = "" if against == "params" else "All these networks have one size. "
    note += titles.darker(view.total)
    return Image(titles.gaps(study, view), alt, note, drawing)


def _curves(study: Study, ranking: Ranking, view: views.View) -> Image:
    n = view.frame["trial"].nunique()
    columns = min(n, 3)
    rows = -(-n // columns)
    width = FULL if columns == 3 else HALF if columns == 1 else 760
    height = 60 + 200 * rows
    band = views.curve_band(study, ranking)

    def draw(axes: Any) -> None:
        flat = axes if isinstance(axes, list) else [axes]
        study_figures.learning_curves(view.frame, flat, band)

    drawing = render(draw, width=width, height=height, rows=rows, columns=columns)
    alt = f"Learning curves of {labels.several(n, 'trial')}: accuracy by epoch."
    note = (
        "Train is what fit shows: a running mean while the weights move, dropout on. "
        f"The network {_kept(study)} is the one that counts. "
    )
    return Image(
        titles.curves(ranking, view),
        alt,
        note + titles.showing(n, view.total),
        drawing,
    )


def _kept(study: Study) -> str:
    if study.patience:
        return "of its lowest validation loss"
    return "after its last epoch"


def _knobs(ranking: Ranking, view: views.Knobs, axis: str) -> Image:
    n = len(view.knobs)
    columns = min(n, 3)
    rows = -(-n // columns)
    width = {1: HALF, 2: 760}.get(columns, FULL)
    height = 20 + 215 * rows

    def draw(axes: Any) -> None:
        flat = axes if isinstance(axes, list) else [axes]
        hyperparameter_figures.knob_panels(view.panels, flat, view.knobs, axis)

    drawing = render(draw, width=width, height=height, rows=rows, columns=columns)
    names = labels.listing([knob.name for knob in view.knobs])
    alt = f"{axis} against {labels.several(n, 'hyperparameter')}: {names}."
    note = "A bar is a median, the ring the leader. " if ranking.by_validation else ""
    if hyperparameter_figures.crowded(view.panels):
        note += "Half of the trials lie in the box, all between its whiskers. "
        note += titles.DARKER
    note += "All other knobs vary too, within the ranges searched. "
    if n < view.total:
        note += f"Showing {n} of {view.total} knobs; all are in the table. "
    return Image(titles.knobs(view), alt, note + titles.clipped(view.clipped), drawing)


def _expected_best(study: Study, frame: pd.DataFrame, axis: str) -> Image:
    drawing = render(
        lambda ax: study_figures.expected_best(frame, ax, axis), width=HALF, height=330
    )
    last = frame.iloc[-1]
    how = (
        "Drawn from these trials with replacement (Dodge et al. 2019), so that it ends "
        "a little below the best of them. The band holds 80 % of bootstrap samples."
    )
    if frame["is_whole"].all():
        how = "The search drew the whole space, so that it ends at the best it drew."
    alt = (
        f"Expected best {axis.lower()} against training time, from "
        f"{labels.number(frame['score'].iloc[0], 1)} after one trial to "
        f"{labels.number(last['score'], 1)} after {last['n']:.0f}."
    )
    note = (
        "What the best of n random trials of this space scores on average; numbers "
        f"are n. {how} Never beyond the trials that there are. "
    )
    return Image(titles.expected_best(study, frame), alt, note, drawing)


def _importance(found: Importance) -> Image:
    frame = found.frame.head(views.PANELS)
    height = 78 + 22 * max(len(frame), 2)
    drawing = render(
        lambda ax: study_figures.importance(frame, ax), width=HALF, height=height
    )
    first = frame.iloc[0]
    alt = (
        f"Importance of {labels.several(len(frame), 'hyperparameter')}. First, "
        f"{first['name']}: {first['importance']:.0%} of the variance."
    )
    note = (
        "By how much a random forest predicts unseen trials worse when a "
        "hyperparameter is shuffled, within the ranges searched. It explains "
        f"{found.r2:.0%} of {found.trials} trials' scores. "
    )
    return Image(titles.importance(found), alt, note, drawing)


def _progress(study: Study, ranking: Ranking, view: views.View, axis: str) -> Image:
    drawing = render(
        lambda ax: study_figures.progress(
            view.frame, ax, axis, by_epochs=study.has_rungs
        ),
        width=HALF,
        height=330,
    )
    alt = f"{axis} of {labels.several(view.total, 'trial')} in the order they ended."
    note = titles.darker(int((view.frame["kind"] == "ranked").sum()))
    note += titles.clipped(view.clipped)
    return Image(titles.progress(study, ranking, view), alt, note, drawing)


def _cost(study: Study, ranking: Ranking, view: views.View, axis: str) -> Image:
    drawing = render(
        lambda ax: study_figures.cost(view.frame, ax, axis), width=HALF, height=330
    )
    front = int(view.frame["on_front"].sum())
    alt = (
        f"{axis} against seconds of {labels.several(view.total, 'trial')}; "
        f"{front} on the front."
    )
    note = "On the blue line nothing quicker scored as well; numbers are trials. "
    note += titles.darker(view.total)
    return Image(
        titles.cost(study, ranking, view),
        alt,
        note + titles.clipped(view.clipped),
        drawing,
    )

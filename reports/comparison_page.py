"""What the page across studies says and shows, ready for its template."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reports import (
    arms,
    comparison,
    comparison_figures,
    grounds,
    spread,
    titles,
    views,
    wording,
)
from reports.comparison import DRAWN, Entry, Group, Studies
from reports.drawing import Image, render
from reports.images import FULL, HALF
from reports.views import BASELINE

_ROOM = 36  # characters of a label beside a narrow figure


class Page(NamedTuple):
    """The context of `comparison.html.j2`."""

    lead: str
    support: tuple[str, ...]
    studies: tuple[str, ...]
    alone: tuple[tuple[str, ...], ...]
    overview: tuple[tuple[str, ...], ...]
    images: dict[str, Image]
    ranges: tuple[tuple[str, ...], ...]
    spreads: list[tuple[str, ...]]
    spread_text: str
    given: tuple[tuple[str, str, str], ...]
    apart: tuple[tuple[str, ...], ...]
    unread: tuple[str, ...]


def page(found: Studies) -> Page:
    """Compute the words, tables and figures across studies."""
    group = comparison.group(found.entries)
    shown = group.entries or group.alone
    differing = grounds.what_differs([entry.study for entry in group.alone])
    spreads = [s for e in group.entries if (s := spread.spread(e)) is not None]
    return Page(
        lead=lead(group, found),
        support=support(group, found),
        studies=tuple(entry.name for entry in shown),
        alone=tuple(
            _beside_its_baseline(entry, words)
            for entry, words in zip(group.alone, differing, strict=True)
        ),
        overview=tuple(_overview(entry) for entry in group.entries),
        images=_images(group) if group.entries else {},
        ranges=comparison.ranges(shown) if len(shown) > 1 else (),
        spreads=spread.rows(spreads),
        spread_text=spread.sentence(spreads),
        given=tuple(
            (study.name, f"{study.name}/report.html", arms.verdict(study).lead)
            for study in found.arms
        ),
        apart=tuple(
            _beside_its_baseline(item.entry, item.reason) for item in group.apart
        ),
        unread=found.unread,
    )


def lead(group: Group, found: Studies) -> str:
    """Say which study holds the highest validation score, and by which margin."""
    if not group.entries:
        return _none_overlaid(group, found)
    objective = group.objective
    metric = wording.metric(objective.name)
    superlative = "highest" if objective.higher_is_better else "lowest"
    first = group.entries[0]
    value = _value(group, first)
    if len(group.entries) == 1:
        text = f"{first.name} is the only study to show: its {superlative} {metric}"
        return f"{text} is {value}{_baseline_words(group)}."
    text = f"{first.name} holds the {superlative} {metric}, {value}"
    second = group.entries[1]
    margin = abs(float(first.leader["objective"] - second.leader["objective"]))
    no_trial_leads = all(int(e.leader["trial"]) == BASELINE for e in group.entries)
    if no_trial_leads and group.shared:
        return f"In no study does a trial come before the baseline: {metric} {value}."
    if margin == 0:
        text = (
            f"{first.name} and {second.name} share the {superlative} {metric}, {value}"
        )
    else:
        side = "above" if objective.higher_is_better else "below"
        unit = (
            wording.points(margin)
            if objective.is_accuracy
            else wording.number(margin, 3)
        )
        score = wording.score(objective, float(second.leader["objective"]))
        text += f", {unit} {side} the next study's first, {second.name} with {score}"
    if no_trial_leads:
        text += "; in no study does a trial come before its own baseline"
    return text + _baseline_words(group) + "."


def _none_overlaid(group: Group, found: Studies) -> str:
    """Say why no study is set against another, and what there is instead."""
    if not found.entries:
        return "There is no study here that can be read."
    if all(e.study.arms for e in found.entries):
        return "No search is here; what was tried on several seeds is below."
    if not group.alone:
        return "No study has a finished trial to rank yet."
    objectives = {entry.study.objective for entry in group.alone}
    same = "images and split" if len(objectives) == 1 else "images, split and objective"
    said = f"No two of these {len(group.alone)} searches had the same {same}"
    if len(group.alone) == 2:
        said = f"The two searches here did not have the same {same}"
    has = all(entry.baseline is not None for entry in group.alone)
    where = "" if has else " where it has one"
    return f"{said}; each stands below, beside its own baseline{where}."


def support(group: Group, found: Studies) -> tuple[str, ...]:
    """Say what the comparison does not show."""
    shown = group.entries or group.alone
    if not shown:
        return ()
    said = []
    if len(group.entries) > 1:
        said.append(
            "Each study is shown within the ranges it searched; other ranges would "
            "give other spreads."
        )
    once = all((e.ranking.ranked["executions"] <= 1).all() for e in shown)
    if once:
        said.append("Each config was trained once, so a small difference can be noise.")
    searched = [e.study for e in found.entries if not e.study.arms]
    studies = [*searched, *found.arms]
    tested = sum(int(s.trials["test_accuracy"].notna().sum()) for s in studies)
    said.append(
        f"Test accuracy was measured for {wording.several(tested, 'trial')} in "
        f"{wording.several(len(studies), 'study', 'studies')}: a choice made "
        "by looking at it is not corrected for."
    )
    for baseline in group.baselines:
        if baseline.spread > 0:
            names = wording.listing(list(baseline.studies))
            unit = (
                wording.points(baseline.spread)
                if group.objective.is_accuracy
                else wording.number(baseline.spread, 3)
            )
            said.append(
                f"The baseline of {names} has the same config and seeds, and its "
                f"scores lie {unit} apart; the oldest is shown."
            )
    return tuple(said)


def _baseline_words(group: Group) -> str:
    if group.shared is None:
        return ""
    score = wording.score(group.objective, float(group.shared.row["objective"]))
    return f"; the {comparison.baseline_label(group, group.shared)} has {score}"


def _value(group: Group, entry: Entry) -> str:
    row = entry.leader
    trial = int(row["trial"])
    baseline = "the baseline" if group.shared else "its baseline"
    who = baseline if trial == BASELINE else f"trial {trial}"
    text = wording.score(group.objective, float(row["objective"]))
    if pd.isna(row["objective_low"]):
        return f"{text} ({who})"
    reach = wording.interval(row["objective_low"], row["objective_high"])
    return f"{text} ({who}, interval {reach})"


def _overview(entry: Entry) -> tuple[str, ...]:
    """Write one row: name, link, and what the study found and cost."""
    study, row = entry.study, entry.leader
    trials = study.trials
    searched = entry.searched
    median = searched["objective"].median() if len(searched) else None
    return (
        study.name,
        f"{study.folder.name}/report.html",
        study.state,
        wording.count(len(entry.ranking.ranked)),
        "baseline" if row["trial"] == BASELINE else str(int(row["trial"])),
        wording.score(study.objective, float(row["objective"])),
        wording.score(study.objective, median),
        wording.percent(row["test_accuracy"]),
        wording.gap(row["gap"]),
        wording.params(row["params"]),
        _epochs(entry),
        wording.duration(float(trials["seconds"].fillna(0).sum())),
        wording.duration(float(trials["seconds"].median())),
    )


def _beside_its_baseline(entry: Entry, words: str) -> tuple[str, ...]:
    """Write one row: name, link, some words, and what it found and its baseline had."""
    study = entry.study
    row = (study.name, f"{study.folder.name}/report.html", words)
    scores = (wording.MISSING,) * 4
    if len(entry.ranking.ranked):
        first, baseline = entry.leader, entry.baseline
        known = None if baseline is None else float(baseline["objective"])
        scores = (
            wording.score(study.objective, first["objective"]),
            wording.score(study.objective, known),
            wording.percent(first["test_accuracy"]),
            wording.gap(first["gap"]),
        )
    return (*row, *scores, wording.count(len(study.trials)), study.state)


def _epochs(entry: Entry) -> str:
    epochs = entry.ranking.ranked["epochs"].dropna()
    low, high = int(epochs.min()), int(epochs.max())
    return str(low) if low == high else f"{low}{wording.DASH}{high}"


def _images(group: Group) -> dict[str, Image]:
    axis = views.axis_of(group.objective)
    names = [entry.name for entry in group.entries[:DRAWN]]
    note = ""
    if len(names) < len(group.entries):
        note = (
            f"Showing the first {len(names)} of {len(group.entries)} studies; all are "
            "in the table above. "
        )
    frame = comparison.distribution(group)
    frame = frame[frame["study"].isin(names)]
    images = {"best": _best(group, axis)}
    if len(frame):
        images["distribution"] = _distribution(group, frame, names, axis, note)
    images["time"] = _time(group, names, axis, note)
    if frame["gap"].notna().any():
        images["gap"] = _gap(group, frame, names, note)
    return images


def _best(group: Group, axis: str) -> Image:
    everything = comparison.best_of_each(group)
    frame = everything.head(20)
    height = 84 + 26 * max(len(frame), 2)
    accuracy = group.objective.is_accuracy
    baseline = _baseline(group, "objective", views.unit_of(group.objective))

    def draw(ax: Any) -> None:
        comparison_figures.best_of_each(frame, ax, axis, baseline, accuracy=accuracy)

    fits = frame["label"].str.len().max() <= _ROOM
    drawing = render(draw, width=FULL, height=height, narrow=bool(fits))
    digits = 1 if accuracy else 3
    percent = " %" if accuracy else ""
    said = [
        f"{wording.number(score, digits)}{percent} in {label.replace(': ', ' ')}"
        for label, score in zip(frame["label"], frame["score"], strict=True)
    ]
    title = f"By {wording.metric(group.objective.name)}: {wording.listing(said[:4])}"
    note = titles.showing(len(frame), len(everything))
    return Image(title, f"Dot plot. {title}.", note, drawing)


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
    frame = comparison.best_against_time(group)
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

"""The sentences, tables and figures of the comparison report."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.figures import catalog
from reports.figures.style import Image
from reports.pages import fresh_seeds
from reports.read import labels
from reports.read.trial_names import BASELINE, in_sentence
from reports.stats import comparability, groups, spread
from reports.stats.analysis import Analysis
from reports.stats.groups import Group, Studies


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
    candidates: tuple[tuple[str, str, str], ...]
    apart: tuple[tuple[str, ...], ...]
    unread: tuple[str, ...]


def page(studies: Studies) -> Page:
    """Compute everything that the comparison report shows."""
    group = groups.group(studies.entries)
    shown = group.entries or group.alone
    differing = comparability.what_differs([entry.study for entry in group.alone])
    spreads = [s for e in group.entries if (s := spread.spread(e)) is not None]
    return Page(
        lead=lead(group, studies),
        support=support(group, studies),
        studies=tuple(entry.name for entry in shown),
        alone=tuple(
            _row_with_baseline(entry, words)
            for entry, words in zip(group.alone, differing, strict=True)
        ),
        overview=tuple(_overview(entry) for entry in group.entries),
        images=catalog.images("comparison", group),
        ranges=groups.ranges(shown) if len(shown) > 1 else (),
        spreads=spread.rows(spreads),
        spread_text=spread.sentence(spreads),
        candidates=tuple(
            (entry.name, f"{entry.name}/report.html", fresh_seeds.verdict(entry).lead)
            for entry in studies.of_candidates
        ),
        apart=tuple(
            _row_with_baseline(item.entry, item.reason) for item in group.apart
        ),
        unread=studies.unread,
    )


def lead(group: Group, studies: Studies) -> str:
    """Say which study has the best validation score, and by what margin."""
    if not group.entries:
        return _none_overlaid(group, studies)
    objective = group.objective
    metric = labels.metric(objective.name)
    superlative = "highest" if objective.higher_is_better else "lowest"
    first = group.entries[0]
    value = _value(group, first)
    if len(group.entries) == 1:
        text = f"{first.name} is the only study to show: its {superlative} {metric}"
        return f"{text} is {value}.{_baseline_words(group)}"
    second = group.entries[1]
    margin = abs(float(first.leader["objective"] - second.leader["objective"]))
    no_trial_leads = all(int(e.leader["trial"]) == BASELINE for e in group.entries)
    if no_trial_leads and group.shared:
        return f"No trial in any study ranks above the baseline: {metric} {value}."
    if margin == 0:
        top = float(first.leader["objective"])
        tied = [e.name for e in group.entries if float(e.leader["objective"]) == top]
        text = f"{labels.listing(tied)} share the {superlative} {metric}, "
        text += f"{labels.score(objective, top)}."
    else:
        side = "above" if objective.higher_is_better else "below"
        unit = (
            labels.points(margin) if objective.is_accuracy else labels.number(margin, 3)
        )
        score = labels.score(objective, float(second.leader["objective"]))
        text = (
            f"{first.name} has the {superlative} {metric}, {value}. That is {unit} "
            f"{side} the next study, {second.name}, with {score}."
        )
    if no_trial_leads:
        text += " No trial in any study ranks above its own baseline."
    return text + _baseline_words(group)


def _none_overlaid(group: Group, studies: Studies) -> str:
    """Say why no studies are compared, and what the report shows instead."""
    if not studies.entries:
        return "This folder holds no study that can be read."
    if all(e.study.candidates for e in studies.entries):
        return (
            "There is no search here. The configs trained on several seeds are below."
        )
    if not group.alone:
        return "No study has a finished trial to rank yet."
    objectives = {entry.study.objective for entry in group.alone}
    same = "images and split" if len(objectives) == 1 else "images, split and objective"
    differ = f"No two of these {len(group.alone)} searches used the same {same}"
    if len(group.alone) == 2:
        differ = f"These two searches did not use the same {same}"
    have_baselines = all(entry.baseline is not None for entry in group.alone)
    condition = "" if have_baselines else ", if it has one"
    return (
        f"{differ}, so their scores cannot be compared with each other. Each search is "
        f"shown beside its own baseline{condition}."
    )


def support(group: Group, studies: Studies) -> tuple[str, ...]:
    """Say what the comparison cannot show."""
    shown = group.entries or group.alone
    if not shown:
        return ()
    sentences = []
    if len(group.entries) > 1:
        sentences.append(
            "Each study searched its own ranges. Other ranges would give other spreads."
        )
    others = sum(bool(len(item.entry.ranking.ranked)) for item in group.apart)
    if group.entries and others:
        sentences.append(
            f"{labels.several(others, 'study', 'studies')} with other images, another "
            f"split or another objective {'is' if others == 1 else 'are'} listed "
            "separately below."
        )
    once = all((e.ranking.ranked["executions"] <= 1).all() for e in shown)
    if once:
        sentences.append(
            "Each search trained its configs once, so a small difference can be noise."
        )
    searches = [e for e in studies.entries if not e.study.candidates]
    analyses = [*searches, *studies.of_candidates]
    tested = sum(int(e.study.trials["test_accuracy"].notna().sum()) for e in analyses)
    sentences.append(
        f"Test accuracy was measured for {labels.several(tested, 'trial')} in "
        f"{labels.several(len(analyses), 'study', 'studies')}. If you choose by "
        "it, nothing here corrects for that choice."
    )
    for baseline in group.baselines:
        if baseline.spread > 0:
            names = labels.listing(list(baseline.studies))
            unit = (
                labels.points(baseline.spread)
                if group.objective.is_accuracy
                else labels.number(baseline.spread, 3)
            )
            sentences.append(
                f"The baseline of {names} has the same config and seeds, but its "
                f"scores differ by up to {unit}. The oldest is shown."
            )
    return tuple(sentences)


def _baseline_words(group: Group) -> str:
    if group.shared is None:
        return ""
    score = labels.score(group.objective, float(group.shared.row["objective"]))
    return f" The {groups.baseline_label(group, group.shared)} has {score}."


def _value(group: Group, entry: Analysis) -> str:
    row = entry.leader
    trial = int(row["trial"])
    baseline = "the baseline" if group.shared else "its baseline"
    who = baseline if trial == BASELINE else in_sentence(trial)
    text = labels.score(group.objective, float(row["objective"]))
    if pd.isna(row["objective_low"]):
        return f"{text} ({who})"
    interval = labels.interval(row["objective_low"], row["objective_high"])
    return f"{text} ({who}, 95 % interval {interval})"


def _overview(entry: Analysis) -> tuple[str, ...]:
    """Write one row: name, link, and the study's best trial and cost."""
    study, row = entry.study, entry.leader
    trials = study.trials
    searched = entry.searched
    median = searched["objective"].median() if len(searched) else None
    return (
        study.name,
        f"{study.folder.name}/report.html",
        study.state,
        labels.count(len(entry.ranking.ranked)),
        "baseline" if row["trial"] == BASELINE else str(int(row["trial"])),
        labels.score(study.objective, float(row["objective"])),
        labels.score(study.objective, median),
        labels.percent(row["test_accuracy"]),
        labels.gap(row["gap"]),
        labels.params(row["params"]),
        _epochs(entry),
        labels.duration(float(trials["seconds"].fillna(0).sum())),
        labels.duration(float(trials["seconds"].median())),
    )


def _row_with_baseline(entry: Analysis, words: str) -> tuple[str, ...]:
    """Write one row: name, link, some words, the best trial's scores, the baseline."""
    study = entry.study
    row = (study.name, f"{study.folder.name}/report.html", words)
    scores = (labels.MISSING,) * 4
    if len(entry.ranking.ranked):
        leader, baseline = entry.leader, entry.baseline
        baseline_score = None if baseline is None else float(baseline["objective"])
        scores = (
            labels.score(study.objective, leader["objective"]),
            labels.score(study.objective, baseline_score),
            labels.percent(leader["test_accuracy"]),
            labels.gap(leader["gap"]),
        )
    return (*row, *scores, labels.count(len(study.trials)), study.state)


def _epochs(entry: Analysis) -> str:
    epochs = entry.ranking.ranked["epochs"].dropna()
    low, high = int(epochs.min()), int(epochs.max())
    return str(low) if low == high else f"{low}{labels.DASH}{high}"

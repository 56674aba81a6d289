"""What the page across studies says and shows, ready for its template."""

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
    """Compute the words, tables and figures across studies."""
    group = groups.group(studies.entries)
    shown = group.entries or group.alone
    differing = comparability.what_differs([entry.study for entry in group.alone])
    spreads = [s for e in group.entries if (s := spread.spread(e)) is not None]
    return Page(
        lead=lead(group, studies),
        support=support(group, studies),
        studies=tuple(entry.name for entry in shown),
        alone=tuple(
            _beside_its_baseline(entry, words)
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
            _beside_its_baseline(item.entry, item.reason) for item in group.apart
        ),
        unread=studies.unread,
    )


def lead(group: Group, studies: Studies) -> str:
    """Say which study holds the highest validation score, and by which margin."""
    if not group.entries:
        return _none_overlaid(group, studies)
    objective = group.objective
    metric = labels.metric(objective.name)
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
        top = float(first.leader["objective"])
        tied = [e.name for e in group.entries if float(e.leader["objective"]) == top]
        text = f"{labels.listing(tied)} share the {superlative} {metric}, "
        text += labels.score(objective, top)
    else:
        side = "above" if objective.higher_is_better else "below"
        unit = (
            labels.points(margin) if objective.is_accuracy else labels.number(margin, 3)
        )
        score = labels.score(objective, float(second.leader["objective"]))
        text += f", {unit} {side} the next study's first, {second.name} with {score}"
    if no_trial_leads:
        text += "; in no study does a trial come before its own baseline"
    return text + _baseline_words(group) + "."


def _none_overlaid(group: Group, studies: Studies) -> str:
    """Say why no study is set against another, and what there is instead."""
    if not studies.entries:
        return "There is no study here that can be read."
    if all(e.study.candidates for e in studies.entries):
        return "No search is here; what was tried on several seeds is below."
    if not group.alone:
        return "No study has a finished trial to rank yet."
    objectives = {entry.study.objective for entry in group.alone}
    same = "images and split" if len(objectives) == 1 else "images, split and objective"
    differ = f"No two of these {len(group.alone)} searches had the same {same}"
    if len(group.alone) == 2:
        differ = f"The two searches here did not have the same {same}"
    has = all(entry.baseline is not None for entry in group.alone)
    where = "" if has else " where it has one"
    return f"{differ}; each stands below, beside its own baseline{where}."


def support(group: Group, studies: Studies) -> tuple[str, ...]:
    """Say what the comparison does not show."""
    shown = group.entries or group.alone
    if not shown:
        return ()
    sentences = []
    if len(group.entries) > 1:
        sentences.append(
            "Each study is shown within the ranges it searched; other ranges would "
            "give other spreads."
        )
    others = sum(bool(len(item.entry.ranking.ranked)) for item in group.apart)
    if group.entries and others:
        them = "it stands" if others == 1 else "they stand"
        sentences.append(
            f"Not set against them: {labels.several(others, 'study', 'studies')} of "
            f"other images, split or objective; {them} apart, below."
        )
    once = all((e.ranking.ranked["executions"] <= 1).all() for e in shown)
    if once:
        sentences.append(
            "In each search a config was trained once, so a small difference can be "
            "noise."
        )
    searches = [e for e in studies.entries if not e.study.candidates]
    all_of_them = [*searches, *studies.of_candidates]
    tested = sum(
        int(e.study.trials["test_accuracy"].notna().sum()) for e in all_of_them
    )
    sentences.append(
        f"Test accuracy was measured for {labels.several(tested, 'trial')} in "
        f"{labels.several(len(all_of_them), 'study', 'studies')}: a choice made "
        "by looking at it is not corrected for."
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
                f"The baseline of {names} has the same config and seeds, and its "
                f"scores lie {unit} apart; the oldest is shown."
            )
    return tuple(sentences)


def _baseline_words(group: Group) -> str:
    if group.shared is None:
        return ""
    score = labels.score(group.objective, float(group.shared.row["objective"]))
    return f"; the {groups.baseline_label(group, group.shared)} has {score}"


def _value(group: Group, entry: Analysis) -> str:
    row = entry.leader
    trial = int(row["trial"])
    baseline = "the baseline" if group.shared else "its baseline"
    who = baseline if trial == BASELINE else in_sentence(trial)
    text = labels.score(group.objective, float(row["objective"]))
    if pd.isna(row["objective_low"]):
        return f"{text} ({who})"
    reach = labels.interval(row["objective_low"], row["objective_high"])
    return f"{text} ({who}, interval {reach})"


def _overview(entry: Analysis) -> tuple[str, ...]:
    """Write one row: name, link, and what the study found and cost."""
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


def _beside_its_baseline(entry: Analysis, words: str) -> tuple[str, ...]:
    """Write one row: name, link, some words, and what it found and its baseline had."""
    study = entry.study
    row = (study.name, f"{study.folder.name}/report.html", words)
    scores = (labels.MISSING,) * 4
    if len(entry.ranking.ranked):
        first, baseline = entry.leader, entry.baseline
        known = None if baseline is None else float(baseline["objective"])
        scores = (
            labels.score(study.objective, first["objective"]),
            labels.score(study.objective, known),
            labels.percent(first["test_accuracy"]),
            labels.gap(first["gap"]),
        )
    return (*row, *scores, labels.count(len(study.trials)), study.state)


def _epochs(entry: Analysis) -> str:
    epochs = entry.ranking.ranked["epochs"].dropna()
    low, high = int(epochs.min()), int(epochs.max())
    return str(low) if low == high else f"{low}{labels.DASH}{high}"

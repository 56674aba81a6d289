"""Advice on what to do next, each with the numbers behind it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from reports.pages.facts import command
from reports.pages.findings import failures
from reports.read import labels
from reports.read.hyperparameters import Hyperparameter
from reports.read.study import StudyFrames
from reports.read.trial_names import in_sentence
from reports.stats.ranking import Ranking, overlapping
from tuner.system.files import CONFIRM

_FEWEST = 2  # of layers or pooled pixels: a range cannot usefully go lower


class Step(NamedTuple):
    """One suggestion, and the numbers behind it."""

    what: str
    evidence: str


def next_steps(study: StudyFrames, ranking: Ranking) -> tuple[Step, ...]:
    """Return at most four suggestions, each only if the numbers support it."""
    steps = [
        *_many_failures(study),
        *_overlap(study, ranking),
        *_edges(study, ranking),
        *_no_gain(study, ranking),
    ]
    return tuple(steps[:4])


def _many_failures(study: StudyFrames) -> list[Step]:
    failed, total = int((study.trials["status"] == "failed").sum()), len(study.trials)
    if failed < 2 or failed < 0.2 * total:
        return []
    worst = failures(study)[0]
    what = "Look into the failures first"
    what += "." if study.is_imported else ": search.log holds all messages."
    if "memory" in worst.error.lower():
        what = "Exclude large networks with --max-params, or search fewer layers."
    evidence = (
        f"{failed} of {total} trials failed, {worst.trials} of them with: "
        f"{worst.error}."
    )
    return [Step(what, evidence)]


def _overlap(study: StudyFrames, ranking: Ranking) -> list[Step]:
    near = overlapping(ranking)
    is_confirmed = any((study.folder / name).exists() for name in CONFIRM)
    if not len(near) or is_confirmed or ranking.ranked["executions"].max() > 2:
        return []
    return [
        Step(
            f"Train the top trials again on fresh seeds ({command(study, 'confirm')}).",
            f"{labels.several(len(near), 'interval')} "
            f"{'overlaps' if len(near) == 1 else 'overlap'} the leader's, and each "
            "score comes from only one or two runs.",
        )
    ]


def _edges(study: StudyFrames, ranking: Ranking) -> list[Step]:
    """Advise a wider range if the leader and most of the top five lie at its end."""
    if len(ranking.ranked) < 10:
        return []
    is_users = bool(study.record.space.source)
    how = "" if is_users else " in a search space of your own"
    top = ranking.ranked["trial"].head(5)
    leader = in_sentence(top.iloc[0])
    steps = []
    for hyperparameter in study.hyperparameters:
        values = top.map(study.configs[hyperparameter.name])
        for end, word in (
            (hyperparameter.low, "lower"),
            (hyperparameter.high, "upper"),
        ):
            if end is None or not pd.api.types.is_number(values.iloc[0]):
                continue
            is_count = isinstance(values.iloc[0], int)
            if word == "lower" and is_count and end <= _FEWEST:
                continue
            at = pd.Series([_at_end(v, end, hyperparameter) for v in values])
            if bool(at.iloc[0]) and int(at.sum()) >= 3:
                steps.append(
                    Step(
                        f"Widen the range of {hyperparameter.name}{how}.",
                        f"{int(at.sum())} of the top {len(top)} trials, including "
                        f"{leader}, lie at its {word} end, {labels.value(end)}.",
                    )
                )
    return steps[:2]


def _at_end(value: Any, end: float, hyperparameter: Hyperparameter) -> bool:
    if (
        not isinstance(value, int | float)
        or hyperparameter.low is None
        or hyperparameter.high is None
    ):
        return False
    low, high = hyperparameter.low, hyperparameter.high
    if hyperparameter.log and min(low, value) > 0:
        low, high, value, end = (math.log(number) for number in (low, high, value, end))
    return low < high and abs(value - end) <= 0.01 * (high - low)


def _no_gain(study: StudyFrames, ranking: Ranking) -> list[Step]:
    ranked = ranking.ranked
    if len(ranked) < 15 or study.has_rungs:
        return []
    third = len(ranked) // 3
    leader_order = int(ranked["order"].rank().iloc[0])
    if leader_order > len(ranked) - third:
        return []
    return [
        Step(
            "Change the search space instead of adding trials.",
            f"None of the last {third} of {len(ranked)} trials ranks above "
            f"{in_sentence(ranked['trial'].iloc[0])}.",
        )
    ]

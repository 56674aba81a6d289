"""Comparisons of trials on the test images.

Test accuracy does not choose the pairs. They are the best trials by validation against
trial 0, or every trial against trial 0 if there is no validation; and a trial against
a shorter training of the same config.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from reports.read.predictions import Right
from reports.read.study import StudyFrames
from reports.read.trial_names import BASELINE
from reports.stats.differences import MIN_TRAININGS, Difference, compare
from reports.stats.ranking import Ranking

Trainings = dict[tuple[int, ...], Right]  # equal keys make two runs a pair

_LEADERS = 8
_ERROR = 0.05  # error rate of all verdicts of a page together


class Comparison(NamedTuple):
    """A comparison of two trials.

    Attributes:
        trial: The trial's number.
        other: The number of the trial that it is compared with.
        difference: Test accuracy of the trial minus that of the other.
        next_level: The interval's confidence after the next look at more runs.
    """

    trial: int
    other: int
    difference: Difference
    next_level: float


def compare_trials(study: StudyFrames, ranking: Ranking) -> tuple[Comparison, ...]:
    """Compare the pairs that the page shows, with simultaneous 95 % intervals."""
    if study.candidates:
        return _of_candidates(study)
    pairs = _pairs(study, ranking)
    right = {
        trial: trainings
        for trial in sorted({t for pair in pairs for t in pair})
        if (trainings := _right(study, trial))
    }
    pairs = [(a, b) for a, b in pairs if a in right and b in right]
    level = 1 - _ERROR / max(1, len(pairs))  # there is only one look
    return tuple(
        Comparison(a, b, _compare(right[a], right[b], level), level) for a, b in pairs
    )


def _of_candidates(study: StudyFrames) -> tuple[Comparison, ...]:
    """Compare every candidate with candidate 0, at the last look that both reached.

    Later seeds count at the next look: showing each at once would be a look of its own.
    """
    first, count = _right(study, BASELINE), len(study.candidates) - 1
    comparisons = []
    for trial in study.trials["trial"]:
        ours = _right(study, int(trial)) if trial != BASELINE else {}
        paired = [key for key in ours if key in first]
        looks = [
            seeds
            for seeds in study.candidates[int(trial)].looks
            if all((i,) in paired for i in range(seeds))
        ]
        if not looks:
            continue
        seen = {key: ours[key] for key in paired if key[0] < looks[-1]}
        level, after = (level_at(look, count) for look in (len(looks), len(looks) + 1))
        difference = _compare(seen, first, level)
        comparisons.append(Comparison(int(trial), BASELINE, difference, after))
    return tuple(comparisons)


def level_at(look: int, comparisons: int) -> float:
    """Return the confidence of each of several intervals at a look, counted from 1.

    Every look spends half of the remaining error rate, shared evenly by the intervals.
    """
    return 1 - _ERROR * 0.5**look / comparisons


def seeds_to_settle(comparison: Comparison) -> int | None:
    """Estimate how many seeds of each trial would settle a difference.

    Return more than there are, or None if no number would do, or only over 200.
    """
    trained = comparison.difference.trainings
    if trained < MIN_TRAININGS:
        return MIN_TRAININGS
    difference = comparison.difference._replace(level=comparison.next_level)
    needed = difference.trainings_to_settle()
    return max(int(needed), trained + 2) if math.isfinite(needed) else None


def _pairs(study: StudyFrames, ranking: Ranking) -> list[tuple[int, int]]:
    if ranking.by_validation:
        first = [int(t) for t in ranking.ranked["trial"].head(_LEADERS)]
    else:
        done = ranking.listed[ranking.listed["status"] == "completed"]
        first = [int(t) for t in done["trial"]]
    pairs = [(trial, BASELINE) for trial in first if trial != BASELINE]
    shorter = _shorter(study)
    pairs += [
        (trial, shorter[trial])
        for trial in first
        if shorter.get(trial, BASELINE) != BASELINE
    ]
    return pairs


def _shorter(study: StudyFrames) -> dict[int, int]:
    """Find, for each trial, the longest shorter training from the same seed."""
    finished = study.executions[study.executions["final"]]
    shorter: dict[int, int] = {}
    for _, same in finished[finished["execution"] == 0].groupby("seed"):
        in_order = same.sort_values("epochs")
        trials = [int(t) for t in in_order["trial"]]
        lengths = list(in_order["epochs"])
        for i in range(1, len(trials)):
            if lengths[i] > lengths[i - 1]:
                shorter[trials[i]] = trials[i - 1]
    return shorter


def _compare(ours: Trainings, theirs: Trainings, level: float) -> Difference:
    """Compare two trials; runs with equal keys are pairs."""
    shared = [key for key in ours if key in theirs]
    if shared:
        return compare(
            np.stack([ours[key] for key in shared]),
            np.stack([theirs[key] for key in shared]),
            is_paired=True,
            level=level,
        )
    return compare(
        np.stack(list(ours.values())), np.stack(list(theirs.values())), level=level
    )


def _right(study: StudyFrames, trial: int) -> Trainings:
    """Read which test images each run of a trial classified correctly."""
    is_of_trial = study.executions["trial"] == trial
    trainings: Trainings = {}
    for _, row in study.executions[is_of_trial & study.executions["final"]].iterrows():
        execution, seed = int(row["execution"]), int(row["seed"])
        right = study.predictions.right(trial, execution, "test")
        if right is not None:
            # Candidates share one split per seed, other trials a seed's trajectory.
            pair = (execution,) if study.candidates else (execution, seed)
            trainings[pair] = right
    return trainings

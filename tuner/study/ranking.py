"""Which trials may be compared, and in what order: by validation, never by test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from tuner.study.objective import Objective
from tuner.study.records import TrialRecord
from tuner.study.settings import StudySettings


def score(trial: TrialRecord, measure: str) -> float | None:
    """Average a measure over a trial's executions, or None where one lacks it.

    Args:
        trial: Any.
        measure: For example "val_accuracy"; see `Execution.measure`.
    """
    values = [e.measure(measure) for e in trial.executions]
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values):
        return None
    return float(sum(known) / len(known))


def score_at(trial: TrialRecord, epochs: int, measure: str) -> float | None:
    """Average a measure after an epoch over a trial's executions, from its curves.

    None where an execution was not trained so far.
    """
    curves = [e.history.get(measure, []) for e in trial.executions]
    if not curves or any(len(curve) < epochs for curve in curves):
        return None
    return float(sum(curve[epochs - 1] for curve in curves) / len(curves))


def full_length(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> list[TrialRecord]:
    """List the completed trials that may be ranked together.

    Under Hyperband that is the last rung: a trial that was cut short never
    stands against a full-length one. Otherwise it is every completed trial, also
    where epochs are a hyperparameter.
    """
    needed = (settings.epochs or 0) if settings.has_rungs else 0
    return [
        t
        for t in trials
        if t.status == "completed" and all(e.epochs >= needed for e in t.executions)
    ]


def best_first(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> list[TrialRecord]:
    """Rank full-length trials: best objective, then fewest parameters, then number.

    Args:
        trials: A study's trials, in any order.
        settings: The study's.

    Returns:
        The ranked trials; those without the objective (no validation split) are
        left out.
    """
    objective = Objective.parse(settings.objective)
    return in_order(full_length(trials, settings), objective)


def in_order(
    trials: Iterable[TrialRecord],
    objective: Objective,
    score_of: Callable[[TrialRecord, str], float | None] = score,
) -> list[TrialRecord]:
    """Sort trials as `best_first` does.

    Args:
        trials: Those that may be ranked together, in any order.
        objective: What ranks them.
        score_of: Takes a trial and the objective's name; a trial of which it gives
            None or NaN is left out.
    """
    scored = [
        (-objective.sign * value, trial.executions[0].params or 0, trial.trial, trial)
        for trial in trials
        if (value := score_of(trial, objective.name)) is not None
        and not math.isnan(value)
    ]
    return [trial for *_, trial in sorted(scored, key=lambda row: row[:3])]

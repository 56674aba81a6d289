"""Select the trials that can be compared and rank them, never by test images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from tuner.study.objective import Objective
from tuner.study.records import TrialRecord
from tuner.study.settings import StudySettings


def score(trial: TrialRecord, measure: str) -> float | None:
    """Average a measure over a trial's executions; None if any of them lacks it.

    Args:
        trial: Any trial.
        measure: For example "val_accuracy"; see `Execution.measure`.
    """
    values = [e.measure(measure) for e in trial.executions]
    measured = [value for value in values if value is not None]
    if not values or len(measured) < len(values):
        return None
    return float(sum(measured) / len(measured))


def score_at(trial: TrialRecord, epochs: int, measure: str) -> float | None:
    """Average a measure after so many epochs over a trial's executions.

    Return None if an execution has fewer epochs, or if no rung ended there and every
    rung was a whole training.
    """
    if any(e.earlier_epochs for e in trial.executions):  # each rung started anew
        scores = (r.score for r in trial.rungs if r.epochs == epochs)
        return next(scores, None)
    curves = [e.history.get(measure, []) for e in trial.executions]
    if not curves or any(len(curve) < epochs for curve in curves):
        return None
    return float(sum(curve[epochs - 1] for curve in curves) / len(curves))


def full_length(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> list[TrialRecord]:
    """List the completed trials that can be ranked together.

    With Hyperband these are the trials of the last rung: an eliminated trial is
    never compared with a fully trained one. Otherwise these are all completed trials,
    even if epochs are a hyperparameter.
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
        settings: The study's settings.

    Returns:
        The ranked trials, without those that lack the objective (no validation
        split).
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
        trials: Trials that can be ranked together, in any order.
        objective: The objective to rank by.
        score_of: Returns a trial's value of the named objective; trials with None or
            NaN are left out.
    """
    scored = [
        (-objective.sign * value, trial.executions[0].params or 0, trial.trial, trial)
        for trial in trials
        if (value := score_of(trial, objective.name)) is not None
        and not math.isnan(value)
    ]
    return [trial for *_, trial in sorted(scored, key=lambda row: row[:3])]

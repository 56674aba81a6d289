"""Which trials may be compared, and in what order: by validation, never by test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuner.records import TrialRecord

OBJECTIVES = {"val_accuracy": "max", "val_loss": "min"}


def score(trial: TrialRecord, objective: str) -> float | None:
    """Average the objective over a trial's executions, or None where one lacks it."""
    values = [getattr(e, objective) for e in trial.executions]
    if not values or None in values:
        return None
    return float(sum(values) / len(values))


def score_at(trial: TrialRecord, epochs: int, objective: str) -> float | None:
    """Average the objective after an epoch over a trial's executions, from its curves.

    None where an execution was not trained so far.
    """
    curves = [e.history.get(objective, []) for e in trial.executions]
    if not curves or any(len(curve) < epochs for curve in curves):
        return None
    return float(sum(curve[epochs - 1] for curve in curves) / len(curves))


def full_length(
    trials: Iterable[TrialRecord], settings: Mapping[str, Any]
) -> list[TrialRecord]:
    """List the completed trials that may be ranked together.

    Under Hyperband that is the last rung: a trial that was cut short never
    stands against a full-length one. Otherwise it is every completed trial, also
    where epochs are a hyperparameter.
    """
    needed = settings["epochs"] if settings["algorithm"] == "hyperband" else 0
    return [
        t
        for t in trials
        if t.status == "completed" and all(e.epochs >= needed for e in t.executions)
    ]


def best_first(
    trials: Iterable[TrialRecord], settings: Mapping[str, Any]
) -> list[TrialRecord]:
    """Rank full-length trials: best objective, then fewest parameters, then number.

    Args:
        trials: A study's trials, in any order.
        settings: The study's, as its record has them.

    Returns:
        The ranked trials; those without the objective (no validation split) are
        left out.
    """
    objective = settings["objective"]
    sign = -1 if OBJECTIVES[objective] == "max" else 1
    ranked = [
        (sign * value, trial.executions[0].params or 0, trial.trial, trial)
        for trial in full_length(trials, settings)
        if (value := score(trial, objective)) is not None
    ]
    return [trial for *_, trial in sorted(ranked, key=lambda r: r[:3])]

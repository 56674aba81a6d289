"""Promises of what is said about Hyperband's rungs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from search_spaces.config import CnnConfig
from tuner.study import rungs
from tuner.study.records import Execution, Rung, TrialRecord
from tuner.study.settings import StudySettings

SETTINGS = StudySettings("architecture", algorithm="hyperband", epochs=4)


def trial(number, curve, *, bracket=1, is_audit=False, loss=False):
    """A trial that was trained for as many epochs as its curve has."""
    name = "val_loss" if loss else "val_accuracy"
    execution = Execution(
        0, 1, len(curve), {name: list(curve)}, test_accuracy=0.5, **{name: curve[-1]}
    )
    return TrialRecord(
        number,
        "completed",
        CnnConfig(epochs=len(curve)).to_dict(),
        rungs=(
            Rung(1, bracket, score=curve[0]),
            Rung(len(curve), bracket, score=curve[-1], is_audit=is_audit),
        ),
        executions=(execution,),
    )


WHOLE = [
    trial(1, [0.1, 0.2, 0.3, 0.40]),
    trial(2, [0.3, 0.2, 0.3, 0.55]),
    trial(3, [0.2, 0.3, 0.4, 0.50]),
    trial(4, [0.4, 0.4, 0.5, 0.60]),
    trial(5, [0.5, 0.4, 0.3, 0.45]),
]


def test_the_correlation_is_spearmans_over_full_length_trials():
    """A trial that was cut short has no last epoch to compare with."""
    short = trial(6, [0.9])
    (found,) = rungs.agreements([*WHOLE, short], SETTINGS)
    first = [0.1, 0.3, 0.2, 0.4, 0.5]
    last = [0.40, 0.55, 0.50, 0.60, 0.45]
    assert found.correlation == pytest.approx(stats.spearmanr(first, last).statistic)
    assert (found.epoch, found.last, found.trials) == (1, 4, 5)


def test_nothing_is_said_of_too_few_or_of_equals():
    """Three trials, or a constant, have no rank correlation worth a sentence."""
    assert rungs.agreements(WHOLE[:3], SETTINGS) == []
    flat = [trial(i, [0.5, 0.5, 0.5, i / 10]) for i in range(1, 7)]
    assert rungs.agreements(flat, SETTINGS) == []
    assert rungs.sentences(WHOLE, replace(SETTINGS, algorithm="random")) == []


def test_an_audit_finds_what_its_own_bracket_should_have_kept():
    """Better than all that its bracket kept is wrong; better than another's is not."""
    other = trial(7, [0.1, 0.2, 0.3, 0.99], bracket=0)
    right = trial(8, [0.1, 0.2, 0.3, 0.59], is_audit=True)
    wrong = trial(9, [0.1, 0.2, 0.3, 0.61], is_audit=True)
    found = rungs.audit([*WHOLE, other, right, wrong], SETTINGS)
    assert found == rungs.AuditOutcome((8, 9), (9,))
    said = rungs.sentences([*WHOLE, other, right, wrong], SETTINGS)[-1]
    assert said == (
        "Audit: 2 eliminated configs were fully trained, and 1 of them beat all "
        "survivors of its bracket (trial 9)."
    )
    assert rungs.audit(WHOLE, SETTINGS) is None


def test_a_lower_loss_is_better():
    """The direction is the objective's."""
    settings = replace(SETTINGS, objective="val_loss")
    kept = trial(1, [2.0, 1.0, 1.0, 1.0], loss=True)
    better = trial(2, [3.0, 1.0, 1.0, 0.9], loss=True, is_audit=True)
    worse = replace(trial(3, [3.0, 1.0, 1.0, 1.1], loss=True, is_audit=True))
    found = rungs.audit([kept, better, worse], settings)
    assert found is not None
    assert found.wrong == (2,)

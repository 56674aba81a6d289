"""Which hyperparameters matter: against a known dependence, and against none."""

import dataclasses

import numpy as np
import pytest
import studies

from reports.read.study import read_study
from reports.stats.importance import Importance, importance
from reports.stats.ranking import rank


def _study(tmp_path, n, score):
    """Write a study whose validation accuracy follows from the config."""
    rng = np.random.default_rng(0)

    def change(trial):
        value = float(np.clip(score(trial.config, rng), 0.05, 0.95))
        runs = tuple(
            dataclasses.replace(e, val_accuracy=value) for e in trial.executions
        )
        return dataclasses.replace(trial, executions=runs)

    folder = studies.write_study(tmp_path, n=n, space="hyperparams", change=change)
    study = read_study(folder)
    return study, rank(study)


def _by_rate_and_optimizer(config, rng):
    rate = np.log10(config["learning_rate"]) + 3
    wrong = 0.15 if config["optimizer"] == "sgd" else 0.0
    return 0.6 - 0.12 * rate**2 - wrong + rng.normal(0, 0.01)


def test_what_scores_depend_on_stands_above_what_they_do_not(tmp_path):
    """A curve in one hyperparameter and a step in another, of six."""
    measured = importance(*_study(tmp_path, 80, _by_rate_and_optimizer))
    assert isinstance(measured, Importance)
    frame = measured.frame
    above = frame[frame["importance"] > frame["null"].clip(lower=0)]["name"]
    assert {"learning_rate", "optimizer"} <= set(above)
    assert set(frame["name"].head(2)) == {"learning_rate", "optimizer"}
    assert measured.r2 > 0.5


def test_scores_that_depend_on_nothing_are_withheld(tmp_path):
    """Noise is not explained, and no bar is drawn."""
    measured = importance(
        *_study(tmp_path, 80, lambda c, rng: 0.5 + rng.normal(0, 0.05))
    )
    assert isinstance(measured, str)
    assert "withheld" in measured


def test_the_forest_is_trained_only_on_trials_that_the_search_drew(tmp_path):
    """Trial 0 and enqueued configs set many hyperparameters together."""
    study, ranking = _study(tmp_path, 30, _by_rate_and_optimizer)
    settings = dataclasses.replace(study.record.settings, enqueue=[{}] * 4)
    record = dataclasses.replace(study.record, settings=settings)
    measured = importance(dataclasses.replace(study, record=record), ranking)
    assert isinstance(measured, Importance)
    assert measured.trials == 25
    record = dataclasses.replace(
        record, settings=dataclasses.replace(settings, enqueue=[{}] * 10)
    )
    few = importance(dataclasses.replace(study, record=record), ranking)
    assert "at least 20 ranked trials that the search drew; there are 19" in few


@pytest.mark.parametrize(
    ("n", "reason"), [(5, "at least 20"), (30, "all scores are equal")]
)
def test_too_little_data_gives_a_reason(tmp_path, n, reason):
    """Few trials, or scores that do not vary, have no importance."""
    measured = importance(*_study(tmp_path, n, lambda c, rng: 0.5))
    assert isinstance(measured, str)
    assert reason in measured

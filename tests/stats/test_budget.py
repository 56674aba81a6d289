"""The best score expected of fewer trials, against simulation."""

import dataclasses
import itertools

import numpy as np
import pytest
import studies

from reports.figures import expected_best
from reports.read.study import read_study
from reports.stats import budget
from reports.stats.analysis import Analysis
from reports.stats.ranking import rank


def test_with_replacement_it_is_the_mean_of_draws():
    """E_n equals the mean best of n draws from the scores."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=12)
    expected = budget.expected_best(scores)
    for n in (1, 3, 7, 12):
        best = rng.choice(scores, (100_000, n)).max(axis=1).mean()
        assert expected[n - 1] == pytest.approx(best, abs=0.01)


def test_without_replacement_it_is_the_mean_over_all_subsets():
    """E_n equals the mean best of all subsets of n scores."""
    scores = np.array([0.3, 0.1, 0.7, 0.2, 0.5, 0.6])
    expected = budget.expected_best(scores, replaced=False)
    for n in range(1, 7):
        best = [max(some) for some in itertools.combinations(scores, n)]
        assert expected[n - 1] == pytest.approx(np.mean(best))


def test_it_covers_what_new_searches_find():
    """It is nearly unbiased over searches, with n well below N."""
    rng = np.random.default_rng(1)
    expected = [budget.expected_best(rng.normal(size=30))[4] for _ in range(2000)]
    truth = rng.normal(size=(200_000, 5)).max(axis=1).mean()
    assert np.mean(expected) == pytest.approx(truth, abs=0.07)


def test_the_note_says_how_the_trials_were_drawn(tmp_path):
    """With replacement, unless the whole space was tried."""
    study = read_study(studies.write_study(tmp_path, n=12))
    part = expected_best.gather(Analysis(study))
    assert "drawing from these trials with replacement" in part.note
    space = dataclasses.replace(study.record.space, size=12)
    record = dataclasses.replace(study.record, space=space)
    study = dataclasses.replace(study, record=record)
    curve = budget.curve(study, rank(study))
    assert curve["score"].iloc[-1] == 100 * study.trials["objective"][1:].max()
    whole = expected_best.gather(Analysis(study))
    assert "drew the whole space" in whole.note


def test_only_what_a_random_search_drew_counts(tmp_path):
    """Trial 0, other algorithms and studies of few trials are left out."""
    folder = studies.write_study(tmp_path, n=30)
    study = read_study(folder)
    curve = budget.curve(study, rank(study))
    assert list(curve["n"]) == list(range(1, 30))
    assert curve["score"].is_monotonic_increasing
    drawn = study.trials[study.trials["trial"] > 0]["objective"]
    assert curve["score"].iloc[0] == pytest.approx(100 * drawn.mean())
    assert (curve["low"] <= curve["high"]).all()

    few = read_study(studies.write_study(tmp_path, "few", n=8))
    assert budget.curve(few, rank(few)) is None
    other = {**studies.SETTINGS, "algorithm": "hyperband"}
    halving = read_study(studies.write_study(tmp_path, "other", n=30, settings=other))
    assert budget.curve(halving, rank(halving)) is None

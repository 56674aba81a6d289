"""The spread of trials: intervals that cover, and a sentence that respects them."""

import dataclasses

import numpy as np
import pytest
import studies

from reports.pages.study import comparison_html
from reports.stats import spread
from reports.stats.groups import group, read_studies


def _runs(tmp_path, name, sd, n=30, seed=0):
    rng = np.random.default_rng(seed)

    def change(trial):
        value = float(np.clip(rng.normal(0.6, sd), 0, 1))
        runs = tuple(
            dataclasses.replace(e, test_accuracy=value) for e in trial.executions
        )
        return dataclasses.replace(trial, executions=runs)

    studies.write_study(tmp_path, name, n=n, seed=seed, change=change)


def _spreads(tmp_path):
    entries = group(read_studies(tmp_path).entries).entries
    return [s for e in entries if (s := spread.spread(e))]


@pytest.mark.slow
def test_intervals_cover_the_spread_that_trials_were_drawn_with(tmp_path):
    """A percentile bootstrap of 30 trials covers about nine times in ten."""
    covered = []
    for seed in range(60):
        _runs(tmp_path / str(seed), "a", 0.05, seed=seed)
        (measured,) = _spreads(tmp_path / str(seed))
        covered.append(measured.accuracy.low <= 0.05 <= measured.accuracy.high)
    assert np.mean(covered) >= 0.82


def test_only_intervals_apart_make_a_winner(tmp_path):
    """Otherwise the sentence says that it is inconclusive."""
    _runs(tmp_path / "far", "wide", 0.08)
    _runs(tmp_path / "far", "narrow", 0.01, seed=1)
    assert "vary more in wide" in spread.sentence(_spreads(tmp_path / "far"))
    assert "inconclusive" not in spread.sentence(_spreads(tmp_path / "far"))
    _runs(tmp_path / "near", "one", 0.05)
    _runs(tmp_path / "near", "other", 0.05, seed=1)
    assert "it is inconclusive which of the two" in spread.sentence(
        _spreads(tmp_path / "near")
    )
    html = comparison_html(read_studies(tmp_path / "far"))
    assert "Which search moved accuracy more" in html


def test_enqueued_configs_spread_nothing(tmp_path):
    """Configs from the user say nothing about the ranges that a search drew from."""
    settings = {**studies.SETTINGS, "enqueue": [{}] * 2}
    studies.write_study(tmp_path, "given", n=9, settings=settings)
    studies.write_study(tmp_path, "drawn", n=9)
    assert {s.study: s.trials for s in _spreads(tmp_path)} == {"given": 6, "drawn": 8}


def test_few_trials_have_no_spread(tmp_path):
    """A study of under five trials has no spread."""
    _runs(tmp_path, "few", 0.05, n=5)
    assert _spreads(tmp_path) == []

"""Promises of quasi-random search."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy.stats import qmc
from searching import SMALL, networks, problem, run

from search_spaces.config import CnnConfig
from search_spaces.space import Space, load_space
from tuner.algorithms.points import random_points
from tuner.algorithms.screening import Limits
from tuner.algorithms.sobol import SOBOL, sobol_points


def _draw(hp, base):
    """Numbers in plain and in log, a whole number, a choice, and one behind another."""
    if hp.Boolean("drops"):
        with hp.conditional_scope("drops", [True]):
            hp.Float("dropout", 0.1, 0.5)
    return CnnConfig(
        filters=(hp.Int("width", 1, 64),),
        units=(hp.Choice("units", [4, 8, 16, 32]),),
        learning_rate=hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        weight_decay=hp.Float("weight_decay", 0.0, 0.1),
        epochs=base.epochs,
    )


SPACE = Space("mixed", _draw)


def _shares(points, name):
    """Say where in its range each value of a hyperparameter lies, 0 to 1."""
    (hyperparameter,) = (h for h in SPACE.declare().space if h.name == name)
    return np.array([hyperparameter.value_to_prob(p[name]) for p in points])


@pytest.mark.parametrize("name", ["width", "learning_rate", "weight_decay"])
def test_it_covers_every_hyperparameter_better_than_random_draws(name):
    """Over 32 points the discrepancy of each is under half of what chance leaves."""
    declared = SPACE.declare()
    found = {
        draw: [
            qmc.discrepancy(_shares(list(points), name)[:, None])
            for points in (islice(draw(declared, seed), 32) for seed in range(1, 11))
        ]
        for draw in (sobol_points, random_points)
    }
    assert np.mean(found[sobol_points]) < 0.5 * np.mean(found[random_points])
    assert max(found[sobol_points]) < np.median(found[random_points])


def test_it_covers_pairs_better_too():
    """Two hyperparameters together, over 32 points and ten seeds."""
    declared = SPACE.declare()
    names = ("learning_rate", "weight_decay")

    def discrepancy(draw, seed):
        points = list(islice(draw(declared, seed), 32))
        return qmc.discrepancy(np.stack([_shares(points, n) for n in names], axis=1))

    ours, theirs = (
        np.mean([discrepancy(draw, seed) for seed in range(1, 11)])
        for draw in (sobol_points, random_points)
    )
    assert ours < 0.5 * theirs


def test_a_choice_is_balanced():
    """Of 32 points each of four values has eight, and half have the condition."""
    points = list(islice(sobol_points(SPACE.declare(), 3), 32))
    assert sorted(p["units"] for p in points) == [4] * 8 + [8] * 8 + [16] * 8 + [32] * 8
    assert sum("dropout" in p for p in points) == sum(p["drops"] for p in points) == 16


def test_what_is_rejected_is_replaced_by_the_next_point():
    """The others keep their order, and each is counted once."""
    every = run(SOBOL.proposer(problem(SPACE, trials=120)))
    posed = problem(SPACE, trials=12, limits=Limits(max_params=100_000))
    some = run(SOBOL.proposer(posed))
    assert len(some) == 12
    assert posed.screen.counts.total() > 0
    left = [p.values for p in every if posed.screen.refusal(p.config) is None]
    assert [p.values for p in some] == left[:12]


def test_a_small_space_is_exhausted():
    """It reaches every point, and then it ends."""
    proposals = run(SOBOL.proposer(problem(SMALL, trials=16)))
    assert len(networks(proposals)) == len(proposals) == 16


def test_it_ends_where_fewer_can_be_trained_than_it_may_propose(monkeypatch):
    """After many points in a row of which none is new, there is no more."""
    monkeypatch.setattr("tuner.algorithms.points.MOST_DRAWS", 500)
    proposals = run(SOBOL.proposer(problem(SMALL, trials=99)))
    assert len(networks(proposals)) == len(proposals) == 16


def test_a_resume_goes_on_where_the_records_end():
    """Recorded trials are repeated, a lost one comes again, the next is the next."""
    space = load_space("hyperparams")
    plain = run(SOBOL.proposer(problem(space, trials=90)))
    recorded = {p.trial: p.values for p in plain[:70] if p.trial != 3}
    resumed = run(SOBOL.proposer(problem(space, trials=90)), recorded=recorded)
    assert resumed == plain

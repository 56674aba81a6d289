"""Promises of random search."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from searching import DIGITS, SMALL, networks, problem, run

from search_spaces.space import load_space
from tuner.algorithms.points import random_points
from tuner.algorithms.random_search import RANDOM
from tuner.algorithms.screening import Limits


@pytest.mark.parametrize("points", [16, None], ids=["listed", "drawn"])
def test_it_reaches_every_point_of_a_small_space(points):
    """KerasTuner gives up at 14 to 16 of 16; ours ends when they are exhausted."""
    proposals = run(RANDOM.proposer(problem(points=points)))
    assert len(networks(proposals)) == 16 == len(proposals)
    assert [p.trial for p in proposals] == list(range(1, 17))


@given(st.integers(1, 2**31 - 2))
@settings(max_examples=15, deadline=None)
def test_every_proposal_is_feasible_and_new(seed):
    """No network twice, none that cannot be; what was rejected is counted."""
    posed = problem(load_space("architecture"), shape=DIGITS, seed=seed, trials=12)
    proposals = run(RANDOM.proposer(posed))

    assert all(p.config.is_feasible(DIGITS) for p in proposals)
    assert len(networks(proposals)) == 12
    assert set(posed.screen.counts) <= {"impossible for these images"}


def test_proposals_follow_from_the_seed_alone():
    """Neither scores nor failures nor the order of results change them."""

    def begin(seed=5):
        return RANDOM.proposer(problem(load_space("combined"), seed=seed, trials=10))

    plain = run(begin())
    failing = run(begin(), lambda p: None)
    proposer = begin()
    side_by_side = [proposer.propose() for _ in range(10)]
    for proposal in reversed(side_by_side):
        proposer.tell(proposal.trial, proposal.trial / 10)

    assert plain == failing == side_by_side
    assert proposer.propose() is None
    assert plain != run(begin(seed=6))


def test_limits_reject_and_count():
    """Larger networks are not proposed; each is counted once, with its reason."""
    posed = problem(limits=Limits(max_params=40_000))
    proposals = run(RANDOM.proposer(posed))

    assert 0 < len(proposals) < 16
    reason = "too large (over 40,000 parameters)"
    assert posed.screen.counts == {reason: 16 - len(proposals)}


def test_draws_are_uniform_and_independent():
    """Each value is as likely as another, whatever the other hyperparameters are."""
    points = list(islice(random_points(SMALL.declare(), seed=3), 4000))
    table = [
        [
            sum(p["width"] == width and p["units"] == units for p in points)
            for width in (4, 8, 12, 16)
        ]
        for units in (8, 16)
    ]
    assert stats.chisquare([n for row in table for n in row]).pvalue > 0.001
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_a_resume_goes_on_where_the_records_end():
    """Recorded trials are repeated, a lost one is drawn again, the next is the next."""
    space = load_space("hyperparams")
    plain = run(RANDOM.proposer(problem(space, trials=9)))
    recorded = {p.trial: p.values for p in plain[:6] if p.trial != 3}
    resumed = run(RANDOM.proposer(problem(space, trials=9)), recorded=recorded)
    assert resumed == plain


def test_records_of_another_version_are_kept():
    """What it drew stands, though this version would have drawn something else."""
    space = load_space("hyperparams")
    other = run(RANDOM.proposer(problem(space, trials=4, seed=7)))
    recorded = {p.trial: p.values for p in other}
    resumed = run(RANDOM.proposer(problem(space, trials=6)), recorded=recorded)
    assert resumed[:4] == other
    fresh = run(RANDOM.proposer(problem(space, trials=2)))
    assert [p.config for p in resumed[4:]] == [p.config for p in fresh]
    assert [replace(p, trial=p.trial + 4) for p in fresh] == resumed[4:]

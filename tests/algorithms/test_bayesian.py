"""Promises of Bayesian search."""

from __future__ import annotations

import pytest
from searching import networks, problem, run, width

from search_spaces.config import CnnConfig
from search_spaces.space import Space, load_space
from tuner.algorithms.bayesian import BAYESIAN, RANDOM_FIRST
from tuner.algorithms.random_search import RANDOM
from tuner.algorithms.screening import Limits


def test_it_reaches_every_point_of_a_small_space():
    """KerasTuner's proposes a tried point again and again; ours never does."""
    limits = Limits(max_params=200_000)
    posed = problem(limits=limits)
    proposals = run(BAYESIAN.proposer(posed), width)
    whole = run(RANDOM.proposer(problem(limits=limits)))
    assert len(networks(proposals)) == len(proposals)
    assert len(proposals) == len(whole) < 16
    assert set(posed.screen.counts) <= {"too large (over 200,000 parameters)"}


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_it_learns(higher_is_better):
    """After its random trials it goes where the score was best."""

    def draw(hp, base):
        return CnnConfig(filters=(hp.Int("width", 1, 300),), epochs=base.epochs)

    sign = 1 if higher_is_better else -1
    posed = problem(Space("wide", draw), trials=8, higher_is_better=higher_is_better)
    proposals = run(BAYESIAN.proposer(posed), lambda p: sign * width(p))
    random, model = proposals[:3], proposals[3:]  # three a hyperparameter
    assert max(map(width, model)) > max(map(width, random))
    assert max(map(width, model)) == 3.0


def test_it_goes_on_despite_failures():
    """A failure is not told to the model, and counts as a trial."""
    proposer = BAYESIAN.proposer(problem(trials=14))
    proposals = run(proposer, lambda p: None if p.trial % 2 else 0.5)
    assert len(proposals) == 14 > RANDOM_FIRST
    assert len(proposer._done) == 7


def test_running_trials_do_not_bend_the_model():
    """Two in flight count with what the finished ones predict, not with a guess."""
    proposer = BAYESIAN.proposer(problem())
    for _ in range(RANDOM_FIRST):
        proposal = proposer.propose()
        proposer.tell(proposal.trial, width(proposal))
    proposer.propose(), proposer.propose()
    x, y = proposer._training_set()
    assert x.shape == (RANDOM_FIRST + 2, 3)
    assert -0.17 < y.min() <= y.max() < -0.03
    again = proposer._training_set()[1]
    assert list(y) == pytest.approx(list(again))


def test_a_lost_trial_repeats_no_recorded_one():
    """Thought out again, it keeps away from what later records hold."""
    plain = run(BAYESIAN.proposer(problem(seed=3)), width)
    recorded = {p.trial: p.values for p in plain if p.trial not in {6, 7}}
    proposer = BAYESIAN.proposer(problem(seed=3))
    # And results come out otherwise.
    again = run(proposer, lambda p: 0.1, recorded)
    assert len(networks(again)) == len(again) == 16


def test_proposals_need_not_be_thought_again():
    """A resume gives it the recorded values; what comes next is the same."""
    space = load_space("hyperparams")
    begin = {"space": space, "seed": 5, "trials": 8}
    plain = run(BAYESIAN.proposer(problem(**begin)), lambda p: p.trial / 8)
    proposer = BAYESIAN.proposer(problem(**begin))
    recorded = {p.trial: p.values for p in plain[:7]}
    for proposal in plain[:7]:
        assert proposer.propose(recorded) == proposal
        proposer.tell(proposal.trial, proposal.trial / 8)
    assert proposer.propose(recorded) == plain[7]


def test_a_name_that_is_declared_twice_is_placed_where_it_is_active():
    """The same name under two conditions has two ranges; one of them is at default."""

    def draw(hp, base):
        kind = hp.Choice("kind", ["few", "many"])
        for other, widths in (("few", [4, 8]), ("many", [100, 200])):
            with hp.conditional_scope("kind", [other]):
                if kind == other:
                    width = hp.Choice("width", widths)
        return CnnConfig(filters=(width,), epochs=base.epochs)

    proposals = run(BAYESIAN.proposer(problem(Space("twice", draw))), width)
    assert sorted(p.values["width"] for p in proposals) == [4, 8, 100, 200]

"""Promises of the oracles, and what they assume of KerasTuner's private methods."""

from __future__ import annotations

import inspect
import math

import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import CnnConfig
from search_spaces.layers import network_key
from search_spaces.space import Space, load_space
from tuner.algorithms.base import Proposal, Wait
from tuner.algorithms.oracles import (
    RANDOM_FIRST,
    Bayesian,
    Hyperband,
    OracleProposer,
    RandomSearch,
)
from tuner.algorithms.plan import plan
from tuner.algorithms.screening import Limits, Screen

DIGITS, CIFAR = (8, 8, 1), (32, 32, 3)
OBJECTIVE = kt.Objective("val_accuracy", "max")


def _small_draw(hp, base):
    """16 points, two of which build one network: pool_every beyond the depth."""
    layers = hp.Int("conv_layers", 1, 2)
    width = hp.Choice("width", [4, 8, 12, 16])
    units = hp.Choice("units", [8, 16])
    return CnnConfig(filters=(width,) * layers, units=(units,), epochs=base.epochs)


SMALL = Space("small", _small_draw)


def _random(space=SMALL, *, shape=CIFAR, seed=1, max_trials=100, limits=None):
    screen = Screen(limits or Limits(), shape, 10)
    oracle = RandomSearch(
        space, screen, space.declare(), OBJECTIVE, seed, max_trials=max_trials
    )
    return OracleProposer(oracle, screen), screen


def _all(proposer, score=lambda p: 0.5):
    """Run a proposer to its end, one trial at a time."""
    proposals = []
    while isinstance(proposal := proposer.propose(), Proposal):
        proposals.append(proposal)
        proposer.tell(proposal.trial, score(proposal))
    assert proposal is None
    return proposals


def test_random_search_reaches_every_point_of_a_small_space():
    """KerasTuner gives up at 14 to 16 of 16; ours ends when they are exhausted."""
    proposals = _all(_random()[0])
    assert len({network_key(p.config, 10) for p in proposals}) == 16 == len(proposals)
    assert [p.trial for p in proposals] == list(range(1, 17))


@given(st.integers(1, 2**31 - 2))
@settings(max_examples=15, deadline=None)
def test_every_proposal_is_feasible_and_new(seed):
    """No network twice, none that cannot be; what was turned away is counted."""
    proposer, screen = _random(
        load_space("architecture"), shape=DIGITS, seed=seed, max_trials=12
    )
    configs = [p.config for p in _all(proposer)]

    assert all(c.is_feasible(DIGITS) for c in configs)
    assert len({network_key(c, 10) for c in configs}) == 12
    assert set(screen.counts) <= {"impossible for these images"}


def test_random_proposals_follow_from_the_seed_alone():
    """Neither scores nor failures nor the order of results change them."""
    space = load_space("combined")
    plain = _all(_random(space, seed=5, max_trials=10)[0])
    failing = _all(_random(space, seed=5, max_trials=10)[0], lambda p: None)
    proposer = _random(space, seed=5, max_trials=10)[0]
    side_by_side = [proposer.propose() for _ in range(10)]
    for proposal in reversed(side_by_side):
        proposer.tell(proposal.trial, proposal.trial / 10)

    assert plain == failing == side_by_side
    assert proposer.propose() is None
    assert plain != _all(_random(space, seed=6, max_trials=10)[0])


def test_limits_turn_away_and_count():
    """Larger networks are not proposed; each is counted once, with its reason."""
    proposer, screen = _random(limits=Limits(max_params=40_000))
    proposals = _all(proposer)

    assert 0 < len(proposals) < 16
    assert screen.counts == {"too large (over 40,000 parameters)": 16 - len(proposals)}


def _hyperband(the_plan, seed=1, space=None, shape=CIFAR):
    space = space or load_space("architecture", CnnConfig(epochs=9))
    screen = Screen(Limits(), shape, 10)
    declared = space.declare(tune_epochs=False)
    oracle = Hyperband(the_plan, space, screen, declared, OBJECTIVE, seed)
    return OracleProposer(oracle, screen)


def _by_trial(proposals):
    lineages = {}
    for proposal in proposals:
        lineages.setdefault(proposal.trial, []).append(proposal.config.epochs)
    return lineages


def test_hyperband_trains_its_plan_and_no_more():
    """Every rung gets the configs it was to have, each promotion its own lineage."""
    the_plan = plan(9)
    proposals = _all(_hyperband(the_plan), lambda p: (p.trial * 7 % 11) / 11)

    wanted = {}
    for rungs in the_plan.brackets:
        for rung in rungs:
            wanted[rung.epochs] = wanted.get(rung.epochs, 0) + rung.configs
    got = {}
    for proposal in proposals:
        got[proposal.config.epochs] = got.get(proposal.config.epochs, 0) + 1
    assert got == wanted
    lineages = _by_trial(proposals)
    assert len(lineages) == the_plan.configs
    assert all(epochs == sorted(set(epochs)) for epochs in lineages.values())


def test_hyperband_promotes_the_best_of_a_rung():
    """With scores that never change, the best of the first bracket gets through."""
    the_plan = plan(9)
    first = the_plan.brackets[0][0].configs
    proposals = _all(_hyperband(the_plan), lambda p: 1 / p.trial)
    lineages = _by_trial([p for p in proposals if p.trial <= first])

    assert lineages[1] == [1, 3, 9]
    assert max(len(e) for e in lineages.values()) == 3


def test_hyperband_fills_its_brackets_despite_failures():
    """KerasTuner promotes nothing past epoch 4 at 20 % failures; ours goes on."""
    the_plan = plan(27)
    proposals = _all(
        _hyperband(the_plan), lambda p: None if p.trial % 5 == 0 else 1 / p.trial
    )
    reached = [epochs[-1] for epochs in _by_trial(proposals).values()]
    last_rungs = sum(rungs[-1].configs for rungs in the_plan.brackets)
    failed_at_last = sum(
        1 for p in proposals if p.config.epochs == 27 and p.trial % 5 == 0
    )

    assert reached.count(27) == last_rungs
    # Only the bracket that starts at the last rung can fail there.
    assert failed_at_last <= the_plan.brackets[-1][0].configs


def test_a_failed_trial_is_never_promoted():
    """Where too few succeed to fill a rung, its place stays empty."""
    proposals = _all(_hyperband(plan(9, max_configs=3)), lambda p: None)
    assert all(len(epochs) == 1 for epochs in _by_trial(proposals).values())


def test_hyperband_waits_while_a_promotion_hangs_on_a_result():
    """Nothing is invented while trials run: it says Wait, and goes on when told."""
    proposer = _hyperband(plan(3, max_configs=2))
    running = []
    while isinstance(answer := proposer.propose(), Proposal):
        running.append(answer)
    assert isinstance(answer, Wait)
    proposer.tell(running[0].trial, 0.5)
    for proposal in running[1:]:
        proposer.tell(proposal.trial, 0.4)
    assert isinstance(proposer.propose(), Proposal)


def _bayesian(space=SMALL, *, shape=CIFAR, seed=1, max_trials=100, limits=None):
    screen = Screen(limits or Limits(), shape, 10)
    oracle = Bayesian(
        space, screen, space.declare(), OBJECTIVE, seed, max_trials=max_trials
    )
    return OracleProposer(oracle, screen), screen


def _width(proposal):
    """A truth that a model can learn: wide networks are better."""
    return proposal.values["width"] / 100


def test_bayesian_search_reaches_every_point_of_a_small_space():
    """KerasTuner's proposes a tried point again and again; ours never does."""
    limits = Limits(max_params=200_000)
    proposer, screen = _bayesian(limits=limits)
    proposals = _all(proposer, _width)
    whole = _all(_random(limits=limits)[0])
    assert len({network_key(p.config, 10) for p in proposals}) == len(proposals)
    assert len(proposals) == len(whole) < 16
    assert set(screen.counts) <= {"too large (over 200,000 parameters)"}


def test_bayesian_search_learns():
    """After its random trials it goes where the score was high."""

    def draw(hp, base):
        return CnnConfig(filters=(hp.Int("width", 1, 300),), epochs=base.epochs)

    proposals = _all(_bayesian(Space("wide", draw), max_trials=8)[0], _width)
    random, model = proposals[:3], proposals[3:]  # three a hyperparameter
    assert max(map(_width, model)) > max(map(_width, random))
    assert max(map(_width, model)) == 3.0


def test_bayesian_search_goes_on_despite_failures():
    """A failure is not told to the model, and counts as a trial."""
    proposals = _all(
        _bayesian(max_trials=14)[0], lambda p: None if p.trial % 2 else 0.5
    )
    assert len(proposals) == 14 > RANDOM_FIRST


def test_running_trials_do_not_bend_the_model():
    """Two in flight count with what the finished ones predict, not with a guess."""
    proposer, _ = _bayesian()
    for _ in range(RANDOM_FIRST):
        proposal = proposer.propose()
        proposer.tell(proposal.trial, _width(proposal))
    proposer.propose(), proposer.propose()
    x, y = proposer._oracle._vectorize_trials()
    assert x.shape == (RANDOM_FIRST + 2, 3)
    assert -0.17 < y.min() <= y.max() < -0.03
    again = proposer._oracle._vectorize_trials()[1]
    assert list(y) == pytest.approx(list(again))


def test_a_lost_bayesian_trial_repeats_no_recorded_one():
    """Thought out again, it keeps away from what later records hold."""
    plain = _all(_bayesian(seed=3)[0], _width)
    recorded = {p.trial: p.values for p in plain if p.trial not in {6, 7}}
    proposer, _ = _bayesian(seed=3)
    networks = []
    while isinstance(proposal := proposer.propose(recorded), Proposal):
        networks.append(network_key(proposal.config, 10))
        proposer.tell(proposal.trial, 0.1)  # and results come out otherwise
    assert len(set(networks)) == len(networks) == 16


def test_bayesian_proposals_need_not_be_thought_again():
    """A resume gives it the recorded values; what comes next is the same."""
    space = load_space("hyperparams")
    plain = _all(_bayesian(space, seed=5, max_trials=8)[0], lambda p: p.trial / 8)
    proposer = _bayesian(space, seed=5, max_trials=8)[0]
    recorded = {p.trial: p.values for p in plain[:7]}
    for proposal in plain[:7]:
        assert proposer.propose(recorded) == proposal
        proposer.tell(proposal.trial, proposal.trial / 8)
    assert proposer.propose(recorded) == plain[7]


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (kt.Oracle, "_duplicate", ["self", "values"]),
        (kt.Oracle, "_save_trial", ["self", "trial"]),
        (kt.Oracle, "save", ["self"]),
        (kt.oracles.BayesianOptimizationOracle, "populate_space", ["self", "trial_id"]),
        (kt.oracles.BayesianOptimizationOracle, "_nonfixed_space", ["self"]),
        (kt.oracles.BayesianOptimizationOracle, "_vectorize_trials", ["self"]),
        (kt.oracles.BayesianOptimizationOracle, "_make_gpr", ["self"]),
        (kt.oracles.HyperbandOracle, "_get_num_brackets", ["self"]),
        (kt.oracles.HyperbandOracle, "_get_num_rounds", ["self", "bracket_num"]),
        (
            kt.oracles.HyperbandOracle,
            "_get_size",
            ["self", "bracket_num", "round_num"],
        ),
        (
            kt.oracles.HyperbandOracle,
            "_get_epochs",
            ["self", "bracket_num", "round_num"],
        ),
    ],
)
def test_kerastuner_still_has_what_we_override(owner, name, parameters):
    """A KerasTuner without these would search as if our mends were not there."""
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters
    assert hasattr(_random()[0]._oracle, "_max_collisions")
    assert {"_random_state", "gpr", "beta"} <= set(vars(_bayesian()[0]._oracle))


def test_an_oracle_writes_nothing(tmp_path, monkeypatch):
    """The records are the truth: KerasTuner leaves no file of its own."""
    monkeypatch.chdir(tmp_path)
    _all(_random()[0])
    assert list(tmp_path.iterdir()) == []


def test_the_worst_score_is_that_of_a_failure():
    """KerasTuner must accept it, and never take it for a promotion."""
    proposer = _random()[0]
    proposal = proposer.propose()
    proposer.tell(proposal.trial, None)
    (trial,) = proposer._oracle.trials.values()
    assert trial.score == -math.inf

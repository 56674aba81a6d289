"""Promises of what is proposed without an oracle: lists, chains and audits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import CnnConfig
from search_spaces.layers import network_key
from tuner.algorithms.base import Chain, ListProposer, Proposal, Wait
from tuner.algorithms.hyperband import Audit
from tuner.algorithms.screening import Limits, Screen
from tuner.search.planning import plan_study
from tuner.study.settings import SettingsError, StudySettings

SHAPE = (16, 16, 1)

SMALL = """
from search_spaces.config import CnnConfig


def sample(hp):
    width = hp.Choice("width", [4, 8, 12, 16])
    depth = hp.Int("depth", 1, 2)
    every = hp.Int("pool_every", 1, 2)  # 2 pools nothing in a network of depth 1
    pooling = hp.Choice("pooling", ["none", "max"])
    return CnnConfig(filters=(width,) * depth, pooling=pooling, pool_every=every)
"""


@pytest.fixture
def small(tmp_path):
    """A space of 32 points: 16 without pooling build 8 networks, 4 are impossible."""
    path = tmp_path / "small.py"
    path.write_text(SMALL, encoding="utf-8")
    return str(path)


def proposals_of(asked, *, score=lambda p: 0.5, limits=None):
    """Run a study's proposer to its end, one trial at a time."""
    limits = limits or Limits()
    plan = plan_study(asked).fitted(limits, SHAPE, 10)
    screen = Screen(limits, SHAPE, 10)
    given = plan.preset_trials()
    for proposal in given:
        screen.add(proposal.config)
    proposer = plan.proposer(screen, given)
    proposals = []
    while isinstance(proposal := proposer.propose(), Proposal):
        proposals.append(proposal)
        proposer.tell(proposal.trial, score(proposal))
    assert proposal is None
    return proposals, plan, screen


def _trial(number, epochs, width=8):
    return Proposal(
        number, {"width": width}, CnnConfig(filters=(width,), epochs=epochs)
    )


def test_a_grid_is_every_network_once_in_declared_order(small):
    """32 points are 20 networks here; the last hyperparameter moves first."""
    found, plan, screen = proposals_of(StudySettings(small, algorithm="grid"))
    # Trial 0 is the default: width 4, one convolution, no pooling.
    assert plan.points == 32
    assert len(found) == 20 == plan.trials + 1
    assert len({network_key(p.config, 10) for p in found}) == 20
    widths = [p.config.filters[0] for p in found[1:]]
    assert widths == sorted(widths)
    assert screen.counts == {"impossible for these images": 4}


@given(
    st.sampled_from(["random", "hyperband", "bayesian"]),
    st.sampled_from(["architecture", "hyperparams"]),
    st.one_of(st.just(0), st.integers(0, 2**31)),
)
@settings(max_examples=6)
def test_proposals_follow_from_the_seed(algorithm, space, seed):
    """Any seed, 0 included; no network twice, and another seed gives others."""
    asked = StudySettings(space, algorithm=algorithm, seed=seed, max_trials=7, epochs=3)

    def score(proposal):
        return proposal.trial * 7 % 11 / 11

    first, _, _ = proposals_of(asked, score=score)
    again, _, _ = proposals_of(asked, score=score)
    assert first == again
    networks = {p.trial: network_key(replace(p.config, epochs=1), 10) for p in first}
    assert len(set(networks.values())) == len(networks) > 4
    other, _, _ = proposals_of(replace(asked, seed=seed + 1), score=score)
    assert [p.config for p in first[1:]] != [p.config for p in other[1:]]


@pytest.mark.parametrize("seed", range(4))
def test_a_small_space_is_exhausted_and_says_so(small, seed):
    """KerasTuner gives up at 14 to 16 of 16; ours ends when there is nothing left."""
    found, plan, _ = proposals_of(StudySettings(small, seed=seed, max_trials=99))
    whole, _, _ = proposals_of(StudySettings(small, algorithm="grid"))
    networks = {network_key(p.config, 10) for p in found}
    assert networks == {network_key(p.config, 10) for p in whole}
    assert len(found) == 20
    assert "has 19 configs besides trial 0" in plan.notes[0]
    fewer, few, _ = proposals_of(StudySettings(small, seed=seed, max_trials=5))
    assert fewer == found[:6], "a larger -n adds to a smaller one"
    assert few.notes == ()


def test_max_params_is_arithmetic(small):
    """What is too large is rejected before anything is built."""
    asked = StudySettings(small, algorithm="grid", max_params=110_000)
    found, _, screen = proposals_of(asked, limits=Limits(max_params=110_000))
    assert 0 < len(found) < 20
    assert screen.counts["too large (over 110,000 parameters)"] == 20 - len(found)


def test_a_grid_needs_steps_and_a_number():
    """A continuous hyperparameter has no grid, and a huge one needs -n."""
    with pytest.raises(SettingsError, match="learning_rate without a step"):
        plan_study(StudySettings("hyperparams", algorithm="grid"))
    with pytest.raises(SettingsError, match="Set --max-trials to train only the first"):
        plan_study(StudySettings("architecture", algorithm="grid"))


def test_hyperband_says_which_brackets_a_small_space_leaves(small):
    """22 configs are wanted at 10 epochs, 19 are there; with 3 brackets fewer."""
    asked = StudySettings(small, algorithm="hyperband")
    plan = plan_study(asked).fitted(Limits(), SHAPE, 10)
    assert plan.notes == (
        "The space has 19 configs besides trial 0 that can be trained here, fewer "
        "than the 22 that Hyperband would train: its brackets share them.",
    )
    tight = plan_study(asked).fitted(Limits(max_params=10_000), SHAPE, 10)
    assert tight.trials <= 3
    assert "without 1 of 3 brackets" in tight.notes[0]


def test_hyperband_promotes_where_a_large_space_leaves_little(tmp_path):
    """Of 4,096 points few are small enough: the brackets share those, and say so."""
    path = tmp_path / "large.py"
    path.write_text(
        "from search_spaces.config import CnnConfig\n"
        "def sample(hp):\n"
        "    return CnnConfig(filters=(hp.Int('width', 1, 64),),"
        " units=(hp.Int('units', 1, 64),))\n",
        encoding="utf-8",
    )
    limits = Limits(max_params=1000)
    asked = StudySettings(str(path), algorithm="hyperband", epochs=9, max_params=1000)
    found, plan, _ = proposals_of(asked, score=lambda p: p.trial / 99, limits=limits)
    trials = {p.trial for p in found if p.trial}
    assert len(trials) == plan.trials < 15
    assert f"has {len(trials)} configs besides trial 0" in plan.notes[0]
    assert sum(p.config.epochs == 9 for p in found if p.trial) == sum(
        rungs[-1].configs for rungs in plan.schedule.brackets
    )


def test_enqueued_configs_come_first_and_count(small):
    """They are trials 1 and 2, the rest as in the base; -n counts them."""
    enqueue = [{"filters_1": 48}, {"conv_layers": 2, "filters_2": 16, "epochs": 9}]
    asked = StudySettings(small, max_trials=5, enqueue=enqueue, epochs=3)
    found, plan, _ = proposals_of(asked)
    assert [p.trial for p in found] == [0, 1, 2, 3, 4, 5]
    # Trial 0 has four filters.
    assert found[1].config == CnnConfig(filters=(48,), epochs=3)
    assert found[2].config == CnnConfig(filters=(4, 16), epochs=9)
    assert plan.record().trials == 5
    without, _, _ = proposals_of(StudySettings(small, max_trials=3, epochs=3))
    assert [p.config for p in found[3:]] == [p.config for p in without[1:]]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"filters_1": -3}, "Enqueued config 2: filters"),
        ({"conv_layers": 3}, "Enqueued config 2: .*needs filters_1 to filters_3"),
        ({"conv_layers": "many"}, "Enqueued config 2: conv_layers must be"),
        ({"units_2": 8}, "Enqueued config 2: .*dense_layers=1"),
    ],
)
def test_a_wrong_enqueued_config_is_refused_before_anything_starts(small, given, text):
    """It is judged as a change of trial 0; the error says which and what must hold."""
    with pytest.raises(SettingsError, match=text):
        plan_study(StudySettings(small, enqueue=[{}, given]))


def test_enqueued_configs_get_all_of_hyperbands_epochs(small):
    """With fewer they could never be ranked."""
    asked = StudySettings(small, algorithm="hyperband", enqueue=[{"epochs": 2}])
    plan = plan_study(asked).fitted(Limits(), SHAPE, 10)
    assert plan.preset_trials()[1].config.epochs == 10


def test_an_impossible_enqueued_config_hides_no_other(small):
    """Every network of the grid is still there."""
    twin = {"filters_1": 16, "pooling": "max", "pool_every": 2}
    asked = StudySettings(small, algorithm="grid", enqueue=[twin])
    plan = plan_study(asked).fitted(Limits(), SHAPE, 10)
    assert plan.trials == 19


def test_a_base_is_trial_0_and_what_the_space_leaves_alone():
    """`hyperparams` tunes the winning architecture, from its own values."""
    base = CnnConfig(filters=(16, 24), pooling="max", batch_size=64, epochs=7)
    asked = StudySettings(
        "hyperparams", max_trials=4, base=base.to_dict(), base_study="arch"
    )
    found, _, _ = proposals_of(asked)
    assert found[0].config == base
    assert found[0].name == "best of arch"
    assert all(p.config.filters == (16, 24) for p in found)
    assert all(1 <= p.config.epochs <= 14 for p in found)
    assert len({p.config.learning_rate for p in found}) == 5


def test_a_space_that_ignores_its_base_cannot_have_one(small):
    """The error says which signature is needed."""
    asked = StudySettings(small, base=CnnConfig().to_dict(), base_study="arch")
    with pytest.raises(SettingsError, match=r"Define sample\(hp, base\)"):
        plan_study(asked)


def test_a_list_knows_which_trials_go_on():
    """A longer training of the same network is to come; another network is none."""
    rest = ListProposer([_trial(0, 5), _trial(1, 10), _trial(2, 9, width=4)])
    rest.propose()
    assert rest.may_extend(_trial(0, 5).config.to_dict())
    assert not rest.may_extend(_trial(2, 3, width=5).config.to_dict())
    rest.propose()
    assert rest.may_extend(_trial(0, 5).config.to_dict()), (
        "it may be cut off and start again"
    )
    rest.tell(1, 0.5)
    assert not rest.may_extend(_trial(0, 5).config.to_dict())


class Halving:
    """A Hyperband of one bracket: n configs to epoch 1, the best one to epoch 3."""

    def __init__(self, n):
        self.rest, self.scores, self.n = (
            [_trial(i, 1, i) for i in range(1, n + 1)],
            {},
            n,
        )
        self.told = []

    def propose(self, recorded=None):
        if self.rest:
            return self.rest.pop(0)
        if len(self.told) < self.n:
            return Wait()
        if len(self.told) == self.n and self.scores:
            best = max(self.scores, key=self.scores.get)
            self.scores = {}
            return _trial(best, 3, best)
        return None

    def tell(self, trial, score):
        self.told.append(trial)
        if score is not None:
            self.scores[trial] = score

    def may_extend(self, config):
        return config["epochs"] < 3


def _audited(count, seed=1, fails=()):
    audit = Audit(Halving(6), count, 3, seed)
    found = []
    while isinstance(proposal := audit.propose(), Proposal):
        found.append(proposal)
        audit.tell(proposal.trial, None if proposal.trial in fails else proposal.trial)
    return found


def test_an_audit_fully_trains_eliminated_configs():
    """After the last promotion; never what was kept, and never a failure."""
    found = _audited(3, fails=(2,))
    audits = [p for p in found if p.is_audit]
    assert found.index(audits[0]) == 7
    assert len(audits) == 3
    assert all(p.config.epochs == 3 for p in audits)
    assert {p.trial for p in audits} <= {1, 3, 4, 5}


def test_a_larger_audit_adds_to_a_smaller_one():
    """--audit may grow on a resume; which configs it takes follows from the seed."""
    few, many = ([p.trial for p in _audited(n) if p.is_audit] for n in (2, 4))
    assert many[:2] == few
    assert len({tuple(p.trial for p in _audited(3, s)) for s in range(1, 9)}) > 1
    assert len([p for p in _audited(99) if p.is_audit]) == 5


def test_a_chain_tells_each_its_own():
    """The list never hears of the oracle's trials, nor the other way round."""
    halving = Halving(2)
    chain = Chain(ListProposer([_trial(0, 3)]), halving)
    numbers = []
    while isinstance(proposal := chain.propose(), Proposal):
        numbers.append(proposal.trial)
        chain.tell(proposal.trial, 1.0)
    assert numbers == [0, 1, 2, 1]
    assert 0 not in halving.told

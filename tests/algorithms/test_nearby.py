"""Promises of the draws near known good configs: guided search and PriorBand."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import keras_tuner as kt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searching import SMALL, problem, run

from search_spaces.config import BASELINE
from search_spaces.nearest import nearest_point, nearest_value
from search_spaces.space import load_space, random_point
from search_spaces.user_code import UserConfig
from tuner.algorithms.guided import GUIDED
from tuner.algorithms.nearby import MixedTrials, near
from tuner.algorithms.priorband import PRIORBAND
from tuner.algorithms.random_search import RANDOM
from tuner.algorithms.screening import Limits, Screen
from tuner.search.plan import Plan
from tuner.search.planning import plan_study
from tuner.study.settings import StudySettings

COMBINED = load_space("combined")
DECLARED = COMBINED.declare()
SHAPE = (16, 16, 1)


def _near(point, seed, declared=DECLARED):
    return near(point, declared, random.Random(seed))  # noqa: S311


@given(seed=st.integers(0, 10_000))
def test_a_draw_near_a_point_is_another_point(seed):
    """Something changes, everything is legal, and what is active is there."""
    point = random_point(DECLARED, seed)
    other = _near(point, seed)
    assert other != point
    active = [
        h for h in DECLARED.space if all(c.is_active(other) for c in h.conditions)
    ]
    assert list(other) == [h.name for h in active]
    for h in active:
        assert nearest_value(h, other[h.name]) == other[h.name]
    assert other == _near(point, seed)


def test_a_draw_near_a_point_is_near():
    """A number moves less than a random draw would, and most values stay."""
    name = "adam_learning_rate"  # from 3e-4 to 1e-2
    point = nearest_point(COMBINED, DECLARED, BASELINE)
    assert point[name] == 1e-3
    others = [_near(point, seed) for seed in range(300)]
    steps = [abs(math.log10(o[name] / 1e-3)) for o in others if name in o]
    moved = [step for step in steps if step]
    assert 0.2 < len(moved) / len(steps) < 0.4
    assert sum(moved) / len(moved) < 0.38  # decades of 1.5; uniform draws move 0.42
    for name in ("kernel_size", "optimizer", "batch_norm"):
        kept = sum(other[name] == point[name] for other in others) / len(others)
        assert 0.6 < kept < 0.8


def test_a_point_without_a_choice_stays():
    """Where every hyperparameter has a single value, there is nothing to change."""
    declared = kt.HyperParameters()
    declared.Choice("padding", ["same"])
    declared.Fixed("units", 64)
    point = {"padding": "same", "units": 64}
    assert _near(point, 1, declared) == point


class EveryPoint:
    """A space in which every point is a config of its own."""

    base = COMBINED.base

    def config(self, values):
        return UserConfig(dict(values), 5)


def _declare():
    hp = kt.HyperParameters()
    hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    hp.Float("dropout", 0.0, 0.5, step=0.1)
    hp.Int("width", 8, 64, step=8)
    hp.Choice("optimizer", ["sgd", "adam", "rmsprop"])
    hp.Boolean("batch_norm")
    hp.Choice("batch_size", [16, 32, 64, 128])
    hp.Int("depth", 1, 4)
    hp.Boolean("augments")
    with hp.conditional_scope("augments", [True]):
        hp.Float("shift", 0.0, 0.3)
    return hp


TOY = _declare()
BEST = {"learning_rate": 3e-3, "dropout": 0.3, "width": 48, "optimizer": "adam",
        "batch_norm": True, "batch_size": 64, "depth": 3, "augments": True,
        "shift": 0.1}  # fmt: skip
GOOD = BEST | {"learning_rate": 1e-3, "depth": 2, "width": 32, "dropout": 0.0}
WORST = {"learning_rate": 1e-4, "dropout": 0.0, "width": 8, "optimizer": "sgd",
         "batch_norm": False, "batch_size": 16, "depth": 1,
         "augments": False}  # fmt: skip
WEIGHTS = {"learning_rate": 3.0, "depth": 1.0, "width": 1.0, "batch_norm": 1.0,
           "augments": 1.0, "dropout": 0.5, "optimizer": 0.5, "shift": 0.5,
           "batch_size": 0.3}  # fmt: skip


def truth(values):
    """Score a point: 0 at the best, minus weighted squares of the distances to it."""
    loss = 0.0
    for h in TOY.space:
        if h.name not in values:
            continue
        if isinstance(values[h.name], bool | str):
            distance = float(values[h.name] != BEST[h.name])
        else:
            distance = h.value_to_prob(values[h.name]) - h.value_to_prob(BEST[h.name])
        loss += WEIGHTS[h.name] * distance**2
    return -loss


def _toy(seed=1, **more):
    posed = problem(SMALL, seed=seed, points=None, **more)
    return replace(posed, space=EveryPoint(), declared=TOY)


def _found(algorithm, trials, *priors):
    """Mean of the best score that 30 searches find."""
    best = [
        max(
            truth(p.values)
            for p in run(
                algorithm.proposer(_toy(seed, trials=trials, priors=priors)),
                lambda p: truth(p.values),
            )
        )
        for seed in range(1, 31)
    ]
    return sum(best) / len(best)


def test_guided_search_beats_random_search_by_far_if_the_prior_is_good():
    """And a useless prior does not make it worse than random search."""
    plain = _found(RANDOM, 20)
    assert plain < -0.4 < -0.3 < truth(GOOD)
    assert _found(GUIDED, 20, GOOD) > plain / 2 > -0.3
    assert _found(GUIDED, 20) > plain + 0.1
    assert _found(GUIDED, 20, WORST) > plain - 0.08


def test_a_third_of_its_trials_ignores_priors_and_results():
    """So no prior and no luck can keep it away from any part of the space."""
    begun = [
        run(GUIDED.proposer(_toy(priors=[prior], trials=30)), lambda p, s=sign: s * 0.1)
        for prior, sign in ((GOOD, 1), (WORST, -1))
    ]
    same = [one.trial for one, other in zip(*begun, strict=True) if one == other]
    assert same == list(range(3, 31, 3))


def test_the_first_trials_are_the_priors():
    """In their order; one that was trained before is not repeated."""
    proposals = run(GUIDED.proposer(_toy(priors=[GOOD, WORST], trials=4)))
    assert [p.values for p in proposals[:2]] == [GOOD, WORST]

    posed = _toy(priors=[GOOD, WORST], trials=4)
    posed.screen.add(posed.space.config(GOOD))
    assert run(GUIDED.proposer(posed))[0].values == WORST


def test_priors_are_followed_until_a_result_beats_them():
    """Three successful trials count; then a prior that failed is beaten."""
    mixed = MixedTrials(_toy(priors=[GOOD, WORST]), lambda before: 1 / 3)
    points = {p.trial: p.values for p in (mixed.propose() for _ in range(5))}
    for trial, score in {1: 0.5, 2: None, 3: 0.4}.items():
        assert mixed.anchors() == [GOOD, WORST]
        mixed.tell(trial, score)
    assert mixed.anchors() == [GOOD, WORST]
    mixed.tell(4, 0.3)
    assert mixed.anchors() == [GOOD]
    mixed.tell(5, 0.6)
    assert mixed.anchors() == [points[5]]


def test_a_prior_that_runs_still_is_followed_beside_the_best():
    """Its score may be better."""
    mixed = MixedTrials(_toy(priors=[GOOD]), lambda before: 1 / 3)
    points = {p.trial: p.values for p in (mixed.propose() for _ in range(4))}
    for trial in (2, 3, 4):
        mixed.tell(trial, trial / 10)
    assert mixed.anchors() == [GOOD, points[4]]


def test_a_prior_that_cannot_be_trained_is_followed_until_there_are_results():
    """It has no score that another could beat."""
    prior = {"conv_layers": 1, "width": 16, "units": 16}
    posed = problem(limits=Limits(max_params=120_000), priors=[prior])
    mixed = MixedTrials(posed, lambda before: 0)
    assert mixed.anchors() == [prior]
    points = [mixed.propose().values for _ in range(3)]
    assert prior not in points
    for trial in (1, 2, 3):
        mixed.tell(trial, trial / 10)
    assert mixed.anchors() == [points[2]]


def test_without_priors_it_draws_at_random_until_there_are_results():
    """Then it follows the best; if the lowest score is best, that one."""
    mixed = MixedTrials(_toy(higher_is_better=False), lambda before: 0)
    plain = MixedTrials(_toy(), lambda before: 1)
    first = [mixed.propose() for _ in range(3)]
    assert first == [plain.propose() for _ in range(3)]
    assert mixed.anchors() == []
    for proposal, score in zip(first, (0.3, 0.1, 0.2), strict=True):
        mixed.tell(proposal.trial, score)
    assert mixed.anchors() == [first[1].values]


def test_the_most_epochs_that_enough_trials_reached_decide():
    """A score after 9 epochs is not compared with one after 3."""
    mixed = MixedTrials(_toy(), lambda before: 0)
    points = {p.trial: p.values for p in (mixed.propose() for _ in range(7))}
    for trial in points:
        mixed.tell(trial, trial / 10, epochs=1)
    assert mixed.anchors() == [points[7]]
    for trial in (5, 6, 7):
        mixed.tell(trial, 0.99 - trial / 100, epochs=3)
    mixed.tell(7, 1.0, epochs=9)
    assert mixed.anchors() == [points[5]]


def test_priorband_draws_fewer_at_random_in_each_bracket():
    """Half, a quarter, a tenth: 1 / (1 + 3 ** bracket), as in the paper."""
    plan = plan_study(StudySettings("combined", algorithm="priorband", epochs=9))
    sizes = [rungs[0].configs for rungs in plan.schedule.brackets]
    mix = PRIORBAND.fill(_toy(), plan.schedule)._mix
    shares = [mix._share(before) for before in range(sum(sizes))]
    assert shares == pytest.approx(
        [1 / 2] * sizes[0] + [1 / 4] * sizes[1] + [1 / 10] * sizes[2]
    )


def _proposer(plan):
    screen, preset = Screen(Limits(), SHAPE, 10), plan.preset_trials()
    for proposal in preset:
        screen.add(proposal.config)
    return plan.proposer(screen, preset)


def test_base_and_enqueued_configs_are_priors(monkeypatch):
    """As points of the space; one that is legal is trained once, as it is given."""
    posed = []
    problem_of = Plan._problem
    monkeypatch.setattr(
        Plan, "_problem", lambda *a: posed.append(problem_of(*a)) or posed[-1]
    )
    settings = StudySettings(
        "combined",
        algorithm="guided",
        base=COMBINED.config({"filters_1": 48}).to_dict(),
        enqueue=[{"batch_size": 64}, {"batch_size": 50}],
        max_trials=6,
    )
    proposals = run(_proposer(plan_study(settings)))
    by_base, first, second = posed[0].priors[:1] + [
        posed[0].given[trial] for trial in (1, 2)
    ]
    assert first == second == by_base | {"batch_size": 64}
    assert posed[0].given[0] == by_base
    assert posed[0].priors == [by_base, first]
    assert (by_base["filters_1"], by_base["stages"]) == (48, 2)
    assert [p.config.batch_size for p in proposals[:3]] == [32, 64, 50]
    assert first not in [p.values for p in proposals[3:]]


def test_the_baseline_and_enqueued_configs_are_results_too():
    """The best so far may be one of them."""
    settings = StudySettings(
        "combined", algorithm="guided", enqueue=[{"units_1": 64}], max_trials=6
    )
    chain = _proposer(plan_study(settings))
    scores = {0: 0.9, 1: 0.3, 2: 0.2}
    for trial, score in scores.items():
        chain.propose()
        chain.tell(trial, score)
    (anchor,) = chain._proposers[1].anchors()
    assert anchor == nearest_point(COMBINED, DECLARED, BASELINE)

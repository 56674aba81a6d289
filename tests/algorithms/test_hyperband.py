"""Promises of Hyperband: its plan and promotions are KerasTuner's."""

from __future__ import annotations

import keras_tuner as kt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searching import problem, run

from search_spaces.config import CnnConfig
from search_spaces.space import load_space
from tuner.algorithms.base import AlgorithmError, Proposal, Wait
from tuner.algorithms.hyperband import FACTOR, HYPERBAND, HyperbandProposer, plan


@pytest.mark.parametrize(
    ("max_epochs", "trainings", "configs"),
    [(10, 30, 22), (20, 30, 22), (27, 70, 49), (30, 90, 62), (81, 211, 143)],
)
def test_the_full_plan_is_kerastuners(max_epochs, trainings, configs):
    """Its brackets and rungs are those that KerasTuner's oracle works through."""
    ours = plan(max_epochs)
    theirs = kt.oracles.HyperbandOracle(
        objective="val_accuracy", max_epochs=max_epochs, factor=FACTOR
    )

    each = [rung.configs for rungs in ours.brackets for rung in rungs]
    assert (sum(each), ours.trials) == (trainings, configs)
    assert len(ours.brackets) == theirs._get_num_brackets()
    for number, rungs in enumerate(reversed(ours.brackets)):
        assert len(rungs) == theirs._get_num_rounds(number)
        for i, rung in enumerate(rungs):
            assert rung.configs == theirs._get_size(number, i)
            assert rung.epochs == theirs._get_epochs(number, i)


def test_continuing_a_rung_costs_only_what_it_lacks():
    """Ten epochs: 6 configs to epoch 2, and so on, each promotion from its parent."""
    by_hand = 0
    for rungs in plan(10).brackets:
        before = 0
        for rung in rungs:
            by_hand += rung.configs * (rung.epochs - before)
            before = rung.epochs
    assert plan(10).epochs == by_hand == 120


@given(st.integers(1, 100), st.integers(1, 60))
def test_a_smaller_number_of_configs_is_kept_to(max_epochs, max_configs):
    """Brackets share the configs there are, and no rung grows."""
    full, small = plan(max_epochs), plan(max_epochs, max_configs=max_configs)

    assert small.trials == min(full.trials, max_configs)
    for rungs in small.brackets:
        sizes = [rung.configs for rung in rungs]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] >= 1
        assert rungs[-1].epochs == max_epochs


@given(st.integers(1, 100), st.data())
def test_the_first_rung_has_at_least_the_epochs_asked_for(max_epochs, data):
    """Brackets that would start lower drop out; one always stays."""
    least = data.draw(st.integers(1, max_epochs))
    assert all(r[0].epochs >= least for r in plan(max_epochs, least).brackets)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((9, 10), "first rung's epochs must be from 1 to 9.*got 10.*--min-epochs"),
        ((9, 1, 0), "at least 1 config, got 0.*--max-trials"),
    ],
)
def test_an_impossible_plan_says_what_must_hold(arguments, text):
    """Its text names the option to change."""
    with pytest.raises(AlgorithmError, match=text):
        plan(*arguments)


SCORES = {
    "spread": lambda trial: trial * 7 % 11 / 11,
    "falling": lambda trial: 1 / trial,
    "rising": lambda trial: trial / 100,
    "equal": lambda trial: 0.5,
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("epochs", [9, 10, 27])
@pytest.mark.parametrize("workers", [1, 3])
def test_it_promotes_what_kerastuner_promotes(score, direction, epochs, workers):
    """The same scores take both through the same rungs in the same order."""
    space = load_space("architecture", CnnConfig(epochs=epochs))
    posed = problem(space, sets_epochs=True, higher_is_better=direction == "max")
    ours = HyperbandProposer(posed, plan(epochs))
    theirs = _theirs(space, direction, epochs, workers, score)
    assert list(_ours(ours, workers, score)) == list(theirs)


def _ours(proposer, workers, score):
    """Give (trial, epochs) in order; the oldest of the running trials ends first."""
    running = []
    while True:
        asked = proposer.propose() if len(running) < workers else Wait()
        if isinstance(asked, Proposal):
            running.append(asked.trial)
            yield asked.trial, asked.config.epochs
        elif not running:
            return
        else:
            trial = running.pop(0)
            proposer.tell(trial, score(trial))


def _theirs(space, direction, epochs, workers, score):
    """Give the same of KerasTuner's oracle, whose promotions are new trials."""
    oracle = kt.oracles.HyperbandOracle(
        objective=kt.Objective("val_accuracy", direction),
        max_epochs=epochs,
        factor=FACTOR,
        seed=1,
        hyperparameters=space.declare(tune_epochs=False),
    )
    oracle.verbose = 0
    oracle.save = oracle._save_trial = lambda *_: None
    numbers, running, asked = {}, [], 0
    while True:
        if len(running) < workers:
            trial = oracle.create_trial(f"tuner-{asked}")
            asked += 1
            if trial.status == "RUNNING":
                values = trial.hyperparameters.values
                parent = values.get("tuner/trial_id")
                first = numbers[parent] if parent else len(set(numbers.values())) + 1
                numbers[trial.trial_id] = first
                running.append(trial)
                yield first, values["tuner/epochs"]
                continue
        if not running:
            return
        trial = running.pop(0)
        value = score(numbers[trial.trial_id])
        oracle.update_trial(trial.trial_id, {"val_accuracy": value})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def _proposer(the_plan):
    epochs = the_plan.brackets[0][-1].epochs
    space = load_space("architecture", CnnConfig(epochs=epochs))
    return HyperbandProposer(problem(space, sets_epochs=True), the_plan)


def _by_trial(proposals):
    lineages = {}
    for proposal in proposals:
        lineages.setdefault(proposal.trial, []).append(proposal.config.epochs)
    return lineages


def test_it_trains_its_plan_and_no_more():
    """Every rung gets the configs it was to have, each promotion its own lineage."""
    the_plan = plan(9)
    proposals = run(_proposer(the_plan), lambda p: (p.trial * 7 % 11) / 11)

    wanted, got = {}, {}
    for rungs in the_plan.brackets:
        for rung in rungs:
            wanted[rung.epochs] = wanted.get(rung.epochs, 0) + rung.configs
    for proposal in proposals:
        got[proposal.config.epochs] = got.get(proposal.config.epochs, 0) + 1
    assert got == wanted
    lineages = _by_trial(proposals)
    assert len(lineages) == the_plan.trials
    assert all(epochs == sorted(set(epochs)) for epochs in lineages.values())
    spent = sum(epochs[-1] for epochs in lineages.values())
    assert spent == the_plan.epochs


def test_a_trial_keeps_its_bracket():
    """A promotion names the bracket it began in, largest first."""
    proposals = run(_proposer(plan(9)), lambda p: 1 / p.trial)
    assert {p.bracket for p in proposals} == {0, 1, 2}
    assert len({(p.trial, p.bracket) for p in proposals}) == plan(9).trials
    assert proposals[0].bracket == 2


def test_it_fills_its_brackets_despite_failures():
    """KerasTuner promotes nothing past epoch 4 at 20 % failures; ours goes on."""
    the_plan = plan(27)
    proposals = run(
        _proposer(the_plan), lambda p: None if p.trial % 5 == 0 else 1 / p.trial
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
    proposals = run(_proposer(plan(9, max_configs=3)), lambda p: None)
    assert all(len(epochs) == 1 for epochs in _by_trial(proposals).values())


def test_it_waits_while_a_promotion_hangs_on_a_result():
    """Nothing is invented while trials run: it says Wait, and goes on when told."""
    proposer = _proposer(plan(3, max_configs=2))
    running = []
    while isinstance(answer := proposer.propose(), Proposal):
        running.append(answer)
    assert isinstance(answer, Wait)
    proposer.tell(running[0].trial, 0.5)
    for proposal in running[1:]:
        proposer.tell(proposal.trial, 0.4)
    assert isinstance(proposer.propose(), Proposal)


def test_the_schedule_counts_the_audit():
    """Each audited config may be trained from its first epoch to its last."""
    options = {"min_epochs": 1, "audit": 2}
    planned = HYPERBAND.schedule(10**9, 9, options)
    assert planned.brackets == plan(9).brackets
    assert planned.epochs == plan(9).epochs + 18

"""Promises of Hyperband's plan."""

from __future__ import annotations

import keras_tuner as kt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.algorithms.plan import FACTOR, plan


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

    assert (ours.trainings, ours.configs) == (trainings, configs)
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

    assert small.configs == min(full.configs, max_configs)
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
    with pytest.raises(ValueError, match=text):
        plan(*arguments)

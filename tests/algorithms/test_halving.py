"""Promises of successive halving: one bracket, and no more than was asked for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.algorithms.base import AlgorithmError
from tuner.algorithms.halving import HALVING


@given(trials=st.integers(1, 500), epochs=st.integers(1, 100))
def test_every_rung_has_a_third_of_the_configs_and_three_times_the_epochs(
    trials, epochs
):
    """Up to rounding; the last has all epochs, and at least two if there are two."""
    (rungs,) = HALVING.schedule(trials, epochs, {}).brackets
    assert rungs[0].configs == trials
    assert rungs[-1].epochs == epochs
    assert rungs[-1].configs >= min(2, trials)
    for before, after in itertools.pairwise(rungs):
        assert before.configs / 3 <= after.configs < before.configs / 3 + 1
        assert after.epochs / 3 <= before.epochs < after.epochs / 3 + 1


def test_a_schedule_from_scratch_counts_every_rung_whole():
    """27 for 1, 9 for 3 and 3 for 9 epochs: 81, and 63 if each goes on."""
    planned = HALVING.schedule(27, 9, {})
    assert planned.epochs == 27 + 9 * 2 + 3 * 6
    assert planned.from_scratch().epochs == 27 + 9 * 3 + 3 * 9
    audited = HALVING.schedule(27, 9, {"audit": 2})
    assert audited.from_scratch().epochs == planned.from_scratch().epochs + 2 * 9


def test_the_first_rung_has_at_most_the_last_rungs_epochs():
    """Or the error says which option to change."""
    with pytest.raises(AlgorithmError, match="--min-epochs"):
        HALVING.schedule(9, 3, {"min_epochs": 4})

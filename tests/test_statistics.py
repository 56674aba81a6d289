import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from reports import statistics


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilson_agrees_with_statsmodels(n, share):
    """The interval is the one that statsmodels computes."""
    right = round(share * n)
    expected = proportion_confint(right, n, alpha=0.05, method="wilson")

    low, high = statistics.wilson_interval([right / n], n)

    assert low[0] == pytest.approx(expected[0], abs=1e-9)
    assert high[0] == pytest.approx(expected[1], abs=1e-9)


def test_wilson_covers_as_often_as_it_says():
    """Of many samples with a known accuracy, about 95 % cover it."""
    rng = np.random.default_rng(0)
    truth, n = 0.7, 1000
    seen = rng.binomial(n, truth, 20_000) / n

    low, high = statistics.wilson_interval(seen, n)

    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.01)


def test_wilson_stays_inside_at_the_ends():
    """All right or all wrong still gives an interval with a width."""
    low, high = statistics.wilson_interval([0.0, 1.0], 100)

    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (high - low > 0.01).all()


def test_wilson_keeps_missing_missing():
    """A trial without a score has no interval."""
    low, high = statistics.wilson_interval([np.nan, 0.5], 100)

    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()


def test_no_images_is_an_error_that_says_so():
    """There is no interval for an empty split."""
    with pytest.raises(ValueError, match="at least one image, got images=0"):
        statistics.wilson_interval([0.5], 0)


def test_gap_interval_covers_as_often_as_it_says():
    """Of many simulated gaps with a known truth, about 95 % cover it."""
    rng = np.random.default_rng(1)
    p, q, m, n = 0.9, 0.7, 2000, 1000
    train = rng.binomial(m, p, 20_000) / m
    test = rng.binomial(n, q, 20_000) / n

    half = statistics.Z_95 * statistics.gap_standard_error(train, test, m, n)

    covered = np.abs(train - test - (p - q)) <= half
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_gap_error_by_hand():
    """0.8 and 0.7 on 10,000 images each: the root of 0.16 + 0.21 over 10,000."""
    error = statistics.gap_standard_error([0.8], [0.7], 10_000, 10_000)

    assert error[0] == pytest.approx(np.sqrt(0.37 / 10_000))


def test_seeds_that_disagree_widen_the_gap_interval():
    """The variance between executions adds to that of the images."""
    frame = pd.DataFrame({
        "train_accuracy": [0.8, 0.8, 0.8],
        "test_accuracy": [0.7, 0.7, 0.7],
        "gap_variance": [np.nan, 1e-4, 1e-4],
        "executions": [1, 2, 8],
    })  # fmt: skip

    half = statistics.with_gap_interval(frame, 10_000, 10_000)["gap_half"]

    assert half[1] > half[2] > half[0]
    by_hand = statistics.Z_95 * np.sqrt(0.37 / 10_000 + 1e-4 / 2)
    assert half[1] == pytest.approx(by_hand)
